"""Tests by betting that may be looked at after every label: the e-detector that pages and the e-process that compares.

The decision: nothing here has a threshold to tune. An e-detector is given the largest harmless mean and, with each input,
the number of false alarms that the time since the last input may cost; a theorem does the rest (docs/detectors.md states
it with its conditions). The recursions are scalar and unrolled: they cost less than a microsecond, give the same bits
however a stream is cut into batches, and need no logarithms, because no wealth can underflow while it still matters.

Sources: Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
arXiv 2203.03532 (the Shiryaev-Roberts form); Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
betting", arXiv 2010.09686 (the e-process); Page, "Continuous inspection schemes", Biometrika 41, 1954 (the onset).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Self

from river.base import DriftDetector

from detectors.base import State, checked

#: Fractions of the largest safe bet: small ones win on small, lasting rises, large ones on sudden, large rises.
BETS: Final = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
#: The same for the difference of two arms, which may lose as much as it may win.
DIFFERENCE_BETS: Final = (0.05, 0.1, 0.2, 0.4, 0.8)

#: Below this a limit is taken for this: a smaller bet is still a valid one, and its reciprocal stays finite.
_LEAST: Final = 1e-9
#: An e-process stops multiplying here. Less evidence than there is stays valid; infinity would not be plain data.
_ENOUGH: Final = 1e300


class EDetector(DriftDetector):
    """Alarms when the mean of what it is fed has risen over a limit; false alarms stay inside a budget.

    Every input `x` in [0, 1] multiplies six bets, `M_j <- L_j (M_j + c)` with `L_j = 1 + (f_j / limit) (x - limit)` for
    `f_j` in `BETS`; the alarm is where their mean reaches 1, and then they are all 0 again. If the conditional mean of
    `x`, given what went before, is at most `limit`, the expected number of alarms up to any time is at most the sum of
    the increments `c` handed in until then.

    It is one of River's drift detectors: `update(x)`, then read `drift_detected`, which holds until the next `update`.

    Args:
        limit: The largest mean that does no harm, above 0. At 1 or more nothing can exceed it, and there is never an alarm.
        increment: The expected number of false alarms that one input may cost, when `update` is not told otherwise.

    Raises:
        ValueError: If `limit` is not above 0 or not a number, or `increment` is negative or not finite.

    Example:
        >>> from detectors.sequential import EDetector
        >>> detector = EDetector(limit=0.1, increment=1e-4)
        >>> for count, loss in enumerate([0, 0, 0, 1] * 100, start=1):
        ...     detector.update(loss)
        ...     if detector.drift_detected:
        ...         print(f"over {detector.limit} since input {count - detector.since_onset + 1}, seen at {count}")
        ...         break
        over 0.1 since input 4, seen at 88
    """

    def __init__(self, limit: float, increment: float = 1e-5) -> None:
        super().__init__()
        self.increment = _checked_increment(increment)
        self.alarms = 0
        self.inputs = 0
        self.peak = 0.0
        self._set_limit(limit)
        self.clear()

    def clear(self) -> None:
        """Forget all evidence, the onset and the alarm. The counts of inputs and alarms stay."""
        self._reset()
        self._m1 = self._m2 = self._m3 = self._m4 = self._m5 = self._m6 = 0.0
        self._rise = 0.0
        self._onset: float | None = None
        self.since_onset = 0

    def _set_limit(self, limit: float) -> None:
        if not limit > 0.0:
            raise ValueError(f"the limit of an e-detector must be above 0, not {limit}")
        self.limit = float(limit)
        # At a limit of 1 every bet loses whatever comes, and the wealth converges to 14 increments: never an alarm.
        self._inverse = 1.0 / max(limit, _LEAST) if limit < 1.0 else 0.0
        self._target = float(len(BETS)) if limit < 1.0 else math.inf

    def update(self, x: float, increment: float | None = None, mark: float = 0.0) -> None:
        """Take one input.

        Args:
            x: A loss, or the mean of a block of losses, in [0, 1].
            increment: The expected number of false alarms that this input may cost: budget x weight x event time since the last
                input (`detectors.budget.increment`). Default: the detector's own.
            mark: Whatever names this input to the caller, its event time say; `onset` gives it back.

        Raises:
            ValueError: If `x` is outside [0, 1] or not a number, or the increment negative or not finite; the state is unchanged.
        """
        if not 0.0 <= x <= 1.0:
            raise ValueError(f"an e-detector takes values in [0, 1], not {x}")
        c = self.increment if increment is None else increment
        if not 0.0 <= c <= _ENOUGH:
            c = _checked_increment(c)
        # L_j = 1 + (f_j / limit) (x - limit) = (1 - f_j) + f_j x / limit: never negative, whatever the input.
        ratio = x * self._inverse
        self._m1 = m1 = (0.98 + 0.02 * ratio) * (self._m1 + c)
        self._m2 = m2 = (0.95 + 0.05 * ratio) * (self._m2 + c)
        self._m3 = m3 = (0.9 + 0.1 * ratio) * (self._m3 + c)
        self._m4 = m4 = (0.8 + 0.2 * ratio) * (self._m4 + c)
        self._m5 = m5 = (0.6 + 0.4 * ratio) * (self._m5 + c)
        self._m6 = m6 = (0.2 + 0.8 * ratio) * (self._m6 + c)
        self.inputs += 1
        rise = self._rise
        if rise <= 0.0:
            rise = 0.0
            self._onset = mark
            self.since_onset = 1
        else:
            self.since_onset += 1
        self._rise = rise + (x - self.limit)
        total = m1 + m2 + m3 + m4 + m5 + m6
        if total >= self._target:
            self._alarm(total)
        else:
            self._drift_detected = False

    def _alarm(self, total: float) -> None:
        self._m1 = self._m2 = self._m3 = self._m4 = self._m5 = self._m6 = 0.0
        self._drift_detected = True
        self.alarms += 1
        self.peak = total / len(BETS)

    @property
    def evidence(self) -> float:
        """The mean of the six bets now: the alarm is at 1. Zero right after an alarm, whose value stays in `peak`."""
        return (self._m1 + self._m2 + self._m3 + self._m4 + self._m5 + self._m6) / len(BETS)

    @property
    def onset(self) -> float | None:
        """The mark of the input at which the present rise over the limit began; None before the first input.

        It is the last restart of a companion CUSUM of `x - limit`, whose length is `since_onset`. An alarm leaves it.
        """
        return self._onset

    def evidence_ratio(self, mean_increment: float | None = None) -> float:
        """How near the alarm is, from 0 (no more than one input's budget) to 1 (alarm), on a logarithmic scale.

        `1 - ln(evidence) / ln(mean_increment)`, clipped; `mean_increment` defaults to the detector's own increment.
        """
        if self._drift_detected:
            return 1.0
        return _ratio(self.evidence, self.increment if mean_increment is None else mean_increment)

    def lower(self, limit: float) -> None:
        """Let the limit fall. What was bet stays: a mean under the new limit was under the old one.

        Raises:
            ValueError: If the new limit is higher: that is a person's decision and goes by `raise_limit`.
        """
        if limit > self.limit:
            raise ValueError(f"lower() cannot raise the limit from {self.limit} to {limit}; use raise_limit()")
        self._set_limit(limit)

    def raise_limit(self, limit: float) -> None:
        """Set a higher limit and forget all evidence, which was gathered against the lower one.

        Raises:
            ValueError: If the new limit is lower; use `lower`, which keeps the evidence.
        """
        if limit < self.limit:
            raise ValueError(f"raise_limit() cannot lower the limit from {self.limit} to {limit}; use lower()")
        self._set_limit(limit)
        self.clear()

    def to_state(self) -> State:
        """Everything that `from_state` needs to go on with the same bits, as plain data."""
        return {
            "v": 1,
            "limit": float(self.limit),
            "increment": float(self.increment),
            "bets": [float(m) for m in (self._m1, self._m2, self._m3, self._m4, self._m5, self._m6)],
            "rise": float(self._rise),
            "onset": None if self._onset is None else float(self._onset),
            "since_onset": self.since_onset,
            "inputs": self.inputs,
            "alarms": self.alarms,
            "peak": float(self.peak),
            "alarm": self._drift_detected,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Self:
        """Rebuild the detector that `to_state` described.

        Raises:
            ValueError: If the state is of another version or lacks a part.
        """
        s = checked(state, "e-detector", 1)
        detector = cls(s["limit"], s["increment"])
        detector._m1, detector._m2, detector._m3, detector._m4, detector._m5, detector._m6 = s["bets"]
        detector._rise, detector._onset, detector.since_onset = s["rise"], s["onset"], s["since_onset"]
        detector.inputs, detector.alarms, detector.peak = s["inputs"], s["alarms"], s["peak"]
        detector._drift_detected = s["alarm"]
        return detector


class Recovery(DriftDetector):
    """The mirror of `EDetector`: its alarm says that the mean is back under the limit, so that harm may be called over.

    Feeds `1 - x` to an e-detector against `1 - limit`. While the mean is over the limit, the expected number of false
    alarms (harm called over too early) is at most the sum of the increments.

    Args:
        limit: The limit that was exceeded, above 0. At 1 or more the first input below 1 shows that the mean is under it.
        increment: As for `EDetector`.
    """

    def __init__(self, limit: float, increment: float = 1e-5) -> None:
        super().__init__()
        self.limit = limit
        self.increment = increment
        self.mirror = EDetector(max(1.0 - limit, _LEAST), increment)

    def update(self, x: float, increment: float | None = None, mark: float = 0.0) -> None:
        """Take one input in [0, 1]; see `EDetector.update`."""
        self.mirror.update(1.0 - x, increment, mark)
        self._drift_detected = self.mirror.drift_detected

    @property
    def evidence(self) -> float:
        """The mean of the bets on recovery: it is called at 1."""
        return self.mirror.evidence

    @property
    def inputs(self) -> int:
        """How many inputs were taken."""
        return self.mirror.inputs

    @property
    def onset(self) -> float | None:
        """The mark of the input at which the mean began to stay under the limit."""
        return self.mirror.onset

    def evidence_ratio(self, mean_increment: float | None = None) -> float:
        """How near the recovery is to being called, from 0 to 1; see `EDetector.evidence_ratio`."""
        return self.mirror.evidence_ratio(mean_increment)

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {"v": 1, "limit": float(self.limit), "mirror": self.mirror.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Self:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "recovery", 1)
        recovery = cls(s["limit"], s["mirror"]["increment"])
        recovery.mirror = EDetector.from_state(s["mirror"])
        recovery._drift_detected = recovery.mirror.drift_detected
        return recovery


class EProcess:
    """One test that may be looked at after every input and stopped at any time, with its level kept.

    Bets on `d = sign * (x - offset)`, whose conditional mean is at most 0 under the null hypothesis:
    `W_j <- W_j (1 + lambda_j d)`, evidence = mean of the `W_j`. The chance that the evidence ever reaches `1 / alpha`
    under the null hypothesis is at most alpha (Ville's inequality). Made by `above`, `below`, `difference` or
    `no_difference`, which say what the null hypothesis is.

    Args:
        low, high: The range of `d`; `low` is below 0, and every bet is a fraction of `1 / -low`, so that none can go bankrupt.
        bets: The fractions.
        offset, sign: How an input becomes `d`.
    """

    def __init__(self, low: float, high: float, bets: tuple[float, ...], offset: float = 0.0, sign: float = 1.0) -> None:
        if not (low <= 0.0 and low <= high and -math.inf < low and high < math.inf):
            raise ValueError(f"an e-process needs a finite range that reaches below 0, not [{low}, {high}]")
        self.low, self.high, self.bets, self.offset, self.sign = low, high, bets, offset, sign
        self._lambdas = tuple(f / max(-low, _LEAST) for f in bets)
        self._wealth = [1.0] * len(bets)
        self.evidence = 1.0
        self.peak = 1.0
        self.inputs = 0
        self.onset: float | None = None
        self.since_onset = 0
        self._rise = 0.0

    @classmethod
    def above(cls, limit: float) -> Self:
        """Shows that the mean of x in [0, 1] is over `limit`. Null hypothesis: it is at most `limit`."""
        return cls(-limit, 1.0 - limit, BETS, offset=limit)

    @classmethod
    def below(cls, limit: float) -> Self:
        """Shows that the mean of x in [0, 1] is under `limit`. Null hypothesis: it is at least `limit`."""
        return cls(-(1.0 - limit), limit, BETS, offset=limit, sign=-1.0)

    @classmethod
    def difference(cls, margin: float) -> Self:
        """Shows that new is worse than old. Fed `d = new - old - margin`; null hypothesis: its mean is at most 0."""
        return cls(-1.0 - margin, 1.0 - margin, DIFFERENCE_BETS)

    @classmethod
    def no_difference(cls, margin: float) -> Self:
        """Shows that new is not worse. Fed `d = new - old - margin`; null hypothesis: its mean is at least 0."""
        return cls(-(1.0 - margin), 1.0 + margin, DIFFERENCE_BETS, sign=-1.0)

    def update(self, x: float, mark: float = 0.0, count: int = 1) -> float:
        """Take one input and return the evidence.

        Args:
            x: The value, in the range that the constructor's docstring names.
            mark: What names this input to the caller; `onset` gives it back.
            count: How many labels the input stands for (a block's size); `since_onset` counts these.

        Raises:
            ValueError: If the value is out of range or not a number; the state is unchanged.
        """
        d = self.sign * (x - self.offset)
        if not self.low <= d <= self.high:
            raise ValueError(f"this e-process takes values that give a d in [{self.low}, {self.high}], not {d}")
        wealth = [w * (1.0 + bet * d) for w, bet in zip(self._wealth, self._lambdas, strict=True)]
        evidence = sum(wealth) / len(wealth)
        if evidence < _ENOUGH:
            self._wealth = wealth
            self.evidence = evidence
            self.peak = max(self.peak, evidence)
        self.inputs += 1
        if self._rise <= 0.0:
            self._rise, self.onset, self.since_onset = 0.0, mark, 0
        self._rise += d
        self.since_onset += count
        return self.evidence

    def rejected(self, alpha: float) -> bool:
        """Whether the evidence ever reached `1 / alpha`. Never at an alpha of 0, a test that has no budget."""
        return self.peak * alpha >= 1.0

    def to_state(self) -> State:
        """Everything that `from_state` needs to go on with the same bits, as plain data."""
        return {
            "v": 1,
            "range": [float(self.low), float(self.high)],
            "bets": list(self.bets),
            "offset": float(self.offset),
            "sign": float(self.sign),
            "wealth": [float(w) for w in self._wealth],
            "evidence": float(self.evidence),
            "peak": float(self.peak),
            "inputs": self.inputs,
            "onset": None if self.onset is None else float(self.onset),
            "since_onset": self.since_onset,
            "rise": float(self._rise),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Self:
        """Rebuild the process that `to_state` described; ValueError for another version."""
        s = checked(state, "e-process", 1)
        low, high = s["range"]
        process = cls(low, high, tuple(s["bets"]), s["offset"], s["sign"])
        process._wealth = list(s["wealth"])
        process.evidence, process.peak, process.inputs = s["evidence"], s["peak"], s["inputs"]
        process.onset, process.since_onset, process._rise = s["onset"], s["since_onset"], s["rise"]
        return process


def _ratio(evidence: float, mean_increment: float) -> float:
    """`1 - ln(evidence) / ln(mean_increment)` in 0..1, with its ends defined."""
    if evidence >= 1.0:
        return 1.0
    if evidence <= 0.0 or not 0.0 < mean_increment < 1.0:
        return 0.0
    return min(1.0, max(0.0, 1.0 - math.log(evidence) / math.log(mean_increment)))


def _checked_increment(increment: float) -> float:
    if not 0.0 <= increment <= _ENOUGH:
        raise ValueError(f"an increment of the false-alarm budget must be finite and not negative, not {increment}")
    return increment
