"""The HTTP side: what Prometheus, an orchestrator and a person's tools read of a running daemon.

    /metrics                      Prometheus text, or OpenMetrics when asked for
    /livez                        200 while the loop moves, else 503: restart me
    /readyz                       200 when restored, and assigned or an idle standby, else 503
    /api/v1/incidents[/{id}]      incidents, newest first or as a queue (order=priority); filters model, state, limit
    /api/v1/verdicts              what each rule says now
    /api/v1/guardrails            the guardrail files in force
    /api/v1/silences              those that are not over
    /api/v1/on-call               whose turn it is, where there is a rota
    /api/v1/inbound/pagerduty     what PagerDuty tells (`daemon.inbound`)
    /api/v1/report                the shift report
    /openapi.json                 all of the above, for machines
    /, /models/…, /incidents/…    the same for people (see `daemon.page`); …/acknowledge is a link of a page (`daemon.link_page`)

It runs in a thread of its own and reads through `Views`, so that a slow client can never hold up the loop; what persons change
goes to the loop as acts (`daemon.changes`). The interactive documentation pages of FastAPI are off: they load their scripts from
a public network, which a daemon's host need not reach.
"""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec
import uvicorn
from fastapi import FastAPI, HTTPException, Query, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel

from daemon import __version__
from daemon.changes import Door, add_changes
from daemon.errors import CannotStart
from daemon.inbound import add_inbound
from daemon.link_page import add_link
from daemon.page import add_pages

State = Literal["open", "acknowledged", "mitigated", "resolved"]

#: Seconds that running requests get to finish at a stop.
STOP_WITHIN: Final = 5.0


@dataclass(frozen=True, slots=True)
class Health:
    """Whether something is well, and one sentence why it is thought so."""

    ok: bool
    reason: str


class Views(Protocol):
    """What the endpoints show. Every method is called from the server's threads and returns plain data that nobody changes."""

    def incidents(self, model: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        """At most `limit` incidents, newest first, of one model or all (None), in one state or any (None)."""
        ...

    def queue(self, model: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        """At most `limit` incidents that are not resolved, the most urgent first; filtered likewise."""
        ...

    def silences(self) -> list[dict[str, Any]]:
        """The silences that are not over, the first to end first."""
        ...

    def on_call(self, at: float) -> dict[str, Any] | None:
        """Who is on call at `at` and until when (epoch seconds, None: as far as can be seen); None without a rota."""
        ...

    def report(self, since: float, until: float) -> dict[str, Any]:
        """The shift report over a time, epoch seconds."""
        ...

    def incident(self, incident_id: str) -> dict[str, Any] | None:
        """One incident with its timeline; None when there is none of that id."""
        ...

    def verdicts(self) -> list[dict[str, Any]]:
        """What each rule says now, by (model, rule, version, segment)."""
        ...

    def guardrails(self) -> list[dict[str, Any]]:
        """The guardrail files in force, by model."""
        ...

    def models(self) -> list[dict[str, Any]]:
        """The models as the page shows them; none for a standby."""
        ...

    def alive(self) -> Health:
        """Whether the loop moved lately."""
        ...

    def ready(self) -> Health:
        """Whether the state is restored and the daemon is assigned, or an idle standby."""
        ...


class Json(Response):
    """A JSON body; NaN and infinities become null, what JSON does not know becomes its text."""

    media_type: str | None = "application/json"

    def render(self, content: Any) -> bytes:  # noqa: ANN401  # starlette's own signature
        """The bytes of the body."""
        return msgspec.json.encode(content, enc_hook=str)


class Incidents(BaseModel):
    """Incidents, newest first."""

    incidents: list[dict[str, Any]]


class Verdicts(BaseModel):
    """What each rule says now."""

    verdicts: list[dict[str, Any]]


class Guardrails(BaseModel):
    """The guardrail files in force."""

    guardrails: list[dict[str, Any]]


class OnCall(BaseModel):
    """Whose turn it is; null without a rota."""

    on_call: dict[str, Any] | None


class Silences(BaseModel):
    """The silences that are not over."""

    silences: list[dict[str, Any]]


def create_app(views: Views, registry: CollectorRegistry, door: Door) -> FastAPI:
    """The routes over these views, and those through which something is changed."""
    app = FastAPI(title="watchkeeper", version=__version__, docs_url=None, redoc_url=None, default_response_class=Json)
    _add_probes(app, views, registry)
    _add_incidents(app, views)
    _add_api(app, views)
    add_changes(app, door)
    add_inbound(app, door)
    add_link(app, door)
    add_pages(app, views)
    return app


def _add_probes(app: FastAPI, views: Views, registry: CollectorRegistry) -> None:
    """What a Prometheus and an orchestrator ask for."""
    unwell: dict[int | str, dict[str, Any]] = {200: {"model": Health}, 503: {"model": Health}}

    @app.get("/metrics", tags=["probes"], response_class=Response)
    def metrics(request: Request) -> Response:
        """All metrics, as docs/metrics.md describes them."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    @app.get("/livez", tags=["probes"], responses=unwell)
    def livez() -> Json:
        """Whether the loop moved lately; 503 asks for a restart."""
        return _health(views.alive())

    @app.get("/readyz", tags=["probes"], responses=unwell)
    def readyz() -> Json:
        """Whether the state is restored and the daemon is assigned, or an idle standby."""
        return _health(views.ready())


def _health(health: Health) -> Json:
    return Json({"ok": health.ok, "reason": health.reason}, status_code=200 if health.ok else 503)


def _add_incidents(app: FastAPI, views: Views) -> None:
    """What a person on call asks for first."""

    @app.get("/api/v1/incidents", tags=["api"], responses={200: {"model": Incidents}})
    def incidents(
        model: Annotated[str | None, Query(description="Only incidents of this model.")] = None,
        state: Annotated[State | None, Query(description="Only incidents in this state.")] = None,
        order: Annotated[
            Literal["newest", "priority"], Query(description="`priority`: those that are not resolved, the most urgent first.")
        ] = "newest",
        limit: Annotated[int, Query(ge=1, le=1000, description="At most so many.")] = 100,
    ) -> Json:
        """Incidents, newest first or by priority."""
        found = views.queue if order == "priority" else views.incidents
        return Json({"incidents": found(model, state, limit)})

    @app.get("/api/v1/incidents/{incident_id}", tags=["api"], responses={404: {"description": "No incident has this id."}})
    def incident(incident_id: str) -> Json:
        """One incident with its timeline."""
        found = views.incident(incident_id)
        if found is None:
            raise HTTPException(404, f"There is no incident {incident_id!r}; /api/v1/incidents lists those there are.")
        return Json(found)


def _add_api(app: FastAPI, views: Views) -> None:
    """What else a person's tools ask for."""

    @app.get("/api/v1/silences", tags=["api"], responses={200: {"model": Silences}})
    def silences() -> Json:
        """The silences that are not over."""
        return Json({"silences": views.silences()})

    @app.get("/api/v1/on-call", tags=["api"], responses={200: {"model": OnCall}})
    def on_call() -> Json:
        """Who is on call now, and until when (epoch seconds)."""
        return Json({"on_call": views.on_call(time.time())})

    @app.get("/api/v1/report", tags=["api"])
    def report(
        since: Annotated[float, Query(ge=0, allow_inf_nan=False, description="Epoch seconds.")],
        until: Annotated[float, Query(ge=0, le=1e11, allow_inf_nan=False, description="Epoch seconds.")],
    ) -> Json:
        """What fired, what was done, how long it took, what is open, and how precise the rules were."""
        return Json(views.report(since, until))

    @app.get("/api/v1/verdicts", tags=["api"], responses={200: {"model": Verdicts}})
    def verdicts() -> Json:
        """What each rule says now."""
        return Json({"verdicts": views.verdicts()})

    @app.get("/api/v1/guardrails", tags=["api"], responses={200: {"model": Guardrails}})
    def guardrails() -> Json:
        """The guardrail files in force."""
        return Json({"guardrails": views.guardrails()})


class Endpoints:
    """The HTTP server in its thread. Port 0 takes a free one; `address` tells which.

    Raises CannotStart from `start` when the address cannot be listened on.
    """

    def __init__(self, views: Views, registry: CollectorRegistry, door: Door, host: str = "127.0.0.1", port: int = 8080) -> None:
        self._app = create_app(views, registry, door)
        self._host = host
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen, then serve in a thread. Whoever connects from here on is answered."""
        listener = _listen(self._host, self._port)
        # The port is ours before the thread begins, so that "in use" is said here, at once, and not in a log of a dead thread.
        self._port = int(listener.getsockname()[1])
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=int(STOP_WITHIN),
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="endpoints", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where a browser on this machine finds it, such as `http://127.0.0.1:8080`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def stop(self) -> None:
        """Finish running requests, for at most `STOP_WITHIN` seconds, and free the port. Harmless when it does not run."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(STOP_WITHIN + 1)
        self._server = self._thread = None


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises CannotStart when there can be none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        message = f"The HTTP endpoints cannot listen on {host} port {port}: {error}. Free it, or set http.host and http.port."
        raise CannotStart(message) from error
