"""The small types of guardrail files and settings: what a person writes and what the program counts with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from alerting.periods import UNITS, Rate, duration_text
from daemon.schema import Tolerance, day, rate, seconds, shown, suggestion, text, tolerance


@given(st.integers(0, 999_999_999), st.sampled_from(list(UNITS)))
def test_a_duration_is_its_number_of_units_in_seconds(number: int, unit: str) -> None:
    """For every unit."""
    assert seconds(f"{number}{unit}") == number * UNITS[unit]


@given(st.integers(0, 999_999_999))
def test_a_duration_survives_being_written_and_read(whole: int) -> None:
    """The documentation shows what a file would say."""
    assert seconds(duration_text(whole)) == whole


@given(st.integers(1, 999_999_999), st.integers(1, 999_999_999))
def test_a_rate_survives_being_written_and_read(count: int, period: int) -> None:
    """And its mean rate is the budget of the tests."""
    written = Rate(count, float(period))

    assert rate(str(written)) == written
    assert written.per_second == count / period


@given(st.floats(0, 1))
def test_a_tolerance_as_a_number_is_the_rise_itself(value: float) -> None:
    """Whatever the reference."""
    assert tolerance(value).over(0.5) == value


@given(st.integers(1, 9999), st.floats(0, 1))
def test_a_tolerance_as_a_share_is_of_the_reference_and_never_nothing(percent: int, reference_mean: float) -> None:
    """A reference without errors would else make every error harm."""
    assert tolerance(f"{percent}%") == Tolerance(percent / 100, relative=True)
    assert tolerance(f"{percent}%").over(reference_mean) == max(0.005, percent / 100 * reference_mean)


@pytest.mark.parametrize(
    ("value", "expected"), [("7", "7"), (7, "7"), (True, "true"), (False, "false"), ([1], [1]), (None, None)]
)
def test_text_takes_what_is_as_good_as_text(value: object, expected: object) -> None:
    """And leaves the rest to the check of the field."""
    assert text(value) == expected


def test_a_date_is_written_in_one_way() -> None:
    """Others can be read in more than one."""
    assert day("2027-06-30") == date(2027, 6, 30)


@pytest.mark.parametrize(
    ("read", "value", "sentence"),
    [
        (seconds, "", "must be a duration such as 30s, 5m, 1h or 7d, not ''"),
        (seconds, "1w", "must be a duration such as 30s, 5m, 1h or 7d, not '1w'"),
        (seconds, "h", "must be a duration such as 30s, 5m, 1h or 7d, not 'h'"),
        (seconds, "1 h", "must be a duration such as 30s, 5m, 1h or 7d, not '1 h'"),
        (seconds, "\u0661h", "must be a duration such as 30s, 5m, 1h or 7d, not '\u0661h'"),
        (seconds, 60.0, "must be a duration such as 30s, 5m, 1h or 7d, not 60.0"),
        (seconds, True, "must be a duration such as 30s, 5m, 1h or 7d, not true"),
        (rate, "1/90d", "must be a rate such as 1 per 90d, not '1/90d'"),
        (rate, "1 per day", "must be a rate such as 1 per 90d, not '1 per day'"),
        (rate, "0.5 per 1h", "must be a rate such as 1 per 90d, not '0.5 per 1h'"),
        (rate, "0 per 1h", "must be at least 1 per some time, not '0 per 1h'"),
        (tolerance, True, 'must be a number from 0 to 1, or a share of the reference such as "25%", not true'),
        (tolerance, "0%", "must be a number from 0 to 1, or a share of the reference such as \"25%\", not '0%'"),
        (text, 1.1, "is the number 1.1 to YAML; put it in quotes to keep it as it is written"),
        (day, "20270630", "must be a date such as 2027-06-30, not '20270630'"),
        (day, "2027-13-01", "is not a date: month must be in 1..12"),
    ],
)
def test_what_cannot_be_read_says_what_was_expected(read: Callable[[object], object], value: object, sentence: str) -> None:
    """And what was found instead."""
    with pytest.raises(PydanticCustomError) as raised:
        read(value)

    assert raised.value.message() == sentence


def test_an_error_shows_a_value_in_short() -> None:
    """A megabyte in a message helps nobody."""
    values: list[object] = [None, True, {}, [1], "a", 1.5]

    assert [shown(value) for value in values] == ["nothing", "true", "a mapping", "a list", "'a'", "1.5"]
    assert len(shown("x" * 1000)) == 60


def test_a_suggestion_is_made_when_a_word_is_near() -> None:
    """And none when it would be a guess."""
    assert suggestion("toleranse", ["tolerance", "limit"]) == "; did you mean tolerance?"
    assert suggestion("colour", ["tolerance", "limit"]) == ""
