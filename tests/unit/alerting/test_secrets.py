"""No secret of a route or an executor is in an outcome, the journal, the ledger, a log, an error or a text of an object.

Each kind is carried out by the real carrier and lane against a stand-in that takes it, that refuses it and echoes all that it was
sent, and that breaks off. What is left behind is then searched for the canaries that stand in every secret of the settings.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from alerting.carrier import Carrier
from alerting.intents import Intent, Outcome
from alerting.lane import Lane, Pace
from alerting.ledger import Ledger
from alerting.retry import RetryPolicy
from alerting.rollbacks.command import to_record
from daemon.settings import Settings
from tests.contract.test_notifiers import SUBJECTS
from tests.contract.test_notifiers import built as notifier_of
from tests.doubles.alerting import MemoryJournal, Time, a_command, an_intent
from tests.doubles.stand import Answer, Request, Stand
from tests.doubles.worlds import WORLDS

BEHAVIOURS = ("takes", "echoes", "resets")


def misbehave(stand: Stand | None, behaviour: str) -> None:
    """Let the stand-in answer every request like this."""
    if stand is None or behaviour == "takes":
        return
    if behaviour == "resets":
        stand.script.extend(["reset"] * 20)
        return

    def echo(request: Request) -> Answer:
        return Answer(400, text=f"{request.headers} {request.query} {request.path} {request.content!r}")

    stand.serve = echo  # type: ignore[method-assign]  # a receiver that says back all that it was told


def left_behind(carrier: Carrier, journal: MemoryJournal, intent: Intent, tmp_path: Path) -> tuple[list[Outcome], str]:
    """Carry it out until it ends; what became of it, and every text that is left of it."""
    clock = Time()
    lane = Lane(carrier, Pace(policy=RetryPolicy(patience=dict.fromkeys(RetryPolicy().patience, 2.0)), clock=clock), 10)
    lane.offer(intent)
    outcomes: list[Outcome] = []
    with capture_logs() as logs:
        while len(lane):
            clock.now = lane.due() or clock.now
            outcomes += lane.step()
        ledger = Ledger(tmp_path / "ledger.sqlite")
        ledger.apply_all(journal.entries.values())
        ledger.close()
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir()).decode("latin-1")
    return outcomes, json.dumps(journal.entries) + repr(outcomes) + repr(logs) + files


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("kind", sorted(SUBJECTS))
def test_a_route_gives_nothing_away(kind: str, behaviour: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whether its notice arrives, is refused or gets lost."""
    caplog.set_level(logging.DEBUG)
    with SUBJECTS[kind].counterpart() as stand:
        misbehave(stand, behaviour)
        journal, notifier = MemoryJournal(), notifier_of(kind, stand)
        carrier = Carrier({"hook": notifier, "log": notifier_of("log", stand)}, {}, journal, lambda _: True)
        outcomes, texts = left_behind(carrier, journal, an_intent(), tmp_path)

    assert outcomes[-1].status == ("done" if behaviour == "takes" or kind == "log" else "failed")
    assert "canary" not in texts + caplog.text + repr(notifier) + repr(vars(notifier))


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_an_executor_gives_nothing_away(kind: str, behaviour: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whether its command is obeyed, is refused or gets lost."""
    caplog.set_level(logging.DEBUG)
    with WORLDS[kind]() as world:
        misbehave(world.stand, behaviour)
        journal = MemoryJournal()
        carrier = Carrier({}, {"kafka": world.executor}, journal, lambda _: True)
        intent = replace(an_intent("rollback"), body=to_record(a_command("i:rollback:kafka:0", args=world.args)))
        outcomes, texts = left_behind(carrier, journal, intent, tmp_path)

    assert outcomes[-1].status == ("done" if behaviour == "takes" or kind == "kafka" else "failed")
    assert "canary-" not in texts + caplog.text + repr(world.executor) + repr(vars(world.executor))


def test_the_settings_show_kinds_only() -> None:
    """Whoever prints or logs them gives nothing away."""
    with Stand() as stand:
        routes: dict[str, Any] = {}
        for kind in sorted(set(SUBJECTS) - {"log"}):
            with SUBJECTS[kind].counterpart() as counterpart:
                routes[kind] = SUBJECTS[kind].settings(counterpart)
        executors = {"cluster": {"kind": "kserve", "server": stand.address, "token": "canary"}}
        settings = Settings.model_validate({"routes": routes, "executors": executors})

    assert "canary" not in f"{settings!r} {settings}"
    assert settings.executors["cluster"]["token"] == "canary"
