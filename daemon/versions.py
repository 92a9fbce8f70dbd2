"""One version of a model: its traffic, its reference and limit, its harm detector, its last mature losses.

A version that comes without a past inherits the limit of the last version known to be good, so that it is watched from its
first label; its own reference, once it has one, can only lower that limit. A limit rises by a person alone: with a new
guardrail version.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from daemon.traffic import Traffic
from detectors.bounds import Blocks, lower_bound_of
from detectors.performance import RollingPerformance
from detectors.reference import RecentLosses, Reference, ReferenceBuilder
from detectors.segments import SegmentWatch
from detectors.sequential import EDetector

#: Last losses that the mean "of late" is taken over.
LAST: Final = 1_000
#: Coverage is a moving average over about this many predictions.
COVERAGE_SPAN: Final = 500
#: A faster average sees a sudden end of labels: where only complaints still come, eleven errors in a row would be an alarm.
SUDDEN_SPAN: Final = 50
SUDDEN_SHARE: Final = 0.5
#: Ids that an incident shows: predictions with the largest losses since the onset come first.
EXAMPLES: Final = 10
#: Of the reference's coverage; below it the labels that come are no fair sample of those that should.
COVERAGE_SHARE: Final = 0.8
#: Last labels that are taken for themselves to say whether a version does harm, and how sure that must be.
OVER_BY: Final = (100, 300, 1000)
OVER_CONFIDENCE: Final = 0.95
#: Losses from which an example counts as an error.
ERROR_FROM: Final = 0.5


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm of harm: clock and event time of the onset (epoch seconds), labels since it, their mean loss."""

    at: float
    onset: float
    labels: int
    mean: float


class Version:
    """What is known of one version of a model.

    Args:
        name: the version.
        traffic: its predictions.
        performance: its rolling metrics.
        segments: its losses in each segment.
    """

    def __init__(self, name: str, traffic: Traffic, performance: RollingPerformance, segments: SegmentWatch) -> None:
        self.name = name
        self.traffic = traffic
        self.performance = performance
        self.segments = segments
        self.builder = ReferenceBuilder()
        self.reference: Reference | None = None
        self.inherited: Reference | None = None
        self.harm: EDetector | None = None
        self.spent = 0.0  # the budget handed to `harm` so far, for the scale of its evidence ratio
        self.alarm: Alarm | None = None
        self.too_dependent = False  # losses hang together over so long that the reference cannot tell a rise from chance
        self.recent = RecentLosses()
        self.calm = (0, 0.0)  # labels since the last incident or look at a lower limit, and when that was
        self.refits = 0
        self.last: deque[float] = deque(maxlen=LAST)
        self.coverage = self.sudden_coverage = 1.0
        self.matured: dict[str, tuple[int, int]] = {}  # stage -> predictions that reached age h with and without a label
        self.scored = 0
        self.scorable = 1.0  # share of the last 50 labels or so whose loss could be told
        self.unscored = 0
        self.good = False
        self.blamed = False
        self.errors: deque[tuple[float, str]] = deque(maxlen=EXAMPLES)  # (event time, id)
        self.others: deque[tuple[float, str]] = deque(maxlen=EXAMPLES)
        self.last_mark = 0.0  # event time of the last mature loss
        self._blocks = Blocks(1)
        self._held = 0.0  # budget of the losses in the open block
        self._asked: tuple[int, int, float, float] | None = None  # what `over_limit` was worked out from
        self._over = False

    def covered(self, stage: str, labelled: bool) -> None:
        """Note whether a prediction had its label at the fixed age."""
        with_label, without = self.matured.get(stage, (0, 0))
        self.matured[stage] = (with_label + labelled, without + (not labelled))
        self.coverage += (labelled - self.coverage) / COVERAGE_SPAN
        self.sudden_coverage += (labelled - self.sudden_coverage) / SUDDEN_SPAN

    def labelled(self, scored: bool) -> None:
        """Note whether the loss of a label could be told."""
        self.unscored += not scored
        self.scorable += (scored - self.scorable) / SUDDEN_SPAN

    def well_covered(self, minimum: float) -> bool:
        """Whether the labels that come are a fair sample of those that should; else nothing is bet on them."""
        floor = self.coverage_floor(minimum)
        return self.coverage >= floor and self.sudden_coverage >= SUDDEN_SHARE * floor / COVERAGE_SHARE

    def coverage_floor(self, minimum: float) -> float:
        """Give the share of labels in time below which nothing is judged."""
        reference = self.reference or self.inherited
        return max(minimum, COVERAGE_SHARE * reference.coverage) if reference is not None else minimum

    def inherit(self, reference: Reference, limit: float) -> None:
        """Start from what the last good version was held to."""
        self.inherited = reference
        self._follow(reference)
        self.set_coverage(reference.coverage)
        self.set_limit(limit)

    def learn(self, reference: Reference, limit: float) -> None:
        """Take its own reference; an inherited limit can only fall by it."""
        self.reference = reference
        self._follow(reference)
        self.set_limit(limit if self.harm is None else min(limit, self.harm.limit))

    def set_limit(self, limit: float) -> None:
        """Hold the version to a limit; a lower one keeps the evidence, the detector sees to a higher one losing it."""
        if self.harm is None:
            self.harm = EDetector(limit)
        elif limit < self.harm.limit:
            self.harm.lower(limit)
        elif limit > self.harm.limit:
            self.harm.raise_limit(limit)
            self.alarm = None

    def set_coverage(self, share: float) -> None:
        """Begin from what is usual."""
        self.coverage = self.sudden_coverage = share

    def _follow(self, reference: Reference) -> None:
        """Test in blocks as long as the autocorrelation of the reference asks for."""
        self.too_dependent = reference.too_dependent
        if reference.block != self._blocks.length:
            self._blocks = Blocks(reference.block)
            self._held = 0.0

    def clear(self) -> None:
        """Take the alarm back: the harm was found to be gone, or the version is judged afresh."""
        self.alarm = None
        self.last.clear()  # the losses of then say nothing of now
        self.segments.clear()
        if self.harm is not None:
            self.harm.clear()

    def take(self, loss: float, mark: float, increment: float, at: float) -> bool:
        """Test a mature loss for harm; True at an alarm, which stays until it is taken back.

        Args:
            loss: in [0, 1].
            mark: event time of the prediction, epoch seconds.
            increment: the budget that the time since the last input brought.
            at: the clock.
        """
        detector = self.harm
        if detector is None or self.alarm is not None or self.too_dependent:
            return False
        self._held += increment
        block = self._blocks.add(loss, mark)
        if block is None:
            return False
        mean, first = block
        held, self._held = self._held, 0.0
        detector.update(mean, held, first)
        self.spent += held
        if not detector.drift_detected:
            return False
        labels = detector.since_onset * self._blocks.length
        tail = list(self.last)[-min(labels, LAST) :]
        self.alarm = Alarm(at, first if detector.onset is None else detector.onset, labels, sum(tail) / len(tail))
        return True

    def evidence_ratio(self) -> float:
        """How near the alarm of harm is, 0 to 1."""
        if self.alarm is not None:
            return 1.0
        if self.harm is None or not self.harm.inputs:
            return 0.0
        return self.harm.evidence_ratio(self.spent / self.harm.inputs)

    def mean(self) -> float:
        """Give the mean of the last 1,000 mature losses; 0 when there are none."""
        return sum(self.last) / len(self.last) if self.last else 0.0

    def over_limit(self) -> bool:
        """Whether it does harm itself: by an alarm, or by its last labels taken for themselves (a lower bound over the limit)."""
        if self.alarm is not None:
            return True
        if self.harm is None:
            return False
        reference = self.reference or self.inherited
        tau = reference.tau if reference is not None else 1.0
        asked = (self.scored, len(self.last), self.harm.limit, tau)
        if asked != self._asked:  # it is asked for at every step while a case is open, also of versions that get no labels
            self._asked, losses, limit = asked, list(self.last), self.harm.limit
            tails = (losses[-count:] for count in OVER_BY if len(losses) >= count)
            self._over = any(lower_bound_of(tail, OVER_CONFIDENCE, tau) > limit for tail in tails)
        return self._over

    def remember(self, identity: str, loss: float, mark: float) -> None:
        """Keep an example for a person to look at."""
        self.last_mark = mark
        (self.errors if loss >= ERROR_FROM else self.others).append((mark, identity))

    def examples(self, since: float) -> tuple[str, ...]:
        """Ids of predictions since an event time, errors first, the latest first."""
        chosen = [identity for mark, identity in reversed(self.errors) if mark >= since]
        chosen += [identity for mark, identity in reversed(self.others) if mark >= since]
        return tuple(chosen[:EXAMPLES])

    def to_state(self) -> dict[str, Any]:
        """Give everything but the rolling metrics as plain data."""
        return {
            "v": 1,
            "traffic": self.traffic.to_state(),
            "builder": self.builder.to_state(),
            "reference": None if self.reference is None else self.reference.to_state(),
            "inherited": None if self.inherited is None else self.inherited.to_state(),
            "harm": None if self.harm is None else self.harm.to_state(),
            "spent": self.spent,
            "alarm": None if self.alarm is None else [self.alarm.at, self.alarm.onset, self.alarm.labels, self.alarm.mean],
            "recent": self.recent.to_state(),
            "calm": list(self.calm),
            "refits": self.refits,
            "segments": self.segments.to_state(),
            "last": list(self.last),
            "coverage": [self.coverage, self.sudden_coverage],
            "matured": self.matured,
            "scored": self.scored,
            "unscored": self.unscored,
            "scorable": self.scorable,
            "good": self.good,
            "blamed": self.blamed,
            "errors": list(self.errors),
            "others": list(self.others),
            "last_mark": self.last_mark,
            "blocks": self._blocks.to_state(),
            "held": self._held,
        }

    @classmethod
    def from_state(cls, name: str, state: Mapping[str, Any], performance: RollingPerformance, segments: SegmentWatch) -> Version:
        """Rebuild what `to_state` described; its segments come rebuilt."""
        version = cls(name, Traffic.from_state(state["traffic"]), performance, segments)
        version.builder = ReferenceBuilder.from_state(state["builder"])
        version.reference = None if state["reference"] is None else Reference.from_state(state["reference"])
        version.inherited = None if state["inherited"] is None else Reference.from_state(state["inherited"])
        followed = version.reference or version.inherited
        version.too_dependent = followed is not None and followed.too_dependent
        version.harm = None if state["harm"] is None else EDetector.from_state(state["harm"])
        version.spent = state["spent"]
        version.alarm = None if state["alarm"] is None else Alarm(*state["alarm"])
        version.recent = RecentLosses.from_state(state["recent"])
        version.calm, version.refits = (state["calm"][0], state["calm"][1]), state["refits"]
        version.last.extend(state["last"])
        version.coverage, version.sudden_coverage = state["coverage"]
        version.scored, version.unscored, version.scorable = state["scored"], state["unscored"], state["scorable"]
        version.matured = {stage: (labelled, unlabelled) for stage, (labelled, unlabelled) in state["matured"].items()}
        version.good, version.blamed = state["good"], state["blamed"]
        version.errors.extend((mark, identity) for mark, identity in state["errors"])
        version.others.extend((mark, identity) for mark, identity in state["others"])
        version.last_mark = state["last_mark"]
        version._blocks = Blocks.from_state(state["blocks"])
        version._held = state["held"]
        return version
