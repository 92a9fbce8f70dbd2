"""Rows counted in the bins of a profile, all columns at once, and held against what the profile counted.

Ten comparisons of a whole matrix of numbers with one edge of every column each are several times as fast as a search of every
column by itself. The counts are those of `Column.counts_of`; a test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.columns import Cell, Column, clean, text_of
from detectors.divergence import corrected_psi
from detectors.rows import Block, Layout, numbers_of, tally_of

Counts = npt.NDArray[np.int64]
#: Of each row the bin of a value; -1 for none.
Bins = npt.NDArray[np.intp]

#: A divergence from which on two distributions differ materially: the field's threshold.
MOVED: Final = 0.2
#: One below which they are alike.
ALIKE: Final = 0.1
#: Standard deviations of the noise of a divergence that do not count as one. In bins of equal size the threshold of 0.2 is over
#: it anyway; it decides where values are few or bins many.
_NOISE: Final = 5.0


def threshold(cells: int, n: float, m: float) -> float:
    """The corrected divergence of two samples from which on they differ materially: `MOVED`, or more where chance does more.

    Under no change the index is about (1/n + 1/m) times a chi-squared variable with `cells - 1` degrees of freedom.
    """
    if n <= 0.0 or m <= 0.0:
        return math.inf
    return max(MOVED, _NOISE * math.sqrt(2.0 * max(cells - 1, 0)) * (1.0 / n + 1.0 / m))


def differ(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """The corrected divergence of two histograms over the same cells, and the threshold for it."""
    cells = sum(a > 0 or b > 0 for a, b in zip(one, other, strict=True))
    return corrected_psi(one, other), threshold(cells, sum(one), sum(other))


def bins_of(column: Column, values: Sequence[object]) -> Bins:
    """The bin of each value, as `Column.bin_of`; -1 for one that is not there or of the wrong type."""
    if column.kind == "number":
        numbers = numbers_of(values)
        bins = np.searchsorted(np.array(column.edges), numbers, side="left")
        return np.where(np.isnan(numbers), -1, bins)
    if column.kind == "mixed":
        return np.full(len(values), -1, dtype=np.intp)
    index = {text: cell for cell, text in enumerate(column.categories)}
    return np.array([_place(index, clean(value)) for value in values], dtype=np.intp)


def _place(index: Mapping[str, int], cell: Cell) -> int:
    if cell is None:
        return -1
    others = len(index) if isinstance(cell, str | bool) else -1  # a number is at home where its text is a category
    return index.get(text_of(cell), others)


class Histograms:
    """The bins of every column that the profile has any for, in the order of the layout.

    A column whose declared kind is not what the profile saw has none.

    Args:
        layout: Of the blocks to come.
        columns: Of the profile.
    """

    def __init__(self, layout: Layout, columns: Mapping[str, Column]) -> None:
        numbers = [(place, columns.get(name)) for place, name in enumerate(layout.numbers)]
        texts = [(place, columns.get(name)) for place, name in enumerate(layout.categories)]
        self._numbers = [(place, column) for place, column in numbers if column is not None and column.kind == "number"]
        self._texts = [(place, column) for place, column in texts if column is not None and column.kind == "category"]
        known = [*self._numbers, *self._texts]
        places = [place for place, _ in self._numbers] + [len(layout.numbers) + place for place, _ in self._texts]
        self.names = tuple(layout.names[place] for place in places)
        self.columns = tuple(column for _, column in known)
        self.cells = tuple(len(column.counts) for column in self.columns)
        self.width = max(self.cells, default=1)
        self._rows = np.array([place for place, _ in self._numbers], dtype=np.intp)
        self._edges = np.full((len(self._numbers), max((len(c.edges) for _, c in self._numbers), default=0)), np.inf)
        for line, (_, column) in enumerate(self._numbers):
            self._edges[line, : len(column.edges)] = column.edges
        self._index = [{text: cell for cell, text in enumerate(column.categories)} for _, column in self._texts]

    def count(self, block: Block) -> Counts:
        """How many values of each column lie in each of its bins; one line a column, zeros behind its last bin."""
        counts = np.zeros((len(self.columns), self.width), dtype=np.int64)
        numbers = len(self._numbers)
        if numbers:
            self._count_numbers(block.numbers[self._rows], counts[:numbers])
        for line, ((place, _), index) in enumerate(zip(self._texts, self._index, strict=True), start=numbers):
            others = len(index)
            tally, _ = tally_of(block.texts[place])
            foreign = block.foreign.get(place)
            if foreign is not None:  # a number is at home where its text is one of the categories, and nowhere else
                strange = (text for text, number in zip(block.texts[place], foreign, strict=True) if number and text is not None)
                tally.subtract(text for text in strange if text not in index)
            for text, count in tally.items():
                counts[line, index.get(text, others)] += count
        return counts

    def _count_numbers(self, values: npt.NDArray[np.float64], counts: Counts) -> None:
        above = np.count_nonzero(~np.isnan(values), axis=1)
        for cell in range(self._edges.shape[1]):
            higher = np.count_nonzero(values > self._edges[:, cell, None], axis=1)  # NaN is not, in any comparison
            counts[:, cell] = above - higher
            above = higher
        # Of columns with fewer edges nothing is left here: infinity pads them; what was over their last edge was counted there.
        counts[:, self._edges.shape[1]] = above

    def of(self, counts: Counts, line: int) -> list[int]:
        """The counts of a column, as long as the profile's."""
        found: list[int] = counts[line, : self.cells[line]].tolist()
        return found
