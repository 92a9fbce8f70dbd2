"""`watchkeeper backtest`: judge recorded events as the daemon would have, with the daemon's own task.

Time is that of the events, actions are decisions, and the report says everything that the run found. The same events and the
same guardrail file give the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from alerting.formats import rfc3339
from alerting.incidents import Incident, from_record, to_report
from alerting.intents import Outcome
from daemon.events import Event, Label, Prediction, Rejected
from daemon.replay import parse_line
from daemon.store import MemoryStore
from daemon.task import Task, Watched

if TYPE_CHECKING:
    from daemon.guardrails import Guardrail

#: Events between two savings: what was joined goes from objects to bytes, which take a quarter of the room.
SAVE_EVERY: Final = 20_000


@dataclass
class Tally:
    """What was read; `rejected` counts lines by reason."""

    predictions: int = 0
    labels: int = 0
    outcomes: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def count(self, event: Event) -> None:
        """Count an event of the model."""
        if isinstance(event, Prediction):
            self.predictions += 1
        elif isinstance(event, Label):
            self.labels += 1
        else:
            self.outcomes += 1


class Backtest:
    """One run over recorded events.

    Args:
        guardrail: what to judge by.
    """

    def __init__(self, guardrail: Guardrail) -> None:
        self.guardrail = guardrail
        self.tally = Tally()
        self.incidents: dict[str, Incident] = {}
        self.task = Task(MemoryStore(), {guardrail.model: guardrail}, recorded=True)
        self.first: float | None = None

    @property
    def watched(self) -> Watched:
        """The model."""
        return self.task.models[self.guardrail.model]

    def run(self, lines: Iterable[bytes], until: float | None = None) -> None:
        """Judge lines in the order of arrival; `until` (epoch seconds) moves the clock on behind the last one."""
        task, model = self.task, self.guardrail.model
        for number, line in enumerate(lines, start=1):
            try:
                event = parse_line(line, task.clock)
            except Rejected as rejected:
                self.tally.rejected[rejected.reason] += 1
                continue
            if event.model == model:
                self.tally.count(event)
            else:
                self.tally.rejected["unmonitored"] += 1
            if self.first is None:
                self.first = event.at
            task.observe(event)
            if number % SAVE_EVERY == 0:
                self._drain()
                task.checkpoint()
        if until is not None and task.clock is not None:
            task.advance(until)
        task.settle()
        self._drain()

    def _drain(self) -> None:
        """Take what was decided for done: recorded traffic cannot obey, and nobody is told."""
        while self.task.outbox:
            intents = list(self.task.outbox.values())
            for intent in intents:
                if intent.kind == "journal":
                    incident = from_record(intent.body["record"]["incident"])
                    self.incidents[incident.id] = incident
            clock = self.task.clock or 0.0
            self.task.acted(
                Outcome(key=intent.key, status="done", detail="recorded", at=clock, kind=intent.kind) for intent in intents
            )

    def found(self) -> list[Incident]:
        """Give the incidents, by the time of their opening."""
        return sorted(self.incidents.values(), key=lambda incident: (incident.opened, incident.id))

    def report(self) -> dict[str, Any]:
        """Give the document of `--json`."""
        guardrail, watched, tally = self.guardrail, self.watched, self.tally
        states = {(verdict.rule, verdict.version, verdict.segment): verdict.state for verdict in watched.verdicts}
        order = sorted(watched.seconds.keys() | states.keys(), key=lambda scope: (scope[0], scope[1], scope[2] or ""))
        nothing = {"ok": 0.0, "unknown": 0.0, "breach": 0.0}
        return {
            "guardrails": {"model": guardrail.model, "version": guardrail.version, "digest": guardrail.digest},
            "events": {
                "predictions": tally.predictions,
                "labels": tally.labels,
                "outcomes": tally.outcomes,
                "rejected": dict(sorted(tally.rejected.items())),
            },
            "joined": watched.join.counts.joined,
            "expired": watched.join.counts.expired,
            "from": None if self.first is None else rfc3339(self.first),
            "to": None if self.task.clock is None else rfc3339(self.task.clock),
            "incidents": [to_report(incident) for incident in self.found()],
            "verdicts": [
                {
                    "rule": rule,
                    "version": version,
                    "segment": segment,
                    "state": states.get((rule, version, segment), "unknown"),
                    "seconds": {
                        state: round(spent, 3) for state, spent in watched.seconds.get((rule, version, segment), nothing).items()
                    },
                }
                for rule, version, segment in order
            ],
        }
