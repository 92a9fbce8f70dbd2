"""The demo's story in event time: the daemon's own task, the demo's own traffic, and no process, broker or clock between them.

A seed that told the story by luck would make `make demo` fail one day for a reason that nobody understands; so other seeds have
to tell it as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from alerting.intents import Intent
from alerting.rollbacks.command import from_record
from daemon.demo.config import GUARDRAILS
from daemon.demo.market import Market, load
from daemon.demo.models import BAD, GOOD, VERSIONS, Model, train
from daemon.demo.serving import RATE
from daemon.demo.story import AT_MOST
from daemon.demo.traffic import MODEL, SEED, Deployment, LateLabels, cases, prediction
from daemon.demo.world import BASELINE
from daemon.events import parse
from daemon.guardrails import Guardrail
from daemon.guardrails import load as load_guardrail
from daemon.store import MemoryStore
from daemon.task import Task

#: Three seconds after a tick.
START: Final = 1_790_000_003.0
#: Seconds of the 85 that processes need to start and the daemon to be assigned.
STARTING: Final = 15.0


@pytest.fixture(scope="module")
def market() -> Market:
    """The market as it is shipped."""
    return load()


@pytest.fixture(scope="module")
def models(market: Market) -> dict[str, Model]:
    """Both versions."""
    return {version: train(market, late) for version, late in VERSIONS.items()}


@pytest.fixture(scope="module")
def guardrail(tmp_path_factory: pytest.TempPathFactory) -> Guardrail:
    """The demo's own."""
    path: Path = tmp_path_factory.mktemp("guardrails") / "electricity.yaml"
    path.write_text(GUARDRAILS)
    return load_guardrail(path)


class Telling:
    """One telling of the story, from the first prediction to the end of the incident, or to the end of patience."""

    def __init__(self, market: Market, models: Mapping[str, Model], guardrail: Guardrail, seed: int) -> None:
        self.told: list[str] = []
        self._task = Task(MemoryStore(), {MODEL: guardrail})
        self._deployment = Deployment(models, GOOD)
        self._labels = LateLabels()
        self._seen: set[str] = set()
        self.ended = self._tell(market, seed)

    def _tell(self, market: Market, seed: int) -> float:
        now, deployed = START, False
        for number, case in enumerate(cases(market, seed)):
            self._task.observe(parse("prediction", prediction(case, self._deployment, now), now))
            self._labels.expect(case, now)
            for label in self._labels.due(now):
                self._task.observe(parse("label", label, now))
            self._obey()
            if not deployed and number >= BASELINE and self._healthy():
                deployed = self._deployment.deploy(BAD)
            if "resolve resolve" in self.told or now - START > AT_MOST:
                break
            now += 1.0 / RATE
        return now - START

    def _healthy(self) -> bool:
        found = self._task.models[MODEL].verdicts
        return any((verdict.rule, verdict.version, verdict.state) == ("harm", GOOD, "ok") for verdict in found)

    def _obey(self) -> None:
        for key, intent in self._task.outbox.items():
            if key not in self._seen:
                self._seen.add(key)
                self._hear(intent)

    def _hear(self, intent: Intent) -> None:
        body: Mapping[str, Any] = intent.body
        if intent.kind == "rollback":
            command = from_record(body).body()
            self.told.append(f"rollback {command['from']} {command['to']}")
            self._deployment.obey(json.dumps(command).encode())
        elif intent.kind != "journal":
            self.told.append(f"{intent.kind} {body['event']}")


@pytest.mark.parametrize("seed", [SEED, *range(20, 28)])
def test_the_story_is_told_whatever_the_draw(market: Market, models: dict[str, Model], guardrail: Guardrail, seed: int) -> None:
    """One rollback, a page, its confirmation and its end, in time, and no alarm before the bad version came."""
    telling = Telling(market, models, guardrail, seed)

    assert sorted(telling.told) == ["page trigger", "page update", "resolve resolve", "rollback 8 7"]
    assert telling.ended < AT_MOST - STARTING
