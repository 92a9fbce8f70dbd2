"""Columns: kinds, bins, and counting values against them."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.columns import BINS, CATEGORIES, LARGEST, LONGEST_TEXT, Cell, Column, clean, cut, text_of

#: Everything that can stand in an event, and what cannot but might.
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(
        [math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, -0.0, 10**400, -(10**400), "x" * 1000, "", "nan", "1"]
    ),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
)


def learned(values: Sequence[object]) -> Column:
    """The column of raw values."""
    return Column.learn([clean(value) for value in values])


@given(st.lists(anything, max_size=60))
def test_every_row_is_accounted_for(values: list[object]) -> None:
    """Missing, in a bin, or of the wrong type: together they are the rows; everything is finite, and edges increase."""
    column = learned(values)

    assert column.rows == len(values)
    assert column.missing + sum(column.counts) + column.wrong == (column.missing if column.kind == "mixed" else column.rows)
    assert (
        len(column.counts) == {"number": len(column.edges) + 1, "category": len(column.categories) + 1, "mixed": 0}[column.kind]
    )
    assert all(low < high for low, high in pairwise(column.edges))
    assert len(column.edges) < BINS
    assert all(map(math.isfinite, (*column.edges, column.mean, column.deviation)))


@given(st.lists(anything, max_size=60))
def test_counting_its_own_values_gives_its_counts(values: list[object]) -> None:
    """What a column was learned from falls into its bins as it did then."""
    column = learned(values)

    assert column.counts_of(values) == list(column.counts)


@given(st.lists(anything, max_size=40), st.lists(anything, max_size=40))
def test_counting_many_is_counting_one_by_one(values: list[object], later: list[object]) -> None:
    """The fast way and the plain one agree on whatever comes later."""
    column = learned(values)
    bins = [column.bin_of(value) for value in later]

    assert column.counts_of(later) == [bins.count(place) for place in range(len(column.counts))]


@given(st.lists(anything, max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(values: list[object], rng: random.Random) -> None:
    """A column is a set of counts."""
    shuffled = list(values)
    rng.shuffle(shuffled)

    assert learned(shuffled) == learned(values)


@given(st.lists(anything, max_size=40))
def test_a_column_is_plain_data(values: list[object]) -> None:
    """Through JSON and back it is the same."""
    column = learned(values)

    assert Column.from_state(json.loads(json.dumps(column.to_state(), allow_nan=False))) == column


@given(st.lists(st.floats(-1e6, 1e6), min_size=200, max_size=400, unique=True))
def test_bins_of_a_number_are_its_deciles(values: list[float]) -> None:
    """Ten bins with a tenth of the rows each, give or take a row."""
    column = learned(values)

    assert len(column.counts) == BINS
    assert max(column.counts) - min(column.counts) <= 1


@given(st.lists(st.integers(-3, 6), min_size=1, max_size=50))
def test_a_number_with_few_values_has_a_bin_for_each(values: list[int]) -> None:
    """Whole numbers are numbers, whatever their few values mean; the edges lie between them."""
    column = learned(values)
    seen = sorted(set(values))

    assert column.kind == "number"
    if len(seen) > 1:
        assert column.counts == tuple(values.count(value) for value in seen)
        assert all(low < edge < high for edge, (low, high) in zip(column.edges, pairwise(seen), strict=True))


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e-300, 5e-324, 1e100, -1e100, 1e9])
def test_a_constant_has_a_bin_of_its_own(value: float) -> None:
    """So that any other value is seen to be another, and noise of rounding is not."""
    column = learned([value] * 10)

    assert column.counts == (0, 10, 0)
    assert column.bin_of(value * (1 + 1e-12)) == 1
    assert (column.bin_of(-LARGEST * 2 if value > -1e99 else 0), column.deviation) == (0 if value > -1e99 else 2, 0.0)


def test_neighbouring_doubles_are_told_apart() -> None:
    """There is no double between them to be the edge; then the lower one is."""
    low = 1.0
    high = math.nextafter(low, 2.0)
    column = learned([low, high, high])

    assert column.counts == (1, 2)


def test_most_of_the_rows_at_one_value() -> None:
    """Six of ten rows at 0: one bin for them, and the quantiles that are left."""
    column = learned([0.0] * 600 + [float(i) for i in range(1, 401)])

    assert column.counts[0] == 600
    assert column.edges[0] == 0.5
    assert len(column.counts) == 5


def test_numbers_of_a_column() -> None:
    """Least, largest, mean and standard deviation of the numbers; values that are not there count as missing."""
    column = learned([1, 2.0, 3, None, math.nan, math.inf])

    assert (column.rows, column.missing, column.present) == (6, 3, 3)
    assert (column.minimum, column.maximum, column.mean, column.deviation) == (1.0, 3.0, 2.0, 1.0)


@pytest.mark.parametrize(
    ("values", "kind", "wrong"),
    [
        ([1.0] * 95 + ["x"] * 5, "number", 5),
        ([1.0] * 94 + ["x"] * 6, "mixed", 0),
        (["x"] * 94 + [True] + [1.0] * 5, "category", 5),
        ([True, False], "category", 0),
        ([None, None], "mixed", 0),
        ([], "mixed", 0),
    ],
)
def test_the_kind_is_that_of_nearly_all_values(values: list[Cell], kind: str, wrong: int) -> None:
    """95 % of the values that are there; the rest is of the wrong type and in no bin. Booleans are categories."""
    column = Column.learn(values)

    assert (column.kind, column.wrong) == (kind, wrong)


def test_fifty_categories_have_a_bin() -> None:
    """The commonest ones, ties by name; all the rest together are one more."""
    column = learned([f"c{i:03}" for i in range(60) for _ in range(1 if i else 5)])

    assert len(column.categories) == CATEGORIES
    assert column.categories[:2] == ("c000", "c001")
    assert column.counts[0] == 5
    assert column.counts[-1] == 10
    assert column.bin_of("never seen") == CATEGORIES


def test_what_the_owner_says_comes_before_what_the_values_look_like() -> None:
    """Codes that are said to be categories are compared as text; text in what is said to be a number is of the wrong type."""
    codes = Column.learn([1, 2.0, True, "1", None], "category")
    number = Column.learn(["a", "b", 1.0], "number")

    assert (codes.categories, codes.counts) == (("1", "2", "true"), (2, 1, 1, 0))
    assert codes.counts_of([1, 1.0, "2", 3, None]) == [2, 1, 0, 0]
    assert (number.kind, number.counts, number.wrong) == ("number", (0, 1, 0), 2)


def test_a_long_text_is_known_by_its_digest() -> None:
    """Texts of any length take 64 characters at most, and two that differ at the end stay two."""
    one, other = "x" * 5000 + "1", "x" * 5000 + "2"
    column = learned([one, one, other])

    assert len(cut(one)) == LONGEST_TEXT
    assert column.counts_of([one, other, one]) == [2, 1, 0]


def test_values_as_they_are_kept() -> None:
    """What is not there is None, huge numbers are the largest one, and nothing else changes."""
    values = [math.nan, math.inf, [1], 1e308, -(10**400), 2**53 + 1, 7, 0.5, True, "a"]

    assert [clean(value) for value in values] == [None, None, None, LARGEST, -LARGEST, float(2**53), 7, 0.5, True, "a"]


def test_names_of_categories() -> None:
    """As events are compared: 1.0 is 1, true is true."""
    assert [text_of(value) for value in (1.0, 1, True, "1.0", 0.25, -0.0)] == ["1", "1", "true", "1.0", "0.25", "0"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"counts": [1]}, "has 2 counts"),
        ({"edges": [math.nan]}, "finite"),
        ({"edges": [3.0, 2.0], "counts": [1, 1, 1]}, "strictly increasing"),
        ({"missing": 2}, "no more than the rows"),
        ({"missing": -1}, "not negative"),
        ({"kind": "text"}, "Invalid enum value 'text'"),
        ({"rows": "3"}, "Expected `int`"),
        ({"mean": math.inf}, "finite"),
    ],
)
def test_what_contradicts_itself_is_no_column(change: dict[str, object], reason: str) -> None:
    """A column may come from a file; it is taken as a whole or not at all, with the reason."""
    state = learned([1, 2, 2]).to_state()

    with pytest.raises(ValueError, match=reason):
        Column.from_state({**state, **change})
