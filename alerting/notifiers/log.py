"""The notifier that always exists: it writes the notice into the daemon's own log.

It is the fallback of every other route, so it needs nothing, waits for nothing and cannot fail. The link that acknowledges is
not written: more people read a log than get a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

import structlog

from alerting.notice import Event, Notice, describe, summary
from alerting.notifiers.base import RouteConfig

log = structlog.get_logger(__name__)

EVENTS: Final[Mapping[Event, str]] = {
    "trigger": "notice_triggered",
    "update": "notice_updated",
    "acknowledge": "notice_acknowledged",
    "resolve": "notice_resolved",
    "digest": "notices_digested",
}


class LogConfig(RouteConfig):
    """`{kind: log}`: there is nothing to set."""

    GROUPS_ITSELF: ClassVar[str] = "the log takes every notice as it comes, since what others refused ends there"

    kind: Literal["log"] = "log"


class LogNotifier:
    """Writes `notice_triggered`, `_updated`, `_acknowledged` or `_resolved`, or `notices_digested`: a page as an error."""

    Config: ClassVar = LogConfig

    def __init__(self, config: LogConfig) -> None:
        self.config = config

    def notify(self, notice: Notice) -> None:
        """Write it down."""
        urgent = notice.severity == "page" and notice.event in {"trigger", "update", "digest"}
        write = log.error if urgent else log.warning
        write(
            EVENTS[notice.event],
            summary=summary(notice),
            description=describe(notice),
            severity=notice.severity,
            model=notice.model,
            incident=notice.incident,
            url=notice.url or None,
            key=notice.key,
        )
