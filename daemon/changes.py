"""What a person may change over HTTP, and who that is: a bearer token, one act a request, one sentence as the answer.

    POST   /api/v1/incidents/{id}/acknowledge        {"by", "reason"}
    POST   /api/v1/incidents/{id}/resolve            {"by", "reason", "verdict"}
    POST   /api/v1/incidents/{id}/rollback           {"by"}: approves it
    GET    /api/v1/incidents/{id}/rollback           what that would send
    POST   /api/v1/silences                          {"by", "reason", "model", "cause", "owner", "until" or "for"}
    DELETE /api/v1/silences/{id}?by=…
    POST   /api/v1/models/{model}/versions/{version}/clear   {"by"}

A request hands its act to the loop and waits without holding a thread, so that a hundred of them cannot keep /livez from
answering. 200 means: it is in the checkpoint. The id of an act (`id` in the body, or the header `Idempotency-Key`) makes it safe
to ask again after a time-out.
"""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import msgspec
import structlog
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from starlette.concurrency import run_in_threadpool

from alerting.acts import Act, Answer, check
from alerting.errors import DeliveryError, InvalidAct, InvalidRecord
from alerting.links import NO_LINKS, Links
from daemon.events import Rejected, parse_time
from daemon.http_parts import content_of, full_stop
from daemon.inbox import Inbox, NoAnswer
from daemon.schema import PositiveSeconds

if TYPE_CHECKING:
    from alerting.rollbacks import Plan

log = structlog.get_logger()

#: Seconds that a request waits for the checkpoint.
PATIENCE: Final = 10.0
#: Bytes of a body: an act is some short sentences.
BODY_LIMIT: Final = 65_536

NOT_OPEN: Final = (
    "Nothing can be changed here, since no token is set: set http.token in the settings or WATCHKEEPER_HTTP__TOKEN, "
    "16 characters or more, and start the daemon again."
)
NOT_KNOWN: Final = "This needs the daemon's token (http.token of its settings), as `Authorization: Bearer …`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What changes need of the daemon.

    `plan(executor, command)` gives what an executor would send for the record of a command; it blocks and raises DeliveryError.
    `known` gives the record of an incident by its id. `pagerduty` are the secrets that PagerDuty's webhooks are signed with.
    `links` knows the links in our notices.
    """

    inbox: Inbox
    token: SecretStr | None
    plan: Callable[[str, dict[str, Any]], Plan]
    known: Callable[[str], dict[str, Any] | None]
    clock: Callable[[], float] = time.time
    patience: float = PATIENCE
    pagerduty: tuple[SecretStr, ...] = ()
    links: Links = NO_LINKS


class _Body(BaseModel):
    """What every act says."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    by: Annotated[str, Field(description="Who wants it.")]
    id: Annotated[str | None, Field(description="Of the act; asked again under it, nothing is done twice.")] = None
    reason: Annotated[str, Field(description="Why; for the timeline.")] = ""


class Said(_Body):
    """An acknowledgement, an approval, a clearing."""


class Resolution(_Body):
    """The end of an incident."""

    reason: Annotated[str, Field(description="What it was, and what was done.")]
    verdict: Annotated[
        Literal["real", "false_alarm", "duplicate"] | None, Field(description="It counts into the precision of the rules.")
    ] = None


class SilenceWanted(_Body):
    """A silence. One of `until` and `for`."""

    reason: Annotated[str, Field(description="Why.")]
    model: Annotated[str | None, Field(description="A glob; of the three, one is needed.")] = None
    cause: Annotated[str | None, Field(description="A glob.")] = None
    owner: Annotated[str | None, Field(description="A glob.")] = None
    until: Annotated[float | str | None, Field(description="RFC 3339 or epoch seconds, at most 31 days away.")] = None
    for_: Annotated[PositiveSeconds | None, Field(alias="for", description="How long, such as 2h.")] = None


Body = TypeVar("Body", bound=BaseModel)


def add_changes(app: FastAPI, door: Door) -> None:
    """Add the routes."""
    _add_incidents(app, door)
    _add_silences(app, door)

    @app.post("/api/v1/models/{model:path}/versions/{version:path}/clear", tags=["changes"], openapi_extra=_document(Said))
    async def clear(request: Request, model: str, version: str) -> dict[str, Any]:
        """Let a version that was rolled back be rolled back again."""
        said = await _read(request, door, Said)
        return _shown(await _do(door, _act(request, door, said, "clear", model=model, version=version)))


def _add_incidents(app: FastAPI, door: Door) -> None:
    @app.post("/api/v1/incidents/{incident_id}/acknowledge", tags=["changes"], openapi_extra=_document(Said))
    async def acknowledge(request: Request, incident_id: str) -> dict[str, Any]:
        """Say that somebody has seen it."""
        said = await _read(request, door, Said)
        return _shown(await _do(door, _act(request, door, said, "acknowledge", incident=incident_id)))

    @app.post("/api/v1/incidents/{incident_id}/resolve", tags=["changes"], openapi_extra=_document(Resolution))
    async def resolve(request: Request, incident_id: str) -> dict[str, Any]:
        """Close it on a person's word; or say what one was that is over already."""
        said = await _read(request, door, Resolution)
        return _shown(await _do(door, _act(request, door, said, "resolve", incident=incident_id, verdict=said.verdict)))

    @app.post("/api/v1/incidents/{incident_id}/rollback", tags=["changes"], openapi_extra=_document(Said))
    async def approve(request: Request, incident_id: str) -> dict[str, Any]:
        """Approve its rollback; the situation is looked at again before anything is sent."""
        said = await _read(request, door, Said)
        return _shown(await _do(door, _act(request, door, said, "approve", incident=incident_id)))

    @app.get("/api/v1/incidents/{incident_id}/rollback", tags=["changes"])
    async def rehearse(request: Request, incident_id: str) -> dict[str, Any]:
        """Show what a rollback would send now, as the executor finds the world; it needs the token, since the world is asked."""
        _let_in(request, door)
        wanted = _act(request, door, Said(by="a rehearsal"), "rehearse", incident=incident_id)
        answer = await _do(door, wanted, refusals=True)
        shown = {"may": answer.good, "text": answer.text, "found": None, "sendings": []}
        if answer.command is None:
            return shown
        try:
            plan = await run_in_threadpool(door.plan, answer.command["executor"], answer.command["command"])
        except (DeliveryError, InvalidRecord) as failure:
            raise HTTPException(502, f"What would be sent cannot be told: {failure}.") from None
        return shown | {"found": plan.found, "sendings": [msgspec.to_builtins(each) for each in plan.sendings]}


def _add_silences(app: FastAPI, door: Door) -> None:
    @app.post("/api/v1/silences", tags=["changes"], openapi_extra=_document(SilenceWanted))
    async def silence(request: Request) -> dict[str, Any]:
        """Mute pages and tickets for a while."""
        said = await _read(request, door, SilenceWanted)
        until = _end_of(said, door.clock())
        about = {"model": said.model, "cause": said.cause, "owner": said.owner}
        return _shown(await _do(door, _act(request, door, said, "silence", until=until, **about)))

    @app.delete("/api/v1/silences/{silence_id}", tags=["changes"])
    async def unsilence(request: Request, silence_id: str, by: str) -> dict[str, Any]:
        """End a silence sooner."""
        _let_in(request, door)
        return _shown(await _do(door, _act(request, door, Said(by=by), "unsilence", silence=silence_id)))


def _document(body: type[BaseModel]) -> dict[str, Any]:
    """The body for /openapi.json; it is read by hand, so that its errors are sentences and come after the token."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": body.model_json_schema()}}}}


def _let_in(request: Request, door: Door) -> None:
    if door.token is None:
        raise HTTPException(403, NOT_OPEN)
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # Compared in constant time, so that nobody can guess it a character at a time.
    same = hmac.compare_digest(given.strip().encode(), door.token.get_secret_value().encode())
    if scheme.lower() != "bearer" or not same:
        raise HTTPException(401, NOT_KNOWN, headers={"WWW-Authenticate": "Bearer"})


async def _read(request: Request, door: Door, kind: type[Body]) -> Body:
    """Read the body. Raises HTTPException with one sentence."""
    _let_in(request, door)
    content = await content_of(request, BODY_LIMIT)
    try:
        return kind.model_validate_json(content or b"{}")
    except ValidationError as error:
        problems = [_sentence(each["loc"], each["msg"]) for each in error.errors(include_input=False, include_url=False)]
        raise HTTPException(422, "; ".join(problems)) from None


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    where = ".".join(map(str, location))
    what = message.removeprefix("Value error, ")
    return f"{where}: {what[0].lower()}{what[1:]}" if where else f"The body must be a JSON object: {what}"


def _end_of(said: SilenceWanted, now: float) -> float:
    if said.until is not None and said.for_ is None:
        return _time(said.until)
    if said.for_ is None or said.until is not None:
        raise HTTPException(422, "for: say how long the silence is to last, as in 2h, or `until` when")
    return now + said.for_


def _time(said: float | str) -> float:
    try:
        return parse_time(said)
    except Rejected as rejected:
        raise HTTPException(422, f"until: {rejected}") from None


def _act(request: Request, door: Door, said: _Body, kind: Any, **about: Any) -> Act:  # noqa: ANN401  # fields of Act
    """The act of a request. Raises HTTPException."""
    identity = said.id or request.headers.get("idempotency-key") or uuid.uuid4().hex
    record = door.known(about["incident"]) if kind == "resolve" else None
    act = Act(id=identity, kind=kind, by=said.by, at=door.clock(), reason=said.reason, record=record, **about)
    try:
        check(act)
    except InvalidAct as error:
        raise HTTPException(422, str(error)) from None
    return act


async def _do(door: Door, act: Act, *, refusals: bool = False) -> Answer:
    """Wait for the answer. Raises HTTPException for what is no good one; with `refusals` a refusal is an answer too."""
    reply = await door.inbox.answer(act, door.patience)
    if isinstance(reply, NoAnswer):
        raise HTTPException(409 if reply.why == "standby" else 503, full_stop(reply.text))
    log.info("person_acted", kind=act.kind, by=act.by, status=reply.status, text=reply.text, id=act.id)
    if not reply.good and not (refusals and reply.status == "refused"):
        known = door.known(act.incident) if reply.status == "unknown" and act.incident is not None else None
        if known is None:
            raise HTTPException(404 if reply.status == "unknown" else 409, full_stop(reply.text))
        raise HTTPException(409, full_stop(f"Incident {act.incident} is {known['state']}: {known['resolution']}"))
    return reply


def _shown(answer: Answer) -> dict[str, Any]:
    silence = {} if answer.silence is None else {"silence": answer.silence}
    return {"status": answer.status, "text": answer.text, **silence}
