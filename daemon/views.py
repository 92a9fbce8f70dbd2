"""What the endpoints show of a running daemon; called from the server's threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from alerting.incidents import State as IncidentState
from alerting.incidents import to_record
from alerting.priority import by_priority
from alerting.report import report
from alerting.silences import to_record as silence_record
from daemon.endpoints import Health

if TYPE_CHECKING:
    from alerting.ledger import Ledger
    from alerting.rota import Duty
    from daemon.loop import Loop
    from daemon.reporting import Reporter


class LiveViews:
    """The `Views` of a running daemon.

    Args:
        ledger: the incidents.
        reporter: verdicts and guardrails, as the loop last put them there.
        loop: whether it owns a task.
        progress: monotonic time of the loop's last turn.
        patience: seconds without a turn from which on it counts as dead.
        duty: who is on call at a time, epoch seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        reporter: Reporter,
        loop: Loop,
        *,
        progress: Callable[[], float],
        patience: float,
        duty: Callable[[float], Duty | None],
    ) -> None:
        self._ledger = ledger
        self._reporter = reporter
        self._loop = loop
        self._progress = progress
        self._patience = patience
        self._duty = duty

    def incidents(self, model: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        """Give incidents, newest first."""
        found = self._ledger.incidents(model=model, state=cast("IncidentState | None", state), limit=limit)
        return [to_record(incident) for incident in reversed(found)]

    def queue(self, model: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        """Give the incidents that are open, the most urgent first."""
        found = by_priority(one for one in self._ledger.live() if model in {None, one.model} and state in {None, one.state})
        return [to_record(incident) for incident in found[:limit]]

    def silences(self) -> list[dict[str, Any]]:
        """Give the silences that are not over, the first to end first."""
        return [silence_record(silence) for silence in self._ledger.silences(time.time())]

    def on_call(self, at: float) -> dict[str, Any] | None:
        """Give who is on call."""
        duty = self._duty(at)
        return None if duty is None else asdict(duty)

    def report(self, since: float, until: float) -> dict[str, Any]:
        """Give the shift report."""
        return report(self._ledger.since(since), since, until)

    def incident(self, incident_id: str) -> dict[str, Any] | None:
        """Give one incident with what was done about it."""
        found = self._ledger.incident(incident_id)
        return None if found is None else to_record(found) | {"acts": self._ledger.actions(incident_id)}

    def verdicts(self) -> list[dict[str, Any]]:
        """Give what each rule says now."""
        return self._reporter.verdicts

    def guardrails(self) -> list[dict[str, Any]]:
        """Give the guardrail files in force."""
        return self._reporter.guardrails

    def models(self) -> list[dict[str, Any]]:
        """Give the models as the page shows them."""
        return self._reporter.models

    def alive(self) -> Health:
        """Tell whether the loop turned lately, on a clock that nobody sets."""
        ago = time.monotonic() - self._progress()
        return Health(ago < self._patience, f"the loop turned {ago:.1f} s ago")

    def ready(self) -> Health:
        """Tell whether the daemon does what it is there for."""
        if self._loop.task is not None:
            return Health(True, "restored and assigned")
        if self._loop.stands_by:
            return Health(True, "standing by: another member owns the partitions")
        return Health(False, self._loop.waits_for)
