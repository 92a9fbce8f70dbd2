"""The budget of false pages in time, and how it is shared."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.budget import HIGHEST_LEVEL, MOST_AT_ONCE, Budget, increment

DAY = 86_400.0
ONE_IN_90_DAYS = 1 / (90 * DAY)


def test_an_increment_is_rate_times_weight_times_time() -> None:
    """Half of a budget of one page in 90 days brings 1/180 in a day."""
    assert increment(ONE_IN_90_DAYS, 0.5, DAY) == pytest.approx(1 / 180)


@pytest.mark.parametrize("seconds", [0.0, -3.0, math.nan])
def test_time_that_does_not_move_on_brings_nothing(seconds: float) -> None:
    """Events out of order get no budget twice."""
    assert increment(ONE_IN_90_DAYS, 0.5, seconds) == 0.0


def test_a_long_silence_is_no_reason_for_an_alarm() -> None:
    """What one input brings is capped, so that the inputs themselves must still speak."""
    assert increment(ONE_IN_90_DAYS, 0.5, 200 * DAY) == MOST_AT_ONCE


@given(st.lists(st.floats(0, 30 * DAY), min_size=1, max_size=50), st.floats(0, 1))
def test_the_increments_sum_to_at_most_the_budget(gaps: list[float], weight: float) -> None:
    """Whatever the traffic."""
    spent = math.fsum(increment(ONE_IN_90_DAYS, weight, gap) for gap in gaps)

    assert spent <= ONE_IN_90_DAYS * weight * math.fsum(gaps) * (1 + 1e-12)


@given(st.integers(0, 50))
def test_what_is_alive_never_spends_more_than_the_budget(segments: int) -> None:
    """Half for harm, a quarter for versions, a quarter shared by the segments there are."""
    budget = Budget(ONE_IN_90_DAYS)

    spent = budget.harm() + budget.version() + segments * budget.segment(segments)

    assert spent <= budget.per_second * (1 + 1e-12)
    assert budget.harm() == budget.per_second / 2
    assert budget.version() == budget.per_second / 4


def test_the_level_of_a_test_grows_with_the_time_since_the_last() -> None:
    """Two deployments an hour apart share an hour's budget; after months the level is the highest."""
    budget = Budget(ONE_IN_90_DAYS)

    assert budget.test_level(None) == HIGHEST_LEVEL
    assert budget.test_level(90 * DAY) == HIGHEST_LEVEL
    assert budget.test_level(3600.0) == pytest.approx(0.25 * 3600 / (90 * DAY))
    assert budget.test_level(0.0) == 0.0
    assert budget.test_level(-5.0) == 0.0


@given(st.lists(st.floats(0, 100 * DAY), max_size=30))
def test_the_levels_of_all_tests_stay_inside_the_budget(gaps: list[float]) -> None:
    """The first test's level is the one constant, whatever the pace of deployments."""
    budget = Budget(ONE_IN_90_DAYS)

    levels = budget.test_level(None) + math.fsum(budget.test_level(gap) for gap in gaps)

    assert levels <= HIGHEST_LEVEL + budget.version() * math.fsum(gaps) * (1 + 1e-12)


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_budget_is_above_zero(rate: float) -> None:
    """No false page ever is a wish that no test grants."""
    with pytest.raises(ValueError, match="above 0"):
        Budget(rate)
