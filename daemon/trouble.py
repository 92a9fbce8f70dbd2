"""Trouble with the daemon itself: what the source notices, and too many bad events, become log lines, metrics and pages.

One table says what each thing leads to. A page is an intent like any other: saved with the checkpoint, sent once under its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

import structlog

from alerting.facts import Facts
from alerting.silences import silenced

if TYPE_CHECKING:
    from alerting.routing import Routing
    from daemon.records import SourceEvent, SourceEventKind
    from daemon.task import Task
    from daemon.telemetry import Telemetry

log = structlog.get_logger()

Answer = Literal["page", "ticket", "log"]

#: Troubles that a silence may hold back; of more the newest stay.
HELD: Final = 1000

ANSWERS: Final[Mapping[SourceEventKind, Answer]] = {
    "broker_away": "log",
    "broker_back": "log",
    "rebuilt": "log",
    "corrupt_range": "page",
    "offset_out_of_range": "page",
    "partition_stalled": "ticket",
    "missing_topic": "log",
    "topic_created": "log",
    "retention_too_short": "ticket",
}


class Trouble:
    """Says what went wrong with the daemon to whoever must know."""

    def __init__(self, telemetry: Telemetry, routing: Routing) -> None:
        self._telemetry = telemetry
        self._routing = routing
        self._waiting: list[tuple[Literal["page", "ticket"], str, str]] = []

    def noticed(self, event: SourceEvent) -> None:
        """Take what the source noticed."""
        answer = ANSWERS[event.kind]
        (log.info if answer == "log" and event.kind in {"broker_back", "topic_created"} else log.warning)(
            event.kind, message=event.message, **dict(event.details)
        )
        if event.kind == "rebuilt":
            self._telemetry.consumer_rebuilt(str(event.details.get("reason", "")).partition(":")[0])
        if event.kind == "corrupt_range":
            first, last = int(event.details.get("first", 0)), int(event.details.get("last", 0))
            self._telemetry.corrupt_range(str(event.details.get("topic")), last - first + 1)
        if answer != "log":
            where = "-".join(str(value) for value in event.details.values())
            self._waiting.append((answer, f"daemon:{event.kind}:{where}"[:200], event.message))

    def too_many_bad(self, window: float, sentence: str) -> None:
        """Take that bad events are over their share in a window that began at `window` (epoch seconds)."""
        log.error("too_many_bad_events", message=sentence)
        self._waiting.append(("page", f"daemon:bad-events:{window:.0f}", sentence))

    def tell(self, task: Task) -> None:
        """Put what waits into the task's outbox; what is silenced waits on, until the silence is over or the daemon stops."""
        now = task.clock or 0.0
        held = []
        for severity, key, reason in self._waiting:
            facts = Facts(severity=severity, cause="daemon")
            if silenced(facts, task.desk.silences(now), now) is None:
                task.report(key, severity, reason, self._routing.routes_for(facts, now))
            else:
                held.append((severity, key, reason))
        self._waiting = held[-HELD:]
