"""False alarms of the paging tier: 200 runs of 20,000 labels a stream, at an increment of 1 / 10,000.

The theorem allows 2.0 a run where the conditional mean is at most the limit. A stream passes when the lower 99 % limit of its
mean does not exceed that, so that chance refutes no theorem and no bug hides behind chance.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.statistics import streams

pytestmark = pytest.mark.statistics

RUNS = 200
ALLOWED = streams.EVENTS / streams.RUN_LENGTH


@pytest.mark.parametrize("p", [0.3, 0.1, 0.01, 0.001])
def test_exactly_at_the_limit_the_theorem_holds(p: float) -> None:
    """The limit is the true mean: the dearest case there is."""
    assert streams.lower_limit(streams.alarms_at_limit(streams.bernoulli(p), p, RUNS)) <= ALLOWED


@pytest.mark.parametrize(
    ("stream", "limit"),
    [
        (streams.constant(0.1), 0.1),
        (streams.swinging(0.1, 0.03), 0.13),
        (streams.wandering(0.1, 0.03), 0.13),
        (streams.beta(2, 8), 0.2),
    ],
    ids=["constant at the limit", "swings up to it", "wanders up to it", "beta"],
)
def test_other_streams_under_the_limit(stream: streams.Stream, limit: float) -> None:
    """Nothing is asked of the stream but its conditional mean."""
    assert streams.lower_limit(streams.alarms_at_limit(stream, limit, RUNS)) <= ALLOWED


STREAMS = {
    "bernoulli .1": streams.bernoulli(0.1),
    "bernoulli .01": streams.bernoulli(0.01),
    "bernoulli .001": streams.bernoulli(0.001),
    "beta(2, 18)": streams.beta(2, 18),
    "beta(.5, 4.5)": streams.beta(0.5, 4.5),
    "swings inside the tolerance": streams.swinging(0.1, 0.02),
    "wanders inside the tolerance": streams.wandering(0.1, 0.02),
    "AR(1) .5": streams.autoregressive(0.2, 0.05, 0.5),
    "AR(1) .9": streams.autoregressive(0.2, 0.05, 0.9),
    "errors in runs, .5": streams.markov(0.1, 0.5),
    "errors in runs, .9": streams.markov(0.1, 0.9),
    "electricity by weeks": streams.electricity,
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
def test_against_a_learnt_reference(stream: streams.Stream) -> None:
    """Limit and block length come from 2,000 labels; a run whose losses are too dependent for that is not judged."""
    counts = streams.alarms_against_reference(stream, RUNS)

    assert len(counts) >= RUNS // 3
    assert streams.lower_limit(counts) <= ALLOWED


def test_dependent_errors_one_by_one_would_ring_all_day() -> None:
    """What the blocks are for: the same electricity errors without them have more than fifty times the allowed alarms."""
    counts = []
    for run in range(10):
        losses = streams.electricity(np.random.default_rng(run), 2_000 + streams.EVENTS)
        mean = float(losses[:2_000].mean())
        counts.append(streams.alarms(losses[2_000:], mean + streams.tolerance(mean)))

    assert sum(counts) / len(counts) > 50 * ALLOWED
