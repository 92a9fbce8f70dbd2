"""The mean loss of every segment of one version of a model, and which segment a harm is in.

A model that is well on the whole may fail for one region, and the overall mean is the last to show it. Each segment is tested
against its own limit, by the same e-detector as the whole. Together they spend one share of the budget: time is divided among
the segments that are alive, so that fifty segments make no more false pages than one does.
"""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from detectors.base import State, checked
from detectors.budget import increment
from detectors.narrowest import Normal, narrowest
from detectors.reference import Reference
from detectors.segment import Segment, SegmentAlarm, SegmentReading
from detectors.standard import Learner, Standard

__all__ = ["SegmentAlarm", "SegmentNames", "SegmentReading", "SegmentWatch", "segments_of"]

#: Values of a key that are segments of their own.
VALUES: Final = 50
#: What all further values of a key are together.
OTHER: Final = "other"
#: Characters of a value; a longer one is cut and gets a digest.
LONGEST: Final = 100
#: A number beyond is no code of anything.
LARGEST: Final = 10**18
#: Segments of a version at most, whatever their names.
MOST: Final = 1_000
#: Losses that the question who is to blame is answered from.
RECENT: Final = 2_000
#: Losses that all references in the making hold together; a look at one finds no room for more beyond.
ROOM: Final = 100_000
#: Seconds without a label after which a segment's share of the time goes to the others.
IDLE: Final = 7 * 86_400.0


class SegmentNames:
    """The values of each key that are segments; shared by the versions of a model, so that a name means the same in all.

    The first values that come are known for good: a segment whose name changed hands would be judged by another's past.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}  # key -> value -> "key=value"

    def name(self, key: str, value: str) -> str:
        """The segment of a value: "key=value", or "key=other" once the key has 50 others."""
        known = self._known.setdefault(key, {})
        found = known.get(value)
        if found is not None:
            return found
        if len(value) > LONGEST:
            value = f"{value[: LONGEST - 9]}…{zlib.crc32(value.encode(errors='replace')):08x}"
            if value in known:
                return known[value]
        if len(known) >= VALUES:
            return f"{key}={OTHER}"
        found = known[value] = f"{key}={value}"
        return found

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {"v": 1, "known": {key: list(values) for key, values in self._known.items()}}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> SegmentNames:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "segment names", 1)
        names = cls()
        names._known = {key: {value: f"{key}={value}" for value in values} for key, values in s["known"].items()}
        return names


def segments_of(
    keys: Sequence[str], segments: Mapping[str, str], features: Mapping[str, object], known: SegmentNames
) -> tuple[str, ...]:
    """The segments that an event belongs to, one a key at most.

    Args:
        keys: As the guardrail file lists them.
        segments: Of the event; they go before its features.
        features: Text, booleans and whole numbers are values; anything else is none, and so is empty text.
        known: Grows by what is new.

    Returns:
        Such as ("region=north", "tier=2"), in the order of the keys; a key that the event lacks has no segment.
    """
    found = []
    for key in keys:
        value = _text(segments.get(key)) or _text(features.get(key))
        if value:
            found.append(known.name(key, value))
    return tuple(found)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    # Frameworks that hold codes as doubles write them as 2.0.
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value)) if abs(value) < LARGEST else ""
    return ""


class Shares:
    """Divides time among segments: while k of them are alive, each gets a k-th of what passes.

    What they are given sums to the time that passed at most, however they come and go and however rarely one is seen.
    """

    def __init__(self) -> None:
        self._clock: float | None = None
        self._each = 0.0  # seconds that a segment alive since the beginning was given
        self._alive: dict[str, tuple[float, float]] = {}  # name -> (`_each`, clock) at its last input, the oldest first
        self._owed: dict[str, float] = {}  # name -> seconds of one that was given up for idle

    def pass_to(self, at: float, seconds: float | None = None) -> None:
        """Let the clock reach a time; one that lies in the past changes nothing.

        `seconds` are to be divided, where others had a part of what passed; None: all of it.
        """
        if self._clock is None:
            self._clock = at
        if not at > self._clock:
            return
        if self._alive:
            self._each += (at - self._clock if seconds is None else seconds) / len(self._alive)
        self._clock = at
        while self._alive:
            name, (each, seen) = next(iter(self._alive.items()))
            if at - seen <= IDLE:
                break
            del self._alive[name]
            self._owed[name] = self._each - each

    def take(self, name: str) -> float:
        """Seconds that a segment was given since its last input. With its first one it begins to be given any."""
        before = self._alive.pop(name, None)
        self._alive[name] = (self._each, self._clock or 0.0)
        return self._owed.pop(name, 0.0) if before is None else self._each - before[0]

    def leave(self, name: str) -> None:
        """Give a segment nothing until its next `take`."""
        self._alive.pop(name, None)
        self._owed.pop(name, None)

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        alive = [[name, each, seen] for name, (each, seen) in self._alive.items()]
        return {"clock": self._clock, "each": self._each, "alive": alive, "owed": dict(self._owed)}

    @classmethod
    def from_state(cls, state: State) -> Shares:
        """Rebuild what `to_state` described."""
        shares = cls()
        shares._clock, shares._each = state["clock"], state["each"]
        shares._alive = {name: (each, seen) for name, each, seen in state["alive"]}
        shares._owed = dict(state["owed"])
        return shares


class SegmentWatch:
    """Watches the mean loss of each segment of one version.

    Args:
        tolerance: The rise of the mean loss over a reference mean that does no harm.
        cap: The owner's own limit, which holds for every segment that lies below it when all is well; or None.
        events: Labels that a reference is learned from; a segment has its first limit after 300 of them, or `events` if less.
        span: The least event time that these cover, seconds.
    """

    def __init__(self, tolerance: Callable[[float], float], cap: float | None, events: int, span: float) -> None:
        self._standard = Standard(tolerance, cap, events, span)
        self._segments: dict[str, Segment] = {}
        self._shares = Shares()
        self._age = math.inf
        self._recent: deque[tuple[float, float, tuple[str, ...]]] = deque(maxlen=RECENT)  # (mark, loss, segments)

    def add(
        self,
        segments: Sequence[str],
        loss: float,
        delay: float,
        mark: float,
        at: float,
        rate: float,
        learn: bool = True,
        seconds: float | None = None,
    ) -> bool:
        """Take one mature loss, in the order of prediction.

        Args:
            segments: That the prediction belongs to, as `segments_of` gives them.
            loss: In [0, 1].
            delay: From prediction to label, seconds.
            mark: Event time of the prediction, epoch seconds.
            at: The clock at its arrival, epoch seconds.
            rate: False alarms a second that all segments together may cost.
            learn: False while there is harm about: what a reference in the making has gathered so far is dropped, too.
            seconds: Of budget that this input brings, where other versions spend it too; None: all since the last input here.

        Returns:
            True when a segment has a new alarm.

        Raises:
            ValueError: If the loss is outside [0, 1] or another number is not finite; nothing is changed.
        """
        if not (0.0 <= loss <= 1.0 and all(map(math.isfinite, (delay, mark, at, rate)))):
            raise ValueError(f"segments take losses in [0, 1] with finite times, not {loss}, {delay}, {mark}, {at}, {rate}")
        self._shares.pass_to(at, seconds)
        self._recent.append((mark, loss, tuple(segments)))
        alarmed = False
        for name in segments:
            segment = self._segments.get(name) or self._meet(name)
            if segment is None:
                continue
            segment.see(loss, at)
            if segment.tested:
                alarmed = segment.test(loss, mark, increment(rate, 1.0, self._shares.take(name)), at) or alarmed
            else:
                self._shares.leave(name)
            if not learn or segment.alarm is not None:
                segment.unlearn(self._standard)
            elif segment.learner is not None and delay <= self._age:
                segment.learn(loss, delay, at, self._standard, self._room)
        return alarmed

    def _meet(self, name: str) -> Segment | None:
        if len(self._segments) >= MOST:
            return None
        segment = self._segments[name] = Segment(name, Learner(self._standard.least))
        return segment

    def _room(self) -> bool:
        return sum(one.learner.n for one in self._segments.values() if one.learner is not None) < ROOM

    # --- what is normal

    @property
    def references(self) -> Mapping[str, Reference]:
        """What is normal for each segment that has a reference, for the version that comes after this one."""
        return {name: one.reference for name, one in self._segments.items() if one.reference is not None}

    def inherit(self, references: Mapping[str, Reference]) -> None:
        """Start from the `references` of the last good version; what is learned can only lower their limits."""
        for name, reference in references.items():
            segment = self._segments.get(name) or self._meet(name)
            if segment is not None:
                segment.inherit(reference, self._standard)

    def settle_age(self, age: float) -> None:
        """Learn only from labels that are there at this age, in seconds: the age at which losses are handed in from now on.

        To be called when the age falls because the model's own reference was learned. Labels later than that would set another
        bar than the losses that are tested are held to.
        """
        if not age < self._age:
            return
        self._age = age
        for segment in self._segments.values():
            segment.settle_age(age, self._standard, self._room)

    def hold_to(self, tolerance: Callable[[float], float], cap: float | None, events: int, span: float) -> None:
        """Set all limits anew after a person changed the guardrail file: they may rise."""
        self._standard = Standard(tolerance, cap, events, span)
        for segment in self._segments.values():
            segment.hold_to(self._standard)

    # --- what was found

    @property
    def alarms(self) -> Mapping[str, SegmentAlarm]:
        """The alarms that stand, by segment."""
        return {name: one.alarm for name, one in self._segments.items() if one.alarm is not None}

    def clear(self, segment: str | None = None) -> None:
        """Take back the alarm of a segment, or those of all: the harm was found to be gone, or all is judged afresh."""
        for name, one in self._segments.items():
            if segment is None or name == segment:
                one.clear()

    def readings(self) -> tuple[SegmentReading, ...]:
        """What is known of every segment now, sorted by name."""
        return tuple(self._segments[name].reading(self._standard) for name in sorted(self._segments))

    def blame(self, onset: float) -> str | None:
        """The narrowest segment that the harm since an event time is in; None when it is everywhere, or cannot be told.

        Answered from the last 2,000 losses at most.
        """
        rows = [(loss, segments) for mark, loss, segments in self._recent if mark >= onset]
        normals = {}
        for name, one in self._segments.items():
            reference, detector = one.reference, one.detector
            if reference is not None and detector is not None:
                n, variance, tau = reference.n, reference.variance, reference.tau
                normals[name] = Normal(reference.mean, variance, n, tau, detector.limit, alarmed=one.alarm is not None)
        return narrowest(rows, normals, self._standard.tolerance)

    # --- state

    def to_state(self) -> State:
        """Plain data for `from_state`; the guardrail's part is not in it."""
        index = {name: i for i, name in enumerate(dict.fromkeys(name for _, _, names in self._recent for name in names))}
        return {
            "v": 1,
            "age": self._age if math.isfinite(self._age) else None,
            "shares": self._shares.to_state(),
            "segments": {name: one.to_state() for name, one in self._segments.items()},
            "names": list(index),
            "recent": [[mark, loss, [index[name] for name in names]] for mark, loss, names in self._recent],
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, object], tolerance: Callable[[float], float], cap: float | None, events: int, span: float
    ) -> SegmentWatch:
        """Rebuild what `to_state` described, held to what the constructor takes; ValueError for a state of another version."""
        s = checked(state, "segment watch", 1)
        watch = cls(tolerance, cap, events, span)
        watch._age = math.inf if s["age"] is None else s["age"]
        watch._shares = Shares.from_state(s["shares"])
        watch._segments = {name: Segment.from_state(name, one) for name, one in s["segments"].items()}
        names = s["names"]
        watch._recent.extend((mark, loss, tuple(names[i] for i in indices)) for mark, loss, indices in s["recent"])
        return watch
