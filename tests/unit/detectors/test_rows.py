"""Rows by column: the fast way and the slow way come to the same, and nothing is larger than it may be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.columns import LARGEST, LONGEST_TEXT, clean
from detectors.rows import COLUMNS, LONGEST_NAME, Layout, Row, block_of, bounded, numbers_of, tally_of

LAYOUT = Layout({"a": "number", "b": "number", "c": "category", "d": "mixed"})

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from([10**400, -(10**400), [1], {"a": 1}, b"x", "x" * 100]),
)
rows = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), values), min_size=1, max_size=20)


@given(rows)
def test_values_come_into_columns_as_they_are_cleaned(some: list[dict[str, object]]) -> None:
    """A number is where `clean` says that there is one, strays are texts and booleans, and nothing else is there."""
    block = block_of(LAYOUT, some, [0.0] * len(some))

    for place, name in enumerate(LAYOUT.numbers):
        cells = [clean(row.get(name)) for row in some]
        is_number = [isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells]
        expected = [float(cell) if number else math.nan for cell, number in zip(cells, is_number, strict=True)]  # type: ignore[arg-type]  # a number
        np.testing.assert_array_equal(block.numbers[place], expected)
        strays = block.strays.get(place, np.zeros(len(some), dtype=np.bool_)).tolist()
        assert strays == [isinstance(cell, str | bool) for cell in cells]
    assert [text is None for text in block.texts[0]] == [clean(row.get("c")) is None for row in some]
    assert block.absent[0].tolist() == [clean(row.get("d")) is None for row in some]


def test_rows_that_lack_a_column_come_the_slow_way_to_the_same() -> None:
    """A missing key is a missing value."""
    whole: list[Row] = [{"a": 1.0, "b": None, "c": "x", "d": 1}, {"a": 2.0, "b": 3.0, "c": None, "d": None}]
    lacking: list[Row] = [{"a": 1.0, "c": "x", "d": 1}, {"a": 2.0, "b": 3.0}]

    one, other = block_of(LAYOUT, whole, [1.0, 2.0]), block_of(LAYOUT, lacking, [1.0, 2.0])

    np.testing.assert_array_equal(one.numbers, other.numbers)
    assert (list(one.texts[0]), one.absent[0].tolist()) == (list(other.texts[0]), other.absent[0].tolist())


def test_layouts_of_no_and_of_one_column_work() -> None:
    """Rows without features are rows."""
    none, one = block_of(Layout({}), [{}, {"x": 1}], [1.0, 2.0]), block_of(Layout({"x": "number"}), [{}, {"x": 1}], [1.0, 2.0])

    assert (none.numbers.shape, none.texts) == ((0, 2), [])
    np.testing.assert_array_equal(one.numbers, [[math.nan, 1.0]])


def test_numbers_in_a_category_are_foreign_unless_it_was_declared() -> None:
    """What a person calls a category may have numbers for names."""
    some: list[Row] = [{"c": 7}, {"c": 7.0}, {"c": "x"}, {"c": True}]
    seen = block_of(Layout({"c": "category"}), some, [0.0] * 4)
    said = block_of(Layout({"c": "category"}, ["c"]), some, [0.0] * 4)

    assert (list(seen.texts[0]), seen.foreign[0].tolist()) == (["7", "7", "x", "true"], [True, True, False, False])
    assert (list(said.texts[0]), dict(said.foreign)) == (["7", "7", "x", "true"], {})


def test_at_most_five_hundred_columns_are_watched() -> None:
    """The first ones."""
    layout = Layout({f"c{place}": "number" for place in range(COLUMNS + 1)})

    assert (len(layout.names), layout.names[-1]) == (COLUMNS, f"c{COLUMNS - 1}")


def test_an_ordinary_row_is_kept_as_it_is() -> None:
    """Nothing is copied where nothing has to go."""
    row = {"a": 1.0, "b": math.nan, "c": "x" * LONGEST_TEXT}

    assert bounded(row, ["a"]) is row


@pytest.mark.parametrize(
    "row",
    [
        {f"n{place}": 1.0 for place in range(10 * COLUMNS)} | {"last": 2.0},
        {"n" * (LONGEST_NAME * COLUMNS): 1.0, "last": 2.0},
        {"long": "x" * 1_000_000, "last": 2.0},
    ],
)
def test_a_row_that_is_too_large_is_cut_and_keeps_what_is_watched(row: dict[str, object]) -> None:
    """Columns, names and texts are bounded; the watched column is there wherever it stood."""
    kept = bounded(row, ["last"])

    assert kept["last"] == 2.0
    assert (len(kept) <= COLUMNS, max(map(len, kept)) <= LONGEST_NAME) == (True, True)
    assert all(not isinstance(value, str) or len(value) <= LONGEST_TEXT for value in kept.values())


def test_numbers_of_a_column_are_finite_or_none() -> None:
    """Values that are no numbers are NaN, huge ones are cut."""
    expected = [1.0, math.nan, math.nan, LARGEST, -LARGEST, math.nan, math.nan]
    np.testing.assert_array_equal(numbers_of([1, None, math.inf, 10**400, -1e308, "x", True]), expected)
    np.testing.assert_array_equal(numbers_of([1, None, 2.5]), [1.0, math.nan, 2.5])


def test_texts_are_tallied_apart_from_what_is_missing() -> None:
    """None is no text."""
    assert tally_of(["a", None, "a", "b", None]) == ({"a": 2, "b": 1}, 2)
