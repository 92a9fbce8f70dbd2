"""Do the 99 % bounds of a mean hold 99 times of a hundred, and how tight are they."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.bounds import upper_bound, upper_bound_of
from tests.statistics import streams
from tests.statistics.conftest import Figure

pytestmark = pytest.mark.statistics

Losses = NDArray[np.float64]
SAMPLES = 5_000
#: One in a hundred may miss; three standard errors more are chance.
MOST = 0.01 + 3 * math.sqrt(0.01 * 0.99 / SAMPLES)


def sparse(share: float, size: float) -> Callable[[np.random.Generator, int], Losses]:
    """Nearly nothing, and now and then a heavy loss."""
    return lambda rng, n: np.where(rng.random(n) < share, size, 0.001)


def brier(rng: np.random.Generator, n: int) -> Losses:
    """Brier losses of a calibrated model whose scores are beta(1, 9)."""
    scores = rng.beta(1, 9, n)
    losses: Losses = np.where(rng.random(n) < scores, (1 - scores) ** 2, scores**2)
    return losses


#: Losses and their mean. E[p (1 - p)] of a beta(1, 9) is 1 * 9 / (10 * 11).
LOSSES = {
    "beta(2, 18)": (streams.beta(2, 18), 0.1),
    "beta(.5, 4.5)": (streams.beta(0.5, 4.5), 0.1),
    "U-shaped, beta(.3, .7)": (streams.beta(0.3, 0.7), 0.3),
    "Brier, calibrated": (brier, 9 / 110),
    "sparse, 1 % of .9": (sparse(0.01, 0.9), 0.01 * 0.9 + 0.99 * 0.001),
    "sparse, .2 % of .9": (sparse(0.002, 0.9), 0.002 * 0.9 + 0.998 * 0.001),
}


@pytest.mark.parametrize("n", [200, 500, 2_000])
@pytest.mark.parametrize("name", LOSSES)
def test_the_betting_bound_covers(name: str, n: int, figure: Figure) -> None:
    """Misses at most as often as it says, and lies nearer than the empirical Bernstein bound."""
    draw, true = LOSSES[name]
    missed, tight, wide, normal = 0, 0.0, 0.0, 0.0
    for seed in range(SAMPLES):
        losses = draw(np.random.default_rng([n, seed]), n)
        mean, variance = float(losses.mean()), float(losses.var(ddof=1))
        bound = upper_bound_of(losses.tolist(), 0.99)
        missed += bound < true
        tight += (bound - mean) / SAMPLES
        wide += (upper_bound(mean, n, variance, False, 0.99) - mean) / SAMPLES
        normal += streams.LOW_99 * math.sqrt(variance / n) / SAMPLES
    said = f"missed {missed / SAMPLES:.2%}, allowed 1 %; {tight:.4f} over the mean"
    figure(f"99 % bound of {n:5,} losses, {name}", f"{said}, Bernstein {wide:.4f}, normal (no promise) {normal:.4f}")

    assert missed / SAMPLES <= MOST
    assert tight < wide


DEPENDENT = {
    "errors in runs, .5": (streams.markov(0.1, 0.5), 0.1, 0.02),
    "errors in runs, .8": (streams.markov(0.1, 0.8), 0.1, 0.02),
    "losses AR(1) .5": (streams.autoregressive(0.5, 0.1, 0.5), 0.5, 0.01),
    "losses AR(1) .9": (streams.autoregressive(0.5, 0.1, 0.9), 0.5, 0.01),
    "electricity errors in weeks": (streams.electricity(336), float(streams.electricity_errors().mean()), 0.05),
}


@pytest.mark.parametrize("name", DEPENDENT)
def test_the_bound_of_a_dependent_reference_covers_nearly(name: str, figure: Figure) -> None:
    """With dependence no bound is exact: what is missed of a thousand references of 2,000, where they are judged at all."""
    draw, true, most = DEPENDENT[name]
    learnt = [streams.learn(draw(np.random.default_rng([9, seed]), 2_000)) for seed in range(1_000)]
    judged = [reference for reference in learnt if not reference.too_dependent]
    missed = sum(reference.upper(0.99) < true for reference in judged) / len(judged)
    counted = sum(upper_bound(r.mean, r.n, r.variance, r.binary, 0.99) < true for r in judged) / len(judged)
    figure(
        f"99 % bound of 2,000, {name}", f"missed {missed:.1%}; taken for independent {counted:.1%}; {len(judged)} of 1,000 judged"
    )

    assert missed <= most + 3 * math.sqrt(most / len(judged))
