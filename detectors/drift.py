"""Which inputs moved, and when: River's ADWIN on every numeric feature and on the score.

This is evidence and never an alarm. ADWIN needs no reference and no threshold in the feature's units, costs 0.13 us a
value, and keeps a window whose mean is the present one; what it does not keep is what it has just forgotten, so every
`SNAPSHOT` events the size, sum and variance of each window are noted: from these the mean *before* a change is worked
out when it is found.

Source: Bifet and Gavalda, "Learning from time-changing data with adaptive windowing", SIAM 2007, as in River.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from river.drift import ADWIN

from detectors.base import State, checked, dumps, loads

#: Values beyond are taken for rubbish: their squares, which ADWIN adds up, would overflow.
LARGEST: Final = 1e100
#: Events between two notes of the windows' sums.
SNAPSHOT: Final = 64
#: Values in a new window from which its mean is taken for the present one. What ADWIN kept at the change still held some of
#: the old values, which makes a change look smaller than it is.
YOUNG: Final = 16
#: Snapshots without a value after which a feature gives its place to a new one, when there is no other place.
IDLE: Final = 160
#: Characters of a feature's name; longer ones are ignored: names are in every state that is saved and in every incident.
LONGEST_NAME: Final = 256
#: Changes kept a feature.
KEPT: Final = 8
#: The effect of a feature that was constant and is something else now.
LARGEST_EFFECT: Final = 100.0
#: Name of the score among the features.
SCORE: Final = "score"


@dataclass(frozen=True, slots=True)
class FeatureChange:
    """A feature that moved.

    Attributes:
        name: Of the feature, or "score".
        at: The mark of the event at which ADWIN found it (after the change, by as much as it took).
        before: Mean before the change.
        after: Mean after it.
        effect: `(after - before) / standard deviation before`, within +-100.
    """

    name: str
    at: float
    before: float
    after: float
    effect: float


@dataclass(frozen=True, slots=True)
class FeatureState:
    """What is known of a feature now.

    Attributes:
        n: Values taken, give or take `SNAPSHOT` a change.
        mean: Of ADWIN's window, the present one.
        drifted_at: Mark of the last change, or None.
        idle: Events, in steps of `SNAPSHOT`, since it had a value: a detector that is not updated tells nothing.
    """

    n: int
    mean: float
    drifted_at: float | None
    idle: int


class _Series:
    """One ADWIN with the notes beside it."""

    __slots__ = ("adwin", "changes", "idle", "past", "total", "update", "variance", "width")

    def __init__(self, adwin: ADWIN) -> None:
        self.adwin = adwin
        self.update: Callable[[float], None] = adwin.update  # bound once: saves a lookup a value
        self.width, self.total, self.variance = 0, 0.0, 0.0  # of the window, at the last snapshot
        self.past = 0  # values that earlier windows held
        self.idle = 0  # snapshots without a value
        self.changes: list[tuple[float, float, float, float]] = []  # (mark, before, standard deviation, after)

    def note(self) -> None:
        """Take a snapshot."""
        width = int(self.adwin.width)
        self.idle = self.idle + 1 if width == self.width else 0
        # What River calls the variance is the sum of squared deviations.
        self.width, self.total, self.variance = width, self.adwin.total, self.adwin.variance / max(width, 1)

    def changed(self, mark: float, since_snapshot: int) -> None:
        """Work out what ADWIN forgot: it has just cut its window, and starts a new one at the next update."""
        kept, after = int(self.adwin.width), self.adwin.estimation
        # What it forgot is the window at the snapshot and the values since then, less what it kept. The values since
        # then are taken to be like the kept ones, which they are the end of.
        forgotten = self.width + since_snapshot - kept
        if self.width and forgotten > 0:
            before = (self.total + (since_snapshot - kept) * after) / forgotten
        else:
            before = self.changes[-1][3] if self.changes else after
        deviation = math.sqrt(max(self.variance, 0.0)) if self.width else 0.0
        self.changes = [*self.changes[1 - KEPT :], (mark, before, deviation, after)]
        self.past += self.width + since_snapshot if self.width else kept
        self.width, self.total, self.variance = 0, 0.0, 0.0

    def present(self) -> float:
        """The present mean: of the window, or what the last change led to while the window is young."""
        if self.changes and self.adwin.width < YOUNG:
            return self.changes[-1][3]
        return self.adwin.estimation


class FeatureDrift:
    """Follows the mean of every numeric feature and of the score of one version.

    Text, booleans, None, NaN, infinities and absurdly large numbers never reach River: one NaN silences an ADWIN for ever.

    Args:
        features: How many features are followed at most. Further ones are ignored and counted, unless one that is followed
            has had no value for long.
        delta: ADWIN's confidence.
    """

    def __init__(self, features: int = 200, delta: float = 0.002) -> None:
        self.features = features
        self.delta = delta
        self.events = 0
        self.rejected = 0
        self.ignored = 0
        self._series: dict[str, _Series] = {}
        self._score: _Series | None = None

    def update(self, features: Mapping[str, object] | None, score: float | None = None, mark: float = 0.0) -> None:
        """Take the features and the score of one prediction.

        Args:
            features: By name; values of any type.
            score: The probability of the positive class, if there is one.
            mark: Event time of the prediction.
        """
        since_snapshot = self.events % SNAPSHOT + 1  # this event is one of them
        get = self._series.get
        least, largest = -LARGEST, LARGEST
        for name, x in (features or {}).items():
            # Exactly these types: a boolean is an int to Python, and a category to its owner.
            if type(x) is not float and type(x) is not int:
                continue
            if not least < x < largest:  # NaN is not, either
                self.rejected += 1
                continue
            one = get(name) or self._admit(name)
            if one is not None:
                one.update(x)
                if one.adwin.drift_detected:
                    one.changed(mark, since_snapshot)
        if score is not None:
            self._take_score(score, mark, since_snapshot)
        self.events += 1
        if since_snapshot == SNAPSHOT:
            for one in self._all().values():
                one.note()

    def _take_score(self, score: float, mark: float, since_snapshot: int) -> None:
        if not -LARGEST < score < LARGEST:
            self.rejected += 1
            return
        if self._score is None:
            self._score = _Series(ADWIN(delta=self.delta))
        self._score.update(score)
        if self._score.adwin.drift_detected:
            self._score.changed(mark, since_snapshot)

    def _admit(self, name: str) -> _Series | None:
        if len(name) > LONGEST_NAME:
            self.ignored += 1
            return None
        if len(self._series) >= self.features:
            gone = next((name for name, one in self._series.items() if one.idle >= IDLE), None)
            if gone is None:
                self.ignored += 1
                return None
            del self._series[gone]
        one = self._series[name] = _Series(ADWIN(delta=self.delta))
        return one

    def _all(self) -> dict[str, _Series]:
        """Every series by the name it is reported under; the model's score goes before a feature of that name."""
        return self._series if self._score is None else {**self._series, SCORE: self._score}

    def changes(self, since: float = -math.inf) -> list[FeatureChange]:
        """What moved at `since` or later, the largest effect first; ties by name.

        A feature that moved more than once is told once: from before its first change since then to its present mean.

        Args:
            since: An event time. ADWIN finds a change after it happened, so that the onset of a harm is a good choice.
        """
        found = []
        for name, one in self._all().items():
            recent = [change for change in one.changes if change[0] >= since]
            if recent:
                at, before, deviation, _ = recent[0]
                after = one.present()
                found.append(FeatureChange(name, at, before, after, _effect(before, after, deviation)))
        return sorted(found, key=lambda change: (-abs(change.effect), change.name))

    def states(self) -> dict[str, FeatureState]:
        """What is known of each feature, and of the score under "score"."""
        return {
            name: FeatureState(
                n=one.past + int(one.adwin.width),
                mean=one.present(),
                drifted_at=one.changes[-1][0] if one.changes else None,
                idle=one.idle * SNAPSHOT,
            )
            for name, one in self._all().items()
        }

    def to_state(self) -> State:
        """Plain data for `from_state`; River's objects are in it as a pickle in base 64, bound to River's version."""
        series = [*self._series.items(), *([] if self._score is None else [(None, self._score)])]
        return {
            "v": 1,
            "features": self.features,
            "delta": self.delta,
            "events": self.events,
            "rejected": self.rejected,
            "ignored": self.ignored,
            "series": [[name, one.width, one.total, one.variance, one.past, one.idle, one.changes] for name, one in series],
            "river": base64.b64encode(dumps([one.adwin for _, one in series])).decode(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> FeatureDrift | None:
        """Rebuild what `to_state` described, or None when another version of River wrote it: start over, and say so.

        Raises:
            ValueError: If the state is of another version of ours, or damaged.
        """
        s = checked(state, "feature drift", 1)
        adwins = loads(base64.b64decode(s["river"]))
        if adwins is None:
            return None
        drift = cls(s["features"], s["delta"])
        drift.events, drift.rejected, drift.ignored = s["events"], s["rejected"], s["ignored"]
        for (name, width, total, variance, past, idle, changes), adwin in zip(s["series"], adwins, strict=True):
            one = _Series(adwin)
            one.width, one.total, one.variance, one.past, one.idle = width, total, variance, past, idle
            one.changes = [(at, before, deviation, after) for at, before, deviation, after in changes]
            if name is None:
                drift._score = one
            else:
                drift._series[name] = one
        return drift


def _effect(before: float, after: float, deviation: float) -> float:
    if deviation * LARGEST_EFFECT <= abs(after - before):
        return math.copysign(LARGEST_EFFECT, after - before) if after != before else 0.0
    return (after - before) / deviation
