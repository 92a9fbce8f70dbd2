"""What is normal for a version: its reference, and the limit that follows from it.

A reference is learnt once, from mature labels, and then frozen; nothing here lets it move by itself, because a reference
that follows the stream forgives every slow harm. It is plain data, small, and says what it does not know: its bounds are
as wide as its sample is short or dependent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final

from detectors.base import State, checked
from detectors.bounds import Blocks, autocorrelation_time, block_length, lower_bound, upper_bound, upper_bound_of

__all__ = [
    "Blocks",
    "RecentLosses",
    "Reference",
    "ReferenceBuilder",
    "Sample",
    "autocorrelation_time",
    "block_length",
    "limit_of",
    "lower_bound",
    "upper_bound",
]

#: A block of more than this share of the reference leaves too few of them to trust: the verdict is unknown.
LONGEST_BLOCK: Final = 1 / 20
#: Of the upper bound that a limit is made of.
CONFIDENCE: Final = 0.99
#: Losses that a reference is learned from at most; later ones are passed over.
LARGEST: Final = 100_000
_DELAY_QUANTILE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Sample:
    """The sufficient statistics of a run of losses.

    Attributes:
        n: Number of losses.
        mean: Their mean, in [0, 1].
        variance: Their unbiased variance; 0 below two losses.
        binary: Whether every one was 0 or 1.
        tau: Their integrated autocorrelation time, in losses, at least 1.
    """

    n: int
    mean: float
    variance: float
    binary: bool
    tau: float

    def upper(self, confidence: float) -> float:
        """Upper confidence bound of the true mean."""
        return upper_bound(self.mean, self.n, self.variance, self.binary, confidence, self.tau)

    def lower(self, confidence: float) -> float:
        """Lower confidence bound of the true mean."""
        return lower_bound(self.mean, self.n, self.variance, self.binary, confidence, self.tau)

    @property
    def block(self) -> int:
        """How many losses make one input of a test against this sample."""
        return block_length(self.tau)

    @property
    def too_dependent(self) -> bool:
        """Whether that block is too long for this sample, so that nothing can be judged against it."""
        return self.block > 1 and self.block > LONGEST_BLOCK * self.n


@dataclass(frozen=True, slots=True)
class Reference(Sample):
    """What is normal for a version.

    Attributes:
        delay: The age h, in seconds, at which labels are counted: the 0.9 quantile of their delay, or less if asked.
        coverage: Share of the predictions that were labelled by that age, 0 to 1.
        since: Event time of the first prediction in it, in epoch seconds.
        until: Event time of the last one.
        bound: The 99 % upper bound of the mean, worked out while the losses were at hand; None in one that an earlier
            release wrote, or that was made of its numbers alone.
    """

    delay: float
    coverage: float
    since: float
    until: float
    bound: float | None = None

    def upper(self, confidence: float) -> float:
        """Upper confidence bound of the true mean: at 99 % the tight one, where it is known."""
        if self.bound is None or confidence < CONFIDENCE:
            return Sample.upper(self, confidence)
        return self.bound if confidence == CONFIDENCE else max(self.bound, Sample.upper(self, confidence))

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {"v": 2, **asdict(self)}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Reference:
        """Rebuild what `to_state` described, of version 1 too; ValueError for another version."""
        s = checked({**state, "v": 2, "bound": None} if state.get("v") == 1 else state, "reference", 2)
        return cls(**{field.name: s[field.name] for field in fields(cls)})


def limit_of(reference: Sample, tolerance: float, cap: float | None = None, confidence: float = CONFIDENCE) -> float:
    """The largest harmless mean loss: the reference's upper bound or its mean plus the tolerance, at most `cap`.

    The bound is in it because the reference is itself an estimate: with the plain mean of 500 labels, half of all quiet
    streams raise an alarm. At 1 or more nothing can exceed the limit.
    """
    limit = max(reference.upper(confidence), reference.mean + tolerance)
    return limit if cap is None else min(limit, cap)


class ReferenceBuilder:
    """Learns a reference from losses in the order of prediction. Its memory is bounded, whatever comes.

    Losses whose labels came later than the age h are in the coverage and not in the mean: what is tested later is what is
    labelled at that age, and where fast labels are worse than slow ones, a mean over both would be too low a bar.
    """

    def __init__(self) -> None:
        self.unlabelled = 0
        self.since = math.inf
        self.until = -math.inf
        self._losses: list[float] = []
        self._delays: list[float] = []

    @property
    def n(self) -> int:
        """Labelled predictions so far."""
        return len(self._losses)

    def add(self, loss: float, delay: float, at: float) -> None:
        """Take a labelled prediction.

        Args:
            loss: In [0, 1].
            delay: From prediction to label, in seconds; below 0 (a label that came first) counts as 0.
            at: Event time of the prediction.

        Raises:
            ValueError: If the loss is outside [0, 1] or a value is not finite; nothing is changed.
        """
        if not (0.0 <= loss <= 1.0 and math.isfinite(delay) and math.isfinite(at)):
            raise ValueError(f"a reference takes losses in [0, 1] with a finite delay and time, not {loss}, {delay}, {at}")
        if len(self._losses) < LARGEST:
            self._losses.append(loss)
            self._delays.append(max(delay, 0.0))
        self._see(at)

    def add_unlabelled(self, at: float) -> None:
        """Take a prediction that was given up on without a label."""
        self.unlabelled += 1
        self._see(at)

    def _see(self, at: float) -> None:
        self.since = min(self.since, at)
        self.until = max(self.until, at)

    def ready(self, events: int, span: float) -> bool:
        """Whether `events` losses are in that cover `span` seconds at least."""
        return self.n >= min(max(events, 1), LARGEST) and self.until - self.since >= span

    def build(self, expected_within: float | None = None, age: float | None = None) -> Reference:
        """The reference so far.

        Args:
            expected_within: The most that the age h may be, in seconds.
            age: The age h itself, where it is settled. Then all labels that are there by it count: leaving out the slowest once
                more would set another bar than what is tested is held to.

        Raises:
            ValueError: If no loss was added yet.
        """
        if self.n == 0:
            raise ValueError("a reference needs at least one labelled prediction")
        delay = sorted(self._delays)[math.ceil(_DELAY_QUANTILE * self.n) - 1] if age is None else age
        if expected_within is not None:
            delay = min(delay, expected_within)
        # A cap below every delay leaves nothing to learn from: then all that there is.
        in_time = [loss for loss, d in zip(self._losses, self._delays, strict=True) if d <= delay] or self._losses
        n, total, tau = len(in_time), math.fsum(in_time), autocorrelation_time(in_time)
        return Reference(
            n=n,
            mean=total / n,
            variance=_variance(n, total, math.fsum(loss * loss for loss in in_time)),
            binary=all(loss in (0.0, 1.0) for loss in in_time),
            tau=tau,
            delay=delay,
            coverage=sum(d <= delay for d in self._delays) / (self.n + self.unlabelled),
            since=self.since,
            until=self.until,
            bound=upper_bound_of(in_time, CONFIDENCE, tau),
        )

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "unlabelled": self.unlabelled,
            # Infinities are no JSON, and nothing is known before the first event anyway.
            "since": self.since if math.isfinite(self.since) else None,
            "until": self.until if math.isfinite(self.until) else None,
            "losses": list(self._losses),
            "delays": list(self._delays),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> ReferenceBuilder:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "reference builder", 1)
        builder = cls()
        builder.unlabelled = s["unlabelled"]
        builder.since = math.inf if s["since"] is None else s["since"]
        builder.until = -math.inf if s["until"] is None else s["until"]
        builder._losses, builder._delays = list(s["losses"]), list(s["delays"])
        return builder


class RecentLosses:
    """The last 10,000 mature losses of a version, as the baseline of the version that replaces it.

    Kept as sums of 100 losses each: the state stays small, and the spread of these sums tells the autocorrelation time
    (batch means). The oldest hundred leave together.
    """

    CHUNK: Final = 100
    CHUNKS: Final = 100
    #: Fewer chunks tell nothing of the autocorrelation.
    _ENOUGH: Final = 20

    def __init__(self) -> None:
        self._chunks: list[tuple[float, float]] = []  # (sum, sum of squares), oldest first
        self._sum = 0.0
        self._squares = 0.0
        self._open = 0

    def add(self, loss: float) -> None:
        """Take a loss in [0, 1], in the order of prediction; ValueError for anything else."""
        if not 0.0 <= loss <= 1.0:
            raise ValueError(f"losses are in [0, 1], not {loss}")
        self._sum += loss
        self._squares += loss * loss
        self._open += 1
        if self._open == self.CHUNK:
            self._chunks.append((self._sum, self._squares))
            del self._chunks[: 1 - self.CHUNKS]
            self._sum = self._squares = 0.0
            self._open = 0

    @property
    def n(self) -> int:
        """How many losses are in it."""
        return len(self._chunks) * self.CHUNK + self._open

    def sample(self, least_tau: float = 1.0) -> Sample:
        """What they say together.

        Args:
            least_tau: The autocorrelation time known from the reference; the larger of the two is used.

        Raises:
            ValueError: If there is no loss yet.
        """
        n = self.n
        if n == 0:
            raise ValueError("there is no loss yet")
        total = math.fsum(s for s, _ in self._chunks) + self._sum
        squares = math.fsum(q for _, q in self._chunks) + self._squares
        variance = _variance(n, total, squares)
        # x^2 = x holds only for 0 and 1, and x - x^2 is never negative: the sums are equal only if all losses are those.
        binary = squares == total
        return Sample(n, total / n, variance, binary, max(1.0, least_tau, self._batch_means(variance)))

    def _batch_means(self, variance: float) -> float:
        k = len(self._chunks)
        if k < self._ENOUGH or variance <= 0.0:
            return 1.0
        sums = [s for s, _ in self._chunks]
        centre = math.fsum(sums) / k
        ratio = math.fsum((s - centre) ** 2 for s in sums) / (k - 1) / self.CHUNK / variance
        # Counts only when it is two standard errors over 1: the noise of the estimate would else choose blocks.
        return ratio if ratio * (1.0 - 2.0 * math.sqrt(2.0 / (k - 1))) > 1.0 else 1.0

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "chunks": [list(chunk) for chunk in self._chunks],
            "sum": self._sum,
            "squares": self._squares,
            "open": self._open,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> RecentLosses:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "recent losses", 1)
        recent = cls()
        recent._chunks = [(total, squares) for total, squares in s["chunks"]]
        recent._sum, recent._squares, recent._open = s["sum"], s["squares"], s["open"]
        return recent


def _variance(n: int, total: float, squares: float) -> float:
    """Unbiased variance from sums; losses are in [0, 1], so that nothing cancels badly."""
    return max(0.0, (squares - total * total / n) / (n - 1)) if n > 1 else 0.0
