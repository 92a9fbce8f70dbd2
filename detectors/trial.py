"""New against old: three trials, by what of the old version there is to compare with.

    PairedTrial       a shadow: both versions predicted the same id
    BlockTrial        a canary: both versions get traffic of the same time
    ReplacementTrial  a full replacement: only what the old version did before

Each may be looked at after every label and has two evidences: that the new version is worse than the old one plus a
margin, with the level alpha of a rollback, and the mirror, that it is not, which promotes at the level `PROMOTION`.
"undecided" is an answer. "worse" is final; "not_worse" may still become "worse", because the first null hypothesis (at no
time worse) is still being tested at its own level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Self

from detectors.base import State, checked
from detectors.bounds import Blocks
from detectors.reference import Sample
from detectors.sequential import EProcess

Arm = Literal["new", "old"]
Verdict = Literal["undecided", "worse", "not_worse"]

#: The chance to promote a version that is worse by more than the margin. Nobody is woken by it and `harm` still watches.
PROMOTION: Final = 0.05
#: A block of a canary closes with this many labels, at least one of each arm.
BLOCK: Final = 10
#: Losses of the new arm kept while the old arm is silent.
OPEN: Final = 1_000
#: A replacement is compared for this many labels; the longer it goes on, the more else has changed.
REPLACEMENT_LABELS: Final = 5_000
#: The share of a replacement's level that the uncertainty of the old version's mean may spend.
BASELINE_SHARE: Final = 0.2


class _Arm:
    """Labels and mean loss of one arm, for the numbers in a verdict."""

    __slots__ = ("n", "total")

    def __init__(self, n: int = 0, total: float = 0.0) -> None:
        self.n, self.total = n, total

    def add(self, loss: float) -> None:
        self.n += 1
        self.total += loss

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else 0.0


class Trial:
    """What the three trials share: two e-processes, a verdict, numbers.

    Attributes:
        margin: How much worse the new version may be without harm (mean loss, 0..1 scale).
        alpha: The chance of a false "worse". At 0 the trial has no budget and never says it.
        worse: The e-process whose rejection says that the new version is worse.
        not_worse: The mirror.
    """

    def __init__(self, margin: float, alpha: float, worse: EProcess, not_worse: EProcess) -> None:
        if not 0.0 <= alpha < 1.0:
            raise ValueError(f"the level of a trial is at least 0 and below 1, not {alpha}")
        self.margin, self.alpha = margin, alpha
        self.worse, self.not_worse = worse, not_worse
        self.new, self.old = _Arm(), _Arm()

    @property
    def level(self) -> float:
        """The level at which the evidence is read."""
        return self.alpha

    @property
    def promotion_level(self) -> float:
        """The level at which the evidence for promotion is read."""
        return PROMOTION

    @property
    def verdict(self) -> Verdict:
        """What is shown so far."""
        if self.worse.rejected(self.level):
            return "worse"
        return "not_worse" if self.not_worse.rejected(self.promotion_level) else "undecided"

    @property
    def evidence(self) -> float:
        """That the new version is worse; "worse" is where it reaches `1 / level`."""
        return self.worse.evidence

    @property
    def evidence_for_promotion(self) -> float:
        """That the new version is not worse."""
        return self.not_worse.evidence

    @property
    def labels(self) -> int:
        """Labels of the new version so far."""
        return self.new.n

    @property
    def onset(self) -> float | None:
        """The mark from which on the new version has been worse; None before the first input."""
        return self.worse.onset

    @property
    def since_onset(self) -> int:
        """Labels of the new version that were tested since then."""
        return self.worse.since_onset

    def numbers(self) -> dict[str, float]:
        """What a person needs to check the verdict."""
        return {
            "mean_new": self.new.mean,
            "mean_old": self.old.mean,
            "labels_new": float(self.new.n),
            "labels_old": float(self.old.n),
            "margin": self.margin,
            "alpha": self.alpha,
            "evidence": self.worse.evidence,
            "evidence_for_promotion": self.not_worse.evidence,
            "evidence_for_promotion_needed": 1.0 / self.promotion_level,
            **({"evidence_needed": 1.0 / self.level} if self.level else {}),
        }

    def _bet(self, d: float, mark: float, count: int) -> None:
        self.worse.update(d, mark, count)
        self.not_worse.update(d, mark, count)

    def _state(self) -> State:
        return {
            "v": 1,
            "margin": self.margin,
            "alpha": self.alpha,
            "worse": self.worse.to_state(),
            "not_worse": self.not_worse.to_state(),
            "new": [self.new.n, self.new.total],
            "old": [self.old.n, self.old.total],
        }

    def _restore(self, s: State) -> None:
        self.worse = EProcess.from_state(s["worse"])
        self.not_worse = EProcess.from_state(s["not_worse"])
        self.new, self.old = _Arm(*s["new"]), _Arm(*s["old"])


class PairedTrial(Trial):
    """A shadow against the live version, on the same ids: both meet the same cases, so that little is left to chance.

    Args:
        margin: How much worse the new version may be.
        alpha: The level of "worse".
    """

    def __init__(self, margin: float, alpha: float) -> None:
        super().__init__(margin, alpha, EProcess.difference(margin), EProcess.no_difference(margin))

    def add(self, new_loss: float, old_loss: float, mark: float = 0.0) -> None:
        """Take the losses of both versions on one id; ValueError if one is outside [0, 1]."""
        _check(new_loss, old_loss)
        self.new.add(new_loss)
        self.old.add(old_loss)
        self._bet(new_loss - old_loss - self.margin, mark, 1)

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return self._state()

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Self:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "paired trial", 1)
        trial = cls(s["margin"], s["alpha"])
        trial._restore(s)
        return trial


class BlockTrial(Trial):
    """A canary against the live version, both in the order of prediction.

    A block closes with at least one label of each arm and ten in all; its input is the difference of the two means.
    Each loss is used once. Comparing the new arm with a *running* mean of the old one looks alike, but makes successive
    inputs share the error of that mean: 13 % false rollbacks at the boundary with equal shares.
    """

    def __init__(self, margin: float, alpha: float) -> None:
        super().__init__(margin, alpha, EProcess.difference(margin), EProcess.no_difference(margin))
        self.blocks = 0
        self.dropped = 0
        self._open_new, self._open_old = _Arm(), _Arm()
        self._waiting: list[tuple[float, float]] = []
        self._mark = 0.0

    def add(self, arm: Arm, loss: float, mark: float = 0.0) -> None:
        """Take the loss of one prediction of one arm; ValueError if it is outside [0, 1]."""
        _check(loss)
        if arm == "new":
            self.new.add(loss)
            if self._open_new.n == 0:
                self._mark = mark
            self._open_new.add(loss)
            if len(self._waiting) < OPEN:
                self._waiting.append((mark, loss))
            else:
                self.dropped += 1
        else:
            self.old.add(loss)
            self._open_old.add(loss)
        if self._open_new.n and self._open_old.n and self._open_new.n + self._open_old.n >= BLOCK:
            self._bet(self._open_new.mean - self._open_old.mean - self.margin, self._mark, self._open_new.n)
            self._clear()
            self.blocks += 1

    def open_new(self) -> list[tuple[float, float]]:
        """Take the new arm's losses out of the open block, as (mark, loss), oldest first; each can be used once.

        For when the old version lost its traffic and a `ReplacementTrial` goes on with them. At most the first `OPEN`
        are kept; `dropped` counts those beyond.
        """
        waiting = self._waiting
        self._clear()
        return waiting

    def _clear(self) -> None:
        self._open_new, self._open_old, self._waiting = _Arm(), _Arm(), []

    def numbers(self) -> dict[str, float]:
        """What a person needs to check the verdict."""
        return {**super().numbers(), "blocks": float(self.blocks)}

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            **self._state(),
            "blocks": self.blocks,
            "dropped": self.dropped,
            "open_new": [self._open_new.n, self._open_new.total],
            "open_old": [self._open_old.n, self._open_old.total],
            "waiting": [list(one) for one in self._waiting],
            "mark": self._mark,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Self:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "block trial", 1)
        trial = cls(s["margin"], s["alpha"])
        trial._restore(s)
        trial.blocks, trial.dropped, trial._mark = s["blocks"], s["dropped"], s["mark"]
        trial._open_new, trial._open_old = _Arm(*s["open_new"]), _Arm(*s["open_old"])
        trial._waiting = [(mark, loss) for mark, loss in s["waiting"]]
        return trial


class ReplacementTrial(Trial):
    """A new version that took over all traffic, against what the old one did before.

    A fifth of the level pays for the uncertainty of the old version's mean (its upper bound, 99.8 % at 0.01), the rest
    for the test against that bound plus the tolerance (stop at 1/0.008). A change of the world during the switch cannot
    be told from a bad version here; the verified rollback is the experiment that tells.

    Args:
        baseline: The old version's last mature losses, up to 10,000 (`RecentLosses.sample`).
        tolerance: How much worse the new version may be.
        alpha: The level of "worse". At 0 there is no budget for a bound either, and nothing is tested.
    """

    def __init__(self, baseline: Sample, tolerance: float, alpha: float = 0.01) -> None:
        share = BASELINE_SHARE * alpha if alpha else BASELINE_SHARE
        self.baseline = baseline
        self.limit = min(1.0, baseline.upper(1.0 - share) + tolerance)
        floor = min(1.0, baseline.lower(1.0 - BASELINE_SHARE * PROMOTION) + tolerance)
        super().__init__(tolerance, alpha, EProcess.above(self.limit), EProcess.below(floor))
        self.old = _Arm(baseline.n, baseline.mean * baseline.n)
        self._blocks = Blocks(baseline.block)

    @property
    def level(self) -> float:
        """The level that is left for the test itself."""
        return (1.0 - BASELINE_SHARE) * self.alpha

    @property
    def promotion_level(self) -> float:
        """The same for the promotion."""
        return (1.0 - BASELINE_SHARE) * PROMOTION

    @property
    def finished(self) -> bool:
        """Whether the labels of this trial are used up or its verdict is final."""
        return self.new.n >= REPLACEMENT_LABELS or self.verdict == "worse"

    def add(self, loss: float, mark: float = 0.0) -> None:
        """Take a loss of the new version, in the order of prediction; ValueError if it is outside [0, 1].

        Labels beyond the last change nothing, unless the verdict is "worse": then they go on to be counted, so that a
        rollback that waits for labels since the onset gets them.
        """
        _check(loss)
        if self.new.n >= REPLACEMENT_LABELS and self.verdict != "worse":
            return
        self.new.add(loss)
        block = self._blocks.add(loss, mark)
        if block is not None:
            mean, first = block
            self._bet(mean, first, self._blocks.length)

    def numbers(self) -> dict[str, float]:
        """What a person needs to check the verdict."""
        return {**super().numbers(), "limit": self.limit, "block": float(self._blocks.length)}

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        b = self.baseline
        return {**self._state(), "baseline": [b.n, b.mean, b.variance, b.binary, b.tau], "blocks": self._blocks.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Self:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "replacement trial", 1)
        trial = cls(Sample(*s["baseline"]), s["margin"], s["alpha"])
        trial._restore(s)
        trial._blocks = Blocks.from_state(s["blocks"])
        return trial


def _check(*losses: float) -> None:
    """Before anything is changed: half an update would leave the two arms out of step."""
    for loss in losses:
        if not 0.0 <= loss <= 1.0:
            raise ValueError(f"losses are in [0, 1], not {loss}")
