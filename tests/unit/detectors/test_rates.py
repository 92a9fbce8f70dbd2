"""A small, seeded share of the long statistical runs (tests/statistics): enough to see that a promise is broken badly."""

from __future__ import annotations

from statistics import median

import pytest

from tests.statistics import contests, streams

RUNS = 20
ALLOWED = streams.EVENTS / streams.RUN_LENGTH


@pytest.mark.parametrize("p", [0.3, 0.1, 0.01])
def test_false_alarms_at_the_limit_stay_inside_the_budget(p: float) -> None:
    """Twenty runs of 20,000 labels, exactly at the limit: two alarms a run are allowed, and some of it is used."""
    counts = streams.alarms_at_limit(streams.bernoulli(p), p, RUNS)

    assert streams.lower_limit(counts) <= ALLOWED
    assert sum(counts) > 0


@pytest.mark.parametrize(
    "stream",
    [streams.bernoulli(0.1), streams.beta(2, 18), streams.markov(0.1, 0.5), streams.electricity(336)],
    ids=["errors", "losses", "errors in runs", "electricity by weeks"],
)
def test_false_alarms_against_a_learnt_reference_stay_inside_the_budget(stream: streams.Stream) -> None:
    """Limit and block length come from 2,000 labels."""
    counts = streams.alarms_against_reference(stream, RUNS)

    assert streams.lower_limit(counts) <= ALLOWED


def test_a_doubled_error_rate_is_found_within_a_few_hundred_labels() -> None:
    """From .10 to .20 at one false alarm in 100,000 labels: 320 in the long run, ADWIN 328."""
    assert median(streams.delay(0.1, 0.2, 1e-5, seed) for seed in range(RUNS)) <= 437


@pytest.mark.parametrize(
    "contest",
    [
        contests.canary(0.5, 0.10, 0.12, margin=0.02),
        contests.canary(0.5, 0.10, 0.10, margin=0.025, later=0.20),
        contests.shadow(0.10, 0.12, margin=0.02),
        contests.replacement(0.10, 0.10, tolerance=0.0),
    ],
    ids=["canary at the edge", "canary while the world changes", "shadow at the edge", "equal replacement"],
)
def test_no_version_is_called_worse_that_does_no_harm(contest: contests.Contest) -> None:
    """Of a hundred, one is allowed on average; four would be a chance of 1 in 50."""
    assert contests.called("worse", contest, 100) <= 3


@pytest.mark.parametrize(
    "contest",
    [
        contests.canary(0.2, 0.10, 0.30, margin=0.02),
        contests.shadow(0.10, 0.20, margin=0.02),
        contests.replacement(0.10, 0.20, tolerance=0.025),
    ],
    ids=["canary", "shadow", "replacement"],
)
def test_a_bad_version_is_called_worse(contest: contests.Contest) -> None:
    """Every time of ten."""
    assert contests.called("worse", contest, 10) == 10
