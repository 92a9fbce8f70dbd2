"""Have labels stopped? So many predictions without one that it is all but impossible, in a pause that is not usual.

The decision: a run of predictions without a label says it at once where labels come one by one. Where they come in batches such
runs are usual, so the pause must also be twice as long as the longest of the week. Pauses in which no predictions lacked
their labels are not counted: while predictions rest, so do labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from detectors.base import State, checked
from detectors.silence import WeekMaximum

#: Predictions in a row without a label, and labels before them, below which nothing has stopped.
LEAST_RUN: Final = 30
#: The chance that a run of predictions without labels must have at most under the usual share: even with thousands of
#: labels a second this leaves less than a hundredth of a budget of one in 90 days.
IMPOSSIBLE: Final = 1e-12
#: The usual share may be smaller than it was by so much, or by half of it.
LOWER: Final = 0.05
#: Seconds; a shorter pause of labels is a restart of what brings them.
LEAST_PAUSE: Final = 600.0
#: So many times the longest pause of the week are a stop.
PAUSES: Final = 2.0
#: Labels are back when of the predictions that usually bring so many labels at least half have theirs.
BACK: Final = 20.0
#: A clock that goes back by more seconds was set.
_DAY: Final = 86_400.0


def run_needed(coverage: float | None) -> int:
    """Predictions in a row without a label that are all but impossible at this share, taken with some doubt; 30 at least."""
    if not coverage:
        return LEAST_RUN
    share = min(max(coverage - LOWER, coverage / 2.0), 1.0 - 1e-9)
    return max(LEAST_RUN, math.ceil(math.log(IMPOSSIBLE) / math.log1p(-share)))


class Stop:
    """Tells when labels have stopped, from the predictions without one in a row and from the pauses that are usual."""

    def __init__(self) -> None:
        self.found = False
        self.labels = 0  # that have come, ever
        self.onset = 0.0
        self.run = 0  # predictions without a label at age h since the last that had one, and since the last label that came
        self._last = 0.0  # the clock at the last label that came
        self._between = 0  # predictions that reached age h since then
        self._pauses = WeekMaximum()
        self._back = [0, 0, 0]  # after a stop, in the present stretch: predictions, those in time, labels that came

    @property
    def pause(self) -> float:
        """The longest pause of the week between two labels while predictions went on, in seconds."""
        return self._pauses.largest

    def arrived(self, delay: float, at: float, coverage: float | None) -> None:
        """Note that a label came, at a clock, `delay` seconds after its prediction."""
        self.labels += 1
        if self.labels <= LEAST_RUN:
            # The first labels of all came no sooner than they could: before the first batch there was a pause that nobody saw.
            self._pauses.note(at, delay)
        # While predictions rest, so do labels: that is no pause of theirs.
        if self.labels > 1 and not self.found and self._between >= run_needed(coverage):
            self._pauses.note(at, max(0.0, at - self._last))
        self._last = at if at < self._last - _DAY or self.labels == 1 else max(at, self._last)
        self._between = 0
        self._back[2] += 1
        if not self.found or self._is_back:
            self.found, self.run = False, 0

    def matured(self, labelled: bool, clock: float, mark: float, coverage: float | None) -> None:
        """Note a prediction that reached age h at a clock; `coverage` is the usual share, if anything is known of it."""
        self._between += 1
        if self.found:
            self._look_for_more(labelled, coverage)
            return
        if labelled:
            self.run = 0
            return
        if self.run == 0:
            self.onset = mark
        self.run += 1
        if self.labels < LEAST_RUN or self.run < run_needed(coverage):
            return
        self.found = clock - self._last > max(LEAST_PAUSE, PAUSES * self.pause)
        self._back = [0, 0, 0]

    def _look_for_more(self, labelled: bool, coverage: float | None) -> None:
        self.run += not labelled
        self._back[0] += 1
        self._back[1] += labelled
        if self._is_back:
            self.found, self.run = False, 0
        elif self._back[0] * (coverage or 0.0) >= BACK:
            self._back = [0, 0, 0]

    @property
    def _is_back(self) -> bool:
        """Whether labels come again, in time or later: one that was held up somewhere is none."""
        return 2 * max(self._back[1:]) >= BACK

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "found": self.found,
            "labels": self.labels,
            "onset": self.onset,
            "run": self.run,
            "last": self._last,
            "between": self._between,
            "pauses": self._pauses.to_state(),
            "back": list(self._back),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Stop:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "stop of labels", 1)
        stop = cls()
        stop.found, stop.labels, stop.onset, stop.run = s["found"], s["labels"], s["onset"], s["run"]
        stop._last, stop._between, stop._back = s["last"], s["between"], list(s["back"])
        stop._pauses = WeekMaximum.from_state(s["pauses"])
        return stop
