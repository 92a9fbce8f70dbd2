"""Drift: a distribution that moved away from the profile and stayed away.

The divergence is taken over windows of at least a thousand values and a season, so that neither chance nor the time of the day
moves it, and three windows in a row must agree, so that an odd afternoon is none. It is gone again after three windows near the
profile. A drift that was under way for two windows before it was one, and then did not jump, is *slow*: the world moved, and
nothing broke at a moment. One window half-way is no sign of it: a change in its middle looks like that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from detectors.base import State, checked
from detectors.columns import Column
from detectors.findings import ColumnFinding
from detectors.histograms import ALIKE, MOVED, differ

#: Values in a window at least.
VALUES: Final = 1_000
#: Windows in a row that make a drift, and that end one.
LASTING: Final = 3
#: A divergence from which on a window that is not yet a drift counts as on the way.
ON_THE_WAY: Final = 0.05
#: A divergence so many times that of the window before is a jump.
_JUMP: Final = 2.5
#: Windows on the way before a drift that make it a slow one.
_WAY: Final = 2


class Shift:
    """Follows the distribution of one column.

    Args:
        usual: What the profile counted, bin by bin.
        window: Seconds that a window lasts at least.

    Attributes:
        divergence: Of the last window (corrected PSI).
        found: Whether the column has drifted.
        slow: Whether it came gradually.
        onset: Event time of the first row of the first window that was too far.
        rows: Values since then.
        high: Windows in a row that were too far.
    """

    def __init__(self, usual: Sequence[int], window: float) -> None:
        self.usual = usual
        self.window = window
        self.divergence = 0.0
        self.found = False
        self.slow = False
        self.onset = 0.0
        self.rows = 0
        self.high = 0
        self._low = 0
        self._way = 0
        self._counts = [0] * len(usual)
        self._began: float | None = None
        self._mark = 0.0

    def add(self, counts: Sequence[int], began: float, at: float, mark: float) -> None:
        """Take the counts of some rows.

        Args:
            counts: Bin by bin.
            began: When the first of the rows came.
            at: When the last of them came.
            mark: Event time of the first row.
        """
        if self._began is None:
            self._began, self._mark = began, mark
        self._counts = [old + new for old, new in zip(self._counts, counts, strict=True)]
        if self.high or self.found:
            self.rows += sum(counts)
        if sum(self._counts) >= VALUES and at - self._began >= self.window:
            self._close()
            self._began = None

    def _close(self) -> None:
        before, way = self.divergence, self._way
        self.divergence, least = differ(self.usual, self._counts)
        self._way = way + 1 if self.divergence >= ON_THE_WAY else 0
        values = sum(self._counts)
        self._counts = [0] * len(self.usual)
        if self.found:
            self._low = self._low + 1 if self.divergence < least * ALIKE / MOVED else 0
            if self._low >= LASTING:
                self.found = False
                self.high = self._low = 0
            return
        if self.divergence < least:
            self.high = 0
            return
        self.high += 1
        if self.high == 1:
            self.onset, self.rows = self._mark, values
            self.slow = way >= _WAY and self.divergence < _JUMP * before
        self.found = self.high >= LASTING

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "divergence": self.divergence,
            "found": self.found,
            "slow": self.slow,
            "onset": self.onset,
            "rows": self.rows,
            "high": self.high,
            "low": self._low,
            "way": self._way,
            "counts": list(self._counts),
            "began": self._began,
            "mark": self._mark,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object], usual: Sequence[int], window: float) -> Shift:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "shift", 1)
        shift = cls(usual, window)
        shift.divergence, shift.found, shift.slow, shift.onset = s["divergence"], s["found"], s["slow"], s["onset"]
        shift.rows, shift.high, shift._low = s["rows"], s["high"], s["low"]
        shift._way, shift._counts = s["way"], list(s["counts"])
        shift._began, shift._mark = s["began"], s["mark"]
        return shift


class DriftWatch:
    """Follows the distributions of the columns of a profile.

    Args:
        columns: Those that have bins.
        window: Seconds that a window lasts at least.
    """

    def __init__(self, columns: Mapping[str, Column], window: float) -> None:
        self._shifts = {name: Shift(column.counts, window) for name, column in columns.items()}
        self._window = window

    def add(self, counts: Mapping[str, Sequence[int]], began: float, at: float, mark: float) -> None:
        """Take the counts of some rows; see `Shift.add`."""
        for name, counted in counts.items():
            self._shifts[name].add(counted, began, at, mark)

    @property
    def drifted(self) -> frozenset[str]:
        """The names of what has drifted."""
        return frozenset(name for name, shift in self._shifts.items() if shift.found)

    def findings(self) -> list[ColumnFinding]:
        """What has drifted."""
        return [
            ColumnFinding(
                name=name,
                what="drifted",
                share=shift.divergence,
                expected=0.0,
                effect=shift.divergence,
                onset=shift.onset,
                rows=shift.rows,
                hard=False,
                slow=shift.slow,
            )
            for name, shift in self._shifts.items()
            if shift.found
        ]

    def evidence(self) -> float:
        """How many of the windows that make a drift agree, 0 to 1, for the column that is nearest to it."""
        return max((1.0 if shift.found else shift.high / LASTING for shift in self._shifts.values()), default=0.0)

    def to_state(self) -> State:
        """Plain data for `restore`."""
        return {name: shift.to_state() for name, shift in self._shifts.items()}

    def restore(self, state: Mapping[str, Mapping[str, object]]) -> None:
        """Take up what `to_state` gave, of the columns that are still followed."""
        for name, shift in self._shifts.items():
            if name in state:
                self._shifts[name] = Shift.from_state(state[name], shift.usual, self._window)
