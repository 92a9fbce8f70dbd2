"""A task over some events, looked at again and again: what its rules say, and what they keep."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

import msgspec

from daemon.events import Event
from daemon.guardrail_parts import Severity
from daemon.monitor import Monitor
from daemon.rules.verdict import Reason, Verdict
from daemon.store import MemoryStore
from daemon.task import Task
from tests.contract.wild import MODEL, guardrail

#: Events between two looks at all verdicts.
LOOK: Final = 97
#: Seconds without an event at whose end a look is taken too.
PAUSE: Final = 600.0


@dataclass
class Run:
    """A task over some events, and what it was seen to say."""

    store: MemoryStore = field(default_factory=MemoryStore)
    log: list[tuple[float, list[Verdict]]] = field(default_factory=list)

    def over(self, stream: Sequence[Event], cuts: Iterable[int] = ()) -> Run:
        """Take events in; at each cut the task ends, and another one goes on from its checkpoint."""
        task = self.task()
        stops = set(cuts)
        for number, event in enumerate(stream):
            if number in stops:
                task.checkpoint()
                task = self.task()
            if event.at - (task.clock or event.at) > PAUSE:
                task.advance(event.at - 1.0)
                self._look(task)
            task.observe(event)
            if number % LOOK == 0:
                self._look(task)
        self._look(task)
        task.checkpoint()
        return self

    def task(self) -> Task:
        """A task that goes on where the last checkpoint was."""
        return Task(self.store, {MODEL: guardrail()}, recorded=True)

    def _look(self, task: Task) -> None:
        now = task.clock or 0.0
        self.log.append((now, self.monitor(task).verdicts(now)))

    @staticmethod
    def monitor(task: Task) -> Monitor:
        """What the rules look at."""
        return task.models[MODEL].monitor

    def kept(self) -> list[tuple[bytes, bytes]]:
        """All that the checkpoint wrote: states, joins, incidents, intents."""
        return list(self.store.scan(b""))

    def state(self, name: str) -> bytes:
        """What one rule keeps."""
        return msgspec.msgpack.encode(self.monitor(self.task()).rules[name].to_state())

    def said(self, name: str) -> list[tuple[float, Verdict]]:
        """Everything that one rule said, with the clock at which it did."""
        return [(now, verdict) for now, verdicts in self.log for verdict in verdicts if verdict.rule == name]


def faults_of(verdict: Verdict, now: float) -> dict[str, bool]:
    """What may be wrong with a verdict at a clock, and whether it is."""
    breach = verdict.state == "breach"
    numbers = [number for number in verdict.numbers.values() if number is not None]
    return {
        "no sentence": not verdict.text.strip() or verdict.text != verdict.text.strip() or verdict.text.endswith("."),
        "unknown reason": verdict.reason not in get_args(Reason),
        "unknown severity": verdict.severity not in get_args(Severity),
        "evidence": not 0.0 <= verdict.evidence <= 1.0,
        "breach without an onset": breach and (verdict.onset is None or not 0.0 < verdict.onset <= now),
        "onset without a breach": not breach and (verdict.onset is not None or verdict.labels != 0),
        "numbers that are none": not all(math.isfinite(number) for number in numbers),
        "no effect": any(not effect.name or not effect.what or not math.isfinite(effect.effect) for effect in verdict.effects),
    }
