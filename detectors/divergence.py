"""How far apart two histograms are: the population stability index, less what chance alone would give.

The index is the field's common currency (0.1 is looked at, 0.2 is acted on), and it has two faults that this module mends. An
empty cell makes it infinite, so half a row is added to each. And two samples of one population are never at 0: the index is
then about (cells - 1)(1/n + 1/m), which is more than 0.2 for small samples in ten cells, so that drift is found in every short
window. Taking that off leaves an estimate of the divergence itself, whatever the sizes of the samples.

Source: Yurdakul and Naranjo, "Statistical properties of the population stability index", Journal of Risk Model Validation
14(4), 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

#: Added to each cell that is not empty in both histograms.
SMOOTHING: Final = 0.5


def psi(expected: Sequence[float], observed: Sequence[float]) -> float:
    """The population stability index of two histograms over the same cells: sum (p - q) ln(p / q), at least 0.

    Cells that are empty in both tell nothing and are left out. A histogram without a single row tells nothing either: 0.

    Args:
        expected: Counts, one a cell.
        observed: Counts in the same cells.

    Raises:
        ValueError: If the two have not the same cells, or a count is negative or not finite.
    """
    return _psi(_cells(expected, observed))


def corrected_psi(expected: Sequence[float], observed: Sequence[float]) -> float:
    """`psi` less its mean under no change, (cells - 1)(1/n + 1/m), and at least 0.

    n and m are the two totals, and the cells are those that are not empty in both.

    Args:
        expected: Counts, one a cell.
        observed: Counts in the same cells.

    Raises:
        ValueError: If the two have not the same cells, or a count is negative or not finite.
    """
    cells = _cells(expected, observed)
    n, m = math.fsum(e for e, _ in cells), math.fsum(o for _, o in cells)
    if n == 0.0 or m == 0.0:
        return 0.0
    return max(0.0, _psi(cells) - (len(cells) - 1) * (1.0 / n + 1.0 / m))


def _cells(expected: Sequence[float], observed: Sequence[float]) -> list[tuple[float, float]]:
    if len(expected) != len(observed):
        raise ValueError(f"two histograms are compared over the same cells, not over {len(expected)} and {len(observed)}")
    pairs = [(float(e), float(o)) for e, o in zip(expected, observed, strict=True)]
    if not all(0.0 <= count < math.inf for pair in pairs for count in pair):
        raise ValueError("a histogram holds counts, which are finite and not negative")
    return [pair for pair in pairs if pair != (0.0, 0.0)]


def _psi(cells: Sequence[tuple[float, float]]) -> float:
    n, m = math.fsum(e for e, _ in cells), math.fsum(o for _, o in cells)
    if n == 0.0 or m == 0.0:
        return 0.0
    added = SMOOTHING * len(cells)
    shares = [((e + SMOOTHING) / (n + added), (o + SMOOTHING) / (m + added)) for e, o in cells]
    # Each term is at least 0, but the last bit of a logarithm may say otherwise.
    return max(0.0, math.fsum((p - q) * math.log(p / q) for p, q in shares))
