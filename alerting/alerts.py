"""Alerts as Alertmanager wants them, and the book of those that it must be told of again and again. Pure: time is an argument.

Alertmanager forgets. An alert that is not sent again before its `endsAt` counts as resolved, one that it did not hear the end of
fires until then, and after a restart it knows none. So a firing alert is sent each interval with an end three intervals
ahead, and a resolved one goes on being sent for a while.

An alert *is* its labels. When they change in the course of an incident (a ticket becomes a page, the cause turns out to be
another), the old alert ends and a new one begins. News without an incident (trouble of the daemon itself) has no end that could
be told, so it ends by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from alerting.formats import rfc3339
from alerting.limits import clip
from alerting.notice import Notice, describe, summary

#: Seconds for which the end of an alert is sent again: longer than an Alertmanager is away for a restart.
RESOLVED_FOR: Final = 900.0
#: Seconds after which an alert without an incident ends.
LAPSES_AFTER: Final = 3600.0
#: Intervals that an end lies ahead: two of three may fail.
AHEAD: Final = 3
#: Alerts that are kept; of more than that the oldest end goes first, then the oldest alert.
LIMIT: Final = 1000
#: Characters of a label's value, and of an annotation's.
LABEL_LIMIT: Final = 512
TEXT_LIMIT: Final = 8000

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. Times are epoch seconds; `ends` is None while it fires, with no end known. `url` is its incident's page."""

    problem: str
    labels: Labels
    annotations: Mapping[str, str]
    starts: float
    ends: float | None = None
    url: str = ""

    def document(self, now: float, interval: float) -> dict[str, Any]:
        """What is posted of it at `now`."""
        ahead = now + AHEAD * interval
        return {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": rfc3339(self.starts),
            "endsAt": rfc3339(ahead if self.ends is None else min(self.ends, ahead)),
        } | ({"generatorURL": self.url} if self.url else {})


class Book:
    """The alerts of one receiver, by their labels. `extra` are labels that every alert of it carries."""

    def __init__(self, extra: Mapping[str, str], limit: int = LIMIT) -> None:
        self._extra = extra
        self._limit = limit
        self._alerts: dict[Labels, Alert] = {}

    def __len__(self) -> int:
        return len(self._alerts)

    def put(self, notice: Notice, now: float) -> list[Labels]:
        """Take a notice up; gives the alerts that must be sent for it, those that it ended first."""
        told = alert_of(notice, self._extra, now)
        before = [labels for labels, alert in self._alerts.items() if alert.problem == told.problem]
        if notice.event == "resolve":
            for labels in before:
                self._end(labels, now)
            if not before:
                self._alerts[told.labels] = replace(told, ends=now)
        else:
            for labels in before:
                if labels != told.labels:
                    self._end(labels, now)
            self._alerts.pop(told.labels, None)  # so that the newest stands last
            self._alerts[told.labels] = told
        self._shrink()
        return [labels for labels, alert in self._alerts.items() if alert.problem == told.problem]

    def current(self, now: float) -> list[Labels]:
        """All that is to be sent again at `now`; forgets what ended long enough ago."""
        over = [labels for labels, alert in self._alerts.items() if alert.ends is not None and now - alert.ends > RESOLVED_FOR]
        for labels in over:
            del self._alerts[labels]
        return list(self._alerts)

    def firing(self) -> list[Alert]:
        """Those of an incident that is not over."""
        return [alert for alert in self._alerts.values() if alert.ends is None]

    def documents(self, wanted: Sequence[Labels], now: float, interval: float) -> list[dict[str, Any]]:
        """What to post of these, as they are now."""
        return [self._alerts[labels].document(now, interval) for labels in wanted if labels in self._alerts]

    def drop(self, wanted: Sequence[Labels]) -> None:
        """Forget these: the receiver refused them for good."""
        for labels in wanted:
            self._alerts.pop(labels, None)

    def clear(self) -> None:
        """Forget all."""
        self._alerts.clear()

    def _end(self, labels: Labels, now: float) -> None:
        alert = self._alerts[labels]
        if alert.ends is None or alert.ends > now:
            self._alerts[labels] = replace(alert, ends=now)

    def _shrink(self) -> None:
        while len(self._alerts) > self._limit:
            ended = [(alert.ends, labels) for labels, alert in self._alerts.items() if alert.ends is not None]
            del self._alerts[min(ended)[1] if ended else next(iter(self._alerts))]


def alert_of(notice: Notice, extra: Mapping[str, str], now: float) -> Alert:
    """The alert of a notice that is told at `now`."""
    labels = {
        **extra,
        "alertname": name_of(notice),
        "severity": notice.severity,
        "model": notice.model,
        "model_version": notice.version,
        "segment": notice.segment,
        "owner": notice.owner,
        "incident": notice.dedup_key,
    }
    annotations = {
        "summary": summary(notice),
        "description": describe(notice),
        "runbook_url": notice.runbook,
    }
    return Alert(
        problem=notice.dedup_key,
        labels=tuple(sorted((name, clip(value, LABEL_LIMIT)) for name, value in labels.items() if value)),
        annotations={name: clip(text, TEXT_LIMIT) for name, text in annotations.items() if text},
        starts=min(now, notice.at if notice.opened is None else notice.opened),
        ends=None if notice.incident is not None else now + LAPSES_AFTER,
        url=notice.url,
    )


def name_of(notice: Notice) -> str:
    """The alert's name: `Model` and the cause (`ModelNewVersion`), or `Watchkeeper` for trouble of the daemon itself."""
    if notice.model is None:
        return "WatchkeeperTrouble"
    return "Model" + "".join(part.capitalize() for part in notice.cause.split("_"))
