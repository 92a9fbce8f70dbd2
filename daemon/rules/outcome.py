"""Rules of kind `outcome`: a product metric against what it was.

The same e-detector as for losses, on values brought to 0..1 by the rule's own bounds and turned so that more is worse. The
reference is the model's own first outcomes; users' behaviour has no other truth. The budget is the rule's own: a false alarm of
it costs as much as one of `harm`, and is not part of that bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from daemon.rules.base import Model, Rule
from daemon.rules.verdict import Severity, Verdict
from detectors.budget import increment
from detectors.reference import Reference, ReferenceBuilder, limit_of
from detectors.sequential import EDetector, Recovery

if TYPE_CHECKING:
    from daemon.events import Outcome
    from daemon.guardrail_parts import OutcomeRule

#: A metric is called well again too early at most once in this time (seconds).
FALSE_RECOVERY_EVERY: Final = 7 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeReading:
    """What a product metric is judged on, in its own unit."""

    rule: str
    severity: Severity
    outcome: str
    direction: str
    learned: int
    needed: int
    mean: float = 0.0
    limit: float | None = None
    reference: float | None = None
    alarmed: bool = False
    onset: float | None = None
    events: int = 0
    evidence: float = 0.0


def judge(r: OutcomeReading) -> Verdict:
    """Judge a product metric."""
    text = f"learning what is usual of {r.outcome}: {r.learned} of {r.needed} events"
    if r.limit is not None:
        bound = "at most" if r.direction == "down" else "at least"
        text = f"{r.outcome} is {r.mean:.4g}, and should be {bound} {r.limit:.4g}; {r.reference:.4g} is usual"
    return Verdict(
        rule=r.rule,
        version="",
        segment=None,
        state="breach" if r.alarmed else "unknown" if r.limit is None else "ok",
        reason="outcome_over_limit" if r.alarmed else "learning_reference" if r.limit is None else "within_limit",
        text=text,
        severity=r.severity,
        evidence=1.0 if r.alarmed else r.evidence,
        onset=r.onset if r.alarmed else None,
        labels=r.events if r.alarmed else 0,
        numbers={"mean": r.mean, "limit": r.limit, "reference": r.reference},
    )


class OutcomeWatch(Rule):
    """Watches one product metric of a model.

    Args:
        name: the rule's name.
        severity: of a breach.
        model: whose metric it is.
        setting: what the guardrail file says of it.
    """

    def __init__(self, name: str, severity: Severity, model: Model, setting: OutcomeRule) -> None:
        super().__init__(name, severity, model)
        self.setting = setting
        self._needed = model.guardrail.reference.events
        self._span = model.guardrail.reference.span
        self._builder = ReferenceBuilder()
        self._reference: Reference | None = None
        self._detector: EDetector | None = None
        self._recovery: Recovery | None = None
        self._onset: float | None = None
        self._events = 0
        self._total = 0.0
        self._last: float | None = None
        self._spent = 0.0

    def outcome(self, event: Outcome) -> bool:
        """Take a value of the metric."""
        if event.name != self.setting.outcome:
            return False
        x = self._unit(event.value)
        if self._detector is None:
            self._learn(x, event)
            return False
        seconds = 0.0 if self._last is None else event.at - self._last
        self._last = event.at if self._last is None else max(event.at, self._last)
        if self._recovery is not None:
            return self._heal(self._recovery, x, seconds, event.ts)
        rate = self.model.guardrail.false_pages.per_second
        brought = increment(rate, 1.0, seconds)
        self._spent += brought
        self._detector.update(x, brought, event.ts)
        if self._detector.since_onset <= 1:
            self._events, self._total = 0, 0.0
        self._events += 1
        self._total += x
        if self._detector.drift_detected:
            self._onset = self._detector.onset
            self._recovery = Recovery(self._detector.limit)
        return self._detector.drift_detected

    def _learn(self, x: float, event: Outcome) -> None:
        self._builder.add(x, 0.0, event.ts)
        if not self._builder.ready(self._needed, self._span):
            return
        self._reference = self._builder.build()
        low, high = self.setting.bounds
        self._detector = EDetector(limit_of(self._reference, self.setting.tolerance / (high - low)))
        self._builder = ReferenceBuilder()

    def _heal(self, recovery: Recovery, x: float, seconds: float, mark: float) -> bool:
        self._events += 1
        self._total += x
        recovery.update(x, increment(1.0 / FALSE_RECOVERY_EVERY, 1.0, seconds), mark)
        if recovery.drift_detected and self._detector is not None:
            self._recovery, self._onset = None, None
            self._events, self._total = 0, 0.0
            self._detector.clear()
            return True
        return False

    def _unit(self, value: float) -> float:
        """Bring a value to 0..1, more being worse."""
        low, high = self.setting.bounds
        x = (min(max(value, low), high) - low) / (high - low)
        return x if self.setting.direction == "down" else 1.0 - x

    def _own(self, x: float) -> float:
        """Bring it back to its own unit."""
        low, high = self.setting.bounds
        return low + (x if self.setting.direction == "down" else 1.0 - x) * (high - low)

    def verdicts(self, now: float) -> Iterator[Verdict]:
        """Judge the metric."""
        del now
        detector, reference = self._detector, self._reference
        ratio = detector.evidence_ratio(self._spent / detector.inputs) if detector is not None and detector.inputs else 0.0
        yield judge(
            OutcomeReading(
                rule=self.name,
                severity=self.severity,
                outcome=self.setting.outcome,
                direction=self.setting.direction,
                learned=self._builder.n,
                needed=self._needed,
                mean=self._own(self._total / self._events) if self._events else 0.0,
                limit=None if detector is None else self._own(detector.limit),
                reference=None if reference is None else self._own(reference.mean),
                alarmed=self._recovery is not None,
                onset=self._onset,
                events=self._events,
                evidence=ratio,
            )
        )

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "builder": self._builder.to_state(),
            "reference": None if self._reference is None else self._reference.to_state(),
            "detector": None if self._detector is None else self._detector.to_state(),
            "recovery": None if self._recovery is None else self._recovery.to_state(),
            "onset": self._onset,
            "sums": [self._events, self._total],
            "last": self._last,
            "spent": self._spent,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self._builder = ReferenceBuilder.from_state(state["builder"])
        self._reference = None if state["reference"] is None else Reference.from_state(state["reference"])
        self._detector = None if state["detector"] is None else EDetector.from_state(state["detector"])
        self._recovery = None if state["recovery"] is None else Recovery.from_state(state["recovery"])
        self._onset, self._last, self._spent = state["onset"], state["last"], state["spent"]
        self._events, self._total = state["sums"]
