"""Is the share of predictions without a label too large? Blocks of them are tested, and their recovery is.

The decision: a block goes in as yes or no, significantly too large or not, and not as its share. Near a share of one no bet on a
mean wins much, and a model with one block a day would wait for months; three blocks that are too low one after the other are
enough here. Predictions inside of a block may depend on each other as long as blocks are alike.

Sources: Clopper and Pearson 1934 (the exact binomial tails); `detectors.sequential` (the e-detector).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scipy.special import betainc

from detectors.base import State, checked
from detectors.sequential import EDetector, Recovery

#: The level at which a block is called too low, or not so.
DOUBT: Final = 0.05


@dataclass(slots=True)
class Block:
    """Predictions that reached age h one after the other.

    Attributes:
        start: The clock at the first.
        mark: Its event time.
        rows: How many there are.
        labelled: Those that had their label at age h.
        late: Their labels that came later, so far.
    """

    start: float = 0.0
    mark: float = 0.0
    rows: int = 0
    labelled: int = 0
    late: int = 0


def _at_least(k: int, n: int, p: float) -> float:
    """The chance of k or more of n at a probability p."""
    return float(betainc(k, n - k + 1, p)) if k else 1.0


def _rows_needed(limit: float) -> int:
    """Predictions that a block must have so that it can be over the limit at all."""
    return 1 if limit >= 1.0 else math.ceil(2.0 * math.log(DOUBT) / math.log(max(limit, DOUBT)))


class Shortfall:
    """Tests whether the unlabelled share is over a limit, block by block; and, once it is, whether it is back.

    It is back when it is shown to be under its limit, or under half of what it was: against a low limit a clean block shows next
    to nothing. Should half of it last, the test, which starts anew, finds it again.

    Args:
        limit: The largest harmless share of predictions without a label.

    Attributes:
        rows_needed: Predictions that a block must have so that it can be over the limit at all.
        rows: Predictions since the present rise began.
        labelled: Those of them that had their label at age h.
        late: Their labels that came later.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.rows_needed = _rows_needed(limit)
        self.rows = self.labelled = self.late = 0
        self._detector = EDetector(DOUBT)
        self._recovery: Recovery | None = None
        self._back_under = 1.0

    @property
    def found(self) -> bool:
        """Whether the share is over its limit: from the alarm to the recovery."""
        return self._recovery is not None

    @property
    def onset(self) -> float:
        """The mark of the block in which the present rise began."""
        return self._detector.onset or 0.0

    def hold_to(self, limit: float) -> None:
        """Set the limit anew. What was found stays until it is shown to be over."""
        if limit != self.limit and not self.found:
            self._end()
        self.limit, self.rows_needed = limit, _rows_needed(limit)

    def update(self, block: Block, cost: float, early: float) -> None:
        """Take a block; `cost` and `early` are the false alarms and the false recoveries that it may cost."""
        missing = block.rows - block.labelled
        if self._recovery is None:
            bad = self.limit < 1.0 and _at_least(missing, block.rows, self.limit) <= DOUBT
            self._detector.update(float(bad), cost, block.mark)
            if self._detector.since_onset == 1:
                self.rows = self.labelled = self.late = 0
        self.rows += block.rows
        self.labelled += block.labelled
        self.late += block.late
        if self._recovery is None:
            if self._detector.drift_detected:
                self._recovery = Recovery(1.0 - DOUBT)
                self._back_under = max(self.limit, (1.0 - self.labelled / self.rows) / 2.0)
            return
        good = _at_least(block.labelled, block.rows, 1.0 - max(self.limit, self._back_under)) <= DOUBT
        self._recovery.update(1.0 - good, early, block.mark)
        if self._recovery.drift_detected:
            self._end()

    def _end(self) -> None:
        self._recovery = None
        self._detector.clear()
        self.rows = self.labelled = self.late = 0

    def came_late(self, mark: float) -> None:
        """Note a label that came after age h, for a prediction in a block that is closed."""
        if self.rows and mark >= self.onset:
            self.late += 1

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "limit": self.limit,
            "counts": [self.rows, self.labelled, self.late],
            "detector": self._detector.to_state(),
            "recovery": None if self._recovery is None else self._recovery.to_state(),
            "back_under": self._back_under,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Shortfall:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "shortfall of labels", 1)
        test = cls(s["limit"])
        test.rows, test.labelled, test.late = s["counts"]
        test._detector = EDetector.from_state(s["detector"])
        test._recovery = None if s["recovery"] is None else Recovery.from_state(s["recovery"])
        test._back_under = s["back_under"]
        return test
