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

#: Confidence at which a mean is "clearly" over a limit; for many segments at once the doubt is divided among them.
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
    view = _View.of(rows, names, normals)
    found = []
    for i, name in enumerate(names):
        if not view.over(i):
            continue
        later = view.since(view.start(i))
        if later.rest_is_well(i, tolerance):
            found.append((view.explained(i), float(view.count[i]), name))
    if not found:
        return None
    best = max(found)[0]
    return min((count, name) for explained, count, name in found if explained >= best - CLOSE)[1]


class _View:
    """Rows as a matrix, segments by rows, in the order of prediction."""

    def __init__(self, member: Numbers, loss: Numbers, keys: Sequence[str], normals: Sequence[Normal]) -> None:
        self.member, self.loss, self.keys, self.normals = member, loss, keys, normals
        self.binary = bool(np.isin(loss, (0.0, 1.0)).all())
        self.count: Numbers = member.sum(axis=1)
        self.sum: Numbers = member @ loss
        self.squares: Numbers = member @ loss**2

    @classmethod
    def of(cls, rows: Sequence[tuple[float, Sequence[str]]], names: list[str], normals: Mapping[str, Normal]) -> _View:
        """The view of these segments."""
        index = {name: i for i, name in enumerate(names)}
        member: Numbers = np.zeros((len(names), len(rows)))
        for row, (_, segments) in enumerate(rows):
            for name in segments:
                if (i := index.get(name)) is not None:
                    member[i, row] = 1.0
        loss: Numbers = np.array([loss for loss, _ in rows], dtype=np.float64)
        return cls(member, loss, [name.partition("=")[0] for name in names], [normals[name] for name in names])

    def since(self, start: int) -> _View:
        """The rows from one on."""
        return _View(self.member[:, start:], self.loss[start:], self.keys, self.normals)

    def start(self, i: int) -> int:
        """The row with which the rise of a segment most likely began.

        An onset is found with the limit in mind, and tends to be early for a large rise: harmless rows from before it would make
        the rest look well.
        """
        inside = np.flatnonzero(self.member[i])
        losses, start = self.loss[inside], 0
        for _ in range(ROUNDS):
            between = (self.normals[i].mean + float(losses[start:].mean())) / 2.0
            start = int(np.argmax(np.cumsum((losses - between)[::-1])[::-1]))
        return int(inside[start])

    def over(self, i: int) -> bool:
        """Whether a segment is clearly over its limit."""
        normal = self.normals[i]
        if normal.alarmed:
            return float(self.sum[i]) > normal.limit * float(self.count[i])
        return self._lower(self.count[i], self.sum[i], self.squares[i], normal.tau, self._strict()) > normal.limit

    def rest_is_well(self, i: int, tolerance: Callable[[float], float]) -> bool:
        """Whether the rest is not clearly over its limit, and nearer to it than to being as bad as the segment."""
        weights, share = self._mixture(i)
        rest = share > 0.0
        n = float(rest.sum())
        if n < LEAST_REST:
            return False
        means = np.array([normal.mean for normal in self.normals])
        variances = np.array([normal.variance * normal.tau / normal.n for normal in self.normals])
        normal = float(weights @ means)
        # As of one reference as sure as all of them together: its variance is that of the mixture.
        uncertain = float((weights**2) @ variances)
        worth = normal * (1.0 - normal) / uncertain if uncertain > 0.0 else float(sum(x.n for x in self.normals))
        limit = max(upper_bound(normal, worth, normal * (1.0 - normal), True, CONFIDENCE), normal + tolerance(normal))
        loss = self.loss[rest]
        tau = max(float(weights @ np.array([x.tau for x in self.normals])), 1.0)
        if self._lower(n, loss.sum(), (loss**2).sum(), tau, CLEARLY) > limit:
            return False
        rise = float(self.sum[i] / self.count[i]) - self.normals[i].mean
        return float(loss.mean()) <= max(limit, limit + (normal + rise - limit) / NEARER)

    def _mixture(self, i: int) -> tuple[Numbers, Numbers]:
        """Weights of the segments that the rest is made of, and which rows have one (more than 0)."""
        outside = 1.0 - self.member[i]
        alike = np.array([key == self.keys[i] for key in self.keys], dtype=np.float64)
        same = self.member * alike[:, None] * outside
        # A row that this key does not know is measured by what its other keys say.
        other = self.member * outside * (same.sum(axis=0) == 0.0)
        parts: Numbers = same + other
        share: Numbers = parts.sum(axis=0)
        parts = parts / np.maximum(share, 1.0)
        total = float(parts.sum())
        return parts.sum(axis=1) / max(total, 1.0), share

    def explained(self, i: int) -> float:
        """How much likelier the losses are if this segment is harmed and nothing else, than if nothing is: in nats."""
        normal, n = self.normals[i], float(self.count[i])
        rise = float(self.sum[i]) / n - normal.mean
        variance = max(normal.variance, float(self.squares[i]) / n - (float(self.sum[i]) / n) ** 2, _LEAST_VARIANCE)
        return n / normal.tau * rise**2 / (2.0 * variance)

    def _strict(self) -> float:
        return 1.0 - (1.0 - CLEARLY) / len(self.normals)

    def _lower(self, n: float, total: float, squares: float, tau: float, confidence: float) -> float:
        if n < 1.0:
            return 0.0
        mean = min(max(float(total / n), 0.0), 1.0)
        variance = max(0.0, float(squares - total * total / n) / (n - 1.0)) if n > 1.0 else 0.0
        return lower_bound(mean, float(n), variance, self.binary, confidence, tau)
