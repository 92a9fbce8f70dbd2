"""One column as it looks when all is well: its kind, its bins, how often it is missing.

A column is a histogram and little more, because two histograms over the same bins are all that drift, swapped columns and a
comparison of two groups of rows need. The bins follow the data: deciles of a number, cut half-way between two values that
were seen, so that a value which only rounding moved stays in its bin; the commonest texts of a category, and one bin for all
others. A number with a few values keeps a bin for each. What is of the wrong type is in no bin: that is another fault, with
another detector.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Final, Literal

import msgspec
import numpy as np

from detectors.base import State

Kind = Literal["number", "category", "mixed"]
Cell = float | str | bool | None

#: Bins of a number at most.
BINS: Final = 10
#: Categories that have a bin of their own at most.
CATEGORIES: Final = 50
#: Share of the values that have to be of one type; else the column is mixed.
MAJORITY: Final = 0.95
#: Characters of a text; a longer one is known by its beginning and a digest.
LONGEST_TEXT: Final = 64
#: Numbers beyond are taken for this: their squares would overflow.
LARGEST: Final = 1e100
#: Integers beyond are held as doubles: no format takes integers of any size.
_EXACT: Final = 2**53
_DIGEST: Final = 16
_NUMBERS_OR_NONE: Final = frozenset({float, int, type(None)})
_TEXTS_OR_NONE: Final = frozenset({str, bool, type(None)})


@dataclass(frozen=True, slots=True)
class Column:
    """What the values of a column were. Plain data.

    Attributes:
        kind: "number" or "category" (text and booleans), whichever 95 % of the values are; else "mixed", which has no bins.
        rows: Rows in which it was looked for.
        missing: Rows in which it had no value. NaN and infinities are none.
        edges: Of a number: between its bins, strictly increasing; a value that is equal to an edge lies below it. A constant
            has two edges closely around it.
        categories: Of a category: the commonest texts, the commonest first.
        counts: Of each bin; of a category one more, for all other texts. What is of the wrong type is in none.
        minimum: The least number, or None.
        maximum: The largest number, or None.
        mean: Of the numbers, 0 without one.
        deviation: Their standard deviation, 0 below two.
    """

    kind: Kind
    rows: int
    missing: int
    edges: tuple[float, ...]
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    minimum: float | None
    maximum: float | None
    mean: float
    deviation: float

    def __post_init__(self) -> None:
        """A column may come from a file that somebody wrote by hand; ValueError where it contradicts itself."""
        bins = {"number": len(self.edges) + 1, "category": len(self.categories) + 1, "mixed": 0}[self.kind]
        if len(self.counts) != bins:
            raise ValueError(f"a {self.kind} column of this form has {bins} counts, not {len(self.counts)}")
        if self.missing < 0 or any(count < 0 for count in self.counts) or self.missing + sum(self.counts) > self.rows:
            raise ValueError("counts and missing values are not negative, and together no more than the rows")
        if any(low >= high for low, high in pairwise(self.edges)) or len(set(self.categories)) < len(self.categories):
            raise ValueError("edges are strictly increasing, and no category is there twice")
        numbers = (*self.edges, self.mean, self.deviation, self.minimum or 0.0, self.maximum or 0.0)
        if not all(map(math.isfinite, numbers)):
            raise ValueError("the numbers of a column are finite")

    @classmethod
    def learn(cls, values: Sequence[Cell], kind: Kind | None = None) -> Column:
        """The column with these values, one a row, each as `clean` gives it.

        Args:
            values: Numbers, texts, booleans, or None.
            kind: What it is said to be: a number in a category is taken for its text. None: whatever most values are.
        """
        if kind == "category":
            values = [value if value is None else text_of(value) for value in values]
        numbers = sorted(float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool))
        texts = Counter(text_of(value) for value in values if isinstance(value, str | bool))
        missing = len(values) - len(numbers) - texts.total()
        match kind or _kind(len(numbers), texts.total()):
            case "number":
                return cls._number(len(values), missing, numbers)
            case "category":
                commonest = sorted(texts.items(), key=lambda item: (-item[1], item[0]))[:CATEGORIES]
                counts = [count for _, count in commonest]
                counts.append(texts.total() - sum(counts))
                names = tuple(text for text, _ in commonest)
                return cls("category", len(values), missing, (), names, tuple(counts), None, None, 0.0, 0.0)
            case _:
                return cls("mixed", len(values), missing, (), (), (), None, None, 0.0, 0.0)

    @classmethod
    def _number(cls, rows: int, missing: int, numbers: Sequence[float]) -> Column:
        edges = _edges(numbers)
        if not numbers:
            return cls("number", rows, missing, edges, (), _histogram(edges, numbers), None, None, 0.0, 0.0)
        mean = math.fsum(numbers) / len(numbers)
        counts = _histogram(edges, numbers)
        return cls("number", rows, missing, edges, (), counts, numbers[0], numbers[-1], mean, _deviation(numbers, mean))

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def wrong(self) -> int:
        """Rows with a value of the wrong type; of a mixed column no type is wrong."""
        return 0 if self.kind == "mixed" else self.present - sum(self.counts)

    def bin_of(self, value: object) -> int | None:
        """The bin of a value; None for one that is not there or of the wrong type.

        A number in a category is at home where its text is one of the categories, and of the wrong type elsewhere.
        """
        cell = clean(value)
        if cell is None or self.kind == "mixed":
            return None
        if isinstance(cell, str | bool):
            return None if self.kind == "number" else _place(self.categories, text_of(cell))
        if self.kind == "number":
            return bisect_left(self.edges, cell)
        text = text_of(cell)
        return self.categories.index(text) if text in self.categories else None

    def counts_of(self, values: Sequence[object]) -> list[int]:
        """How many of the values lie in each bin, in the order of `counts`: as `bin_of`, for many at once."""
        if self.kind == "mixed":
            return []
        return self._numbers_in(values) if self.kind == "number" else self._texts_in(values)

    def _numbers_in(self, values: Sequence[object]) -> list[int]:
        numbers = _as_numbers(values)
        bins = np.searchsorted(np.array(self.edges), numbers, side="left")
        counted: list[int] = np.bincount(bins, minlength=len(self.edges) + 1).tolist()
        return counted

    def _texts_in(self, values: Sequence[object]) -> list[int]:
        counts = [0] * len(self.counts)
        if _TEXTS_OR_NONE.issuperset(map(type, values)):
            index = {text: place for place, text in enumerate(self.categories)}
            for value, count in Counter(values).items():
                if isinstance(value, str | bool):
                    counts[index.get(text_of(value), len(index))] += count
            return counts
        for value in values:
            place = self.bin_of(value)
            if place is not None:
                counts[place] += 1
        return counts

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Column:
        """Rebuild what `to_state` described; ValueError with the reason where it is no column."""
        try:
            return msgspec.convert(state, cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None


def clean(value: object) -> Cell:
    """A value as it is kept: NaN, infinities and what is no scalar are not there, numbers and texts have a bounded size."""
    if isinstance(value, str):
        return cut(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_EXACT <= value <= _EXACT else float(max(-LARGEST, min(value, LARGEST)))
    if isinstance(value, float) and math.isfinite(value):
        return max(-LARGEST, min(value, LARGEST))
    return None


def cut(text: str) -> str:
    """A text of any length in at most 64 characters."""
    if len(text) <= LONGEST_TEXT:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:_DIGEST]
    return f"{text[: LONGEST_TEXT - _DIGEST - 1]}…{digest}"


def text_of(value: str | float | bool) -> str:
    """A value as the name of a category: booleans are `true` and `false`, and `1.0` is `1`."""
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if abs(value) <= _EXACT and value == int(value) else str(value)


def _kind(numbers: int, texts: int) -> Kind:
    total = numbers + texts
    if total and numbers >= MAJORITY * total:
        return "number"
    return "category" if total and texts >= MAJORITY * total else "mixed"


def _edges(numbers: Sequence[float]) -> tuple[float, ...]:
    """The inner edges of the bins of sorted numbers, half-way between two that were seen."""
    if not numbers:
        return ()
    values = sorted(set(numbers))
    if len(values) == 1:
        # Between them only what rounding makes of the constant: any other value is in another bin.
        margin = abs(values[0]) * 1e-6 or 1e-12
        return (values[0] - margin, values[0] + margin)
    if len(values) <= BINS:
        below = values[:-1]
    else:
        quantiles = (numbers[math.ceil(len(numbers) * tenth / BINS) - 1] for tenth in range(1, BINS))
        below = sorted({value for value in quantiles if value < values[-1]})
    return tuple(_between(value, values[bisect_left(values, value) + 1]) for value in below)


def _between(low: float, high: float) -> float:
    middle = low + (high - low) / 2
    return middle if middle < high else low  # there may be no double between the two; what is equal to an edge lies below


def _histogram(edges: tuple[float, ...], numbers: Sequence[float]) -> tuple[int, ...]:
    ends = [0, *(bisect_right(numbers, edge) for edge in edges), len(numbers)]
    return tuple(after - before for before, after in pairwise(ends))


def _place(categories: Sequence[str], text: str) -> int:
    return categories.index(text) if text in categories else len(categories)


def _deviation(numbers: Sequence[float], mean: float) -> float:
    if len(numbers) <= 1:
        return 0.0
    return math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / (len(numbers) - 1))


def _as_numbers(values: Sequence[object]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The finite numbers among the values; a boolean is none."""
    if not _NUMBERS_OR_NONE.issuperset(map(type, values)):
        values = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    try:
        numbers = np.array(values, dtype=np.float64)  # None becomes NaN
    except OverflowError:  # an integer that no double holds
        numbers = np.array([clean(value) for value in values], dtype=np.float64)
    return np.clip(numbers[np.isfinite(numbers)], -LARGEST, LARGEST)
