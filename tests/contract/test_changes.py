"""What persons change over HTTP, over a real server and a real task: who may, what is answered, and when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from alerting.errors import DeliveryError
from alerting.incidents import resolve, to_record
from alerting.rollbacks import Plan
from alerting.rollbacks.command import Sending
from daemon.changes import Door
from daemon.commands import oncall
from daemon.commands.client import Client
from daemon.endpoints import Endpoints
from daemon.errors import CannotStart, Declined
from daemon.inbox import Inbox, NoAnswer
from tests.contract.test_endpoints import FixedViews
from tests.doubles.alerting import an_incident
from tests.unit.test_persons import MANUAL, World

TOKEN = "canary-token-0123456789"


class Stage:
    """A server over an inbox, and a thread that answers as the loop does: from a task, or with a reason why not."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.inbox = Inbox()
        self.refusal: NoAnswer | None = None
        self.silent = False
        self.failure: DeliveryError | None = None
        self.ledger: dict[str, dict[str, Any]] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def door(self, token: str | None = TOKEN) -> Door:
        """Who may come in."""
        secret = None if token is None else SecretStr(token)
        now = lambda: float(1_790_000_000 + self.world.number)  # noqa: E731  # a clock
        return Door(inbox=self.inbox, token=secret, plan=self.plan, known=self.ledger.get, clock=now, patience=0.5)

    def plan(self, executor: str, command: dict[str, Any]) -> Plan:
        """What the executor would send."""
        if self.failure is not None:
            raise self.failure
        body = f"{command['blamed']} to {command['target']}"
        return Plan(found="it serves 8", sendings=(Sending(method="POST", to=executor, body=body, headers={"X": "y"}),))

    def end(self) -> None:
        """Let the thread end."""
        self._ends.set()
        self._thread.join(5)

    def _answer(self) -> None:
        while not self._ends.wait(0.005):
            if self.silent:
                continue
            if self.refusal is not None:
                self.inbox.refuse(self.refusal)
                continue
            for asked in self.inbox.take():
                asked.tell(self.world.task.act(asked.act))


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A model with an incident whose rollback waits."""
    stage = Stage(World(respond=MANUAL).broken())
    yield stage
    stage.end()


@pytest.fixture
def address(stage: Stage) -> Iterator[str]:
    """Where it listens."""
    endpoints = Endpoints(FixedViews(), CollectorRegistry(), stage.door(), port=0)
    endpoints.start()
    yield endpoints.address
    endpoints.stop()


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    """Somebody with the token."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=address, timeout=10, trust_env=False, headers=headers) as client:
        yield client


def path(stage: Stage, what: str) -> str:
    """The address of an act on the incident."""
    return f"/api/v1/incidents/{stage.world.incident.id}/{what}"


CHANGES = (
    ("POST", "/api/v1/incidents/0123456789ab/acknowledge"),
    ("POST", "/api/v1/incidents/0123456789ab/resolve"),
    ("POST", "/api/v1/incidents/0123456789ab/rollback"),
    ("GET", "/api/v1/incidents/0123456789ab/rollback"),
    ("POST", "/api/v1/silences"),
    ("DELETE", "/api/v1/silences/0123456789ab?by=ann"),
    ("POST", "/api/v1/models/loan/versions/8/clear"),
)


@pytest.mark.parametrize(("method", "where"), CHANGES)
@pytest.mark.parametrize("header", [None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer", "Bearer tökén"])
def test_without_the_token_nothing_can_be_changed(address: str, method: str, where: str, header: str | None) -> None:
    """Whatever is shown instead; the answer does not say what was wrong with it."""
    headers = {} if header is None else {b"Authorization": header.encode()}
    answer = httpx.request(method, address + where, headers=headers, timeout=10, trust_env=False)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert TOKEN not in answer.text


@pytest.mark.parametrize(("method", "where"), CHANGES)
def test_where_no_token_is_set_changes_are_refused_with_what_to_set(stage: Stage, method: str, where: str) -> None:
    """A daemon that nobody has given a token is read only."""
    endpoints = Endpoints(FixedViews(), CollectorRegistry(), stage.door(None), port=0)
    endpoints.start()
    answer = httpx.request(method, endpoints.address + where, timeout=10, trust_env=False)
    endpoints.stop()

    assert answer.status_code == 403
    assert "set http.token in the settings or WATCHKEEPER_HTTP__TOKEN" in answer.json()["detail"]


def test_an_incident_is_acknowledged_and_resolved(client: httpx.Client, stage: Stage) -> None:
    """A sentence each; asked again, nothing more happens."""
    seen = client.post(path(stage, "acknowledge"), json={"by": "ann"})
    again = client.post(path(stage, "acknowledge"), json={"by": "bob"})
    over = client.post(path(stage, "resolve"), json={"by": "ann", "reason": "a campaign", "verdict": "false_alarm"})

    assert (seen.status_code, seen.json()["status"]) == (200, "done")
    assert (again.status_code, again.json()["status"]) == (200, "unchanged")
    assert over.json() == {"status": "done", "text": f"incident {stage.world.incident.id} is resolved"}


def test_an_act_under_the_same_id_is_done_once(client: httpx.Client, stage: Stage) -> None:
    """The id may stand in the header that others use for it."""
    headers = {"Idempotency-Key": "abc"}
    first = client.post(path(stage, "rollback"), json={"by": "ann"}, headers=headers)
    second = client.post(path(stage, "rollback"), json={"by": "ann", "id": "abc"})

    assert (first.json(), first.json()["status"]) == (second.json(), "done")


def test_a_rehearsal_shows_what_would_be_sent(client: httpx.Client, stage: Stage) -> None:
    """As the executor has it."""
    shown = client.get(path(stage, "rollback")).json()

    assert shown["may"] is True
    assert shown["sendings"] == [{"method": "POST", "to": "kafka", "body": "8 to 7", "headers": {"X": "y"}}]


def test_a_rehearsal_that_cannot_read_the_world_says_so(client: httpx.Client, stage: Stage) -> None:
    """It is nobody's fault here, so it is a bad gateway."""
    stage.failure = DeliveryError("registry.example did not answer")
    answer = client.get(path(stage, "rollback"))

    assert (answer.status_code, answer.json()["detail"]) == (
        502,
        "What would be sent cannot be told: registry.example did not answer.",
    )


def test_a_silence_is_made_and_ended(client: httpx.Client) -> None:
    """By a length or a time."""
    made = client.post("/api/v1/silences", json={"by": "ann", "reason": "backfill", "model": "loan", "for": "2h"}).json()
    ended = client.delete(f"/api/v1/silences/{made['silence']['id']}", params={"by": "bob"}).json()

    assert made["silence"]["ends"] - made["silence"]["made"] == 7200.0
    assert (ended["status"], ended["silence"]["ended_by"]) == ("done", "bob")


@pytest.mark.parametrize(
    ("what", "content", "sentence"),
    [
        ("acknowledge", b"", "by: field required"),
        ("acknowledge", b"[]", "The body must be a JSON object"),
        ("acknowledge", b"{", "The body must be a JSON object"),
        ("acknowledge", b'{"by": 3}', "by: input should be a valid string"),
        ("acknowledge", b'{"by": " "}', "by: must be there"),
        ("acknowledge", b'{"by": "ann", "who": "ann"}', "who: extra inputs are not permitted"),
        ("resolve", b'{"by": "ann"}', "reason: field required"),
        ("resolve", b'{"by": "ann", "reason": ""}', "reason: must be there"),
        ("resolve", b'{"by": "ann", "reason": "x", "verdict": "maybe"}', "verdict: input should be 'real'"),
    ],
)
def test_a_malformed_body_is_one_clear_sentence(
    client: httpx.Client, stage: Stage, what: str, content: bytes, sentence: str
) -> None:
    """With the key that is wrong."""
    answer = client.post(path(stage, what), content=content)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(sentence)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({}, "for: say how long"),
        ({"for": "2h", "until": 1.0}, "for: say how long"),
        ({"for": "long"}, "for: "),
        ({"until": "tomorrow"}, "until: "),
    ],
)
def test_a_silence_needs_an_end(client: httpx.Client, said: dict[str, Any], sentence: str) -> None:
    """One that can be read."""
    answer = client.post("/api/v1/silences", json={"by": "ann", "reason": "x", "model": "loan"} | said)

    assert (answer.status_code, answer.json()["detail"].startswith(sentence)) == (422, True)


def test_a_body_without_end_is_not_read(client: httpx.Client, stage: Stage) -> None:
    """An act is some short sentences."""
    assert client.post(path(stage, "acknowledge"), content=b" " * 100_000).status_code == 413


def test_what_is_not_there_and_what_is_over_are_told_apart(client: httpx.Client, stage: Stage) -> None:
    """By the ledger, since a task forgets what is over."""
    over = resolve(an_incident(), "the error rate is back", 1_790_856_100.0)
    stage.ledger[over.id] = to_record(over)
    gone = client.post(f"/api/v1/incidents/{over.id}/acknowledge", json={"by": "ann"})
    never = client.post("/api/v1/incidents/ffffffffffff/acknowledge", json={"by": "ann"})

    assert (gone.status_code, gone.json()["detail"]) == (409, f"Incident {over.id} is resolved: the error rate is back.")
    assert (never.status_code, never.json()["detail"]) == (404, "There is no incident ffffffffffff here.")


def test_a_standby_changes_nothing_and_says_so(client: httpx.Client, stage: Stage) -> None:
    """The active daemon must be asked."""
    stage.refusal = NoAnswer("standby", "this daemon stands by; ask the one that is active")
    answer = client.post(path(stage, "acknowledge"), json={"by": "ann"})

    assert (answer.status_code, answer.json()["detail"]) == (409, "This daemon stands by; ask the one that is active.")


def test_a_loop_that_hangs_costs_a_time_out_and_not_the_endpoints(client: httpx.Client, stage: Stage) -> None:
    """The act was not begun, so it is not done later behind anybody's back."""
    stage.silent = True
    answer = client.post(path(stage, "acknowledge"), json={"by": "ann"})
    alive = client.get("/livez").status_code

    assert (answer.status_code, "to ask again is harmless" in answer.json()["detail"]) == (503, True)
    assert (alive, stage.inbox.take()) == (200, [])


def test_an_inbox_that_is_full_says_so(client: httpx.Client, stage: Stage) -> None:
    """At once."""
    stage.inbox._limit = 0  # noqa: SLF001  # full from the start
    answer = client.post(path(stage, "acknowledge"), json={"by": "ann"})

    assert (answer.status_code, answer.json()["detail"]) == (503, "0 requests wait already; ask again in a moment.")


def test_the_token_is_in_no_log_and_no_answer(client: httpx.Client, stage: Stage) -> None:
    """Nor is it in what a person reads."""
    with structlog.testing.capture_logs() as logs:
        answers = [
            client.post(path(stage, "acknowledge"), json={"by": "ann"}),
            client.get("/metrics"),
            client.get("/openapi.json"),
        ]

    assert [TOKEN in answer.text for answer in answers] == [False] * 3
    assert (TOKEN in str(logs), [entry["event"] for entry in logs]) == (False, ["person_acted"])


# --- the commands over the same server


@pytest.fixture
def command(address: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A command's client, with the token in the environment."""
    monkeypatch.setenv("WATCHKEEPER_TOKEN", TOKEN)
    return Client(address)


def test_the_commands_do_what_they_say(command: Client, stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each; a rehearsal prints what would be sent."""
    identity = stage.world.incident.id
    codes = [
        oncall.acknowledge(command, identity, "ann", None),
        oncall.rehearse(command, identity),
        oncall.rollback(command, identity, "ann"),
        oncall.silence(command, "ann", "backfill", "2h", {"model": "loan", "cause": None, "owner": None}),
    ]
    out = capsys.readouterr().out

    assert codes == [0, 0, 0, 0]
    assert f"incident {identity} is acknowledged by ann\n" in out
    assert "POST kafka\nX: y\n\n8 to 7\n" in out


def test_a_command_that_is_refused_says_why(command: Client, stage: Stage) -> None:
    """With exit code 1; a version that was not rolled back is no such thing."""
    oncall.resolve(command, stage.world.incident.id, "ann", "over", None)
    with pytest.raises(Declined, match=r"There is no (open )?incident") as caught:
        oncall.rollback(command, stage.world.incident.id, "ann")

    assert caught.value.exit_code == 1


def test_a_command_asks_again_when_it_was_not_heard(command: Client, stage: Stage) -> None:
    """And says so when that was in vain: it may be done, or not."""
    stage.silent = True
    with pytest.raises(CannotStart, match="to ask again is harmless"):
        oncall.acknowledge(command, stage.world.incident.id, "ann", None)


@pytest.mark.parametrize(
    ("token", "sentence"), [("", "set WATCHKEEPER_TOKEN"), ("two words", "one word"), ("wrong", "http.token")]
)
def test_a_command_without_the_token_says_what_to_do(
    address: str, monkeypatch: pytest.MonkeyPatch, token: str, sentence: str
) -> None:
    """Before it asks, where that can be known."""
    monkeypatch.setenv("WATCHKEEPER_TOKEN", token)
    with pytest.raises(CannotStart, match=sentence):
        oncall.acknowledge(Client(address), "0123456789ab", "ann", None)


def test_the_token_may_stand_in_a_file(address: str, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line end that editors leave."""
    monkeypatch.delenv("WATCHKEEPER_TOKEN", raising=False)
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")

    assert oncall.acknowledge(Client(address, file), stage.world.incident.id, "ann", None) == 0
    with pytest.raises(CannotStart, match="cannot be read"):
        oncall.acknowledge(Client(address, tmp_path / "none"), "x", "ann", None)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "ftp://127.0.0.1"])
def test_a_daemon_that_is_not_there_is_one_sentence(url: str) -> None:
    """With what to do."""
    with pytest.raises(CannotStart) as caught:
        Client(url).get("/api/v1/incidents")

    assert "\n" not in str(caught.value)
