"""No secret of a route or an executor is in an outcome, the journal, the ledger, the API, a metric, a log, an error or a text.

Each kind is carried out by the real carrier and lane against a stand-in that takes it, that refuses it and echoes all that it was
sent, and that breaks off. What is left behind is then searched for the canaries that stand in every secret of the settings; that
they do stand in every one is a test too. So is what acknowledges a page by a link: it is in the request, and nowhere else.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import BaseModel, SecretStr
from structlog.testing import capture_logs

from alerting.carrier import Carrier
from alerting.intents import Intent, Outcome
from alerting.lane import Lane, Pace
from alerting.ledger import Ledger
from alerting.links import Links, token_in
from alerting.notice import from_record
from alerting.notifiers import NOTIFIERS
from alerting.periods import Rate
from alerting.retry import RetryPolicy
from alerting.rollbacks import EXECUTORS
from alerting.rollbacks.command import to_record
from alerting.routes import RouteTerms
from daemon.loop import Turn
from daemon.reporting import Reporter
from daemon.settings import Settings
from daemon.telemetry import Telemetry
from tests.contract.test_notifiers import SUBJECTS
from tests.contract.test_notifiers import built as notifier_of
from tests.doubles.alerting import NOON, MemoryJournal, Time, a_command, an_intent
from tests.doubles.stand import Answer, Request, Stand
from tests.doubles.worlds import WORLDS

BEHAVIOURS = ("takes", "echoes", "resets")

#: The links of the carrier under test, whose clock stands still.
LINKS = Links("https://wk.example", b"canary-key")


def token_of(intent: Intent) -> str:
    """What acknowledges the page of an intent."""
    return token_in(LINKS.onto(from_record(intent.body), NOON).acknowledge_url)


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


def left_behind(carrier: Carrier, journal: MemoryJournal, tmp_path: Path, *intents: Intent) -> tuple[list[Outcome], str]:
    """Carry them out until they end; what became of them, and every text that is left of it."""
    clock, registry = Time(), CollectorRegistry()
    pace = Pace(policy=RetryPolicy(patience=dict.fromkeys(RetryPolicy().patience, 2.0)), clock=clock)
    lane = Lane(carrier, pace, 10, carrier.budget_of(carrier.lane_of(intents[0])))
    for intent in intents:
        lane.offer(intent)
    outcomes: list[Outcome] = []
    with capture_logs() as logs:
        while len(lane):
            clock.now = lane.due() or clock.now
            outcomes += lane.step()
        ledger = Ledger(tmp_path / "ledger.sqlite")
        ledger.apply_all(journal.entries.values())
        shown = [ledger.actions(intent.incident or "") for intent in intents]  # as the API shows them with their incident
        ledger.close()
        Reporter(Telemetry(registry)).turn(Turn(outcomes=outcomes))
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir()).decode("latin-1")
    metrics = generate_latest(registry).decode()
    return outcomes, json.dumps([journal.entries, shown]) + repr(outcomes) + repr(logs) + files + metrics


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("kind", sorted(SUBJECTS))
def test_a_route_gives_nothing_away(kind: str, behaviour: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whether its notice arrives, is refused or gets lost."""
    caplog.set_level(logging.DEBUG)
    with SUBJECTS[kind].counterpart() as stand:
        misbehave(stand, behaviour)
        journal, notifier = MemoryJournal(), notifier_of(kind, stand)
        routes = {"hook": notifier, "log": notifier_of("log", stand)}
        carrier = Carrier(routes, {}, journal, lambda _: True, links=LINKS, clock=lambda: NOON)
        outcomes, texts = left_behind(carrier, journal, tmp_path, an_intent())
        sent = b"".join(request.content for request in stand.requests).decode()

    left = texts + caplog.text + repr(notifier) + repr(vars(notifier))
    assert outcomes[-1].status == ("done" if behaviour == "takes" or kind == "log" else "failed")
    assert ("canary" in left, token_of(an_intent()) in left) == (False, False)
    assert (token_of(an_intent()) in sent) == SUBJECTS[kind].acknowledges


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("kind", sorted(kind for kind, known in NOTIFIERS.items() if not known.Config.GROUPS_ITSELF))
def test_a_digest_gives_nothing_away(kind: str, behaviour: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor do the notices of it that somebody else took, one by one."""
    caplog.set_level(logging.DEBUG)
    with SUBJECTS[kind].counterpart() as stand:
        misbehave(stand, behaviour)
        journal, notifier = MemoryJournal(), notifier_of(kind, stand)
        terms = {"hook": RouteTerms(at_most=Rate(1, 60.0))}
        routes, intents = {"hook": notifier, "log": notifier_of("log", stand)}, (an_intent(key="a"), an_intent(key="b"))
        carrier = Carrier(routes, {}, journal, lambda _: True, terms, LINKS, lambda: NOON)
        outcomes, texts = left_behind(carrier, journal, tmp_path, *intents)

    assert [outcome.status for outcome in outcomes if outcome.final] == ["done" if behaviour == "takes" else "failed"] * 2
    assert [word for word in ("canary", *map(token_of, intents)) if word in texts + caplog.text] == []


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
        outcomes, texts = left_behind(carrier, journal, tmp_path, intent)

    assert outcomes[-1].status == ("done" if behaviour == "takes" or kind == "kafka" else "failed")
    assert "canary-" not in texts + caplog.text + repr(world.executor) + repr(vars(world.executor))


#: What is kept like a secret and stands for the address of a stand-in here, which takes no canary; the secret is beside it.
ADDRESSES = {"mlflow.url", "argo_rollouts.server", "kserve.server"}


def unplanted(name: str, config: BaseModel) -> list[str]:
    """The fields that are kept as secrets and hold no canary."""
    secret = [key for key, field in type(config).model_fields.items() if "SecretStr" in repr(field.annotation)]
    return [f"{name}.{key}" for key in secret if "canary" not in str(_revealed(getattr(config, key)))]


def _revealed(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return [_revealed(item) for item in value.values()]
    return [_revealed(item) for item in value] if isinstance(value, tuple) else value


def test_every_secret_of_every_kind_holds_a_canary() -> None:
    """Else the tests above would look for what was never there; whoever adds a secret field plants one."""
    found: list[str] = []
    for kind in sorted(NOTIFIERS):
        with SUBJECTS[kind].counterpart() as stand:
            notifier: Any = notifier_of(kind, stand)
            found += unplanted(kind, notifier.config)
    for name, world_of in WORLDS.items():
        with world_of() as world:
            executor: Any = world.executor
            found += unplanted(name.partition(":")[0], executor.config)

    assert {name.partition(":")[0] for name in WORLDS} == set(EXECUTORS)
    assert set(found) == ADDRESSES


def test_the_settings_show_kinds_only() -> None:
    """Whoever prints or logs them gives nothing away."""
    with Stand() as stand:
        routes: dict[str, Any] = {}
        for kind in sorted(set(SUBJECTS) - {"log"}):
            with SUBJECTS[kind].counterpart() as counterpart:
                routes[kind] = SUBJECTS[kind].settings(counterpart)
        executors = {"cluster": {"kind": "kserve", "server": stand.address, "token": "canary"}}
        heard = {"inbound": {"pagerduty": {"secrets": "canary-0123456789,canary-9876543210"}}}
        on_call = {"rota": {"people": {"ana": "log"}, "primary": "ana", "calendar": "https://calendar.example/canary"}}
        beats = {"url": "https://beats.example/canary"}
        settings = Settings.model_validate({"routes": routes, "executors": executors, "heartbeat": beats} | heard | on_call)

    assert "canary" not in f"{settings!r} {settings}"
    assert len(settings.inbound.pagerduty.secrets) == 2
    assert settings.executors["cluster"]["token"] == "canary"
