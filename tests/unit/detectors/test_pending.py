"""The rows of an open block: when it closes, and what is stored of it."""

from __future__ import annotations

import math

from detectors.columns import LONGEST_TEXT
from detectors.pending import ROWS, SECONDS, Pending
from tests.unit.detectors.input_rows import through_json, through_msgpack


def test_a_block_is_due_a_minute_after_its_first_row() -> None:
    """An empty one is never due, and times that go backwards do not close one."""
    pending = Pending()
    assert pending.due(1e9) is False
    pending.add({}, None, 0.0, 100.0, ())
    pending.add({}, None, 0.0, 50.0, ())

    assert (pending.began, pending.at) == (100.0, 100.0)
    assert [pending.due(at) for at in (0.0, 100.0 + SECONDS - 0.1, 100.0 + SECONDS)] == [False, False, True]


def test_a_block_is_full_at_five_hundred_rows() -> None:
    """Whatever the time."""
    pending = Pending()
    for _ in range(ROWS - 1):
        pending.add({}, None, 0.0, 0.0, ())
    assert pending.full is False
    pending.add({}, None, 0.0, 0.0, ())

    assert pending.full is True


def test_the_state_holds_each_name_once_and_only_plain_data() -> None:
    """Values that are not there are left out; huge ones are cut as they would be later."""
    pending = Pending()
    pending.add({"a": 1.0, "b": math.nan, "c": [1]}, math.inf, 1.0, 2.0, ())
    pending.add({"a": 10**400, "c": None}, "x" * 1_000, 1.0, 3.0, ())
    pending.add({"b": "y"}, 0.5, 1.0, 4.0, ())
    state = pending.to_state()

    assert (state["shapes"], state["rows"]) == ([["a"], ["b"]], [[0, 1.0], [0, 1e100], [1, "y"]])
    assert (state["outputs"][0], len(state["outputs"][1]), state["outputs"][2]) == (None, LONGEST_TEXT, 0.5)
    for through in (through_json, through_msgpack):
        assert Pending.from_state(through(state)).to_state() == state
