"""Labels until an alarm: the formulas beside simulations of the real detectors, and what must hold of them whatever is asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bounds import Blocks, block_length
from detectors.power import (
    asymptotic_labels,
    labels_of_canary,
    labels_to_alarm,
    labels_to_reject,
    smallest_visible_rise,
)
from detectors.sequential import EDetector, EProcess
from detectors.trial import BlockTrial
from tests.statistics import streams

#: How far a formula may be from the mean of simulations, beside three standard errors of that mean.
CLOSE: Final = 0.15
#: Half of one false page in 90 days, at a label a second.
STRICT: Final = 0.5 / (90 * 86_400)
#: (mean, limit, increment, spread): errors and losses between, large rises and small, common errors and rare ones.
RISES: Final = [
    (0.20, 0.125, 1e-5, 1.0),
    (0.20, 0.125, STRICT, 1.0),
    (0.40, 0.125, STRICT, 1.0),
    (0.15, 0.125, 1e-5, 1.0),
    (0.15, 0.125, STRICT, 1.0),
    (0.05, 0.016, 1e-5, 1.0),
    (0.03, 0.015, 1e-6, 1.0),
    (0.02, 0.015, 1e-5, 1.0),
    (0.60, 0.500, 1e-5, 1.0),
    (0.20, 0.125, 1e-5, 0.125),
    (0.15, 0.125, 1e-6, 0.08),
    (0.05, 0.030, 1e-6, 0.06),
    (0.30, 0.250, 1e-6, 0.24),
]
#: The one of them at which no bet grows on average, so that the alarm waits for luck.
TOO_SMALL: Final = (0.02, 0.015, 1e-5, 1.0)
#: (new, old, margin, level, share, spread)
CANARIES: Final = [
    (0.20, 0.10, 0.025, 0.01, 0.5, 1.0),
    (0.20, 0.10, 0.025, 0.01, 0.1, 1.0),
    (0.40, 0.10, 0.025, 0.01, 0.1, 1.0),
    (0.05, 0.01, 0.005, 0.01, 0.1, 1.0),
    (0.20, 0.10, 0.025, 0.001, 0.3, 0.2),
]
#: (mean, limit, level, spread)
REPLACEMENTS: Final = [(0.2, 0.135, 0.008, 1.0), (0.4, 0.135, 0.008, 1.0), (0.05, 0.018, 0.008, 1.0), (0.2, 0.135, 0.0001, 0.1)]

Draw = Callable[[np.random.Generator, float, int], list[float]]

means = st.floats(0.0, 1.0)
limits = st.floats(1e-6, 1.0)
increments = st.floats(1e-12, 0.01)
spreads = st.floats(0.0, 1.0)
taus = st.floats(1.0, 50.0)


def draw(spread: float) -> Draw:
    """Losses of a mean: 0 and 1, or from a beta distribution with that share of the largest variance."""

    def losses(rng: np.random.Generator, mean: float, count: int) -> list[float]:
        stream = streams.bernoulli(mean)
        if spread < 1.0:
            size = 1.0 / spread - 1.0
            stream = streams.beta(mean * size, (1.0 - mean) * size)
        return [float(x) for x in stream(rng, count)]

    return losses


def alarm(rise: tuple[float, float, float, float], seed: int) -> int:
    """Labels from the rise to the alarm of a detector that has seen 2,000 quiet labels."""
    mean, limit, increment, spread = rise
    rng, losses = np.random.default_rng(seed), draw(spread)
    detector = EDetector(limit, increment)
    for loss in losses(rng, 0.8 * limit, 2_000):
        detector.update(loss)
    labels = 0
    while True:
        for loss in losses(rng, mean, 500):
            detector.update(loss)
            labels += 1
            if detector.drift_detected:
                return labels


def worse(canary: tuple[float, float, float, float, float, float], seed: int) -> int:
    """Labels of both arms until a canary is found to be worse."""
    new, old, margin, level, share, spread = canary
    rng, losses = np.random.default_rng(seed), draw(spread)
    trial, labels = BlockTrial(margin, level), 0
    while trial.verdict != "worse":
        labels += 1
        is_new = rng.random() < share
        trial.add("new" if is_new else "old", losses(rng, new if is_new else old, 1)[0])
    return labels


def rejected(replacement: tuple[float, float, float, float], seed: int) -> int:
    """Labels until an e-process has rejected."""
    mean, limit, level, spread = replacement
    rng, losses = np.random.default_rng(seed), draw(spread)
    process, labels = EProcess.above(limit), 0
    while not process.rejected(level):
        labels += 1
        process.update(losses(rng, mean, 1)[0])
    return labels


def off(formula: float, simulated: list[int]) -> float:
    """How far a formula is from the interval of three standard errors about the simulated mean, as a share of that mean."""
    x = np.asarray(simulated, dtype=np.float64)
    mean, error = float(x.mean()), float(x.std()) / math.sqrt(len(x))
    return max(0.0, abs(formula - mean) - 3.0 * error) / mean


# ------------------------------------------------------------------------------------------------- beside simulations


@pytest.mark.parametrize("rise", [RISES[0], RISES[5], RISES[9]])
def test_an_alarm_takes_the_labels_that_the_formula_says(rise: tuple[float, float, float, float]) -> None:
    """A small share of the long runs below."""
    mean, limit, increment, spread = rise
    formula = labels_to_alarm(mean, limit, increment, spread=spread, before=0.8 * limit)

    assert off(formula, [alarm(rise, seed) for seed in range(40)]) <= CLOSE


@pytest.mark.statistics
@pytest.mark.parametrize("rise", RISES, ids=str)
def test_an_alarm_takes_the_labels_that_the_formula_says_in_long_runs(rise: tuple[float, float, float, float]) -> None:
    """400 detectors, each after 2,000 quiet labels at 0.8 of the limit."""
    mean, limit, increment, spread = rise
    formula = labels_to_alarm(mean, limit, increment, spread=spread, before=0.8 * limit)

    assert off(formula, [alarm(rise, seed) for seed in range(400)]) <= CLOSE


@pytest.mark.parametrize("canary", [CANARIES[2]])
def test_a_canary_takes_the_labels_that_the_formula_says(canary: tuple[float, float, float, float, float, float]) -> None:
    """A small share of the long runs below."""
    *test, spread = canary

    assert off(labels_of_canary(*test, spread=spread), [worse(canary, seed) for seed in range(20)]) <= CLOSE


@pytest.mark.statistics
@pytest.mark.parametrize("canary", CANARIES, ids=str)
def test_a_canary_takes_the_labels_that_the_formula_says_in_long_runs(
    canary: tuple[float, float, float, float, float, float],
) -> None:
    """200 canaries, the blocks as random in size as those of real traffic."""
    *test, spread = canary

    assert off(labels_of_canary(*test, spread=spread), [worse(canary, seed) for seed in range(200)]) <= CLOSE


@pytest.mark.parametrize("replacement", [REPLACEMENTS[1]])
def test_a_replacement_takes_the_labels_that_the_formula_says(replacement: tuple[float, float, float, float]) -> None:
    """A small share of the long runs below."""
    *test, spread = replacement

    assert off(labels_to_reject(*test, spread=spread), [rejected(replacement, seed) for seed in range(40)]) <= CLOSE


@pytest.mark.statistics
@pytest.mark.parametrize("replacement", REPLACEMENTS, ids=str)
def test_a_replacement_takes_the_labels_that_the_formula_says_in_long_runs(
    replacement: tuple[float, float, float, float],
) -> None:
    """400 e-processes."""
    *test, spread = replacement

    assert off(labels_to_reject(*test, spread=spread), [rejected(replacement, seed) for seed in range(400)]) <= CLOSE


@pytest.mark.statistics
@pytest.mark.parametrize("correlation", [0.5, 0.8])
def test_blocks_take_the_labels_that_the_formula_says(correlation: float) -> None:
    """Errors in runs, fed in blocks of five autocorrelation times: 100 detectors."""
    tau = (1.0 + correlation) / (1.0 - correlation)
    length = block_length(tau)
    simulated = []
    for seed in range(100):
        detector, blocks = EDetector(0.125, 1e-6 * length), Blocks(length)
        for count, loss in enumerate(streams.markov(0.25, correlation)(np.random.default_rng(seed), 30_000).tolist(), start=1):
            if (full := blocks.add(loss)) is not None:
                detector.update(full[0])
                if detector.drift_detected:
                    simulated.append(count)
                    break

    assert off(labels_to_alarm(0.25, 0.125, 1e-6, tau=tau), simulated) <= CLOSE


# ------------------------------------------------------------------------------------------------------------ by hand


def test_losses_that_are_always_one() -> None:
    """Without chance the number of labels is exact to a label: the detector itself says it."""
    detector = EDetector(0.4, 1e-6)
    while not detector.drift_detected:
        detector.update(1.0)

    assert labels_to_alarm(1.0, 0.4, 1e-6) == pytest.approx(detector.inputs, abs=1.0)


def test_twice_the_evidence_takes_twice_the_labels() -> None:
    """The labels grow with the logarithm of 1/c, at one over the growth rate of the best bet: ln(1/c) / KL, nearly."""
    best = max(0.2 * math.log(1 + f * (1 / 0.125 - 1)) + 0.8 * math.log(1 - f) for f in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8))
    more = labels_to_alarm(0.2, 0.125, 1e-14) - labels_to_alarm(0.2, 0.125, 1e-7)

    assert more == pytest.approx(math.log(1e7) / best, rel=0.02)


@pytest.mark.parametrize(("mean", "limit"), [(0.2, 0.125), (0.9, 0.5), (0.002, 0.001), (1.0, 0.3)])
def test_the_asymptotic_labels_are_those_of_the_divergence(mean: float, limit: float) -> None:
    """For errors: ln(1/c) over the divergence of Kullback and Leibler, worked out by its own formula."""
    quiet = (1 - mean) * math.log((1 - mean) / (1 - limit)) if mean < 1 else 0.0

    assert asymptotic_labels(mean, limit, 1e-7) == pytest.approx(
        max(1.0, math.log(1e7) / (mean * math.log(mean / limit) + quiet)), rel=1e-4
    )


@pytest.mark.parametrize("rise", [rise for rise in RISES if rise != TOO_SMALL], ids=str)
def test_labels_come_near_the_asymptotic_ones_from_below_as_the_budget_shrinks(rise: tuple[float, float, float, float]) -> None:
    """In the end the six bets lose at most a sixth to the best bet there is; at a real budget the head start outweighs that."""
    mean, limit, increment, spread = rise

    def ratio(c: float) -> float:
        return labels_to_alarm(mean, limit, c, spread=spread) / asymptotic_labels(mean, limit, c, spread=spread)

    assert 0.5 < ratio(increment) < 1.05
    assert 0.95 < ratio(1e-300) < 1.17


@pytest.mark.parametrize(("mean", "limit"), [(0.1, 0.1), (0.1, 0.2), (0.0, 0.1), (1.0, 1.0)])
def test_nothing_within_the_limit_is_ever_found(mean: float, limit: float) -> None:
    """No number of labels shows a rise that is none."""
    assert labels_to_alarm(mean, limit, 1e-6) == math.inf
    assert asymptotic_labels(mean, limit, 1e-6) == math.inf
    assert labels_to_reject(mean, limit, 0.01) == math.inf


def test_a_canary_inside_its_margin_is_never_found() -> None:
    """Nor is anything found at a level of 0."""
    assert labels_of_canary(0.12, 0.1, 0.02, 0.01, 0.5) == math.inf
    assert labels_of_canary(0.5, 0.1, 0.02, 0.0, 0.5) == math.inf
    assert labels_to_reject(0.5, 0.1, 0.0) == math.inf


def test_evidence_from_before_the_rise_helps() -> None:
    """A detector that watched losses near its limit needs fewer labels than one that begins."""
    assert labels_to_alarm(0.2, 0.125, 1e-5, before=0.12) < labels_to_alarm(0.2, 0.125, 1e-5, before=0.05)
    assert labels_to_alarm(0.2, 0.125, 1e-5, before=0.05) < labels_to_alarm(0.2, 0.125, 1e-5)


def test_the_smallest_rise_takes_all_the_labels_there_are() -> None:
    """`smallest_visible_rise` is the inverse of `labels_to_alarm`."""
    rise = smallest_visible_rise(0.125, 1e-6, 5_000.0)

    assert labels_to_alarm(rise, 0.125, 1e-6) == pytest.approx(5_000.0, rel=0.01)


@pytest.mark.parametrize(("limit", "labels"), [(0.5, 5.0), (1.0, 1e9), (0.1, 0.0)])
def test_with_too_few_labels_no_rise_is_visible(limit: float, labels: float) -> None:
    """Infinity says so, and not a mean of 1."""
    assert smallest_visible_rise(limit, 1e-9, labels) == math.inf


# ---------------------------------------------------------------------------------------------------------- whatever is asked


@settings(max_examples=60)
@given(means, limits, increments, spreads, taus, st.none() | means)
def test_an_answer_is_a_number_of_labels_or_never(
    mean: float, limit: float, increment: float, spread: float, tau: float, before: float | None
) -> None:
    """At least one label, or infinity within the limit; never NaN, never an error."""
    labels = labels_to_alarm(mean, limit, increment, spread=spread, tau=tau, before=before)

    assert labels >= 1.0
    assert mean > limit or labels == math.inf


@settings(max_examples=30)
@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 0.5), st.floats(0.001, 0.999), spreads)
def test_a_canary_has_an_answer_for_every_share(new: float, old: float, margin: float, share: float, spread: float) -> None:
    """Blocks of any composition: a block's worth of labels at least, or infinity."""
    assert labels_of_canary(new, old, margin, 0.01, share, spread=spread) >= 10.0


@settings(max_examples=40)
@given(st.floats(0.01, 0.8), st.floats(1.2, 4.0), st.floats(1.05, 3.0), st.floats(1e-9, 1e-4))
def test_a_larger_rise_and_a_larger_budget_never_take_longer(limit: float, rise: float, more: float, increment: float) -> None:
    """The orders that a reader of the table takes for granted (to a hundredth: an integral is a sum here)."""
    mean = min(0.99, limit * rise)
    labels = labels_to_alarm(mean, limit, increment)

    assert labels_to_alarm(min(0.995, mean * more), limit, increment) <= 1.01 * labels
    assert labels_to_alarm(mean, limit, min(0.01, increment * more)) <= 1.01 * labels


@pytest.mark.parametrize(
    ("mean", "limit", "increment", "spread"),
    [
        (math.nan, 0.1, 1e-6, 1.0),
        (1.1, 0.1, 1e-6, 1.0),
        (0.2, 0.0, 1e-6, 1.0),
        (0.2, math.nan, 1e-6, 1.0),
        (0.2, 0.1, 0.0, 1.0),
        (0.2, 0.1, math.inf, 1.0),
        (0.2, 0.1, math.nan, 1.0),
        (0.2, 0.1, 1e-6, 1.5),
        (0.2, 0.1, 1e-6, math.nan),
    ],
)
def test_what_no_detector_could_be_is_an_error(mean: float, limit: float, increment: float, spread: float) -> None:
    """One sentence, not a NaN in a table."""
    with pytest.raises(ValueError, match=r"not with a mean|no detector"):
        labels_to_alarm(mean, limit, increment, spread=spread)


@pytest.mark.parametrize(("share", "level"), [(0.0, 0.01), (1.0, 0.01), (0.5, 1.0), (math.nan, 0.01)])
def test_what_no_canary_could_be_is_an_error(share: float, level: float) -> None:
    """A share of nothing or of everything is no canary."""
    with pytest.raises(ValueError, match="no canary"):
        labels_of_canary(0.2, 0.1, 0.02, level, share)
