"""What a person would see of a daemon, without one: a real task in the middle of an incident, its journal in a real ledger."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from alerting.incidents import to_record
from alerting.journal import entry_of_body
from alerting.ledger import Ledger
from alerting.priority import by_priority
from alerting.report import report
from alerting.rollbacks import Plan
from alerting.routing import Routing
from daemon.changes import Door
from daemon.endpoints import Health
from daemon.inbox import Inbox
from daemon.reporting import Reporter
from daemon.store import MemoryStore
from daemon.task import Task
from daemon.telemetry import Telemetry
from tests.doubles.model import T0, a_guardrail, a_label, a_prediction

#: Seconds between two predictions, and until their labels.
EVERY = 0.05
DELAY = 5.0


class Scene:
    """A model whose version 8 is worse, at the moment that a test chooses; the `Views` of it.

    Args:
        directory: for the ledger.
        changes: keys of the guardrail file.
    """

    def __init__(self, directory: Path, **changes: Any) -> None:  # noqa: ANN401  # any key of the file
        guardrail = a_guardrail(**changes)
        self.store = MemoryStore()
        self.task = Task(self.store, {guardrail.model: guardrail}, routing=Routing(page=("pager",)))
        self.model = guardrail.model
        self.reporter = Reporter(Telemetry(CollectorRegistry()))
        self.reporter.begin(self.task)
        self.ledger = Ledger(directory / "ledger.sqlite")
        self.life = Health(True, "the loop turned 0.1 s ago")
        self.readiness = Health(True, "restored and assigned")
        self._chance = random.Random(7)
        self._count = 0
        self._late: list[Any] = []

    def serve(self, version: str, error: float, seconds: float, **fields: Any) -> None:  # noqa: ANN401  # of a prediction
        """Some seconds of predictions of one version with their labels, `error` of them wrong."""
        for _ in range(int(seconds / EVERY)):
            at = T0 + self._count * EVERY
            while self._late and self._late[0].at <= at:
                self.task.observe(self._late.pop(0))
            known = {"model": self.model, "version": version, "features": {"age": self._chance.gauss(40, 9)}}
            self.task.observe(a_prediction(self._count, at, **(known | fields)))
            wrong = self._chance.random() < error
            self._late.append(a_label(self._count, at + DELAY, "1" if wrong else "0", self.model))
            self._count += 1

    def until_the_middle(self, bad: str = "8", seconds: float = 120.0) -> None:
        """Version 7 is well, the one after it is worse, found out and gone; whether all is well again is not known yet."""
        self.serve("7", 0.1, 90.0)
        for _ in range(int(seconds)):
            if self.task.models[self.model].response.cases:
                break
            self.serve(bad, 0.45, 1.0)
        self.serve("7", 0.1, 14.0)
        self.look()

    @property
    def now(self) -> float:
        """Two seconds after the last event."""
        return (self.task.clock or T0) + 2.0

    def look(self) -> None:
        """Show how things stand, and write the journal."""
        self.reporter.task(self.task, {}, self.now)
        journal = [intent for intent in self.task.outbox.values() if intent.kind == "journal"]
        self.ledger.apply_all(entry_of_body(intent.body).record for intent in journal)

    # --- what the endpoints ask for

    def incidents(self, model: str | None, state: Any, limit: int) -> list[dict[str, Any]]:  # noqa: ANN401  # a State
        return [to_record(one) for one in reversed(self.ledger.incidents(model=model, state=state, limit=limit))]

    def queue(self, model: str | None, state: Any, limit: int) -> list[dict[str, Any]]:  # noqa: ANN401  # a State
        """What is open, the most urgent first."""
        return [to_record(incident) for incident in by_priority(self.ledger.live()) if model in {None, incident.model}][:limit]

    def silences(self) -> list[dict[str, Any]]:
        """Nobody made one."""
        return []

    def on_call(self, at: float) -> dict[str, Any] | None:
        """Ana, for another day."""
        return {"primary": "ana", "shadow": None, "until": at + 86_400.0}

    def report(self, since: float, until: float) -> dict[str, Any]:
        """The shift report."""
        return report(self.ledger.since(since), since, until)

    def door(self) -> Door:
        """A door that nobody has a token for."""
        return Door(inbox=Inbox(), token=None, plan=lambda executor, command: Plan(found=""), known=self.incident)

    def incident(self, incident_id: str) -> dict[str, Any] | None:
        found = self.ledger.incident(incident_id)
        return None if found is None else to_record(found) | {"acts": self.ledger.actions(incident_id)}

    def verdicts(self) -> list[dict[str, Any]]:
        return self.reporter.verdicts

    def guardrails(self) -> list[dict[str, Any]]:
        return self.reporter.guardrails

    def models(self) -> list[dict[str, Any]]:
        return self.reporter.models

    def alive(self) -> Health:
        return self.life

    def ready(self) -> Health:
        return self.readiness
