"""How long a model's traffic may pause before it counts as stopped.

The decision: nobody can say in advance how long a pause of a model is normal, but the model has shown it. So a pause is silence
when it is longer than twice the longest of the last seven days. A floor of one hour covers restarts and deployments; thirty mean
gaps cover models of few predictions, whose gaps were not yet seen in all their lengths. It is a rule of thumb, and there is no
theorem behind it. With gaps that are independent and exponential, one of thirty means has a chance of e^-30.

What was seen is kept as one line a day, so that the memory is the same for ten predictions a day and for a million.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from detectors.base import State, checked

#: Seconds; a shorter pause is never silence, unless the owner declares one.
LEAST: Final = 3600.0
#: So many mean gaps, and ...
MEAN_GAPS: Final = 30.0
#: ... so many of the week's longest gap are no silence.
LONGEST_GAPS: Final = 2.0
#: Predictions before which nothing is known of the gaps.
LEAST_SEEN: Final = 30

_DAY: Final = 86_400.0
#: Days kept beside the present one: a weekend is over a week ago when the next one ends.
_DAYS: Final = 7
#: The mean gap "of late" is taken over about this many gaps.
_SPAN: Final = 100.0
#: Epoch seconds beyond are no times (milliseconds, most often).
_LARGEST: Final = 1e11


def is_time(x: object) -> bool:
    """Whether it is a number that can be a time or a duration in seconds."""
    return isinstance(x, (int, float)) and not isinstance(x, bool) and -_LARGEST < x < _LARGEST  # NaN is not, either


class WeekMaximum:
    """The largest of some values over the last seven days and the present one, kept as one number a day."""

    def __init__(self) -> None:
        self._days: dict[int, float] = {}

    def note(self, at: float, value: float) -> None:
        """Take a value that was found at a time (epoch seconds)."""
        day = math.floor(at / _DAY)
        self._days[day] = max(value, self._days.get(day, value))
        for old in [old for old in self._days if not day - _DAYS <= old <= day]:
            del self._days[old]

    @property
    def largest(self) -> float:
        """The largest value; 0 when there is none. It does not age while nothing is noted."""
        return max(self._days.values(), default=0.0)

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {"v": 1, "days": [[day, value] for day, value in self._days.items()]}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> WeekMaximum:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "maximum of a week", 1)
        week = cls()
        week._days = {int(day): float(value) for day, value in s["days"]}
        return week


class Silence:
    """The gaps between the events of one stream, and from which length on a gap is silence.

    Times are clocks of arrival in epoch seconds, in order. One that goes back counts as the latest; one that goes back by
    more than a day is a clock that was set, and the counting of gaps goes on from there. What is no time is passed over.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.last: float | None = None
        self._first = 0.0
        self._gaps = 0
        self._recent = 0.0
        self._week = WeekMaximum()

    def see(self, at: float) -> None:
        """Note an event."""
        if not is_time(at):
            return
        self.seen += 1
        if self.last is None or at < self.last - _DAY:
            self.last = self._first = float(at)
            self._gaps = 0
            return
        gap = max(0.0, at - self.last)
        self.last += gap
        self._gaps += 1
        # A plain mean at first, a moving one later.
        self._recent += (gap - self._recent) / min(self._gaps, _SPAN)
        self._week.note(self.last, gap)

    @property
    def mean_gap(self) -> float:
        """Mean seconds between two events, ever or of late (the last hundred), whichever is longer; 0 below two events.

        Ever: a burst is no reason to expect the next event at once. Of late: traffic that fell to a trickle is slow from then on.
        """
        if self.last is None or not self._gaps:
            return 0.0
        return max((self.last - self._first) / self._gaps, self._recent)

    @property
    def longest_gap(self) -> float:
        """The longest gap that ended in the last seven days before the last event, in seconds."""
        return self._week.largest

    def silent_after(self, declared: float | None) -> float:
        """From how many seconds on a pause is silence.

        Args:
            declared: What the owner declared, in seconds; it is taken as it is. None: the longest of an hour, thirty mean gaps
                and twice the longest gap of the last seven days.
        """
        if declared is not None:
            return declared
        return max(LEAST, MEAN_GAPS * self.mean_gap, LONGEST_GAPS * self.longest_gap)

    def silent(self, now: float, declared: float | None) -> bool:
        """Whether the stream has fallen silent by `now`; never before thirty events."""
        if self.seen < LEAST_SEEN or self.last is None or not is_time(now):
            return False
        return now - self.last > self.silent_after(declared)

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "seen": self.seen,
            "last": self.last,
            "first": self._first,
            "gaps": self._gaps,
            "recent": self._recent,
            "week": self._week.to_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Silence:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "silence", 1)
        silence = cls()
        silence.seen, silence.last, silence._first = s["seen"], s["last"], s["first"]
        silence._gaps, silence._recent = s["gaps"], s["recent"]
        silence._week = WeekMaximum.from_state(s["week"])
        return silence
