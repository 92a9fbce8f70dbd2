"""New against old, simulated: how often a version that is no worse than allowed is called worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np

from detectors.reference import RecentLosses
from detectors.trial import BlockTrial, PairedTrial, ReplacementTrial, Verdict

#: One contest with a seed: its verdict after the last label.
Contest = Callable[[int], Verdict]


def canary(share: float, old: float, new: float, margin: float, later: float | None = None, labels: int = 4_000) -> Contest:
    """A canary that gets a share of the traffic; half-way, both arms go over to `later`."""

    def contest(seed: int) -> Verdict:
        rng = np.random.default_rng([1, seed])
        trial = BlockTrial(margin, 0.01)
        arms, chances = (rng.random(labels) < share).tolist(), rng.random(labels).tolist()
        for i, (is_new, u) in enumerate(zip(arms, chances, strict=True)):
            rate = later if later is not None and i >= labels // 2 else new if is_new else old
            trial.add("new" if is_new else "old", float(u < rate), float(i))
        return trial.verdict

    return contest


def shadow(old: float, new: float, margin: float, labels: int = 3_000) -> Contest:
    """A shadow on the same ids; the new version fails where the old one does, and elsewhere as often as it takes."""

    def contest(seed: int) -> Verdict:
        rng = np.random.default_rng([2, seed])
        trial = PairedTrial(margin, 0.01)
        chances = rng.random(labels)
        elsewhere = rng.random(labels) < (new - old) / (1 - old)
        for u, more in zip(chances.tolist(), elsewhere.tolist(), strict=True):
            trial.add(float(u < old or more), float(u < old))
        return trial.verdict

    return contest


def replacement(old: float, new: float, tolerance: float, baseline: int = 10_000, labels: int = 5_000) -> Contest:
    """A full replacement, against as many labels of the older version."""

    def contest(seed: int) -> Verdict:
        rng = np.random.default_rng([3, seed])
        recent = RecentLosses()
        for loss in (rng.random(baseline) < old).tolist():
            recent.add(float(loss))
        trial = ReplacementTrial(recent.sample(), tolerance)
        for loss in (rng.random(labels) < new).tolist():
            trial.add(float(loss))
        return trial.verdict

    return contest


@cache
def verdicts(contest: Contest, runs: int) -> Counter[Verdict]:
    """How the runs end; a minute for the longest, so that tests share them."""
    return Counter(contest(seed) for seed in range(runs))


def called(verdict: Verdict, contest: Contest, runs: int) -> int:
    """In how many of the runs it ends so."""
    return verdicts(contest, runs)[verdict]
