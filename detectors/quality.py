"""A block of rows against what its owner declared and what the profile saw: how many values of each column are at fault.

Two classes of fault, because they mean different things. A *hard* one breaks what a person wrote down: it is wrong whatever
the reference was. A *soft* one only was not seen before: text in a column of numbers, a number outside the range, a category
that is new. Every value is at fault once at most, the hard way first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from detectors.columns import LARGEST, Column, Kind
from detectors.rows import COLUMNS, Block, Layout, Mask, tally_of

Fault = Literal["wrong_type", "out_of_bounds", "unknown_category"]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
_WRONG_TYPE, _OUT_OF_BOUNDS, _UNKNOWN = range(3)

Faults = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Declared:
    """What a guardrail file says of a feature.

    Attributes:
        kind: "number" or "category".
        minimum: A number below is a hard error; None where nothing is said, as for all of these.
        maximum: A number above is one.
        missing: Share of missing values that is normal, 0 to 1.
        values: Every category there is, as text; another one is a hard error.
    """

    kind: Literal["number", "category"]
    minimum: float | None = None
    maximum: float | None = None
    missing: float | None = None
    values: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What was at fault in a block; one line a column of the layout.

    Attributes:
        rows: Of the block.
        missing: Rows without a value.
        hard: Values that break what is declared, by kind of fault in the order of `FAULTS`.
        soft: Values that were not seen before, likewise.
        gone: Which rows have no value, by place, for columns that lack some.
    """

    rows: int
    missing: npt.NDArray[np.int64]
    hard: Faults
    soft: Faults
    gone: Mapping[int, Mask]


def watched(declared: Mapping[str, Declared], columns: Mapping[str, Column]) -> dict[str, Kind]:
    """The columns to watch with their kinds: declared ones first, 500 at most, the rest in the profile's order."""
    names = list(islice({**declared, **columns}, COLUMNS))
    return {name: declared[name].kind if name in declared else columns[name].kind for name in names}


class Checks:
    """Counts what is at fault.

    Args:
        layout: Of the blocks to come.
        declared: What the guardrail file says, by name.
        columns: What the profile saw; nothing before there is one.
    """

    def __init__(self, layout: Layout, declared: Mapping[str, Declared], columns: Mapping[str, Column]) -> None:
        self._layout = layout
        self._hard = _bounds([_declared_bounds(declared.get(name)) for name in layout.numbers])
        self._soft = _bounds([_seen_bounds(columns.get(name)) for name in layout.numbers])
        self._numbers_declared = [name in declared for name in layout.numbers]
        self._numbers_seen = [name in columns and columns[name].kind == "number" for name in layout.numbers]
        self._values = [declared[name].values if name in declared else None for name in layout.categories]
        self._seen = [_seen_categories(columns.get(name)) for name in layout.categories]

    def tally(self, block: Block) -> Tally:
        """Count the faults of a block."""
        columns, rows = len(self._layout.names), len(block.marks)
        missing = np.zeros(columns, dtype=np.int64)
        hard, soft = np.zeros((columns, len(FAULTS)), dtype=np.int64), np.zeros((columns, len(FAULTS)), dtype=np.int64)
        gone: dict[int, Mask] = {}
        numbers, texts = len(self._layout.numbers), len(self._layout.categories)
        if numbers:
            self._number_faults(block, missing, hard, soft, gone)
        for place in range(texts):
            line = numbers + place
            missing[line] = self._text_faults(block, place, hard[line], soft[line])
            if missing[line]:
                gone[line] = np.array([value is None for value in block.texts[place]])
        for place, absent in block.absent.items():
            line = numbers + texts + place
            missing[line] = np.count_nonzero(absent)
            if missing[line]:
                gone[line] = absent
        return Tally(rows, missing, hard, soft, gone)

    def _number_faults(
        self, block: Block, missing: npt.NDArray[np.int64], hard: Faults, soft: Faults, gone: dict[int, Mask]
    ) -> None:
        count = len(self._layout.numbers)
        values = block.numbers
        absent = np.isnan(values)
        for place, strays in block.strays.items():
            absent[place] &= ~strays
            if self._numbers_declared[place]:
                hard[place, _WRONG_TYPE] = np.count_nonzero(strays)
            elif self._numbers_seen[place]:
                soft[place, _WRONG_TYPE] = np.count_nonzero(strays)
        missing[:count] = np.count_nonzero(absent, axis=1)
        for place in np.flatnonzero(missing[:count]).tolist():
            gone[place] = absent[place]
        broken = (values < self._hard[0]) | (values > self._hard[1])
        unseen = (values < self._soft[0]) | (values > self._soft[1])
        hard[:count, _OUT_OF_BOUNDS] = np.count_nonzero(broken, axis=1)
        soft[:count, _OUT_OF_BOUNDS] = np.count_nonzero(unseen & ~broken, axis=1)

    def _text_faults(self, block: Block, place: int, hard: Faults, soft: Faults) -> int:
        """Count a category column into its two lines; gives how many values are missing."""
        tally, missing = tally_of(block.texts[place])
        values, seen = self._values[place], self._seen[place]
        if values is not None and not values.issuperset(tally):
            hard[_UNKNOWN] = sum(count for text, count in tally.items() if text not in values)
        if seen is None or seen.issuperset(tally):
            return missing
        unseen = {text: count for text, count in tally.items() if text not in seen and (values is None or text in values)}
        foreign = block.foreign.get(place)
        if foreign is not None:
            strange = Counter(text for text, number in zip(block.texts[place], foreign, strict=True) if number)
            soft[_WRONG_TYPE] = sum(min(count, strange[text]) for text, count in unseen.items())
        soft[_UNKNOWN] = sum(unseen.values()) - soft[_WRONG_TYPE]
        return missing


def usual_faults(column: Column | None) -> float:
    """The share of rows that are at fault the soft way while all is well.

    Values of the wrong type and categories beyond those that the profile names were counted. What it never saw cannot be: of a
    number that is the share beyond the least and the largest of n values, 2/(n + 1); of a category about the share of those that
    were seen once (Good, "The population frequencies of species", Biometrika 40, 1953).
    """
    if column is None or column.rows == 0 or column.kind == "mixed":
        return 0.0
    faults = float(column.wrong)
    if column.kind == "number":
        faults += 2.0 * column.present / (column.present + 1.0)
    else:
        faults += column.counts[-1] + sum(count == 1 for count in column.counts[:-1])
    return min(1.0, faults / column.rows)


def _bounds(pairs: list[tuple[float, float]]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Least and largest values as two columns, to be compared with a matrix of one line a column."""
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, :1], table[:, 1:]


def _declared_bounds(declared: Declared | None) -> tuple[float, float]:
    if declared is None:
        return -np.inf, np.inf
    low, high = declared.minimum, declared.maximum
    return -np.inf if low is None else low, np.inf if high is None else high


def _seen_bounds(column: Column | None) -> tuple[float, float]:
    if column is None or column.minimum is None or column.maximum is None:
        return -np.inf, np.inf
    # The least that is below 0 by rounding of a sum elsewhere is no new value.
    margin = 1e-9 * max(abs(column.minimum), abs(column.maximum))
    return max(column.minimum - margin, -LARGEST), min(column.maximum + margin, LARGEST)


def _seen_categories(column: Column | None) -> frozenset[str] | None:
    return frozenset(column.categories) if column is not None and column.kind == "category" else None
