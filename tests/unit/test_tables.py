"""Tables: how the cells of a CSV file are read."""

from __future__ import annotations

import pytest

from daemon.tables import value_of


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", 1.0),
        (" -2.5e3 ", -2500.0),
        (".5", 0.5),
        ("0", 0.0),
        ("007", "007"),
        ("1_000", "1_000"),
        ("1e999", None),
        ("", None),
        ("NaN", None),
        ("-inf", None),
        ("<NA>", None),
        ("FALSE", False),
        ("north", "north"),
        ("  ", None),
    ],
)
def test_a_cell_is_read_as_what_it_most_likely_was(cell: str, value: object) -> None:
    """Numbers, booleans, texts, and values that are not there."""
    assert value_of(cell) == value
    assert type(value_of(cell)) is type(value)
