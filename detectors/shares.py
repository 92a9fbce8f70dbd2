"""The share of rows that are at fault, column by column: an e-detector on the shares of blocks, and one for the recovery.

The inputs are blocks of up to a minute and not single rows, because faults come in bursts: a source that fails for two seconds
makes a hundred rows in a row fault, which as a hundred independent inputs would be an alarm, and as one block is one input.
A column that was never at fault has no detector yet: it would hold next to nothing, and most columns never are.

A fault is over when its share is shown to be under its limit, or under half of what it was when it was found: against a limit
of 0.02 a clean block shows next to nothing, and a column that is back would be called missing for hours. Should half of it
last, the detector, which starts anew, finds it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from detectors.base import State, checked
from detectors.bounds import upper_bound
from detectors.budget import increment
from detectors.divergence import corrected_psi
from detectors.histograms import Bins
from detectors.sequential import EDetector, Recovery

#: Rise of a share that does no harm.
TOLERANCE: Final = 0.02
#: Faults called over too early, a second of fault: one in 7 days.
EARLY: Final = 1.0 / (7 * 86_400)
#: Rows with and without a value before their outputs are compared.
ENOUGH: Final = 300
_CONFIDENCE: Final = 0.99
#: A block that lasts so long stands for the usual one where the evidence is shown.
_USUAL: Final = 60.0


def limit_of_share(share: float, rows: int) -> float:
    """The largest harmless share of a column: the upper bound of what the profile saw, and the tolerance."""
    return upper_bound(share, rows, 0.0, binary=True, confidence=_CONFIDENCE) + TOLERANCE


class ShareDetector:
    """Watches the share of rows of one column that have one class of fault.

    Args:
        limit: The largest harmless share, above 0.
        expected: The share that is normal.
        kinds: How many kinds of fault are counted apart.
        block: The number of the block with its first fault.

    Attributes:
        blocks_to: The number of the last block that it took, if it takes every one.
        rows: Rows since the present rise over the limit began.
        faults: Rows at fault since then, by kind.
        found: Whether the share is over its limit: from the alarm to the recovery.
    """

    def __init__(self, limit: float, expected: float, kinds: int = 1, block: int = 1) -> None:
        self.expected = expected
        self.blocks_to = block - 1
        self.rows = 0
        self.faults = [0] * kinds
        self._detector = EDetector(limit)
        self._recovery: Recovery | None = None
        # Counts of the outputs: of rows with and without the value since the onset, and of all rows just before it.
        self._with: list[int] = []
        self._without: list[int] = []
        self._before: list[int] = []

    @property
    def limit(self) -> float:
        """The largest harmless share."""
        return self._detector.limit

    @property
    def found(self) -> bool:
        """Whether the share is over its limit."""
        return self._recovery is not None

    @property
    def onset(self) -> float:
        """The mark of the block in which the present rise over the limit began."""
        return self._detector.onset or 0.0

    @property
    def share(self) -> float:
        """Of the rows since the onset, how many are at fault."""
        return sum(self.faults) / self.rows if self.rows else 0.0

    def update(self, faults: Sequence[int], rows: int, rate: float, seconds: float, mark: float) -> None:
        """Take a block.

        Args:
            faults: Rows at fault, by kind; together at most `rows`.
            rows: Of the block, at least 1.
            rate: False alarms a second that this detector may cost.
            seconds: Event time since the last block.
            mark: Event time of the block's first row.
        """
        self.blocks_to += 1
        x = min(1.0, sum(faults) / rows)
        if self._recovery is None:
            self._detector.update(x, increment(rate, 1.0, seconds), mark)
            if self._detector.since_onset == 1:
                self._begin()
        self.rows += rows
        self.faults = [before + now for before, now in zip(self.faults, faults, strict=True)]
        if self._recovery is None:
            if self._detector.drift_detected:
                self._recovery = Recovery(max(self.limit, self.share / 2.0))
            return
        self._recovery.update(x, increment(EARLY, 1.0, seconds), mark)
        if self._recovery.drift_detected:
            self._end()

    def _begin(self) -> None:
        self.rows = 0
        self.faults = [0] * len(self.faults)
        self.forget_outputs()

    def _end(self) -> None:
        self._recovery = None
        self._detector.clear()
        self._begin()

    def compare(self, outputs: Sequence[int], without: Sequence[int], before: Sequence[int]) -> None:
        """Take how the outputs of the same block were distributed.

        Args:
            outputs: Counts of the block's outputs, in the bins of the profile.
            without: Those of the rows at fault.
            before: Those of all rows of some time before the block.
        """
        if not self._with:
            self._with, self._without, self._before = [0] * len(outputs), [0] * len(outputs), list(before)
        self._with = [old + new - gone for old, new, gone in zip(self._with, outputs, without, strict=True)]
        self._without = [old + gone for old, gone in zip(self._without, without, strict=True)]

    def forget_outputs(self) -> None:
        """Drop what is known of the outputs, whose bins are others now."""
        self._with, self._without, self._before = [], [], []

    def moves(self) -> float | None:
        """How far apart the outputs of rows with and without the value are (corrected PSI); None below 300 rows of either.

        Where nearly all rows lack it there are none to compare with in the same period; then the rows just before the onset are.
        """
        if sum(self._without) < ENOUGH:
            return None
        for others in (self._with, self._before):
            if sum(others) >= ENOUGH:
                return corrected_psi(others, self._without)
        return None

    def evidence(self, rate: float) -> float:
        """How near the alarm is, 0 to 1."""
        return 1.0 if self.found else self._detector.evidence_ratio(increment(rate, 1.0, _USUAL))

    def hold_to(self, limit: float, expected: float) -> None:
        """Set the limit anew, after a person changed what is declared."""
        self.expected = expected
        if limit > self.limit:
            self._detector.raise_limit(limit)
            self._recovery = None
            self._begin()
        elif limit < self.limit:
            self._detector.lower(limit)

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "expected": self.expected,
            "blocks_to": self.blocks_to,
            "rows": self.rows,
            "faults": list(self.faults),
            "detector": self._detector.to_state(),
            "recovery": None if self._recovery is None else self._recovery.to_state(),
            "outputs": [list(self._with), list(self._without), list(self._before)],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> ShareDetector:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "share detector", 1)
        detector = EDetector.from_state(s["detector"])
        share = cls(detector.limit, s["expected"], len(s["faults"]), s["blocks_to"] + 1)
        share.rows, share.faults, share._detector = s["rows"], list(s["faults"]), detector
        share._recovery = None if s["recovery"] is None else Recovery.from_state(s["recovery"])
        share._with, share._without, share._before = (list(counts) for counts in s["outputs"])
        return share


class Outputs:
    """What the model says, counted in the bins of the profile: in a block, in some of its rows, and over the last while.

    Args:
        usual: What the profile counted, which stands for the last while at first; empty without an output.

    Attributes:
        cells: How many bins there are.
    """

    #: Outputs of the last while: between this and twice as many.
    WHILE: Final = 1_000

    def __init__(self, usual: Sequence[int]) -> None:
        self.cells = len(usual)
        self._older = list(usual)
        self._newer = [0] * self.cells

    @property
    def lately(self) -> list[int]:
        """The counts of the last while."""
        return [old + new for old, new in zip(self._older, self._newer, strict=True)]

    def count(self, bins: Bins) -> list[int]:
        """How many of these outputs lie in each bin; -1 is none."""
        counted: list[int] = np.bincount(bins[bins >= 0], minlength=self.cells).tolist()
        return counted

    def add(self, counts: Sequence[int]) -> None:
        """Take the counts of a block."""
        self._newer = [old + new for old, new in zip(self._newer, counts, strict=True)]
        if sum(self._newer) >= self.WHILE:
            self._older, self._newer = self._newer, [0] * self.cells

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {"older": list(self._older), "newer": list(self._newer)}

    @classmethod
    def from_state(cls, state: Mapping[str, Sequence[int]]) -> Outputs:
        """Rebuild what `to_state` described."""
        outputs = cls(state["older"])
        outputs._newer = list(state["newer"])
        return outputs
