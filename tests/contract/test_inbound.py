"""What is acknowledged and resolved in PagerDuty is so here: its webhooks v3, over a real server and a real task."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from alerting.inbound_pagerduty import SIGNATURE, act_of, is_genuine
from daemon.endpoints import Endpoints
from daemon.inbox import NoAnswer
from tests.contract.test_changes import Stage
from tests.contract.test_endpoints import FixedViews
from tests.unit.test_persons import MANUAL, World

SECRET, NEXT = "canary-secret-0123456789", "canary-next-0123456789"
ANN = {
    "html_url": "https://acme.pagerduty.com/users/PLH1HKV",
    "id": "PLH1HKV",
    "self": "https://api.pagerduty.com/users/PLH1HKV",
    "summary": "Ann",
    "type": "user_reference",
}


def an_event(kind: str, key: str, identity: str = "01BRB6ZP4M6T8ZG4X6BP63ZB9O", **fields: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """A webhook's body as PagerDuty documents it, shortened; `fields` replace those of the event."""
    data = {"id": "PGR0VU2", "type": "incident", "number": 2, "incident_key": key, "urgency": "high", "resolve_reason": None}
    event = {"id": identity, "event_type": kind, "resource_type": "incident", "occurred_at": "2026-10-02T18:45:22.169Z"}
    return {"event": event | {"agent": ANN, "client": {"name": "PagerDuty"}, "data": data} | fields}


def signature(content: bytes, secret: str = SECRET) -> str:
    """One of the signatures in the header."""
    return "v1=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A model with an open incident."""
    stage = Stage(World(respond=MANUAL).broken())
    yield stage
    stage.end()


@pytest.fixture
def address(stage: Stage) -> Iterator[str]:
    """Where PagerDuty sends its webhooks."""
    door = replace(stage.door(None), pagerduty=(SecretStr(SECRET), SecretStr(NEXT)))
    endpoints = Endpoints(FixedViews(), CollectorRegistry(), door, port=0)
    endpoints.start()
    yield f"{endpoints.address}/api/v1/inbound/pagerduty"
    endpoints.stop()


def send(address: str, body: dict[str, Any] | bytes, header: str | None = None) -> httpx.Response:
    """Deliver a webhook, signed unless another header is given."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {SIGNATURE: signature(content) if header is None else header, "X-Webhook-Id": "abc"}
    return httpx.post(address, content=content, headers=headers, timeout=10, trust_env=False)


def test_who_acknowledges_in_pagerduty_has_acknowledged(address: str, stage: Stage) -> None:
    """Delivered again, and by another person afterwards, nothing more happens; other routes hear of it once."""
    key = stage.world.incident.dedup_key
    first = send(address, an_event("incident.acknowledged", key))
    again = send(address, an_event("incident.acknowledged", key))
    other = send(address, an_event("incident.acknowledged", key, "another"))
    stage.world._carry_out()  # noqa: SLF001  # what the task decided

    assert [each.status_code for each in (first, again, other)] == [200, 200, 200]
    assert first.json() == {"status": "done", "text": f"Incident {key} is acknowledged by Ann in PagerDuty."}
    assert (again.json(), other.json()["status"]) == (first.json(), "unchanged")
    assert stage.world.incident.acknowledged_by == "Ann in PagerDuty"
    assert stage.world.told().count(("acknowledge", key)) == 1


def test_who_resolves_in_pagerduty_has_resolved(address: str, stage: Stage) -> None:
    """With the reason, and without a verdict, which PagerDuty does not ask for."""
    key = stage.world.incident.dedup_key
    answer = send(address, an_event("incident.resolved", key))
    stage.world._carry_out()  # noqa: SLF001  # what the task decided
    incident = stage.world.incident

    assert (answer.status_code, answer.json()["status"]) == (200, "done")
    assert (incident.resolved_by, incident.resolution) == ("Ann in PagerDuty", "by Ann in PagerDuty: resolved there")
    assert incident.verdict is None


def test_what_was_said_of_an_earlier_page_is_not_said_of_a_new_problem(address: str, stage: Stage) -> None:
    """Nobody has seen that one: its page has a key of its own. Ours ends the old alert there, which comes back as news."""
    world = World().broken()
    world.act("acknowledge")
    identity = world.incident.id
    world.serve("8", 0.4, 700)  # the rollback is stuck
    stage.world = world
    late = [send(address, an_event(f"incident.{what}", identity, what)) for what in ("acknowledged", "resolved")]
    now = send(address, an_event("incident.acknowledged", f"{identity}.1", "new"))

    assert [(each.status_code, each.json()["status"]) for each in late] == [(200, "refused")] * 2
    assert "about an earlier page" in late[0].json()["text"]
    assert now.json()["status"] == "done"


@pytest.mark.parametrize(
    "body",
    [
        {"event": {"id": "x", "event_type": "pagey.ping", "data": {"message": "Hello from your friend Pagey!", "type": "ping"}}},
        an_event("incident.triggered", "0123456789ab"),
        an_event("incident.resolved", "0123456789ab", agent=None),
        an_event("incident.resolved", "0123456789ab", agent={"id": "PF9KMXH", "type": "service_reference"}),
        an_event("incident.acknowledged", "0123456789ab", agent={"id": "PF9KMXH", "type": "inbound_integration_reference"}),
        an_event("incident.resolved", "x", data={"incident_key": "x", "resolve_reason": {"type": "merge_resolve_reason"}}),
        an_event("incident.resolved", ""),
        an_event("incident.resolved", "x", data=None),
        an_event("incident.resolved", "x", ""),
        an_event("incident.resolved", "x", "y" * 200),
        {"event": []},
        b"[" * 100_000,
        b"no json",
    ],
)
def test_what_asks_for_nothing_is_taken_and_nothing_is_done(address: str, stage: Stage, body: dict[str, Any] | bytes) -> None:
    """A ping, news of our own events, of a timer or a merge, and what cannot be read: PagerDuty need not send it again."""
    answer = send(address, body)

    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    assert answer.json()["text"].endswith(".")
    assert stage.world.incident.live


def test_an_incident_of_somebody_else_is_taken_too(address: str) -> None:
    """The service may have more alerts than ours."""
    answer = send(address, an_event("incident.acknowledged", "a.disk/full"))

    assert (answer.status_code, answer.json()) == (200, {"status": "unknown", "text": "There is no incident a here."})


def test_a_secret_can_be_replaced_without_a_gap(address: str) -> None:
    """PagerDuty signs with both, and we know both; one that fits is enough."""
    content = json.dumps(an_event("pagey.ping", "")).encode()
    headers = [f"{signature(content, 'old')},{signature(content, NEXT)}", f"v0=ab, {signature(content)}"]

    assert [send(address, content, header).status_code for header in headers] == [200, 200]


@pytest.mark.parametrize(
    "header", ["", "v1=", "v1=" + "0" * 64, "sha256=abc", "v1=ü", signature(b"{}"), signature(b"{}", "other")]
)
def test_what_is_not_genuine_is_refused(address: str, stage: Stage, header: str) -> None:
    """With one sentence that tells nothing of the secret."""
    content = json.dumps(an_event("incident.resolved", stage.world.incident.dedup_key)).encode()
    headers = {SIGNATURE.encode(): header.encode()}
    answer = httpx.post(address, content=content, headers=headers, timeout=10, trust_env=False)

    assert (answer.status_code, answer.json()["detail"]) == (
        401,
        "The signature is not one under a secret of inbound.pagerduty.secrets.",
    )
    assert stage.world.incident.live


def test_without_a_secret_nothing_is_taken(stage: Stage) -> None:
    """And it says what to set."""
    endpoints = Endpoints(FixedViews(), CollectorRegistry(), stage.door(), port=0)
    endpoints.start()
    answer = send(f"{endpoints.address}/api/v1/inbound/pagerduty", an_event("pagey.ping", ""))
    endpoints.stop()

    assert answer.status_code == 403
    assert "set inbound.pagerduty.secrets" in answer.json()["detail"]


def test_a_body_without_end_is_not_read(address: str) -> None:
    """PagerDuty sends 256 KB at most."""
    assert send(address, b" " * 300_000).status_code == 413


@pytest.mark.parametrize("refusal", [NoAnswer("standby", "this daemon stands by"), NoAnswer("starting", "not yet"), None])
def test_what_cannot_be_done_yet_is_sent_again(address: str, stage: Stage, refusal: NoAnswer | None) -> None:
    """A standby, a daemon that starts, and one that is slow: PagerDuty repeats what got a 503, and under the same id."""
    stage.refusal, stage.silent = refusal, refusal is None
    body = an_event("incident.acknowledged", stage.world.incident.dedup_key)
    answers = [send(address, body)]
    stage.refusal, stage.silent = None, False
    answers.append(send(address, body))

    assert [each.status_code for each in answers] == [503, 200]


def test_no_secret_is_in_a_log_or_an_answer(address: str, stage: Stage) -> None:
    """Whatever was sent."""
    with structlog.testing.capture_logs() as logs:
        answers = [send(address, an_event("incident.acknowledged", stage.world.incident.dedup_key), SECRET)]
        answers.append(send(address, an_event("incident.acknowledged", stage.world.incident.dedup_key)))

    assert "canary" not in repr(logs) + "".join(each.text for each in answers)
    assert [log["event"] for log in logs] == ["person_acted"]


def test_who_has_no_name_is_called_by_the_id() -> None:
    """And a long one is cut: PagerDuty's texts are not ours to trust."""
    agents = [{"type": "user_reference", "id": "PLH1HKV"}, ANN | {"summary": "A" * 5000}]
    acts = [
        act_of(json.dumps(an_event("incident.acknowledged", "0123456789ab.2", agent=agent)).encode(), 1.0) for agent in agents
    ]

    assert [(act.by, act.incident, act.problem) for act in acts if not isinstance(act, str)] == [
        ("PLH1HKV in PagerDuty", "0123456789ab", "0123456789ab.2"),
        ("A" * 200 + " in PagerDuty", "0123456789ab", "0123456789ab.2"),
    ]


def test_the_signature_is_that_of_the_documents() -> None:
    """A ping that PagerDuty's own kind of signature fits; without a secret none does."""
    content = b'{"event":{}}'
    assert is_genuine("v1=" + hmac.new(b"s3cret", content, "sha256").hexdigest(), content, ["s3cret"])
    assert not is_genuine(signature(content), content, [])
