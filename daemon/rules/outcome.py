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
from daemon.rules.verdict import Reason, Severity, State, Verdict
from detectors.bounds import Blocks
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
    mean: float | None = None  # since the onset when alarmed, since the last rise otherwise
    limit: float | None = None
    reference: float | None = None
    alarmed: bool = False
    onset: float | None = None
    events: int = 0
    evidence: float = 0.0
    too_dependent: bool = False  # of so few values, which hang together, nothing can be told
    too_wide: bool = False  # no value within the bounds could bring the mean over the limit


def judge(r: OutcomeReading) -> Verdict:
    """Judge a product metric."""
    state, reason, text = _finding(r)
    breach = state == "breach"
    return Verdict(
        rule=r.rule,
        version="",
        segment=None,
        state=state,
        reason=reason,
        text=text,
        severity=r.severity,
        evidence=1.0 if breach else r.evidence,
        onset=r.onset if breach else None,
        labels=r.events if breach else 0,
        numbers={"mean": r.mean, "limit": r.limit, "reference": r.reference},
    )


def _finding(r: OutcomeReading) -> tuple[State, Reason, str]:
    if r.limit is None:
        text = f"learning what is usual of {r.outcome}: {r.learned} of {r.needed} events"
        return "unknown", "learning_reference", text
    if r.too_dependent:
        text = f"the values of {r.outcome} hang together over so long that {r.needed} of them cannot tell a move from chance"
        return "unknown", "too_dependent", f"{text}; a longer reference can (reference.events, reference.span)"
    bound = "at most" if r.direction == "down" else "at least"
    if r.too_wide:
        text = f"{r.outcome} should be {bound} {r.limit:.4g}: the bounds of the rule never let it miss that"
        return "unknown", "limit_too_wide", f"{text}; {r.reference:.4g} is usual"
    now = f"{r.outcome} " if r.mean is None else f"{r.outcome} is {r.mean:.4g}, and "
    text = f"{now}should be {bound} {r.limit:.4g}; {r.reference:.4g} is usual"
    return ("breach", "outcome_over_limit", text) if r.alarmed else ("ok", "within_limit", text)


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
        self._blocks = Blocks(1)
        self._held = 0.0  # seconds that the values of the open block took

    def outcome(self, event: Outcome) -> bool:
        """Take a value of the metric."""
        if event.name != self.setting.outcome:
            return False
        x = self._unit(event.value)
        if self._detector is None:
            self._learn(x, event)
            return False
        if self._reference is not None and self._reference.too_dependent:
            return False
        seconds = 0.0 if self._last is None else event.at - self._last
        self._last = event.at if self._last is None else max(event.at, self._last)
        self._held += max(0.0, seconds)
        block = self._blocks.add(x, event.ts)
        if block is None:
            return False
        held, self._held = self._held, 0.0
        return self._test(self._detector, *block, held)

    def _test(self, detector: EDetector, mean: float, mark: float, seconds: float) -> bool:
        """Take a block of values; True where it is the one that shows harm, or its end."""
        if self._recovery is not None:
            self._count(mean)
            self._recovery.update(mean, increment(1.0 / FALSE_RECOVERY_EVERY, 1.0, seconds), mark)
            if not self._recovery.drift_detected:
                return False
            self._recovery, self._onset = None, None
            self._events, self._total = 0, 0.0
            detector.clear()
            return True
        brought = increment(self.model.guardrail.false_pages.per_second, 1.0, seconds)
        self._spent += brought
        detector.update(mean, brought, mark)
        if detector.since_onset <= 1:
            self._events, self._total = 0, 0.0
        self._count(mean)
        if detector.drift_detected:
            self._onset = detector.onset
            self._recovery = Recovery(detector.limit)
        return detector.drift_detected

    def _count(self, mean: float) -> None:
        self._events += self._blocks.length
        self._total += mean * self._blocks.length

    def _learn(self, x: float, event: Outcome) -> None:
        self._builder.add(x, 0.0, event.ts)
        if not self._builder.ready(self._needed, self._span):
            return
        self._reference = self._builder.build()
        self._detector = EDetector(self._limit_over(self._reference))
        self._blocks = Blocks(self._reference.block)  # values that hang together are tested in blocks, as losses are
        self._builder = ReferenceBuilder()

    def _limit_over(self, reference: Reference) -> float:
        low, high = self.setting.bounds
        return limit_of(reference, self.setting.tolerance / (high - low))

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
                mean=self._own(self._total / self._events) if self._events else None,
                limit=None if detector is None else self._own(detector.limit),
                reference=None if reference is None else self._own(reference.mean),
                alarmed=self._recovery is not None,
                onset=self._onset,
                events=self._events,
                evidence=ratio,
                too_dependent=reference is not None and reference.too_dependent,
                too_wide=detector is not None and detector.limit >= 1.0,
            )
        )

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data, with what was asked for."""
        return {
            "asked": self._asked(),
            "builder": self._builder.to_state(),
            "reference": None if self._reference is None else self._reference.to_state(),
            "detector": None if self._detector is None else self._detector.to_state(),
            "recovery": None if self._recovery is None else self._recovery.to_state(),
            "onset": self._onset,
            "sums": [self._events, self._total],
            "last": self._last,
            "spent": self._spent,
            "blocks": self._blocks.to_state(),
            "held": self._held,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave; where another metric or another unit was asked for, the rule starts over."""
        if state["asked"] != self._asked():
            return
        self._builder = ReferenceBuilder.from_state(state["builder"])
        self._reference = None if state["reference"] is None else Reference.from_state(state["reference"])
        self._detector = None if state["detector"] is None else EDetector.from_state(state["detector"])
        self._recovery = None if state["recovery"] is None else Recovery.from_state(state["recovery"])
        self._onset, self._last, self._spent = state["onset"], state["last"], state["spent"]
        self._events, self._total = state["sums"]
        self._blocks, self._held = Blocks.from_state(state["blocks"]), state["held"]
        self._follow_tolerance()

    def _asked(self) -> list[Any]:
        """What the guardrail file asks for: values on another scale cannot be held against this reference."""
        return [self.setting.outcome, self.setting.direction, list(self.setting.bounds)]

    def _follow_tolerance(self) -> None:
        """Set the limit anew after a person changed the tolerance; a higher one takes the alarm back."""
        if self._reference is None or self._detector is None:
            return
        limit = self._limit_over(self._reference)
        if limit < self._detector.limit:
            self._detector.lower(limit)
            self._recovery = None if self._recovery is None else Recovery(limit)
        elif limit > self._detector.limit:
            self._detector.raise_limit(limit)
            self._recovery, self._onset = None, None
            self._events, self._total = 0, 0.0
