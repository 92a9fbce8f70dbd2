"""False alarms of the paging tier: 200 runs of 20,000 labels a stream, at an increment of 1 / 10,000.

The theorem allows 2.0 a run where the conditional mean is at most the limit. A stream passes when the lower 99 % limit of its
mean does not exceed that, so that chance refutes no theorem and no bug hides behind chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.statistics import streams
from tests.statistics.conftest import Figure

pytestmark = pytest.mark.statistics

RUNS = 200
ALLOWED = streams.EVENTS / streams.RUN_LENGTH

AT_THE_LIMIT = {
    "errors .3": (streams.bernoulli(0.3), 0.3),
    "errors .1": (streams.bernoulli(0.1), 0.1),
    "errors .01": (streams.bernoulli(0.01), 0.01),
    "errors .001": (streams.bernoulli(0.001), 0.001),
    "constant": (streams.constant(0.1), 0.1),
    "beta(2, 8)": (streams.beta(2, 8), 0.2),
    "errors whose mean swings up to it": (streams.swinging(0.1, 0.03), 0.13),
    "errors whose mean is AR(1) up to it": (streams.wandering(0.1, 0.03), 0.13),
}
LEARNT = {
    "errors .1": streams.bernoulli(0.1),
    "errors .01": streams.bernoulli(0.01),
    "errors .001": streams.bernoulli(0.001),
    "beta(2, 18)": streams.beta(2, 18),
    "beta(.5, 4.5)": streams.beta(0.5, 4.5),
    "errors whose mean swings inside the tolerance": streams.swinging(0.1, 0.02),
    "errors whose mean is AR(1) inside the tolerance": streams.wandering(0.1, 0.02),
    "losses AR(1) .5": streams.autoregressive(0.2, 0.05, 0.5),
    "losses AR(1) .9": streams.autoregressive(0.2, 0.05, 0.9),
    "losses AR(1) .5, spread wide": streams.autoregressive(0.2, 0.15, 0.5),
    "losses AR(1) .9, spread wide": streams.autoregressive(0.2, 0.15, 0.9),
    "errors in runs, .5": streams.markov(0.1, 0.5),
    "errors in runs, .9": streams.markov(0.1, 0.9),
    "electricity errors in days": streams.electricity(48),
    "electricity errors in weeks": streams.electricity(336),
    "electricity errors in pieces of 1,000": streams.electricity(1_000),
}


def said(counts: Sequence[int]) -> str:
    """Mean and lower limit, beside what is allowed."""
    mean, low = sum(counts) / len(counts), streams.lower_limit(counts)
    return f"{mean:.2f} false alarms, lower 99 % limit {low:.2f}; allowed {ALLOWED:.1f}"


@pytest.mark.parametrize("name", AT_THE_LIMIT)
def test_exactly_at_the_limit_the_theorem_holds(name: str, figure: Figure) -> None:
    """The limit is the true mean, or the most that it reaches: nothing is asked of the stream but its conditional mean."""
    counts = streams.alarms_at_limit(*AT_THE_LIMIT[name], RUNS)
    figure(f"{name}, limit known", said(counts))

    assert streams.lower_limit(counts) <= ALLOWED


@pytest.mark.parametrize("name", LEARNT)
def test_against_a_learnt_reference(name: str, figure: Figure) -> None:
    """Limit and block length come from 2,000 labels; a run whose losses are too dependent for that is not judged."""
    counts = streams.alarms_against_reference(LEARNT[name], RUNS)
    figure(f"{name}, limit learnt", f"{said(counts)}; {len(counts)} of {RUNS} judged")

    assert len(counts) >= RUNS // 3
    assert streams.lower_limit(counts) <= ALLOWED


def test_dependent_errors_one_by_one_would_ring_all_day(figure: Figure) -> None:
    """What the blocks are for: the same electricity errors without them have more than fifty times the allowed alarms."""
    counts = []
    for run in range(10):
        losses = streams.electricity(336)(np.random.default_rng(run), 2_000 + streams.EVENTS)
        mean = float(losses[:2_000].mean())
        counts.append(streams.alarms(losses[2_000:], mean + streams.tolerance(mean)))
    figure("electricity errors in weeks, one by one", said(counts))

    assert sum(counts) / len(counts) > 50 * ALLOWED
