"""The HTTP endpoints, over a real server on a free loopback port."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from alerting.rollbacks import Plan
from daemon.changes import Door
from daemon.endpoints import Endpoints, Health
from daemon.errors import CannotStart
from daemon.inbox import Inbox
from daemon.telemetry import Telemetry

OPEN = {"id": "0123456789ab", "model": "loan", "state": "open", "numbers": {"mean": 0.3, "limit": float("nan")}}
RESOLVED = {"id": "ba9876543210", "model": "loan", "state": "resolved", "numbers": {}}
OTHER = {"id": "00000000000f", "model": "churn", "state": "open", "numbers": {}}


class FixedViews:
    """Views of a daemon in a state that the test chooses."""

    def __init__(self) -> None:
        self.life = Health(True, "the loop moved 0.1 s ago")
        self.readiness = Health(True, "assigned 3 partitions")

    def incidents(self, model: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        found = [i for i in (OPEN, RESOLVED, OTHER) if model in {None, i["model"]} and state in {None, i["state"]}]
        return found[:limit]

    def queue(self, model: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        return [i for i in reversed(self.incidents(model, state, limit)) if i["state"] != "resolved"]

    def silences(self) -> list[dict[str, Any]]:
        return [{"id": "s", "model": "loan", "ends": 1.0}]

    def on_call(self, at: float) -> dict[str, Any] | None:
        return {"primary": "ana", "shadow": None, "until": None}

    def report(self, since: float, until: float) -> dict[str, Any]:
        return {"from": since, "to": until}

    def incident(self, incident_id: str) -> dict[str, Any] | None:
        return next((i for i in (OPEN, RESOLVED, OTHER) if i["id"] == incident_id), None)

    def verdicts(self) -> list[dict[str, Any]]:
        return [{"model": "loan", "rule": "harm", "version": "8", "segment": None, "state": "ok"}]

    def guardrails(self) -> list[dict[str, Any]]:
        return [{"model": "loan", "version": 3, "digest": "aaaaaaaaaaaa"}]

    def models(self) -> list[dict[str, Any]]:
        return []

    def alive(self) -> Health:
        return self.life

    def ready(self) -> Health:
        return self.readiness


def closed(views: FixedViews) -> Door:
    """A door that nobody has a token for."""
    return Door(inbox=Inbox(), token=None, plan=lambda executor, command: Plan(found=""), known=views.incident)


@pytest.fixture
def views() -> FixedViews:
    """A healthy daemon's views."""
    return FixedViews()


@pytest.fixture
def client(views: FixedViews) -> Iterator[httpx.Client]:
    """A client of a running server."""
    registry = CollectorRegistry()
    Telemetry(registry).event_read("predictions", 3)
    endpoints = Endpoints(views, registry, closed(views), port=0)
    endpoints.start()
    with httpx.Client(base_url=endpoints.address, timeout=10, trust_env=False) as client:
        yield client
    endpoints.stop()


def ids(response: httpx.Response) -> list[str]:
    """The incidents in an answer."""
    return [incident["id"] for incident in response.json()["incidents"]]


def test_metrics_are_prometheus_text(client: httpx.Client) -> None:
    """/metrics is what Prometheus scrapes, by its content type."""
    response = client.get("/metrics")

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert 'watchkeeper_events_total{topic="predictions"} 3.0' in response.text.splitlines()


def test_metrics_are_openmetrics_when_asked_for(client: httpx.Client) -> None:
    """A scraper that asks for OpenMetrics gets it."""
    response = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert response.text.endswith("# EOF\n")


def test_a_daemon_that_moves_is_alive(client: httpx.Client) -> None:
    """/livez answers 200 with its reason."""
    response = client.get("/livez")

    assert (response.status_code, response.json()) == (200, {"ok": True, "reason": "the loop moved 0.1 s ago"})


def test_a_daemon_that_hangs_is_not_alive(client: httpx.Client, views: FixedViews) -> None:
    """/livez answers 503 with its reason when the loop stopped."""
    views.life = Health(False, "the loop last moved 130 s ago")
    response = client.get("/livez")

    assert (response.status_code, response.json()) == (503, {"ok": False, "reason": "the loop last moved 130 s ago"})


def test_readiness_has_its_own_answer(client: httpx.Client, views: FixedViews) -> None:
    """/readyz is 200 when ready and 503 before, whatever /livez says."""
    before = client.get("/readyz").status_code
    views.readiness = Health(False, "restoring")
    response = client.get("/readyz")

    assert (before, response.status_code, response.json()["reason"]) == (200, 503, "restoring")


def test_incidents_are_filtered(client: httpx.Client) -> None:
    """Model, state and limit narrow the list; without them it has everything."""
    assert ids(client.get("/api/v1/incidents")) == [OPEN["id"], RESOLVED["id"], OTHER["id"]]
    assert ids(client.get("/api/v1/incidents", params={"model": "loan"})) == [OPEN["id"], RESOLVED["id"]]
    assert ids(client.get("/api/v1/incidents", params={"model": "loan", "state": "open"})) == [OPEN["id"]]
    assert ids(client.get("/api/v1/incidents", params={"limit": 1})) == [OPEN["id"]]


def test_the_queue_has_what_is_not_resolved(client: httpx.Client) -> None:
    """In the order of priority, whatever that is."""
    assert ids(client.get("/api/v1/incidents", params={"order": "priority"})) == [OTHER["id"], OPEN["id"]]


def test_who_is_on_call_is_shown(client: httpx.Client) -> None:
    """Under one key, so that no rota is a null and not an error."""
    assert client.get("/api/v1/on-call").json() == {"on_call": {"primary": "ana", "shadow": None, "until": None}}


def test_silences_and_the_report_are_shown(client: httpx.Client) -> None:
    """To everybody: they hold no secret."""
    assert client.get("/api/v1/silences").json() == {"silences": [{"id": "s", "model": "loan", "ends": 1.0}]}
    assert client.get("/api/v1/report", params={"since": 1, "until": 2}).json() == {"from": 1.0, "to": 2.0}
    assert client.get("/api/v1/report", params={"since": "nan", "until": 2}).status_code == 422


@pytest.mark.parametrize("params", [{"state": "gone"}, {"limit": "0"}, {"limit": "1001"}, {"limit": "many"}])
def test_a_wrong_filter_is_refused(client: httpx.Client, params: dict[str, str]) -> None:
    """A state that there is not and a limit out of bounds are the caller's mistake, and named."""
    response = client.get("/api/v1/incidents", params=params)

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", next(iter(params))]


def test_an_incident_is_found_by_its_id(client: httpx.Client) -> None:
    """One incident, with NaN as null: the answer is always valid JSON."""
    response = client.get("/api/v1/incidents/0123456789ab")

    assert (response.status_code, response.json()) == (200, {**OPEN, "numbers": {"mean": 0.3, "limit": None}})


def test_an_unknown_incident_is_not_found(client: httpx.Client) -> None:
    """404 in one sentence that says where to look."""
    response = client.get("/api/v1/incidents/ffffffffffff")

    assert response.status_code == 404
    assert response.json() == {"detail": "There is no incident 'ffffffffffff'; /api/v1/incidents lists those there are."}


def test_verdicts_and_guardrails_are_shown(client: httpx.Client, views: FixedViews) -> None:
    """What each rule says now, and the files in force."""
    assert client.get("/api/v1/verdicts").json() == {"verdicts": views.verdicts()}
    assert client.get("/api/v1/guardrails").json() == {"guardrails": views.guardrails()}


def test_nothing_can_be_changed(client: httpx.Client) -> None:
    """An incident is read here; what persons do to it has addresses of its own."""
    assert client.post("/api/v1/incidents/0123456789ab").status_code == 405
    assert client.delete("/api/v1/incidents/0123456789ab").status_code == 405


def test_openapi_describes_every_route_and_needs_no_network(client: httpx.Client) -> None:
    """/openapi.json is there; the pages that would load scripts from elsewhere are not."""
    paths = client.get("/openapi.json").json()["paths"]

    assert sorted(paths) == [
        "/api/v1/guardrails",
        "/api/v1/inbound/pagerduty",
        "/api/v1/incidents",
        "/api/v1/incidents/{incident_id}",
        "/api/v1/incidents/{incident_id}/acknowledge",
        "/api/v1/incidents/{incident_id}/resolve",
        "/api/v1/incidents/{incident_id}/rollback",
        "/api/v1/models/{model}/versions/{version}/clear",
        "/api/v1/on-call",
        "/api/v1/report",
        "/api/v1/silences",
        "/api/v1/silences/{silence_id}",
        "/api/v1/verdicts",
        "/livez",
        "/metrics",
        "/readyz",
    ]
    assert (client.get("/docs").status_code, client.get("/redoc").status_code) == (404, 404)


def test_a_port_in_use_is_one_clear_sentence() -> None:
    """The daemon that finds its port taken says which, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart) as caught:
            Endpoints(FixedViews(), CollectorRegistry(), closed(FixedViews()), port=port).start()

    expected = f"The HTTP endpoints cannot listen on 127.0.0.1 port {port}: "
    assert (str(caught.value).startswith(expected), "set http.host and http.port" in str(caught.value)) == (True, True)


def test_a_stopped_server_frees_its_port_and_can_start_again() -> None:
    """Stop closes the port, twice is harmless, and start listens on the same port anew."""
    endpoints = Endpoints(FixedViews(), CollectorRegistry(), closed(FixedViews()), port=0)
    endpoints.start()
    address = endpoints.address
    endpoints.stop()
    endpoints.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/livez", timeout=10, trust_env=False)
    endpoints.start()

    assert (endpoints.address, httpx.get(f"{address}/livez", timeout=10, trust_env=False).status_code) == (address, 200)
    endpoints.stop()
