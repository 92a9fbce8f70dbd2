"""Silence: the pauses that are normal, those that are not, and what it takes to know."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.silence import LEAST_SEEN, Silence, WeekMaximum

HOUR = 3600.0
DAY = 24 * HOUR
START = 1_700_000_000.0


def seen(times: list[float]) -> Silence:
    """The silence of a stream."""
    silence = Silence()
    for at in times:
        silence.see(at)
    return silence


def first_silence(times: list[float], declared: float | None = None) -> float | None:
    """The first event before which the stream counted as silent."""
    silence = Silence()
    for at in times:
        if silence.silent(at, declared):
            return at
        silence.see(at)
    return None


def poisson(rng: random.Random, rate: float, start: float, end: float) -> list[float]:
    """Arrivals at `rate` a second."""
    times, at = [], start
    while (at := at + rng.expovariate(rate)) < end:
        times.append(at)
    return times


def test_an_hour_without_a_prediction_is_silence() -> None:
    """For a model that has one every second."""
    silence = seen([START + i for i in range(1000)])

    assert silence.mean_gap == 1.0
    assert silence.longest_gap == 1.0
    assert silence.silent_after(None) == HOUR
    assert not silence.silent(START + 999 + HOUR, None)
    assert silence.silent(START + 999 + HOUR + 1, None)


def test_thirty_mean_gaps_are_needed_where_gaps_are_long() -> None:
    """A prediction every ten minutes: five hours."""
    assert seen([START + 600 * i for i in range(100)]).silent_after(None) == 30 * 600


def test_twice_the_longest_gap_of_the_week_is_needed() -> None:
    """A model that rests ten hours a night is silent after twenty."""
    times = [START + DAY * day + 60 * i for day in range(4) for i in range(14 * 60 + 1)]

    assert seen(times).silent_after(None) == 20 * HOUR


def test_what_the_owner_declares_is_taken_as_it_is() -> None:
    """Also below an hour."""
    silence = seen([START + 600 * i for i in range(100)])

    assert silence.silent_after(300.0) == 300.0
    assert silence.silent(silence.last or 0.0, 300.0) is False
    assert silence.silent((silence.last or 0.0) + 301.0, 300.0) is True


@pytest.mark.parametrize(("count", "expected"), [(0, False), (LEAST_SEEN - 1, False), (LEAST_SEEN, True)])
def test_nothing_is_silent_before_thirty_predictions(count: int, expected: bool) -> None:
    """Also if the owner declared a time."""
    silence = seen([START + i for i in range(count)])

    assert silence.silent(START + 30 * DAY, None) is expected
    assert silence.silent(START + 30 * DAY, HOUR) is expected


def test_a_long_gap_is_forgotten_after_a_week() -> None:
    """An outage makes the watch patient for seven days and no longer."""
    steady = [START + 10 * HOUR + 60 * i for i in range(9 * 24 * 60)]
    before = [START + i for i in range(100)]

    assert seen([*before, *steady[: 6 * 24 * 60]]).silent_after(None) == pytest.approx(20 * HOUR, abs=200)
    assert seen([*before, *steady]).silent_after(None) == HOUR


def test_a_weekend_is_known_from_the_one_before() -> None:
    """Offices from Monday to Friday, nine to five: silent on the first weekend, which no one could know, and never again."""
    monday = 1_699_833_600.0
    times = [monday + DAY * day + 9 * HOUR + 60 * i for day in range(28) if day % 7 < 5 for i in range(480)]

    silence, silences = Silence(), []
    for at in times:
        if silence.silent(at, None):
            silences.append(at)
        silence.see(at)

    assert [(at - monday) // DAY for at in silences] == [1.0, 7.0]


@pytest.mark.parametrize("rate", [10 / HOUR, 1 / 60, 1.0 / 5])
def test_a_steady_stream_is_never_silent(rate: float) -> None:
    """Poisson arrivals, a hundred streams of up to 2,000 gaps: a gap of thirty means has a chance of e^-30 each."""
    found = [first_silence(poisson(random.Random(seed), rate, START, START + min(2000 / rate, 10 * DAY))) for seed in range(100)]

    assert [at for at in found if at is not None] == []


def test_traffic_that_falls_to_ten_an_hour_is_not_silent() -> None:
    """In at most a few of a thousand falls: of the first 40 gaps, which the floor covers, each exceeds an hour with e^-10.

    A fall costs at most 40 e^-10 = 0.0018 false silences, then the mean of late and the longest gap have followed; in 400 falls
    at most 0.7 are expected, and 4 or more have a chance below 0.6 %.
    """
    found = 0
    for seed in range(400):
        rng = random.Random(seed)
        fast = poisson(rng, 0.2, START, START + 2 * HOUR)
        found += first_silence([*fast, *poisson(rng, 10 / HOUR, START + 2 * HOUR, START + 2 * DAY)]) is not None

    assert found <= 3


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf, None, "1", 1e12, 10**400, True, b"", [1]])
def test_what_is_no_time_is_passed_over(poison: Any) -> None:  # noqa: ANN401  (anything at all may come)
    """Nothing changes, and nothing is silent at such a time."""
    silence = seen([START + i for i in range(100)])
    before = silence.to_state()
    silence.see(poison)

    assert silence.to_state() == before
    assert silence.silent(poison, None) is False


def test_a_time_that_goes_back_is_the_latest() -> None:
    """Events out of order make no gap, neither a negative one nor one on the way back."""
    silence = seen([START, START + 10, START + 5, START + 10])

    assert (silence.seen, silence.last, silence.longest_gap) == (4, START + 10, 10.0)


def test_a_clock_that_was_set_back_starts_over() -> None:
    """One event of the future does not make the watch deaf until then."""
    silence = seen([*(START + i for i in range(100)), START + 900 * DAY, *(START + 100 + i for i in range(100))])

    assert silence.last == START + 199
    assert silence.silent(START + 199 + HOUR + 1, None)


@given(st.lists(st.floats(-10.0, 100_000.0), max_size=60), st.integers(0, 60))
def test_a_stream_may_be_cut_anywhere(gaps: list[float], cut: int) -> None:
    """Saved as JSON, restored and fed the rest, it is the same to the bit."""
    times, at = [], START
    for gap in gaps:
        at += gap
        times.append(at)
    restored = Silence.from_state(json.loads(json.dumps(seen(times[:cut]).to_state(), allow_nan=False)))
    for at in times[cut:]:
        restored.see(at)

    assert restored.to_state() == seen(times).to_state()


def test_its_memory_is_bounded() -> None:
    """A year of events leaves eight days."""
    silence = seen([START + HOUR * i for i in range(365 * 24)])

    assert len(json.dumps(silence.to_state())) < 500


def test_the_state_is_versioned() -> None:
    """One of another version is refused by name."""
    with pytest.raises(ValueError, match="silence has version 2"):
        Silence.from_state(Silence().to_state() | {"v": 2})
    with pytest.raises(ValueError, match="maximum of a week has version 2"):
        WeekMaximum.from_state(WeekMaximum().to_state() | {"v": 2})
