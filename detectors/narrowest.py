"""Which segment a harm is in: the narrowest one outside of which all is well.

"All is well" needs a measure that fits the rest: other segments may err more or less than the whole when nothing is wrong. So the
rest is held to the mixture of what is normal for the segments it is made of. A narrow part of a harmed wide segment passes
that test too, because it leaves the rest nearly well; so of the segments that pass, those that explain clearly less of the losses
than another one are left out before the narrowest is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.bounds import lower_bound, upper_bound

#: Confidence at which a mean is "clearly" over a limit.
CLEARLY: Final = 0.95
#: Confidence of the limit that the rest is held to, as for any limit.
CONFIDENCE: Final = 0.99
#: Times that the start of a rise is looked for, each with the mean since the one before.
ROUNDS: Final = 3
#: The rest is well up to this part of the way from its limit to being as bad as the segment: a high mean is the less certain one.
NEARER: Final = 3.0
#: Fewer rows tell nothing of the rest.
LEAST_REST: Final = 20

#: A segment that explains this much less than the best one, in nats, is left out.
CLOSE: Final = 3.0
_LEAST_VARIANCE: Final = 1e-9

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Normal:
    """What is normal for a segment.

    Attributes:
        mean: Of its reference.
        variance: Of single losses in it.
        n: Labels in it.
        tau: Its autocorrelation time.
        limit: The largest harmless mean.
        alarmed: Whether its own detector has found harm.
    """

    mean: float
    variance: float
    n: int
    tau: float
    limit: float
    alarmed: bool


def narrowest(
    rows: Sequence[tuple[float, Sequence[str]]], normals: Mapping[str, Normal], tolerance: Callable[[float], float]
) -> str | None:
    """The narrowest segment that is clearly over its limit while the rest is within its own.

    Args:
        rows: Loss and segments of each prediction since the onset, in the order of prediction.
        normals: By segment; a segment without one is not named, and its rows count where another key knows them.
        tolerance: The rise over a mean that does no harm.

    Returns:
        The segment with the fewest rows, ties by name; None when the harm is everywhere, or nothing is clearly over.
    """
    names = sorted({name for _, segments in rows for name in segments if name in normals})
    if not names:
        return None
    view = _View(rows, names, normals)
    found = []
    for i, name in enumerate(names):
        if view.over(i) and view.rest_is_well(i, tolerance):
            found.append((view.explained(i), float(view.count[i]), name))
    if not found:
        return None
    best = max(found)[0]
    return min((count, name) for explained, count, name in found if explained >= best - CLOSE)[1]


class _View:
    """The rows, in the order of prediction: their losses, and for each key the segment that a row is in."""

    def __init__(self, rows: Sequence[tuple[float, Sequence[str]]], names: list[str], normals: Mapping[str, Normal]) -> None:
        self.normals = [normals[name] for name in names]
        self.means: Numbers = np.array([normal.mean for normal in self.normals])
        self.taus: Numbers = np.array([normal.tau for normal in self.normals])
        self.variances: Numbers = np.array([normal.variance * normal.tau / normal.n for normal in self.normals])  # of the means
        self.loss: Numbers = np.array([loss for loss, _ in rows], dtype=np.float64)
        self.binary = bool(np.isin(self.loss, (0.0, 1.0)).all())
        keys = {key: k for k, key in enumerate(sorted({name.partition("=")[0] for name in names}))}
        self.key = [keys[name.partition("=")[0]] for name in names]
        self.segment = np.full((len(keys), len(rows)), -1)  # by key and row; -1 where nothing is known
        index = {name: i for i, name in enumerate(names)}
        for row, (_, segments) in enumerate(rows):
            for name in segments:
                if (i := index.get(name)) is not None:
                    self.segment[self.key[i], row] = i
        self.count, self.sum, self.squares = self._by_segment(np.ones_like(self.loss), self.loss, self.loss**2)

    def _by_segment(self, *values: Numbers) -> list[Numbers]:
        """Sums over the rows of each segment."""
        sums: list[Numbers] = []
        known = self.segment >= 0
        for x in values:
            weights = np.broadcast_to(x, known.shape)[known]
            sums.append(np.bincount(self.segment[known], weights, len(self.normals)).astype(np.float64))
        return sums

    def over(self, i: int) -> bool:
        """Whether a segment is clearly over its limit; for many segments at once the doubt is divided among them."""
        normal = self.normals[i]
        if normal.alarmed:
            return float(self.sum[i]) > normal.limit * float(self.count[i])
        strict = 1.0 - (1.0 - CLEARLY) / len(self.normals)
        n, total, squares = (float(x[i]) for x in (self.count, self.sum, self.squares))
        # Of two keys "a" and "a=b" a row is counted for one: a segment may be left without rows.
        return n > 0.0 and self._lower(n, total, squares, normal.tau, strict) > normal.limit

    def rest_is_well(self, i: int, tolerance: Callable[[float], float]) -> bool:
        """Whether the rest is not clearly over its limit, and nearer to it than to being as bad as the segment."""
        inside = self.segment[self.key[i]] == i
        start = self._start(i, inside)
        weights, rest = self._mixture(i, ~inside, start)
        n = float(rest.size)
        if n < LEAST_REST:
            return False
        normal, uncertain = float(weights @ self.means), float(weights**2 @ self.variances)
        # As of one reference as sure as all of them together: its variance is that of the mixture.
        spread = normal * (1.0 - normal)
        worth = spread / uncertain if uncertain > 0.0 else float(sum(x.n for x in self.normals))
        limit = max(upper_bound(normal, worth, spread, True, CONFIDENCE), normal + tolerance(normal))
        if self._lower(n, float(rest.sum()), float((rest**2).sum()), float(weights @ self.taus), CLEARLY) > limit:
            return False
        rise = float(self.loss[start:][inside[start:]].mean()) - self.normals[i].mean
        return float(rest.mean()) <= max(limit, limit + (normal + rise - limit) / NEARER)

    def _start(self, i: int, inside: NDArray[np.bool_]) -> int:
        """The row with which the rise of a segment most likely began.

        An onset is found with the limit in mind, and tends to be early for a large rise: harmless rows from before it would make
        the rest look well.
        """
        where = np.flatnonzero(inside)
        losses, start = self.loss[where], 0
        for _ in range(ROUNDS):
            between = (self.normals[i].mean + float(losses[start:].mean())) / 2.0
            start = int(np.argmax(np.cumsum((losses - between)[::-1])[::-1]))
        return int(where[start])

    def _mixture(self, i: int, outside: NDArray[np.bool_], start: int) -> tuple[Numbers, Numbers]:
        """What the rest since a row is made of: the weight of each segment, and the losses of the rows that one is known of."""
        segment, outside = self.segment[:, start:], outside[start:]
        same = segment[self.key[i]]
        # A row that this key does not know is measured by what its other keys say.
        lost = outside & (same < 0) & (segment >= 0).any(axis=0)
        total = np.bincount(same[outside & (same >= 0)], minlength=len(self.normals)).astype(np.float64)
        if lost.any():
            share = 1.0 / np.maximum((segment[:, lost] >= 0).sum(axis=0), 1)
            for other in segment[:, lost]:
                total += np.bincount(other[other >= 0], weights=share[other >= 0], minlength=len(self.normals))
        rest: Numbers = self.loss[start:][(outside & (same >= 0)) | lost]
        return total / max(rest.size, 1), rest

    def explained(self, i: int) -> float:
        """How much likelier the losses are if this segment is harmed and nothing else, than if nothing is: in nats."""
        normal, n = self.normals[i], float(self.count[i])
        mean = float(self.sum[i]) / n
        variance = max(normal.variance, float(self.squares[i]) / n - mean**2, _LEAST_VARIANCE)
        return n / normal.tau * (mean - normal.mean) ** 2 / (2.0 * variance)

    def _lower(self, n: float, total: float, squares: float, tau: float, confidence: float) -> float:
        mean = min(max(total / n, 0.0), 1.0)
        variance = max(0.0, (squares - total * total / n) / (n - 1.0)) if n > 1.0 else 0.0
        return lower_bound(mean, n, variance, self.binary, confidence, max(tau, 1.0))
