"""Confidence bounds, autocorrelation times and blocks."""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.bounds import Blocks, autocorrelation_time, block_length, lower_bound, upper_bound, upper_bound_of

shares = st.floats(0.0, 1.0)
sizes = st.integers(1, 100_000)
confidences = st.sampled_from([0.9, 0.95, 0.99, 0.998])


def binomial_cdf(k: int, n: int, p: float) -> float:
    """P(X <= k), summed."""
    return math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


def markov(mean: float, correlation: float, n: int, seed: int) -> list[float]:
    """0/1 losses whose autocorrelation at lag k is correlation^k."""
    rng = random.Random(seed)
    state = rng.random() < mean
    found = []
    for _ in range(n):
        state = rng.random() < (mean + correlation * (1 - mean) if state else mean * (1 - correlation))
        found.append(float(state))
    return found


@pytest.mark.parametrize("n", [20, 200, 2000])
def test_without_an_error_the_bound_is_that_of_the_powers(n: int) -> None:
    """No error in n labels: the largest p with (1 - p)^n >= 1 %."""
    assert upper_bound(0.0, n, 0.0, True, 0.99) == pytest.approx(1 - 0.01 ** (1 / n))
    assert lower_bound(1.0, n, 0.0, True, 0.99) == pytest.approx(0.01 ** (1 / n))


@pytest.mark.parametrize(("k", "n"), [(1, 10), (7, 40), (60, 300)])
def test_the_bound_of_errors_is_where_so_few_become_improbable(k: int, n: int) -> None:
    """Clopper and Pearson's own definition: P(at most k errors) is 1 % at the upper bound, of at least k at the lower."""
    upper = upper_bound(k / n, n, 0.0, True, 0.99)
    lower = lower_bound(k / n, n, 0.0, True, 0.99)

    assert binomial_cdf(k, n, upper) == pytest.approx(0.01)
    assert 1 - binomial_cdf(k - 1, n, lower) == pytest.approx(0.01)


def test_the_empirical_bernstein_bound_by_hand() -> None:
    """sqrt(2 V ln(2/delta) / n) + 7 ln(2/delta) / (3 (n - 1)) with ln 200 = 5.298."""
    expected = 0.2 + math.sqrt(2 * 0.01 * 5.298317 / 1000) + 7 * 5.298317 / (3 * 999)

    assert upper_bound(0.2, 1000, 0.01, False, 0.99) == pytest.approx(expected)
    assert lower_bound(0.2, 1000, 0.01, False, 0.99) == pytest.approx(0.4 - expected)


@given(shares, sizes, confidences, st.floats(1.0, 1e6), st.booleans())
def test_bounds_enclose_the_mean_and_stay_in_range(mean: float, n: int, confidence: float, tau: float, binary: bool) -> None:
    """Whatever the sample; also when dependence leaves less than one loss of it."""
    variance = mean * (1 - mean)
    lower = lower_bound(mean, n, variance, binary, confidence, tau)
    upper = upper_bound(mean, n, variance, binary, confidence, tau)

    assert 0.0 <= lower <= mean + 1e-12
    assert mean - 1e-12 <= upper <= 1.0


@pytest.mark.parametrize("binary", [True, False])
def test_more_labels_tell_more_and_dependence_takes_away(binary: bool) -> None:
    """Those with autocorrelation time tau are worth n / tau."""
    bounds = [upper_bound(0.1, n, 0.02, binary, 0.99) for n in (100, 1000, 10_000)]

    assert all(later < earlier for earlier, later in pairwise(bounds))
    assert upper_bound(0.1, 5000, 0.02, binary, 0.99, tau=5.0) == upper_bound(0.1, 1000, 0.02, binary, 0.99)
    assert upper_bound(0.1, 1000, 0.02, binary, 0.99, tau=0.5) == upper_bound(0.1, 1000, 0.02, binary, 0.99)


def test_a_sample_of_nothing_but_errors_has_the_bound_one() -> None:
    """There the beta distribution degenerates; so does one of a single loss."""
    assert upper_bound(1.0, 50, 0.0, True, 0.99) == 1.0
    assert upper_bound(0.3, 1, 0.0, False, 0.99) == 1.0


def test_the_bound_covers_as_often_as_it_says() -> None:
    """In 2,000 samples the true mean of 0/1 losses is over the 95 % bound at most 5 % of the time, plus three sigmas."""
    rng = random.Random(1)
    missed = sum(upper_bound(sum(rng.random() < 0.1 for _ in range(100)) / 100, 100, 0.0, True, 0.95) < 0.1 for _ in range(2000))

    assert missed <= 2000 * 0.05 + 3 * math.sqrt(2000 * 0.05 * 0.95)


# ----------------------------------------------------------------------------------------- bounds from the losses themselves


@pytest.mark.parametrize("loss", [0.0, 0.1])
@pytest.mark.parametrize("n", [5, 10, 20])
def test_the_betting_bound_of_equal_losses_by_hand(loss: float, n: int) -> None:
    """The boldest bet wins (1 + 0.75 (m - x) / (1 - m))^n; the bound is where that is 100."""
    needed = (100 ** (1 / n) - 1) / 0.75
    expected = (needed + loss) / (1 + needed)

    # Not all 0, else the exact bound of errors would be taken.
    assert upper_bound_of([loss or 1e-12] * n, 0.99) == pytest.approx(expected, abs=2e-6)


def test_errors_keep_their_exact_bound() -> None:
    """Nothing is tighter for independent zeros and ones."""
    errors = [1.0] * 7 + [0.0] * 93

    assert upper_bound_of(errors, 0.99) == upper_bound(0.07, 100, 0.0, True, 0.99)
    assert upper_bound_of(errors, 0.99, tau=1.25) == upper_bound(0.07, 100, 0.0, True, 0.99, tau=1.25)
    assert upper_bound_of([1.0] * 50, 0.99) == upper_bound_of([1.0, 0.999999] * 25, 0.99) == 1.0


@given(st.lists(shares, min_size=1, max_size=200), confidences, st.floats(1.0, 1e3))
def test_a_bound_encloses_the_mean_and_stays_in_range(losses: list[float], confidence: float, tau: float) -> None:
    """Whatever the losses, however few and however dependent."""
    assert sum(losses) / len(losses) - 1e-12 <= upper_bound_of(losses, confidence, tau) <= 1.0


@pytest.mark.parametrize(("n", "most"), [(200, 0.45), (500, 0.45), (2_000, 0.5)])
def test_small_variances_make_narrow_bounds(n: int, most: float) -> None:
    """A Brier loss about .1 (beta(2, 18)) is bounded less than half as far from its mean as by its variance alone."""
    losses = np.random.default_rng(n).beta(2, 18, n)
    mean, variance = float(losses.mean()), float(losses.var(ddof=1))

    wide = upper_bound(mean, n, variance, False, 0.99) - mean
    assert 0.0 < upper_bound_of(losses.tolist(), 0.99) - mean < most * wide


def test_the_betting_bound_covers_as_often_as_it_says() -> None:
    """A small share of the long run: U-shaped losses, of which 1 % may lie; in the long run 0.2 % do."""
    rng = np.random.default_rng(7)
    missed = sum(upper_bound_of(rng.beta(0.3, 0.7, 200).tolist(), 0.99) < 0.3 for _ in range(1_000))

    assert missed <= 10 + 3 * math.sqrt(10)


def test_dependent_losses_must_pass_students_bound_too() -> None:
    """A slow swing that tau does not see shows in five batches of fifty taus: t of .99 and 4 degrees is 3.747."""
    few, many = ([0.0] * 9 + [1.0]) * 10, ([0.0] * 7 + [1.0] * 3) * 10
    losses = few + many + few + many + few
    deviation = 0.2 * math.sqrt(0.3)  # of .1, .3, .1, .3, .1 about .18

    assert upper_bound_of(losses, 0.99, tau=1.8) == pytest.approx(0.18 + 3.746947 * deviation / math.sqrt(5))
    assert upper_bound_of(losses, 0.99) == upper_bound(0.18, 500, 0.0, True, 0.99)


def test_long_references_are_cut_into_twenty_batches() -> None:
    """More would be shorter than they need to be told apart from chance: t of .99 and 19 degrees is 2.539."""
    losses = ([0.0] * 100 + [1.0] * 100) * 10
    deviation = 0.5 * math.sqrt(20 / 19)

    assert upper_bound_of(losses, 0.99, tau=1.4) == pytest.approx(0.5 + 2.539483 * deviation / math.sqrt(20))


def test_dependence_widens_the_bound() -> None:
    """Means of tau losses count as one."""
    losses = np.random.default_rng(3).beta(2, 18, 1_000).tolist()

    bounds = [upper_bound_of(losses, 0.99, tau) for tau in (1.0, 2.0, 5.0, 20.0)]
    assert all(narrow < wide for narrow, wide in pairwise(bounds))


@pytest.mark.parametrize(("correlation", "expected"), [(0.0, 1.0), (0.5, 3.0), (0.8, 9.0)])
def test_the_autocorrelation_time_of_a_known_chain(correlation: float, expected: float) -> None:
    """(1 + r) / (1 - r), within a fifth on 20,000 losses."""
    assert autocorrelation_time(markov(0.3, correlation, 20_000, seed=4)) == pytest.approx(expected, rel=0.2)


def test_independent_losses_are_taken_one_by_one() -> None:
    """In nearly all of a hundred references of 2,000 the noise of the estimate stays below 1.3."""
    blocks = [block_length(autocorrelation_time(markov(0.1, 0.0, 2000, seed))) for seed in range(100)]

    assert blocks.count(1) >= 95


@pytest.mark.parametrize("losses", [[], [0.5], [0.0, 1.0, 0.0], [0.25] * 1000])
def test_short_and_constant_series_have_no_autocorrelation(losses: list[float]) -> None:
    """Nothing can be said of them, and nothing breaks."""
    assert autocorrelation_time(losses) == 1.0


def test_alternating_losses_count_as_independent() -> None:
    """Negative dependence makes a mean more certain; that is not taken for granted."""
    assert autocorrelation_time([0.0, 1.0] * 500) == 1.0


def test_a_trend_counts_as_dependence() -> None:
    """A reference that drifts is worth little, and its blocks are too long for it."""
    tau = autocorrelation_time([i / 1000 for i in range(1000)])

    assert tau > 100


@pytest.mark.parametrize(("tau", "length"), [(1.0, 1), (1.29, 1), (1.3, 7), (3.0, 15), (19.0, 95)])
def test_the_block_length(tau: float, length: int) -> None:
    """Single losses below 1.3, else five autocorrelation times, rounded up."""
    assert block_length(tau) == length


@given(st.lists(shares, max_size=60), st.integers(1, 10))
def test_blocks_are_means_of_losses_in_order(losses: list[float], length: int) -> None:
    """Each loss in one block, the mark is that of the block's first loss, the rest waits."""
    blocks = Blocks(length)
    found = [done for i, x in enumerate(losses) if (done := blocks.add(x, float(i))) is not None]
    full = len(losses) // length

    assert [mark for _, mark in found] == [float(i * length) for i in range(full)]
    assert [mean for mean, _ in found] == pytest.approx(
        [sum(losses[i * length : (i + 1) * length]) / length for i in range(full)]
    )
    assert all(0.0 <= mean <= 1.0 for mean, _ in found)
    assert blocks.open == len(losses) % length


@given(st.lists(shares, min_size=1, max_size=40), st.integers(1, 7), st.data())
def test_blocks_may_be_cut_anywhere(losses: list[float], length: int, data: st.DataObject) -> None:
    """In the middle of a block too."""
    cut = data.draw(st.integers(0, len(losses)))
    whole, first = Blocks(length), Blocks(length)
    expected = [whole.add(x, float(i)) for i, x in enumerate(losses)]
    found = [first.add(x, float(i)) for i, x in enumerate(losses[:cut])]
    second = Blocks.from_state(json.loads(json.dumps(first.to_state())))
    found += [second.add(x, float(i)) for i, x in enumerate(losses[cut:], start=cut)]

    assert found == expected


def test_a_block_of_nothing_is_refused() -> None:
    """It would never close."""
    with pytest.raises(ValueError, match="at least one loss"):
        Blocks(0)
