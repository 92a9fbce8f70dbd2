"""What a sample says about a mean: confidence bounds, and how much dependence takes away from them.

The bounds are exact at every sample size, not asymptotic: a limit that comes out too low is a false page every week.
0/1 losses get Clopper and Pearson's ("The use of confidence or fiducial limits", Biometrika 26, 1934). Others get the
betting bound of Waudby-Smith and Ramdas ("Estimating means of bounded random variables by betting", arXiv 2010.09686)
where the losses are at hand; from their mean and variance alone, Maurer and Pontil's empirical Bernstein bound ("Empirical
Bernstein bounds and sample variance penalization", arXiv 0907.3740), which is two to three times as wide.

Dependence enters as the integrated autocorrelation time tau: n losses are worth n / tau independent ones. It is estimated
with the automatic window of Sokal ("Monte Carlo methods in statistical mechanics", 1997) and the correction of its bias
by Wolff ("Monte Carlo errors with less errors", hep-lat/0306017). An estimate of tau sees no dependence longer than its
window, and is itself uncertain; so losses that are dependent at all must also pass the oldest method there is, Student's
t on the means of a few long batches, which believes the spread that it sees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

from detectors.base import State

#: Below this the autocorrelation is taken for the noise of its estimate, and losses are tested one by one.
INDEPENDENT: Final = 1.3
#: A block is this many autocorrelation times long: what is left between the means of neighbouring blocks is negligible.
TIMES: Final = 5.0
#: Sokal's window ends at the first lag that is this many times the tau estimated up to it.
_WINDOW: Final = 5.0
#: A batch is this many autocorrelation times long, to see dependence that lasts ten blocks; but there are five batches at
#: least (with fewer, Student's t is a bound of nothing: 4.5, 7, 32) and twenty at most.
_BATCH_TIMES: Final = 50.0
_FEWEST_BATCHES: Final = 5
_MOST_BATCHES: Final = 20
#: No bet is more than this share of what is at stake, so that one loss cannot ruin it. The paper's choice.
_BOLDEST: Final = 0.75
#: How near to its root the betting bound is taken; it is never below it.
_PRECISION: Final = 1e-6


def upper_bound(mean: float, n: float, variance: float, binary: bool, confidence: float, tau: float = 1.0) -> float:
    """The value that the true mean exceeds with probability at most `1 - confidence`, in [0, 1].

    Args:
        mean: Of the sample, in [0, 1].
        n: Size of the sample.
        variance: Unbiased, of single losses; not used when `binary`.
        binary: Whether every loss is 0 or 1.
        confidence: Such as 0.99.
        tau: Integrated autocorrelation time, at least 1; the sample counts as n / tau.
    """
    worth = n / max(tau, 1.0)
    if binary:
        errors = min(max(mean, 0.0), 1.0) * worth
        # At n errors of n the bound is 1, where the beta distribution degenerates.
        return 1.0 if worth - errors <= 0.0 else float(betaincinv(errors + 1.0, worth - errors, confidence))
    return min(1.0, mean + _bernstein(worth, variance, 1.0 - confidence))


def lower_bound(mean: float, n: float, variance: float, binary: bool, confidence: float, tau: float = 1.0) -> float:
    """The value that the true mean is below with probability at most `1 - confidence`; see `upper_bound`."""
    return 1.0 - upper_bound(1.0 - mean, n, variance, binary, confidence, tau)


def lower_bound_of(losses: Sequence[float], confidence: float, tau: float = 1.0) -> float:
    """`lower_bound` from the losses themselves, by their mean and variance alone: quick, for what is asked again and again.

    Args:
        losses: In [0, 1], at least two.
        confidence: Such as 0.95.
        tau: Their integrated autocorrelation time, at least 1.
    """
    x = np.asarray(losses, dtype=np.float64)
    binary = bool(np.all((x == 0.0) | (x == 1.0)))
    return lower_bound(float(x.mean()), len(x), float(x.var(ddof=1)), binary, confidence, tau)


def upper_bound_of(losses: Sequence[float], confidence: float, tau: float = 1.0) -> float:
    """`upper_bound` from the losses themselves, in their order: tighter where they are not all 0 or 1.

    From a tau of `INDEPENDENT` on it is also at least Student's bound of the means of five to twenty long batches.

    Args:
        losses: In [0, 1], at least one.
        confidence: Such as 0.99.
        tau: Their integrated autocorrelation time, at least 1; means of as many losses count as independent.
    """
    x = np.asarray(losses, dtype=np.float64)
    mean, binary = float(x.mean()), bool(np.all((x == 0.0) | (x == 1.0)))
    if tau < INDEPENDENT:
        return upper_bound(mean, len(x), 0.0, True, confidence, tau) if binary else _betting(x, 1.0 - confidence)
    length = min(math.ceil(tau), len(x))
    if binary:
        bound = upper_bound(mean, len(x), 0.0, True, confidence, tau)
    else:
        bound = max(mean, _betting(_batch_means(x, len(x) // length, length), 1.0 - confidence))
    batches = min(max(int(len(x) / (_BATCH_TIMES * tau)), _FEWEST_BATCHES), _MOST_BATCHES)
    return max(bound, _student(x, batches, confidence)) if len(x) >= 2 * batches else bound


def _batch_means(x: NDArray[np.float64], count: int, length: int) -> NDArray[np.float64]:
    means: NDArray[np.float64] = x[: count * length].reshape(count, length).mean(axis=1)
    return means


def _student(x: NDArray[np.float64], count: int, confidence: float) -> float:
    """The mean plus Student's t times the standard error that the spread of `count` batches tells."""
    means = _batch_means(x, count, len(x) // count)
    error = float(means.std(ddof=1)) / math.sqrt(count)
    return min(1.0, float(x.mean()) + float(stdtrit(count - 1, confidence)) * error)


def _betting(x: NDArray[np.float64], delta: float) -> float:
    """The least m at which a bet on "the mean is below m" would have won 1 / delta, were m the mean (Ville's inequality).

    The stakes are the paper's predictable plug-in for a sample of known size: as large as the variance of the losses
    *before* allows. What was won grows with m, so that halving finds the root.
    """
    n, goal = len(x), math.log(1.0 / delta)
    count = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(x)) / (count + 1)
    variances = (0.25 + np.cumsum((x - means) ** 2)) / (count + 1)
    stakes = np.sqrt(2.0 * goal / (n * np.concatenate(([0.25], variances[:-1]))))

    def won(m: float) -> float:
        return float(np.log1p(np.minimum(stakes, _BOLDEST / (1.0 - m)) * (m - x)).sum())

    low, high = float(x.mean()), 1.0
    while high - low > _PRECISION:
        middle = (low + high) / 2.0
        if won(middle) >= goal:
            high = middle
        else:
            low = middle
    return high


def _bernstein(n: float, variance: float, delta: float) -> float:
    if n <= 1.0:
        return 1.0
    logarithm = math.log(2.0 / delta)
    return math.sqrt(2.0 * variance * logarithm / n) + 7.0 * logarithm / (3.0 * (n - 1.0))


def autocorrelation_time(losses: Sequence[float]) -> float:
    """The integrated autocorrelation time `1 + 2 sum of the autocorrelations`, at least 1.

    It is the factor by which dependence makes the variance of a mean larger, in units of one loss. A trend counts as
    dependence, which is what it does to a reference. Short or constant series give 1.
    """
    n = len(losses)
    x = np.asarray(losses, dtype=np.float64)
    if n < 4 or float(np.ptp(x)) == 0.0:  # noqa: PLR2004  (three lags are no window)
        return 1.0
    x = x - x.mean()
    size = 1 << (2 * n - 1).bit_length()  # padded with zeros, so that the end is not correlated with the beginning
    spectrum = np.fft.rfft(x, size)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), size)[:n]
    tau = 1.0 + 2.0 * np.cumsum(covariance[1:] / covariance[0])
    lags = np.arange(1, n)
    closed = np.nonzero(lags >= _WINDOW * tau)[0]
    window = int(closed[0]) if closed.size else n - 2
    # The sample mean that was subtracted took its share of every covariance along.
    return max(1.0, float(tau[window]) * (1.0 + (2.0 * float(lags[window]) + 1.0) / n))


def block_length(tau: float) -> int:
    """How many losses in a row make one input of a test: 1 where they are as good as independent, else ceil(5 tau)."""
    return 1 if tau < INDEPENDENT else math.ceil(TIMES * tau)


class Blocks:
    """Turns losses into means of blocks of a fixed length, so that autocorrelation is gone from what is tested.

    Args:
        length: Losses in a block, at least 1.

    Raises:
        ValueError: If the length is below 1.
    """

    def __init__(self, length: int) -> None:
        if length < 1:
            raise ValueError(f"a block has at least one loss, not {length}")
        self.length = length
        self.open = 0
        self._sum = 0.0
        self._mark = 0.0

    def add(self, x: float, mark: float = 0.0) -> tuple[float, float] | None:
        """Take one loss; when it fills the block, return the block's mean and the mark of its first loss."""
        if self.length == 1:
            return x, mark
        if self.open == 0:
            self._mark = mark
        self.open += 1
        self._sum += x
        if self.open < self.length:
            return None
        mean = self._sum / self.length
        self.open = 0
        self._sum = 0.0
        return mean, self._mark

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {"length": self.length, "open": self.open, "sum": float(self._sum), "mark": float(self._mark)}

    @classmethod
    def from_state(cls, state: State) -> Blocks:
        """Rebuild what `to_state` described, in the middle of a block too."""
        blocks = cls(state["length"])
        blocks.open, blocks._sum, blocks._mark = state["open"], state["sum"], state["mark"]
        return blocks
