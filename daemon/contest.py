"""New against old: which comparison is in force for a newer version, and who feeds it.

A version may be a shadow first, then a canary, then replace the older one; a rolling deployment is a canary that nobody called
one. Each form has its own test (`detectors.trial`); this module routes the mature losses of both versions to the one that their
stages call for.

* Shadow: the losses of both versions on the same id are paired.
* Canary, or two live versions that take turns: blocks in the order of prediction.
* Full replacement: the older version has gone; its last mature labels are the baseline.

The two kinds that can page spend half of the version rule's budget each, on a clock of their own, so that a canary does not
leave the full replacement after it without a budget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from detectors.reference import Sample
from detectors.trial import BlockTrial, PairedTrial, ReplacementTrial

Decision = Literal["undecided", "worse", "not_worse"]
Kind = Literal["shadow", "canary", "replacement"]
Trial = PairedTrial | BlockTrial | ReplacementTrial
#: Gives the level of a test of a kind that begins at an event time.
Level = Callable[[str, float], float]

#: So many live predictions of the new version without one of the older, and the older one counts as gone.
GONE_AFTER_PREDICTIONS: Final = 200
#: Losses that wait for the same id of the other version.
PAIRS: Final = 2_000

_CLASSES: Final[Mapping[str, type[Trial]]] = {"shadow": PairedTrial, "canary": BlockTrial, "replacement": ReplacementTrial}


class Contest:
    """One newer version against the older one that was known to be good when it appeared.

    Args:
        new: the newer version.
        old: the older one.
        tolerance: the rise of the mean loss that does no harm; the margin of every test.
    """

    def __init__(self, new: str, old: str, tolerance: float) -> None:
        self.new = new
        self.old = old
        self.tolerance = tolerance
        self.kind: Kind = "replacement"
        self.trials: dict[str, Trial] = {}
        self._mixed = False
        self._since_old = 0
        self._since_worse = 0
        self._unpaired: dict[str, tuple[str, float]] = {}

    @property
    def trial(self) -> Trial | None:
        """The comparison in force, once it has begun."""
        return self.trials.get(self.kind)

    @property
    def decision(self) -> Decision:
        """What the comparison in force has shown. A trial that used up its labels without an alarm ends as `not_worse`."""
        trial = self.trial
        if trial is None:
            return "undecided"
        if isinstance(trial, ReplacementTrial) and trial.finished and trial.verdict == "undecided":
            return "not_worse"
        return trial.verdict

    @property
    def bound(self) -> float:
        """The newer version's mean loss above which it counts as worse."""
        trial = self.trial
        if isinstance(trial, ReplacementTrial):
            return trial.limit
        return 0.0 if trial is None else min(1.0, trial.old.mean + self.tolerance)

    def clearly_over(self, mean: float, older: float) -> bool:
        """Whether a mean loss of the newer version is over what the older one had: in all its labels, and of late (`older`)."""
        return mean > max(self.bound, older + self.tolerance)

    @property
    def labels(self) -> int:
        """Labels of the newer version since the onset; they go on counting when the test has decided."""
        return 0 if self.trial is None else self.trial.since_onset + self._since_worse

    def released(self, version: str, stage: str) -> None:
        """Note a prediction that reached its age, labelled or not: who still gets live traffic is seen from these."""
        if version == self.old and stage == "live":
            self._since_old = 0
            self._mixed = self._mixed or bool(self.trials.keys() & {"canary", "replacement"})
        elif version == self.new and stage == "live":
            self._since_old += 1
            if self._mixed and self._since_old > GONE_AFTER_PREDICTIONS:
                self._mixed = False

    def add_new(self, stage: str, identity: str, loss: float, mark: float, level: Level, baseline: Callable[[], Sample]) -> None:
        """Take a mature loss of the newer version; `mark` is its event time, epoch seconds."""
        if self.decision == "worse":
            self._since_worse += 1
            return
        if stage == "shadow":
            self.kind = "shadow"
            self._pair(identity, "new", loss, mark, level)
        elif stage == "canary" or self._mixed:
            self.kind = "canary"
            self._blocks(mark, level).add("new", loss, mark)
        else:
            self._replace(loss, mark, level, baseline)

    def add_old(self, stage: str, identity: str, loss: float, mark: float, level: Level) -> None:
        """Take a mature loss of the older version."""
        if stage != "live":
            return
        if self.kind == "shadow" and "shadow" in self.trials:
            self._pair(identity, "old", loss, mark, level)
        blocks = self.trials.get("canary")
        if isinstance(blocks, BlockTrial):
            blocks.add("old", loss, mark)

    def _blocks(self, mark: float, level: Level) -> BlockTrial:
        trial = self.trials.get("canary")
        if not isinstance(trial, BlockTrial):
            trial = self.trials["canary"] = BlockTrial(self.tolerance, level("canary", mark))
        return trial

    def _replace(self, loss: float, mark: float, level: Level, baseline: Callable[[], Sample]) -> None:
        self.kind = "replacement"
        trial = self.trials.get("replacement")
        if not isinstance(trial, ReplacementTrial):
            trial = ReplacementTrial(baseline(), self.tolerance, level("replacement", mark))
            self.trials["replacement"] = trial
        blocks = self.trials.get("canary")
        if isinstance(blocks, BlockTrial):
            # The older version went while a block was open: its losses were not used yet.
            for earlier_mark, earlier_loss in blocks.open_new():
                trial.add(earlier_loss, earlier_mark)
        trial.add(loss, mark)

    def _pair(self, identity: str, arm: str, loss: float, mark: float, level: Level) -> None:
        trial = self.trials.get("shadow")
        if not isinstance(trial, PairedTrial):
            trial = self.trials["shadow"] = PairedTrial(self.tolerance, level("shadow", mark))
        other = self._unpaired.get(identity)
        if other is None or other[0] == arm:
            self._unpaired[identity] = (arm, loss)
            if len(self._unpaired) > PAIRS:
                del self._unpaired[next(iter(self._unpaired))]
            return
        del self._unpaired[identity]
        new, old = (loss, other[1]) if arm == "new" else (other[1], loss)
        trial.add(new, old, mark)

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "v": 1,
            "new": self.new,
            "old": self.old,
            "tolerance": self.tolerance,
            "kind": self.kind,
            "trials": {kind: trial.to_state() for kind, trial in self.trials.items()},
            "mixed": self._mixed,
            "since_old": self._since_old,
            "since_worse": self._since_worse,
            "unpaired": [[identity, arm, loss] for identity, (arm, loss) in self._unpaired.items()],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Contest:
        """Rebuild what `to_state` described."""
        contest = cls(state["new"], state["old"], state["tolerance"])
        contest.kind = state["kind"]
        contest.trials = {kind: _CLASSES[kind].from_state(trial) for kind, trial in state["trials"].items()}
        contest._mixed = state["mixed"]
        contest._since_old = state["since_old"]
        contest._since_worse = state["since_worse"]
        contest._unpaired = {identity: (arm, loss) for identity, arm, loss in state["unpaired"]}
        return contest
