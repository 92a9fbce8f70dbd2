"""The sequential tests once more, straight from their formulas: slow, exact, and sharing no line with the product."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from math import prod

E_DETECTOR_BETS = [Fraction(f, 100) for f in (2, 5, 10, 20, 40, 80)]
DIFFERENCE_BETS = [Fraction(f, 100) for f in (5, 10, 20, 40, 80)]


def shiryaev_roberts(xs: Sequence[float], limit: float, increments: Sequence[float]) -> Fraction:
    """Mean over the bets of the sum over every start of the budget brought there, times all that was won since."""
    m0 = Fraction(limit)
    total = Fraction(0)
    for f in E_DETECTOR_BETS:
        factors = [1 + f / m0 * (Fraction(x) - m0) for x in xs]
        total += sum(Fraction(c) * prod(factors[start:]) for start, c in enumerate(increments))
    return total / len(E_DETECTOR_BETS)


def alarms(xs: Sequence[float], limit: float, increments: Sequence[float]) -> list[int]:
    """The inputs (from 0) at which the evidence, gathered anew after each alarm, reaches 1."""
    found = []
    start = 0
    for end in range(1, len(xs) + 1):
        if shiryaev_roberts(xs[start:end], limit, increments[start:end]) >= 1:
            found.append(end - 1)
            start = end
    return found


def constant(x: Fraction, limit: Fraction, increment: Fraction, n: int) -> Fraction:
    """The evidence after n equal inputs, with nothing emptied: a geometric sum for each bet, `c L (L^n - 1) / (L - 1)`."""
    factors = [1 + f * (x - limit) / limit for f in E_DETECTOR_BETS]
    sums = [n if factor == 1 else factor * (factor**n - 1) / (factor - 1) for factor in factors]
    return increment * sum(sums, Fraction(0)) / len(sums)


def wealth(ds: Sequence[float], scale: Fraction, bets: Sequence[Fraction]) -> Fraction:
    """Mean over the bets of the product of `1 + f d / scale`."""
    return sum((Fraction(prod(1 + f * Fraction(d) / scale for d in ds)) for f in bets), Fraction(0)) / len(bets)


def onset(ds: Sequence[float]) -> int:
    """The input (from 0) after the last minimum of the sums: where a CUSUM restarted last. Ties go to the later one."""
    sums = [0.0, *accumulate(ds)][:-1]
    return max(i for i, s in enumerate(sums) if s == min(sums))
