"""Histograms of many columns at once: the counts of the profile's own bins, and when two of them differ."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.columns import Cell, Column, clean
from detectors.histograms import MOVED, Histograms, bins_of, differ, threshold
from detectors.rows import Layout, block_of

values = st.one_of(
    st.none(), st.booleans(), st.integers(-20, 20), st.floats(), st.sampled_from(["a", "b", "3", "", 10**400, [1], 1e308])
)
cells = st.lists(values.map(clean), min_size=1, max_size=60)


def learn(cells_: list[Cell]) -> Column:
    """A column of these values."""
    return Column.learn(cells_)


@given(cells, cells, st.lists(st.tuples(values, values), min_size=1, max_size=40))
def test_all_columns_at_once_count_as_each_by_itself(one: list[Cell], two: list[Cell], some: list[tuple[object, object]]) -> None:
    """Whatever the kinds of the columns and the values are, the counts are those of `Column.counts_of`."""
    columns = {"one": learn(one), "two": learn(two)}
    layout = Layout({name: column.kind for name, column in columns.items()})
    rows = [dict(zip(columns, row, strict=True)) for row in some]
    histograms = Histograms(layout, columns)
    counts = histograms.count(block_of(layout, rows, [0.0] * len(rows)))

    for line, name in enumerate(histograms.names):
        assert histograms.of(counts, line) == columns[name].counts_of([row[name] for row in rows])
        assert sum(histograms.of(counts, line)) == counts[line].sum()
    assert set(histograms.names) == {name for name, column in columns.items() if column.kind != "mixed"}


@given(cells, st.lists(values, max_size=40))
def test_the_bin_of_each_value_is_the_columns(learned: list[Cell], some: list[object]) -> None:
    """`bins_of` is `Column.bin_of` for many."""
    column = learn(learned)

    assert bins_of(column, some).tolist() == [-1 if (cell := column.bin_of(value)) is None else cell for value in some]


def test_a_column_of_another_kind_than_declared_has_no_bins() -> None:
    """A number that the profile saw as texts cannot be held against it."""
    columns = {"x": learn(["a", "b"]), "y": learn([1.0, 2.0])}

    assert Histograms(Layout({"x": "number", "y": "number", "z": "number"}), columns).names == ("y",)


def test_no_columns_are_no_trouble() -> None:
    """Before there is a profile."""
    layout = Layout({"x": "number"})

    assert Histograms(layout, {}).count(block_of(layout, [{"x": 1.0}], [0.0])).shape == (0, 1)


@pytest.mark.parametrize(
    ("cells_", "n", "m", "expected"),
    [(10, 2_000, 1_000, MOVED), (10, 300, 300, MOVED), (51, 300, 300, 5 * 100**0.5 * 2 / 300), (1, 10, 10, MOVED)],
)
def test_the_threshold_is_the_fields_unless_chance_does_more(cells_: int, n: float, m: float, expected: float) -> None:
    """Five standard deviations of the index under no change, sqrt(2 (cells - 1)) (1/n + 1/m), where that is over 0.2."""
    assert threshold(cells_, n, m) == pytest.approx(expected)
    assert threshold(cells_, 0, m) == float("inf")


def test_samples_of_one_population_do_not_differ() -> None:
    """With fifty categories in 300 rows, where the plain index is over 0.2 every time, none of 200 pairs differs."""
    chance = random.Random(1)
    names = [f"v{place}" for place in range(50)]
    column = Column.learn(list(names))
    found = 0
    for _ in range(200):
        one, other = (column.counts_of(chance.choices(names, k=300)) for _ in range(2))
        divergence, least = differ(one, other)
        found += divergence >= least

    assert found == 0


def test_what_moved_differs() -> None:
    """A standard deviation further, ten bins and 300 rows: an index of about 1."""
    chance = random.Random(1)
    column = Column.learn([chance.gauss(0.0, 1.0) for _ in range(2_000)])
    divergence, least = differ(column.counts, column.counts_of([chance.gauss(1.0, 1.0) for _ in range(300)]))

    assert (divergence > 0.7, least) == (True, MOVED)
