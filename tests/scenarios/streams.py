"""Streams of events for scenarios: who predicts what, how often wrongly, and when the truth arrives.

A stream is a seed and some phases; in each, versions take their share of the predictions, with an error rate of their own. The
same stream gives the same bytes. Losses are 0 or 1 (`loss: error`), so that an error rate is the mean loss.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from daemon.backtest import Backtest
from daemon.demo.market import Row
from daemon.guardrails import Guardrail

MODEL: Final = "loan-approval"
#: The first prediction of every stream: 2026-05-01T12:00:00Z.
START: Final = 1_777_636_800.0

#: The smallest guardrail file with a rollback, and with a reference that is learned from so many labels.
REFERENCE_LABELS: Final = 1_000
GUARDRAIL: Final[dict[str, Any]] = {
    "guardrails": "v1",
    "model": MODEL,
    "version": 1,
    "owner": "team-credit",
    "runbook": "https://wiki.example/loan-approval",
    "task": "binary",
    "positive": "1",
    "labels": {"expected_within": "30m", "give_up_after": "1d"},
    "reference": {"events": REFERENCE_LABELS},
    "respond": {"rollback": {"with": "kafka"}},
}


@dataclass(frozen=True, slots=True)
class Arm:
    """A version at work. `share` of the live and canary predictions is its; a shadow predicts everything once more."""

    version: str
    error: float
    stage: str = "live"
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Phase:
    """Some ids, served by these arms.

    Attributes:
        predictions: How many ids.
        arms: Who serves them.
        labelled: The share of them that ever get a label.
        errors_labelled: The same where the served prediction was wrong; default `labelled`.
        shift: Of the mean of feature x0, in standard deviations.
    """

    predictions: int
    arms: tuple[Arm, ...]
    labelled: float = 1.0
    errors_labelled: float | None = None
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Stream:
    """A whole story.

    Attributes:
        phases: One after the other.
        seed: Of everything that is random.
        every: Seconds between two predictions.
        delay: Mean delay of a label (exponential), in seconds.
        errors_delay: The same where the served prediction was wrong; default `delay`.
    """

    phases: tuple[Phase, ...]
    seed: int = 1
    every: float = 2.0
    delay: float = 120.0
    errors_delay: float | None = None

    def lines(self) -> list[bytes]:
        """Give the events as JSON lines in the order of arrival."""
        return _in_order(self._events())

    def seeded(self, seed: int) -> Stream:
        """Give the same story by other chances."""
        return replace(self, seed=seed)

    def onset(self, phase: int) -> float:
        """Give the time at which a phase begins, epoch seconds."""
        return START + self.every * sum(earlier.predictions for earlier in self.phases[:phase])

    def _events(self) -> Iterator[tuple[float, dict[str, Any]]]:
        rng = random.Random(self.seed)
        ids = ((phase, arms_of(phase)) for phase in self.phases for _ in range(phase.predictions))
        for number, (phase, (serving, shadows)) in enumerate(ids):
            at = START + number * self.every
            truth = rng.random() < 0.5
            features = {"x0": round(rng.gauss(phase.shift, 1.0), 4), "x1": round(rng.random(), 4)}
            served = rng.choices(serving, [arm.share for arm in serving])[0]
            wrong = False
            for arm in (served, *shadows):
                mistaken = rng.random() < arm.error
                wrong = mistaken if arm is served else wrong
                yield at, _prediction(f"p{number}", arm, truth != mistaken, features, rng)
            labelled = phase.labelled if phase.errors_labelled is None or not wrong else phase.errors_labelled
            delay = self.delay if self.errors_delay is None or not wrong else self.errors_delay
            if rng.random() < labelled:
                yield at + rng.expovariate(1.0 / delay), _label(f"p{number}", truth)


def arms_of(phase: Phase) -> tuple[list[Arm], list[Arm]]:
    """Give the arms that serve, and the shadows."""
    return [arm for arm in phase.arms if arm.stage != "shadow"], [arm for arm in phase.arms if arm.stage == "shadow"]


def _prediction(identity: str, arm: Arm, predicted: bool, features: dict[str, float], rng: random.Random) -> dict[str, Any]:
    sure = 0.5 + rng.random() / 2
    return {
        "type": "prediction",
        "id": identity,
        "model": MODEL,
        "version": arm.version,
        "stage": arm.stage,
        "prediction": str(int(predicted)),
        "score": round(sure if predicted else 1.0 - sure, 4),
        "features": features,
    }


def _label(identity: str, truth: bool) -> dict[str, Any]:
    return {"type": "label", "id": identity, "model": MODEL, "label": str(int(truth))}


def story(*phases: Phase, seed: int = 1) -> Stream:
    """Make a stream of these phases."""
    return Stream(phases, seed)


def guardrail(**said: object) -> Guardrail:
    """Make a guardrail file's content; keys given here replace whole sections of `GUARDRAIL`."""
    return Guardrail.model_validate({**GUARDRAIL, **said})


def judged(lines: Iterable[bytes], until: float | None = None, **said: object) -> dict[str, Any]:
    """Backtest some events by `GUARDRAIL` with these changes, and give the document of `--json`."""
    run = Backtest(guardrail(**said))
    run.run(lines, until)
    return run.report()


# --- electricity ------------------------------------------------------------------------------------------------------------


def electricity(rows: Iterable[Row], *versions: tuple[int, str, float], every: float = 2.0, delay: float = 120.0) -> list[bytes]:
    """Serve real rows by a rule that every reader can check: the price rises where it is high, right three times in four.

    Args:
        rows: What is predicted, in this order.
        versions: (predictions, version, share of predictions that it turns around), one after the other.
        every: Seconds between two predictions.
        delay: Seconds until each label.
    """
    rng = random.Random(1999)
    events: list[tuple[float, dict[str, Any]]] = []
    plan = (version for version in versions for _ in range(version[0]))
    for number, (row, (_, version, turned)) in enumerate(zip(rows, plan, strict=False)):
        at = START + number * every
        predicted = (row.features["price_nsw"] > 0.07) != (rng.random() < turned)
        body = {"type": "prediction", "id": f"e{number}", "model": MODEL, "version": version, "prediction": predicted}
        events.append((at, {**body, "features": row.features}))
        events.append((at + delay, {"type": "label", "id": f"e{number}", "model": MODEL, "label": row.rises}))
    return _in_order(events)


def _in_order(events: Iterable[tuple[float, dict[str, Any]]]) -> list[bytes]:
    arrived = sorted(events, key=lambda event: event[0])
    return [json.dumps({"at": round(at, 3), **body}, separators=(",", ":")).encode() for at, body in arrived]
