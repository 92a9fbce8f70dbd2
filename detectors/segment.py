"""One segment of a model's traffic: its limit, and the test of its losses against it.

While the limit is far over what is normal, a harmless segment and a slightly harmful one look alike; the reading says so, and
says which rise would be seen. It is tested all the same: a rise that large is harm.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from typing import Final

from detectors.base import State, checked
from detectors.bounds import Blocks
from detectors.reference import Reference
from detectors.sequential import EDetector
from detectors.standard import Learner, Standard

#: Losses that the mean "of late" is taken over.
LAST: Final = 200
#: Part of the way to an alarm from which a rise may be under way. Without one it is seldom more than a fifth.
RISING: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class SegmentAlarm:
    """An alarm of harm in a segment.

    Attributes:
        segment: Such as "region=north".
        at: The clock at the alarm, epoch seconds.
        onset: Event time of the prediction with which the rise began.
        labels: Labels of the segment since then.
        mean: Their mean loss.
        limit: What it was held to.
        reference: The mean loss that is normal for it.
    """

    segment: str
    at: float
    onset: float
    labels: int
    mean: float
    limit: float
    reference: float


@dataclass(frozen=True, slots=True)
class SegmentReading:
    """What is known of a segment now.

    Attributes:
        segment: Such as "region=north".
        labels: Mature labels so far.
        mean: Of the last 200 losses at most; 0 when there are none.
        limit: The largest harmless mean, or None while nothing is known yet.
        reference: The mean that is normal, or None.
        visible_rise: The smallest rise of the mean that could be seen: limit - reference.
        too_wide: That rise is over three tolerances: without an alarm the verdict is unknown. It is tested all the same.
        too_dependent: The losses hang together over too long to be tested.
        alarmed: Whether an alarm stands.
        evidence: How near the alarm is, 0 to 1.
        last_seen: The clock at its last mature prediction; 0 before the first.
    """

    segment: str
    labels: int
    mean: float
    limit: float | None
    reference: float | None
    visible_rise: float | None
    too_wide: bool
    too_dependent: bool
    alarmed: bool
    evidence: float
    last_seen: float


class Segment:
    """One segment of one version.

    Args:
        name: Such as "region=north".
        learner: What gathers its reference; None when that is over.
    """

    def __init__(self, name: str, learner: Learner | None) -> None:
        self.name = name
        self.learner = learner
        self.labels = 0
        self.last_seen = 0.0
        self.last: deque[float] = deque(maxlen=LAST)
        self.own: Reference | None = None
        self.inherited: Reference | None = None
        self.detector: EDetector | None = None
        self.alarm: SegmentAlarm | None = None
        self.too_dependent = False  # losses hang together over so long that the reference cannot tell a rise from chance
        self._spent = 0.0  # the budget handed to the detector so far, for the scale of its evidence ratio
        self._blocks = Blocks(1)
        self._held = 0.0  # budget of the losses in the open block
        self._since = 0.0  # sum of the inputs since the onset

    @property
    def reference(self) -> Reference | None:
        """What is normal for it: learned from its own labels, or inherited."""
        return self.own if self.own is not None else self.inherited

    @property
    def tested(self) -> bool:
        """Whether its next loss is tested."""
        return self.detector is not None and self.alarm is None and not self.too_dependent

    def see(self, loss: float, at: float) -> None:
        """Note a mature loss."""
        self.labels += 1
        self.last_seen = at
        self.last.append(loss)

    # --- what is normal

    def inherit(self, reference: Reference, standard: Standard) -> None:
        """Start from what is normal for the same segment of another version."""
        self.inherited = reference
        self._follow(reference, standard.limit(reference))

    def learn(self, loss: float, delay: float, at: float, standard: Standard, room: Callable[[], bool]) -> None:
        """Take a loss into the reference; `room` says at a look whether there is memory for more."""
        learner = self.learner
        if learner is not None and learner.add(loss, delay, at, standard):
            self._look(learner, standard, room)

    def _look(self, learner: Learner, standard: Standard, room: Callable[[], bool]) -> None:
        kept = learner.n
        if self._evidence() > RISING:
            # A reference must not be learned from harm: neither its mean, nor the dependence that a rise looks like.
            self.learner = learner if kept < standard.most and room() else None
            learner.postpone(standard)
            return
        reference = self.own = learner.look(standard.most)
        limit = standard.limit(reference)
        self._follow(reference, limit if self.detector is None else min(limit, self.detector.limit))
        clear = not reference.too_dependent and not standard.too_wide(reference, limit)
        if (clear and kept >= standard.events) or kept >= standard.most or not room():
            self.learner = None

    def unlearn(self, standard: Standard) -> None:
        """Forget what was gathered: there is harm about, and it began before it was noticed. A reference that is there stays."""
        if self.learner is not None and self.learner.n:
            self.learner = Learner(standard.least) if self.own is None else None

    def settle_age(self, age: float, standard: Standard, room: Callable[[], bool]) -> None:
        """Hold it to labels that are there at this age: what it learned from later ones so far was another bar."""
        if self.learner is None:
            return
        learner = self.learner = self.learner.without(age, standard.least)
        self.own = None
        if self.inherited is None:
            self.detector = self.alarm = None
        else:
            self._follow(self.inherited, standard.limit(self.inherited))
        if learner.n >= standard.least:
            self._look(learner, standard, room)

    def hold_to(self, standard: Standard) -> None:
        """Set the limit anew after a person's decision: it may rise."""
        if self.reference is not None:
            self._follow(self.reference, standard.limit(self.reference))

    def _follow(self, reference: Reference, limit: float) -> None:
        """Test against this limit, in blocks as long as the autocorrelation of the reference asks for."""
        self.too_dependent = reference.too_dependent
        if reference.block != self._blocks.length:
            self._blocks = Blocks(reference.block)
            self._held = 0.0
        if self.detector is None:
            self.detector = EDetector(limit)
        elif limit < self.detector.limit:
            self.detector.lower(limit)
        elif limit > self.detector.limit:
            self.detector.raise_limit(limit)
            self.alarm = None

    # --- the test

    def test(self, loss: float, mark: float, increment: float, at: float) -> bool:
        """Test a mature loss for harm; True at an alarm, which stays until it is taken back."""
        detector, reference = self.detector, self.reference
        if detector is None or reference is None:
            return False
        self._held += increment
        block = self._blocks.add(loss, mark)
        if block is None:
            return False
        mean, first = block
        held, self._held = self._held, 0.0
        detector.update(mean, held, first)
        self._spent += held
        self._since = mean if detector.since_onset == 1 else self._since + mean
        if not detector.drift_detected:
            return False
        onset = first if detector.onset is None else detector.onset
        labels, mean = detector.since_onset * self._blocks.length, self._since / detector.since_onset
        self.alarm = SegmentAlarm(self.name, at, onset, labels, mean, detector.limit, reference.mean)
        return True

    def clear(self) -> None:
        """Take the alarm back: the harm was found to be gone."""
        self.alarm = None
        self.last.clear()  # the losses of then say nothing of now
        if self.detector is not None:
            self.detector.clear()

    def reading(self, standard: Standard) -> SegmentReading:
        """What is known of it now."""
        reference, detector = self.reference, self.detector
        limit = None if detector is None else detector.limit
        return SegmentReading(
            segment=self.name,
            labels=self.labels,
            mean=math.fsum(self.last) / len(self.last) if self.last else 0.0,
            limit=limit,
            reference=None if reference is None else reference.mean,
            visible_rise=limit - reference.mean if limit is not None and reference is not None else None,
            too_wide=limit is not None and reference is not None and standard.too_wide(reference, limit),
            too_dependent=self.too_dependent,
            alarmed=self.alarm is not None,
            evidence=self._evidence(),
            last_seen=self.last_seen,
        )

    def _evidence(self) -> float:
        if self.alarm is not None:
            return 1.0
        if self.detector is None or not self.detector.inputs:
            return 0.0
        return self.detector.evidence_ratio(self._spent / self.detector.inputs)

    # --- state

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "learner": None if self.learner is None else self.learner.to_state(),
            "labels": self.labels,
            "last_seen": self.last_seen,
            "last": list(self.last),
            "own": None if self.own is None else self.own.to_state(),
            "inherited": None if self.inherited is None else self.inherited.to_state(),
            "detector": None if self.detector is None else self.detector.to_state(),
            "alarm": None if self.alarm is None else list(astuple(self.alarm)),
            "spent": self._spent,
            "blocks": self._blocks.to_state(),
            "held": self._held,
            "since": self._since,
        }

    @classmethod
    def from_state(cls, name: str, state: Mapping[str, object]) -> Segment:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "segment", 1)
        segment = cls(name, None if s["learner"] is None else Learner.from_state(s["learner"]))
        segment.labels, segment.last_seen = s["labels"], s["last_seen"]
        segment.last.extend(s["last"])
        segment.own = None if s["own"] is None else Reference.from_state(s["own"])
        segment.inherited = None if s["inherited"] is None else Reference.from_state(s["inherited"])
        segment.detector = None if s["detector"] is None else EDetector.from_state(s["detector"])
        segment.alarm = None if s["alarm"] is None else SegmentAlarm(*s["alarm"])
        segment._spent, segment._held, segment._since = s["spent"], s["held"], s["since"]
        segment.too_dependent = segment.reference is not None and segment.reference.too_dependent
        segment._blocks = Blocks.from_state(s["blocks"])
        return segment
