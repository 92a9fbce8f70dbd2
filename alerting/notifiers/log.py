"""The notifier that always exists: it writes the notice into the daemon's own log.

It is the fallback of every other route, so it needs nothing, waits for nothing and cannot fail.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import structlog

from alerting.notice import Notice, describe, summary
from alerting.notifiers.base import RouteConfig

log = structlog.get_logger(__name__)


class LogConfig(RouteConfig):
    """`{kind: log}`: there is nothing to set."""

    kind: Literal["log"] = "log"


class LogNotifier:
    """Writes `notice_triggered`, `notice_updated` or `notice_resolved`, as an error for a page that is not resolved."""

    Config: ClassVar = LogConfig

    def __init__(self, config: LogConfig) -> None:
        self.config = config

    def notify(self, notice: Notice) -> None:
        """Write it down."""
        events = {"trigger": "notice_triggered", "update": "notice_updated", "resolve": "notice_resolved"}
        urgent = notice.severity == "page" and notice.event != "resolve"
        write = log.error if urgent else log.warning
        write(
            events[notice.event],
            summary=summary(notice),
            description=describe(notice),
            severity=notice.severity,
            model=notice.model,
            incident=notice.incident,
            key=notice.key,
        )
