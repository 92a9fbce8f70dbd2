"""What the demo's server does, apart from doing it: which version answers, what it says, and when the truth arrives.

Seeded and without a clock, so that the same story can be told twice; `serving` gives it time and Kafka.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from daemon.demo.market import Market, Row
from daemon.demo.models import THRESHOLD, Model

#: The model's name in its events and in its guardrail file.
MODEL: Final = "electricity"
#: Seconds from a prediction to its label: at least, at most.
DELAY: Final = (0.5, 3.0)
#: Of the rows and the delays: the year in which most of the rows were recorded.
SEED: Final = 1997
#: Share of predictions whose label never comes, as in any real system.
UNLABELLED: Final = 0.03


class Deployment:
    """Which version serves. It obeys rollback commands, each key once, and nothing that is not one."""

    def __init__(self, models: Mapping[str, Model], first: str) -> None:
        self.version = first
        self._models = models
        self._obeyed: set[str] = set()

    @property
    def model(self) -> Model:
        """The model that serves."""
        return self._models[self.version]

    def deploy(self, version: str) -> bool:
        """Let a version take over all traffic; False when there is no such version."""
        if version not in self._models:
            return False
        self.version = version
        return True

    def obey(self, value: bytes | None) -> str:
        """Carry out a record of the commands topic; gives a sentence on what came of it."""
        command = _command(value)
        if command.get("command") != "rollback" or command.get("model") != MODEL:
            return "not for this model"
        key, blamed, target = (str(command.get(name)) for name in ("key", "from", "to"))
        if key in self._obeyed:
            return f"{key} is done already"
        if blamed != self.version:
            return f"{key}: version {blamed} does not serve, version {self.version} does"
        if not self.deploy(target):
            return f"{key}: there is no version {target}"
        self._obeyed.add(key)
        return f"{key}: version {target} serves again"


def _command(value: bytes | None) -> dict[str, Any]:
    try:
        command = json.loads(value or b"")
    except ValueError:
        return {}
    return command if isinstance(command, dict) else {}


@dataclass(frozen=True, slots=True)
class Case:
    """Something to be predicted: its id, its row, and after how many seconds its label comes (None: never)."""

    id: str
    row: Row
    delay: float | None


def cases(market: Market, seed: int) -> Iterator[Case]:
    """Give cases for ever; the same seed gives the same ones, delays included."""
    chance = random.Random(seed + 1)  # noqa: S311 - simulated traffic wants a seed, not secrecy
    for number, row in enumerate(market.draw(seed), start=1):
        delay = chance.uniform(*DELAY)
        yield Case(f"e-{number:06d}", row, None if chance.random() < UNLABELLED else delay)


def prediction(case: Case, deployment: Deployment, ts: float) -> bytes:
    """Give the event in which the version that serves says what it thinks of a case; `ts` in epoch seconds."""
    score = deployment.model.score(case.row.features)
    event = {
        "id": case.id,
        "model": MODEL,
        "version": deployment.version,
        "ts": ts,
        "prediction": "1" if score >= THRESHOLD else "0",
        "score": round(score, 6),
        "features": case.row.features,
    }
    return json.dumps(event).encode()


class LateLabels:
    """Labels on their way: what happened is known at once, what it was only later."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, str, bool]] = []

    def expect(self, case: Case, now: float) -> None:
        """Let the label of a case come after its delay, if it ever does; `now` in epoch seconds."""
        if case.delay is not None:
            heapq.heappush(self._waiting, (now + case.delay, case.id, case.row.rises))

    def due(self, now: float) -> Iterator[bytes]:
        """Give the events of the labels that have arrived by now."""
        while self._waiting and self._waiting[0][0] <= now:
            at, identity, rises = heapq.heappop(self._waiting)
            yield json.dumps({"id": identity, "model": MODEL, "label": "1" if rises else "0", "ts": at}).encode()
