"""The last rows: a bounded number, counted a hundred together, and the same after a restart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detectors.recent import KEPT, TOGETHER, Recent
from detectors.rows import Block, Layout, block_of
from tests.unit.detectors.input_rows import through_json

LAYOUT = Layout({"x": "number", "c": "category", "m": "mixed"})


def block(n: int, start: int = 0) -> Block:
    """Rows with their number in each column; each tenth lacks it, and a number stands among the texts."""
    rows = [
        {"x": None if index % 10 == 0 else float(index), "c": index if index % 7 == 0 else f"v{index}", "m": index}
        for index in range(start, start + n)
    ]
    return block_of(LAYOUT, rows, [float(index) for index in range(start, start + n)])


def test_single_rows_wait_until_they_are_a_hundred() -> None:
    """A histogram of one row costs as much as one of a hundred."""
    recent = Recent(LAYOUT)
    given = [joined for index in range(250) if (joined := recent.add(block(1, index))) is not None]

    assert [len(joined.marks) for joined in given] == [TOGETHER, TOGETHER]
    assert (recent.rows, recent.all()) == (200, None)
    assert list(given[1].marks) == [float(index) for index in range(100, 200)]


@pytest.mark.parametrize("size", [1, 37, 100, 299, 500])
def test_the_last_three_hundred_rows_are_there_and_few_more(size: int) -> None:
    """Old blocks go as soon as enough newer rows came."""
    recent = Recent(LAYOUT)
    for start in range(0, 5_000, size):
        recent.add(block(size, start))
    kept = recent.all()

    assert kept is not None
    assert KEPT <= len(kept.marks) < KEPT + size + TOGETHER
    assert list(kept.marks) == list(range(int(kept.marks[0]), int(kept.marks[-1]) + 1))


def test_the_values_of_a_column_are_given_by_its_name() -> None:
    """Numbers with NaN, texts with None, and nothing for a column that has no bins or is not watched."""
    recent = Recent(LAYOUT)
    recent.add(block(400))
    kept = recent.all()
    assert kept is not None

    np.testing.assert_array_equal(recent.values(kept, "x")[:3], [math.nan, 1.0, 2.0])  # type: ignore[index]  # it is there
    assert list(recent.values(kept, "c"))[:3] == ["0", "v1", "v2"]  # type: ignore[arg-type]  # it is there
    assert (recent.values(kept, "m"), recent.values(kept, "?")) == (None, None)


def test_joined_blocks_know_which_texts_were_numbers() -> None:
    """Also where only some of the blocks had any."""
    recent = Recent(LAYOUT)
    for start in range(1, 100):
        assert recent.add(block(1, start)) is None
    joined = recent.add(block(1, 100))
    assert joined is not None

    assert np.flatnonzero(joined.foreign[0]).tolist() == [index - 1 for index in range(1, 101) if index % 7 == 0]


def test_rows_are_the_same_after_a_restart() -> None:
    """What waited and what is kept comes back, and goes on alike."""
    recent = Recent(LAYOUT)
    for start in range(0, 450, 30):
        recent.add(block(30, start))
    other = Recent.from_state(through_json(recent.to_state()), LAYOUT)
    assert other.to_state() == recent.to_state()
    recent.add(block(90, 450))
    other.add(block(90, 450))

    assert other.to_state() == recent.to_state()


def test_rows_of_other_columns_are_not_taken_up() -> None:
    """After what is declared has changed, the last rows are gathered anew."""
    recent = Recent(LAYOUT)
    recent.add(block(400))

    assert Recent.from_state(recent.to_state(), Layout({"x": "category"})).rows == 0
