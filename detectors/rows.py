"""Rows by column: the form in which a few hundred rows are measured at once.

A value is looked at in Python once, for its type; what is the same for all values of a column is then done by NumPy for all
columns together. A column of numbers that holds nothing else takes the fast way; one with a single text in it the slow way, to
the same result. How values are cleaned is `detectors.columns`' matter: NaN, infinities and what is no scalar are not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from detectors.columns import LARGEST, LONGEST_TEXT, Kind, clean, text_of

Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Row = Mapping[str, object]

#: Columns watched at most, and columns of a row that are kept.
COLUMNS: Final = 500
#: Characters of a column's name; longer ones are ignored.
LONGEST_NAME: Final = 256

_NUMBERS_OR_NONE: Final = frozenset({float, int, type(None)})
_TEXTS_OR_NONE: Final = frozenset({str, type(None)})


class Layout:
    """Which columns are watched, and as what.

    Args:
        kinds: By name; the first 500 are watched.
        declared: Those whose kind a person said. A number in a category of theirs is at home there, by its text.
    """

    def __init__(self, kinds: Mapping[str, Kind], declared: Collection[str] = ()) -> None:
        known = list(islice(kinds.items(), COLUMNS))
        self.numbers = tuple(name for name, kind in known if kind == "number")
        self.categories = tuple(name for name, kind in known if kind == "category")
        self.mixed = tuple(name for name, kind in known if kind == "mixed")
        self.names = self.numbers + self.categories + self.mixed
        self.takes_numbers = frozenset(place for place, name in enumerate(self.categories) if name in declared)
        self.place = {name: place for place, name in enumerate(self.names)}
        self._get = itemgetter(*self.names) if len(self.names) > 1 else None

    def table(self, rows: Sequence[Row]) -> list[Sequence[object]]:
        """The values of each column, None where a row has none."""
        if self._get is not None:
            try:
                return list(zip(*map(self._get, rows), strict=True))
            except KeyError:
                pass  # some row lacks a column: the slow way
        return [[row.get(name) for row in rows] for name in self.names]


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows by column, in the order of a layout.

    Attributes:
        marks: Event time of each row.
        numbers: One line a number column, NaN where there is no number.
        strays: Of number columns by place: which rows have a text or a boolean instead.
        texts: One list a category column, None where there is no value.
        foreign: Of category columns by place among them: which rows have a number, which does not belong there.
        absent: Of mixed columns by place among them: which rows have no value.
    """

    marks: Sequence[float]
    numbers: Numbers
    strays: Mapping[int, Mask]
    texts: Sequence[Sequence[str | None]]
    foreign: Mapping[int, Mask]
    absent: Mapping[int, Mask]


def block_of(layout: Layout, rows: Sequence[Row], marks: Sequence[float]) -> Block:
    """Bring rows, each as `bounded` gives it, into columns."""
    table = layout.table(rows)
    first, second = len(layout.numbers), len(layout.numbers) + len(layout.categories)
    strays: dict[int, Mask] = {}
    foreign: dict[int, Mask] = {}
    numbers: list[Sequence[object] | Numbers] = list(table[:first])
    for place, values in enumerate(table[:first]):
        if not _NUMBERS_OR_NONE.issuperset(map(type, values)):
            numbers[place], others_there = _split(values)
            if others_there.any():
                strays[place] = others_there
    texts = []
    for place, values in enumerate(table[first:second]):
        if _TEXTS_OR_NONE.issuperset(map(type, values)):
            texts.append(values)
        else:
            named, numbers_there = _named(values)
            texts.append(named)
            if numbers_there.any() and place not in layout.takes_numbers:
                foreign[place] = numbers_there
    absent = {place: np.array([clean(value) is None for value in values]) for place, values in enumerate(table[second:])}
    return Block(marks, _matrix(numbers, len(rows)), strays, texts, foreign, absent)  # type: ignore[arg-type]  # the types were looked at


def _matrix(columns: list[Sequence[object] | Numbers], rows: int) -> Numbers:
    """One line a column; None and what is not finite becomes NaN."""
    try:
        matrix = np.array(columns, dtype=np.float64).reshape(len(columns), rows)
    except OverflowError:  # an integer that no double holds
        matrix = np.array([[clean(value) for value in values] for values in columns], dtype=np.float64)
    matrix[~np.isfinite(matrix)] = np.nan
    # As the profile does: nothing that is added up overflows.
    return np.clip(matrix, -LARGEST, LARGEST, out=matrix)


def numbers_of(values: Sequence[object]) -> Numbers:
    """The numbers of one column, NaN where there is none."""
    pure = _NUMBERS_OR_NONE.issuperset(map(type, values))
    line: Numbers = _matrix([values if pure else _split(values)[0]], len(values))[0]
    return line


def tally_of(texts: Sequence[str | None]) -> tuple[Counter[str], int]:
    """How often each text occurs, and how often there is none."""
    tally = Counter(texts)
    absent = tally.pop(None, 0)
    return cast("Counter[str]", tally), absent


def _split(values: Sequence[object]) -> tuple[Numbers, Mask]:
    """The numbers, and where there is a text or a boolean in their place."""
    cells = [clean(value) for value in values]
    strays = np.array([isinstance(cell, str | bool) for cell in cells])
    return np.array([None if isinstance(cell, str | bool) else cell for cell in cells], dtype=np.float64), strays


def _named(values: Sequence[object]) -> tuple[list[str | None], Mask]:
    """The values as names of categories, and where they are numbers."""
    cells = [clean(value) for value in values]
    foreign = np.array([isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells])
    return [None if cell is None else text_of(cell) for cell in cells], foreign


def bounded(features: Row, watched: Sequence[str]) -> Row:
    """The row in bounded memory: hundreds of them wait for their block, and a text or a name may be as long as an event.

    The very row where nothing has to go, which costs a twentieth of a microsecond a column.
    """
    if len(features) <= COLUMNS and sum(map(len, features)) <= LONGEST_NAME * COLUMNS // 4:
        for value in features.values():
            if type(value) is str and len(value) > LONGEST_TEXT:
                break
        else:
            return features
    kept = {name: clean(features[name]) for name in watched if name in features}
    for name in islice(features, COLUMNS):
        if name not in kept and len(kept) < COLUMNS and len(name) <= LONGEST_NAME:
            kept[name] = clean(features[name])
    return kept
