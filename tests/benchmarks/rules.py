"""What watching a model costs with all default rules on 20 features: microseconds an event, without a broker or a disk.

An event is a prediction or a label. They are read already: what is timed is the daemon's own task, with its join, its ticks and
its verdicts, and beside it the join by itself, so that the difference is what the rules cost. Every prediction is looked at:
the pace is that of a model below the one from which the detectors of inputs see every fourth only.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Final

from daemon.events import Label, Prediction
from daemon.guardrails import Guardrail
from daemon.join import Join
from daemon.store import MemoryStore
from daemon.task import Task
from tests.benchmarks.output import say

NUMBERS: Final = 16
CATEGORIES: Final = 4
#: Predictions a second; seconds until each label.
PACE: Final = 20.0
DELAY: Final = 30.0
START: Final = 1_790_000_000.0
PREDICTIONS: Final = 40_000
#: Of these the references, the profile and the segments' limits are learnt; they are not timed.
WARM: Final = 10_000

_FILE: Final = {
    "guardrails": "v1",
    "model": "bench",
    "version": 1,
    "owner": "bench",
    "runbook": "https://wiki.example/bench",
    "task": "binary",
    "positive": "1",
    "labels": {"expected_within": "60s", "give_up_after": "1h"},
    "features": {"number_0": {"type": "number", "minimum": -100, "maximum": 100, "missing": 0.05}},
    "segments": ["category_0", "category_1"],
    "respond": {"rollback": {"with": "kafka"}},
}


def events(count: int) -> list[Prediction | Label]:
    """Predictions with 20 features, a score and a label each, in the order of arrival; now and then a value is missing."""
    chance = random.Random(1)
    made: list[Prediction | Label] = []
    for number in range(count):
        at = START + number / PACE
        features: dict[str, float | str | None] = {f"number_{i}": chance.gauss(0.0, 1.0) for i in range(NUMBERS)}
        features |= {f"category_{i}": chance.choice("abcdefgh") for i in range(CATEGORIES)}
        if chance.random() < 0.02:
            features["number_3"] = None
        score = chance.random()
        answer = (score >= 0.5) != (chance.random() < 0.1)
        said = str(int(score >= 0.5))
        made.append(Prediction(str(number), "bench", "7", "live", at, at, said, score, None, features, {}))
        made.append(Label(str(number), "bench", str(int(answer)), at + DELAY, at + DELAY))
    return sorted(made, key=lambda event: event.at)


def per_event(wanted: Guardrail, stream: Sequence[Prediction | Label], warm: int) -> float:
    """Microseconds that the task takes of one event, after the first ones."""
    task = Task(MemoryStore(), {wanted.model: wanted})
    for event in stream[:warm]:
        task.observe(event)
    began = time.process_time()
    for event in stream[warm:]:
        task.observe(event)
    return (time.process_time() - began) / (len(stream) - warm) * 1e6


def join_per_event(stream: Sequence[Prediction | Label], warm: int) -> float:
    """The same of the join alone."""
    join = Join(MemoryStore(), "bench")
    began = 0.0
    for number, event in enumerate(stream):
        if number == warm:
            began = time.process_time()
        if isinstance(event, Prediction):
            join.predict(event)
        else:
            join.label(event)
        for _ in join.mature(event.at, 60.0):
            pass
        join.expire(event.at, 3_600.0)
    return (time.process_time() - began) / (len(stream) - warm) * 1e6


def report() -> None:
    """Print what the task takes of an event, and which part of that is the join's."""
    stream = events(PREDICTIONS)
    wanted = Guardrail.model_validate(_FILE)
    whole, join = per_event(wanted, stream, 2 * WARM), join_per_event(stream, 2 * WARM)
    rules, features = whole - join, NUMBERS + CATEGORIES
    say(f"all rules on {features} features: {rules:.1f} us an event (goal: 25), {2 * rules:.1f} us a prediction with its label")
    say(f"the join beside them: {join:.1f} us an event")


if __name__ == "__main__":
    report()
