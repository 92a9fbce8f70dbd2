"""A new version that is the old one, whose errors are labelled sooner than its right answers, through the daemon's own join.

Right after a deployment nearly every label that came is an error: in the order of arrival any version looks bad at first. The
daemon takes predictions in their own order, at an age at which the labels of both kinds are there.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from daemon.events import Label, Prediction
from daemon.guardrails import Guardrail
from daemon.store import MemoryStore
from daemon.task import Task
from detectors.reference import RecentLosses
from detectors.trial import ReplacementTrial, Verdict
from tests.doubles.model import T0, a_guardrail

#: Predictions of the old version and then of the new one, so many a second; share of errors.
OLD: Final = 1_300
NEW: Final = 1_700
EVERY: Final = 0.5
ERRORS: Final = 0.10
#: Seconds until the label of an error at least, and on average beyond that (exponential); the same of a right answer.
FAST: Final = (0.0, 15.0)
SLOW: Final = (90.0, 60.0)


def draw(seed: int) -> tuple[list[float], list[float], list[bool]]:
    """When the predictions come, when their labels do, and which are wrong."""
    rng = np.random.default_rng([4, seed])
    wrong = rng.random(OLD + NEW) < ERRORS
    at = T0 + EVERY * np.arange(OLD + NEW)
    due = at + np.where(wrong, FAST[0], SLOW[0]) + rng.exponential(np.where(wrong, FAST[1], SLOW[1]))
    return at.tolist(), due.tolist(), wrong.tolist()


def through_the_daemon(seed: int) -> Verdict:
    """What comes of it: "worse" when the daemon pages or rolls back."""
    guardrail = _guardrail()
    task = Task(MemoryStore(), {guardrail.model: guardrail})
    for event in _events(seed):
        task.observe(event)
    task.advance(T0 + EVERY * (OLD + NEW) + 3_600.0)
    blamed = any(intent.kind in {"page", "rollback"} for intent in task.outbox.values())
    return "worse" if blamed else "undecided"


def _guardrail() -> Guardrail:
    wanted: dict[str, Any] = {"labels": {"expected_within": "30m", "give_up_after": "1d"}, "reference": {"events": 1_000}}
    return a_guardrail(**wanted)


def _events(seed: int) -> list[Prediction | Label]:
    """All events in the order of arrival."""
    at, due, wrong = draw(seed)
    events: list[Prediction | Label] = []
    for number, (made, labelled, is_wrong) in enumerate(zip(at, due, wrong, strict=True)):
        version, truth = "7" if number < OLD else "8", "1" if is_wrong else "0"
        events.append(Prediction(str(number), "loan", version, "live", made, made, "0", None, None, {}, {}))
        events.append(Label(str(number), "loan", truth, labelled, labelled))
    return sorted(events, key=lambda event: event.at)


def in_the_order_of_arrival(seed: int) -> Verdict:
    """The same labels, tested as they come: what the join is for."""
    _, due, wrong = draw(seed)
    recent = RecentLosses()
    for number in sorted(range(OLD), key=due.__getitem__):
        recent.add(float(wrong[number]))
    trial = ReplacementTrial(recent.sample(), 0.25 * ERRORS)
    for number in sorted(range(OLD, OLD + NEW), key=due.__getitem__):
        trial.add(float(wrong[number]))
    return trial.verdict
