"""How many labels the tests need: what the promise of few false pages costs, said before anybody waits for it.

The decision: computed, not simulated. A bet of the e-detector grows by `E[ln L]` a label once the losses have risen, so
that about `ln(1/c)` over the largest of these growth rates are needed; that alone is right to a third. What is missing is
noise: the evidence is a sum over every moment at which the rise could have begun, and a bet may win by luck where it loses on
average. Both are in the mean first passage of the Shiryaev-Roberts diffusion, `dM = c dt + M dB`, which is one integral a bet.
Added are what the last step overshoots, and what the best of six bets gains over any one of them. The answers are within
seven per cent of simulations of the real detectors; where a rise is so small that no bet grows they are some fifteen per cent
low. Beside them stands the textbook's figure, `asymptotic_labels`; it says too many unless the budget is tiny.

They are *means* for independent losses, from the rise on. A single delay scatters about them by half.

Sources: Pollak and Siegmund, "A diffusion process and its applications to detecting a change in the drift of Brownian
motion", Biometrika 72, 1985 (the passage time); Siegmund, "Sequential analysis", 1985 (the overshoot); Lorden, "Procedures
for reacting to a change in distribution", Annals of Mathematical Statistics 42, 1971 (the textbook's figure).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import brentq

from detectors.bounds import block_length
from detectors.sequential import BETS, DIFFERENCE_BETS
from detectors.trial import BLOCK, OPEN

_Array = NDArray[np.float64]

#: Losses that spread less than this share of what they could are taken to spread so much.
LEAST_SPREAD: Final = 1e-6
#: Values that stand for a distribution of losses between 0 and 1.
_NODES: Final = 24
#: In log evidence: the best of several bets is chosen after the fact by the path that the losses took, which is worth half of a
#: chi square of one degree of freedom on average.
_HINDSIGHT: Final = 0.5
#: A path with less noise than this is a straight line.
_STRAIGHT: Final = 200.0
#: The grids of the integral: excursions below the present evidence, and evidence in units of ln(M / c) from next to nothing on.
_EXCURSIONS: Final[_Array] = np.concatenate([[0.0], np.geomspace(1e-5, 60.0, 160)])
_LEAST_EVIDENCE: Final = -8.0
_LEVELS: Final = 200
#: The largest fraction that a bet may be of what would ruin it.
_BOLDEST: Final = 1.0 - 1e-9
#: Canary blocks are averaged over so many lengths where one arm kept them open.
_LENGTHS: Final = 16


def labels_to_alarm(
    mean: float, limit: float, increment: float, *, spread: float = 1.0, tau: float = 1.0, before: float | None = None
) -> float:
    """The expected labels from a rise to `mean` until the alarm of an `EDetector`.

    Args:
        mean: The mean loss after the rise, 0 to 1.
        limit: The detector's.
        increment: The false alarms that one label may cost, above 0 (`detectors.budget.increment`).
        spread: The variance of single losses over `mean (1 - mean)`, the most there can be: 1 for losses of 0 and 1, less for
            others. It is taken to stay what it was when the mean rises.
        tau: Autocorrelation time of the losses; from 1.3 on the detector is fed blocks of five such times.
        before: The mean loss before the rise: what evidence there is by then helps. None: the detector begins with the rise.

    Returns:
        Labels, at least 1; infinity where `mean` is not over the limit.

    Raises:
        ValueError: If a value is out of its range or not a number.
    """
    _check_detector(mean, limit, increment, spread, tau)
    if before is not None and not 0.0 <= before <= 1.0:
        raise ValueError(f"no losses have a mean of {before}")
    if mean <= limit or limit >= 1.0:
        return math.inf
    block = block_length(tau)
    values, weights = _losses(mean, spread if block == 1 else spread * tau / block)
    fractions = np.array(BETS)[:, None]
    bets = _Bets.of(np.log1p(fractions * (values / limit - 1.0)), weights)
    expected = 1.0 - fractions[:, 0] * (1.0 - (0.0 if before is None else before) / limit)  # of a factor, before the rise
    quiet = before is not None and before < limit
    start = np.log(expected / (1.0 - expected)) if quiet else np.full(len(BETS), _LEAST_EVIDENCE)
    return block * max(1.0, _first_alarm(bets, math.log(len(BETS) / min(1.0, increment * block)), start))


def asymptotic_labels(mean: float, limit: float, increment: float, *, spread: float = 1.0, tau: float = 1.0) -> float:
    """What the labels of the best test with the promise of `EDetector` come to as its budget shrinks: `ln(1/c) / KL`.

    KL is the growth of the best bet there is against a mean of `limit`: for losses of 0 and 1 the divergence of Kullback and
    Leibler between `mean` and `limit`, more for losses that spread less. At budgets of this world it is no lower bound: what
    adds up over all the moments at which a rise could have begun is worth some `ln(1/KL)`. Small rises need half of it.
    Arguments and errors are those of `labels_to_alarm`.
    """
    _check_detector(mean, limit, increment, spread, tau)
    if mean <= limit or limit >= 1.0:
        return math.inf
    block = block_length(tau)
    values, weights = _losses(mean, spread if block == 1 else spread * tau / block)
    gains = values / limit - 1.0

    def slope(fraction: float) -> float:
        return float((gains / (1.0 + fraction * gains)) @ weights)

    best = float(brentq(slope, 0.0, _BOLDEST)) if slope(_BOLDEST) < 0.0 else _BOLDEST
    growth = float(np.log1p(best * gains) @ weights)
    return block * max(1.0, -math.log(min(1.0, increment * block)) / growth) if growth > 0.0 else math.inf


def smallest_visible_rise(limit: float, increment: float, labels: float, *, spread: float = 1.0, tau: float = 1.0) -> float:
    """The smallest mean loss that an `EDetector` finds within so many labels on average.

    Args:
        limit: The detector's.
        increment: The false alarms that one label may cost.
        labels: How many there are, in a day say.
        spread: Of the losses; see `labels_to_alarm`.
        tau: Likewise.

    Returns:
        A mean loss over the limit, to three digits; infinity where even a mean of 1 takes longer.
    """
    return _smallest(lambda mean: labels_to_alarm(mean, limit, increment, spread=spread, tau=tau), limit, labels)


def labels_to_reject(mean: float, limit: float, level: float, *, spread: float = 1.0, tau: float = 1.0) -> float:
    """The expected labels until `EProcess.above(limit)` has shown at a level that the mean is over the limit.

    It is the test of a `ReplacementTrial`, with the trial's `limit` and `level`.

    Args:
        mean: The true mean loss, 0 to 1.
        limit: The test's.
        level: Such as 0.008. At 0 nothing is ever shown.
        spread: Of the losses; see `labels_to_alarm`.
        tau: Likewise.

    Returns:
        Labels, at least 1; infinity where no bet grows, so that it is not certain to be shown at all.

    Raises:
        ValueError: If a value is out of its range or not a number.
    """
    _check_losses(mean, spread)
    if not (limit > 0.0 and 0.0 <= level < 1.0 and tau < math.inf):
        raise ValueError(f"no test has a limit of {limit}, a level of {level} and {tau=}")
    if mean <= limit or limit >= 1.0 or level == 0.0:
        return math.inf
    block = block_length(tau)
    values, weights = _losses(mean, spread if block == 1 else spread * tau / block)
    bets = _Bets.of(np.log1p(np.array(BETS)[:, None] * (values / limit - 1.0)), weights)
    return block * max(1.0, bets.growing_to(math.log(len(BETS) / level)))


def labels_of_canary(new: float, old: float, margin: float, level: float, share: float, *, spread: float = 1.0) -> float:
    """The expected labels, of both arms together, until a `BlockTrial` says that the new version is worse.

    Args:
        new: The new version's mean loss, 0 to 1.
        old: The old version's.
        margin: How much worse the new one may be.
        level: The level of "worse". At 0 nothing is ever shown.
        share: The part of the labels that the new version gets, between 0 and 1.
        spread: See `labels_to_alarm`; of both arms.

    Returns:
        Labels of all traffic (`share` of them are the new version's); infinity where no bet grows.

    Raises:
        ValueError: If a value is out of its range or not a number.
    """
    _check_losses(new, spread)
    _check_losses(old, spread)
    if not (0.0 <= margin < 1.0 and 0.0 <= level < 1.0 and 0.0 < share < 1.0):
        raise ValueError(f"no canary has a margin of {margin}, a level of {level} and a share of {share}")
    if new - old <= margin or level == 0.0:
        return math.inf
    values, weights, length = [], [], 0.0
    for chance, of_new, of_old in _blocks(share):
        a, p = _means(new, spread, of_new)
        b, q = _means(old, spread, of_old)
        values.append((a[:, None] - b[None, :]).ravel())
        weights.append(chance * (p[:, None] * q[None, :]).ravel())
        length += chance * (of_new + of_old)
    fractions = np.array(DIFFERENCE_BETS)[:, None] / (1.0 + margin)
    bets = _Bets.of(np.log1p(fractions * (np.concatenate(values) - margin)), np.concatenate(weights))
    return length * max(1.0, bets.growing_to(math.log(len(DIFFERENCE_BETS) / level)))


@dataclass(frozen=True, slots=True)
class _Bets:
    """What an input does to the logarithm of each bet.

    Attributes:
        growth: Its mean, (bets,).
        noise: The variance of a diffusion that has this growth, and the same chance to fall below its start for ever, (bets,).
        overshoot: By how much the input that reaches a level goes over it, (bets,).
    """

    growth: _Array
    noise: _Array
    overshoot: _Array

    @classmethod
    def of(cls, steps: _Array, weights: _Array) -> _Bets:
        """From the steps that are possible, (bets, values), and how likely each is, (values,)."""
        growth, square, cube = steps @ weights, steps**2 @ weights, steps**3 @ weights
        noise = np.array([_noise(x, weights) for x in steps])
        # Ladder heights up and down share E[X^3] / 3 E[X^2]; one down is half of the largest step down, which is small.
        overshoot = np.maximum(0.0, cube / np.maximum(3.0 * square, 1e-300) - np.minimum(0.0, steps.min(axis=1)) / 2.0)
        return cls(growth, noise, overshoot)

    def growing_to(self, level: float) -> float:
        """The inputs until the sum of the bets, each 1 at first, is `exp(level)`: those that grow, along a straight line."""
        if self.growth.max() <= 0.0:
            return math.inf
        return self.reaching(level, lambda n: np.where(self.growth > 0.0, self.growth * n, -math.inf))

    def reaching(self, level: float, evidence: Callable[[float], _Array]) -> float:
        """The inputs at which the sum over the bets of `exp(evidence)` is `exp(level)`, overshoot and hindsight seen to."""

        def missing(inputs: float) -> float:
            logs = evidence(inputs)
            most = float(logs.max())
            extra = float(self.overshoot[logs.argmax()]) - _HINDSIGHT
            return level + extra - most - math.log(float(np.exp(logs - most).sum()))

        return _crossing(missing, 1.0)


def _noise(steps: _Array, weights: _Array) -> float:
    """`2 growth / nu` with the exponent nu at which `E[exp(-nu step)] = 1`; the plain variance where there is hardly a drift."""
    steps, weights = steps[weights > 0.0], weights[weights > 0.0]  # what never happens may be the largest step of all
    growth = float(steps @ weights)
    variance = float(steps**2 @ weights) - growth**2
    least = 2.0 * abs(growth) / _STRAIGHT
    if variance <= least or (growth > 0.0 and float(steps.min()) >= 0.0):
        return max(least, 1e-12)
    if abs(growth) < 1e-6 * math.sqrt(variance):
        return variance

    def exponent(nu: float) -> float:
        powers = -nu * steps
        most = float(powers.max())
        return most + math.log(float(np.exp(powers - most) @ weights))

    # Convex, 0 at 0, and below 0 from there to the root: on the side that the growth has.
    far = 2.0 * growth / variance
    while exponent(far) < 0.0:
        far *= 2.0
    near = far / 2.0
    while exponent(near) > 0.0:
        near /= 2.0
    return max(least, 2.0 * growth / float(brentq(exponent, near, far)))


def _first_alarm(bets: _Bets, level: float, start: _Array) -> float:
    """The inputs until the sum of `M_j / c` is `exp(level)`, from `ln(M_j / c) = start`."""
    logs = np.linspace(_LEAST_EVIDENCE, level + 6.0, _LEVELS)
    passages = [_passage(g, v, logs) for g, v in zip(bets.growth.tolist(), bets.noise.tolist(), strict=True)]
    begun = [float(np.interp(s, logs, passage)) for s, passage in zip(start.tolist(), passages, strict=True)]

    def evidence(inputs: float) -> _Array:
        """Where each bet is after so many inputs: the level whose mean first passage they are."""
        return np.array([np.interp(inputs + b, passage, logs) for b, passage in zip(begun, passages, strict=True)])

    return bets.reaching(level, evidence)


def _passage(growth: float, noise: float, logs: _Array) -> _Array:
    """The mean time in which `y = ln(M / c)` first reaches each of `logs`, for `dy = (growth + exp(-y)) dt + sqrt(noise) dB`.

    Its derivative in y is the integral over t > 0 of `(2 / noise) exp(-(2 / noise) (growth t + exp(-y) (exp(t) - 1)))`.
    """
    scale = 2.0 / noise
    powers = -scale * (growth * _EXCURSIONS[None, :] + np.exp(-logs)[:, None] * np.expm1(_EXCURSIONS)[None, :])
    slopes = _integral(scale * np.exp(np.minimum(powers, 600.0)), _EXCURSIONS)
    return np.concatenate([[0.0], np.cumsum((slopes[1:] + slopes[:-1]) / 2.0 * np.diff(logs))])


def _integral(y: _Array, x: _Array) -> _Array:
    """Trapezoids along the last axis."""
    total: _Array = ((y[..., 1:] + y[..., :-1]) / 2.0 * np.diff(x)).sum(axis=-1)
    return total


def _losses(mean: float, spread: float) -> tuple[_Array, _Array]:
    """Losses and how likely they are: 0 and 1, or the nodes and weights of Gauss and Jacobi for a beta distribution.

    The nodes are the eigenvalues of the matrix of the recurrence (Golub and Welsch, Mathematics of Computation 23, 1969).
    """
    if spread >= 1.0 or mean in {0.0, 1.0}:
        return np.array([0.0, 1.0]), np.array([1.0 - mean, mean])
    size = 1.0 / max(spread, LEAST_SPREAD) - 1.0
    ones, zeros = mean * size - 1.0, (1.0 - mean) * size - 1.0  # the exponents of x and of 1 - x
    n = np.arange(1, _NODES, dtype=np.float64)
    twice = 2.0 * n + ones + zeros
    diagonal = np.concatenate([[2.0 * mean - 1.0], (ones - zeros) * (ones + zeros) / (twice * (twice + 2.0))])
    # The first is written without the factor that stands above and below, and may be 0.
    first = 4.0 * (1.0 + zeros) * (1.0 + ones) / (twice[0] ** 2 * (twice[0] + 1.0))
    m, t = n[1:], twice[1:]
    others = 4.0 * m * (m + zeros) * (m + ones) * (m + zeros + ones) / (t**2 * (t + 1.0) * (t - 1.0))
    nodes, vectors = eigh_tridiagonal(diagonal, np.sqrt(np.concatenate([[first], others])))
    return np.clip((nodes + 1.0) / 2.0, 0.0, 1.0), vectors[0] ** 2


def _means(mean: float, spread: float, count: int) -> tuple[_Array, _Array]:
    """The means of `count` losses and how likely they are: binomial, or beta where that is as good."""
    if spread < 1.0 or count > 2 * BLOCK or mean in {0.0, 1.0}:
        return _losses(mean, spread / count)
    hits = np.arange(count + 1)
    ways = np.array([math.comb(count, k) for k in hits.tolist()], dtype=np.float64)
    return hits / count, ways * mean**hits * (1.0 - mean) ** (count - hits)


def _blocks(share: float) -> list[tuple[float, int, int]]:
    """The blocks of a canary: how likely each is, its labels of the new version and of the old one."""
    found = [(math.comb(BLOCK, k) * share**k * (1.0 - share) ** (BLOCK - k), k, BLOCK - k) for k in range(1, BLOCK)]
    middles = (np.arange(_LENGTHS) + 0.5) / _LENGTHS
    for rare, is_new in ((share, True), (1.0 - share, False)):
        # The first ten were all of the common arm: the block stays open until the first label of the other.
        further = np.log1p(-middles) / math.log1p(-rare)
        for extra in further.tolist():
            common = BLOCK + min(int(extra), 100 * OPEN)
            chance = (1.0 - rare) ** BLOCK / _LENGTHS
            found.append((chance, 1, common) if is_new else (chance, common, 1))
    return found


def _smallest(labels_at: Callable[[float], float], above: float, labels: float) -> float:
    """The mean between `above` and 1 from which on `labels_at` is at most `labels`; it falls as the mean rises."""
    if above >= 1.0 or labels_at(1.0) > labels:
        return math.inf
    low, high = above, 1.0
    while high - low > 1e-3 * (high - above) + 1e-9:
        middle = (low + high) / 2.0
        low, high = (low, middle) if labels_at(middle) <= labels else (middle, high)
    return high


def _crossing(falling: Callable[[float], float], guess: float) -> float:
    """Where a falling function of an amount crosses 0, from 0 up; infinity beyond a million million."""
    high = guess
    while falling(high) > 0.0:
        high *= 2.0
        if high > 1e12:  # noqa: PLR2004  (labels of a lifetime, and of all the lifetimes there were)
            return math.inf
    return float(brentq(falling, 0.0, high)) if falling(0.0) > 0.0 else 0.0


def _check_losses(mean: float, spread: float) -> None:
    if not (0.0 <= mean <= 1.0 and 0.0 <= spread <= 1.0):
        raise ValueError(f"losses are in [0, 1] and spread by at most 1, not with a mean of {mean} and a spread of {spread}")


def _check_detector(mean: float, limit: float, increment: float, spread: float, tau: float) -> None:
    _check_losses(mean, spread)
    if not (limit > 0.0 and 0.0 < increment < math.inf and tau < math.inf):
        raise ValueError(f"no detector has a limit of {limit}, an increment of {increment} and {tau=}")
