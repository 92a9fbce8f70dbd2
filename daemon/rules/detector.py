"""Rules of kind `detector`: one of River's drift detectors on one stream of numbers, as the guardrail file asks for it.

It has no theorem of ours: what it finds is a ticket, or a page where its owner wants one for the loss. A River detector tells a
moment and knows no end; the finding is withdrawn when it has not been repeated for a day, and for a thousand values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from daemon.rules.base import Model, Rule
from daemon.rules.verdict import Reason, Severity, Verdict
from detectors.registry import Watch, make

if TYPE_CHECKING:
    from daemon.events import Prediction
    from daemon.guardrail_parts import DetectorRule
    from daemon.join import Joined

#: A change counts as over when it was not found again in so long (seconds).
OVER_AFTER: Final = 86400.0
#: And not before it has seen so many values since.
OVER_VALUES: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorReading:
    """What a detector is judged on; times in epoch seconds."""

    rule: str
    severity: Severity
    kind: str
    watched: str
    taken: int
    changed_at: float | None
    last: float | None
    since: int = 0  # values since the last change


def judge(r: DetectorReading) -> Verdict:
    """Judge whether a change stands."""
    over = r.changed_at is not None and r.last is not None and r.last - r.changed_at > OVER_AFTER and r.since >= OVER_VALUES
    moved = r.changed_at is not None and not over
    text = f"{r.kind} found a change of {r.watched}" if moved else f"{r.kind} finds no change of {r.watched}"
    return Verdict(
        rule=r.rule,
        version="",
        segment=None,
        state="breach" if moved else "ok" if r.taken else "unknown",
        reason=_reason(r, moved),
        text=text if r.taken else f"{r.kind} has seen no value of {r.watched} yet",
        severity=r.severity,
        evidence=1.0 if moved else 0.0,
        onset=r.changed_at if moved else None,
    )


def _reason(r: DetectorReading, moved: bool) -> Reason:
    if moved:
        return "loss_moved" if r.watched == "loss" else "moved"
    return "within_limit" if r.taken else "learning_reference"


class DetectorWatch(Rule):
    """Feeds one detector of the table.

    Args:
        name: the rule's name.
        severity: of a breach.
        model: whose numbers it sees.
        setting: what the guardrail file says of it.
    """

    def __init__(self, name: str, severity: Severity, model: Model, setting: DetectorRule) -> None:
        super().__init__(name, severity, model)
        self.setting = setting
        self._watch = make(setting.detector.kind, **setting.detector.parameters)
        self._last: float | None = None
        self._since = 0

    def observe(self, event: Prediction) -> None:
        """Show it the score or the feature of a prediction that users get."""
        watched = self.setting.watch
        if watched != "loss" and event.stage != "shadow":
            value = event.score if watched == "score" else event.features.get(watched)
            if value is not None:
                self._take(value, event.ts)

    def mature(self, found: Joined, loss: float | None) -> bool:
        """Show it the loss of a prediction that users got."""
        if self.setting.watch != "loss" or loss is None or found.prediction.stage == "shadow":
            return False
        self._take(loss, found.prediction.ts)
        return self._watch.drift_detected

    def _take(self, value: object, mark: float) -> None:
        before = self._watch.taken
        self._watch.update(value, mark)
        self._last = mark
        self._since = 0 if self._watch.drift_detected else self._since + self._watch.taken - before

    def verdicts(self, now: float) -> Iterator[Verdict]:
        """Judge whether a change stands."""
        del now
        yield judge(
            DetectorReading(
                rule=self.name,
                severity=self.severity,
                kind=self.setting.detector.kind,
                watched=self.setting.watch,
                taken=self._watch.taken,
                changed_at=self._watch.changed_at,
                last=self._last,
                since=self._since,
            )
        )

    def to_state(self) -> dict[str, Any]:
        """Give everything, with what was asked for; what River wrote is bytes."""
        return {"asked": self._asked(), "watch": self._watch.to_state(), "last": self._last, "since": self._since}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave; where another River or another setting wrote it, the detector starts over."""
        watch = Watch.from_state(state["watch"])
        if watch is None or state["asked"] != self._asked():
            return
        self._watch, self._last, self._since = watch, state["last"], state["since"]

    def _asked(self) -> list[Any]:
        """What the guardrail file asks for: a detector of other values, or with other parameters, is another one."""
        detector = self.setting.detector
        return [self.setting.watch, detector.kind, dict(detector.parameters)]
