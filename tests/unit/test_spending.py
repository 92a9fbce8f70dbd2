"""The budget in time: what versions and their segments are given sums to what passed, however they take turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.spending import Spending

DAY = 86_400.0
BUDGET = 1.0 / (90 * DAY)

#: Seconds between two inputs, of whatever version each is: from a burst to less than one a day.
GAPS = st.lists(st.floats(0.0, 2 * DAY), min_size=1, max_size=60)


@given(GAPS)
def test_segments_of_all_versions_are_given_the_time_that_passed(gaps: list[float]) -> None:
    """Versions that predict more rarely than once an hour have no more of it than those that never pause."""
    spending, at, given_out, first = Spending(BUDGET), 0.0, 0.0, gaps[0]
    for gap in gaps:
        at += gap
        rate, seconds = spending.segments(at)
        given_out += rate * seconds

    assert given_out == pytest.approx(BUDGET / 4 * (at - first))


@given(GAPS)
def test_a_restart_gives_nothing_twice(gaps: list[float]) -> None:
    """Saved and restored before every input it gives the same."""
    spending, other, at = Spending(BUDGET), Spending(BUDGET), 0.0
    for gap in gaps:
        at += gap
        again = Spending(BUDGET)
        again.restore(other.to_state())
        other = again

        assert other.segments(at) == spending.segments(at)
        assert other.since_last_input("served", at) == spending.since_last_input("served", at)
