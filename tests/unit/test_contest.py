"""New against old: each loss goes to the comparison that the stages of both versions call for."""

from __future__ import annotations

import random

import pytest

from daemon.contest import GONE_AFTER_PREDICTIONS, PAIRS, Contest
from detectors.reference import Sample
from detectors.trial import REPLACEMENT_LABELS, BlockTrial, PairedTrial, ReplacementTrial
from tests.doubles.model import T0

TOLERANCE = 0.05


class Rig:
    """A contest of 8 against 7 whose older version was wrong in 10 % of 10,000 labels, and a count of the levels asked for."""

    def __init__(self) -> None:
        self.contest = Contest("8", "7", TOLERANCE)
        self.levels: list[str] = []
        self.chance = random.Random(1)
        self.number = 0

    def level(self, kind: str, at: float) -> float:
        """Every test has 1 %."""
        del at
        self.levels.append(kind)
        return 0.01

    def new(self, stage: str, wrong: float = 0.1, identity: str = "") -> None:
        """A mature loss of version 8."""
        self.number += 1
        self.contest.released("8", stage)
        loss, mark = float(self.chance.random() < wrong), T0 + self.number
        self.contest.add_new(stage, identity or str(self.number), loss, mark, self.level, baseline)

    def old(self, stage: str = "live", wrong: float = 0.1, identity: str = "") -> None:
        """A mature loss of version 7."""
        self.number += 1
        self.contest.released("7", stage)
        loss, mark = float(self.chance.random() < wrong), T0 + self.number
        self.contest.add_old(stage, identity or str(self.number), loss, mark, self.level)


def baseline() -> Sample:
    """What version 7 did before."""
    return Sample(10_000, 0.1, 0.09, binary=True, tau=1.0)


def test_nothing_is_decided_before_the_first_label() -> None:
    """And there are no numbers."""
    contest = Contest("8", "7", TOLERANCE)

    assert (contest.trial, contest.decision, contest.bound, contest.labels) == (None, "undecided", 0.0, 0)


def test_a_full_replacement_is_held_against_what_the_older_version_did() -> None:
    """Its labels go to one trial, against the older mean's upper bound plus the tolerance."""
    rig = Rig()
    for _ in range(3):
        rig.new("live")

    assert (rig.contest.kind, list(rig.contest.trials), rig.levels) == ("replacement", ["replacement"], ["replacement"])
    assert isinstance(rig.contest.trial, ReplacementTrial)
    assert rig.contest.bound == rig.contest.trial.limit > 0.1 + TOLERANCE


def test_a_shadow_is_paired_with_what_users_got_on_the_same_id() -> None:
    """In whatever order the two come; ids without a partner wait."""
    rig = Rig()
    rig.new("shadow", identity="a")
    rig.old(identity="a")
    rig.old(identity="b")
    rig.new("shadow", identity="b")
    rig.new("shadow", identity="c")

    assert (rig.contest.kind, rig.levels) == ("shadow", ["shadow"])
    assert isinstance(rig.contest.trial, PairedTrial)
    assert rig.contest.trial.new.n == 2


def test_only_so_many_ids_wait_for_their_partner() -> None:
    """The first ones give way: a live version that stopped must not fill the memory."""
    rig = Rig()
    for number in range(PAIRS + 1):
        rig.new("shadow", identity=str(number))
    rig.old(identity="0")  # it came too late for its partner, and takes the place of 1
    rig.old(identity="2")

    assert rig.contest.trial is not None
    assert rig.contest.trial.new.n == 1


def test_a_canary_is_compared_in_blocks_with_the_live_version() -> None:
    """Both arms count; a shadow of the older version does not."""
    rig = Rig()
    for _ in range(20):
        rig.new("canary")
        rig.old()
    rig.old("shadow")

    assert (rig.contest.kind, rig.levels) == ("canary", ["canary"])
    assert isinstance(rig.contest.trial, BlockTrial)
    assert (rig.contest.trial.new.n, rig.contest.trial.old.n, rig.contest.trial.blocks) == (20, 20, 4)


def test_two_live_versions_that_take_turns_are_a_canary_that_nobody_called_one() -> None:
    """From the first live label of the older version behind one of the newer."""
    rig = Rig()
    rig.new("live")
    rig.old()
    rig.new("live")

    assert (rig.contest.kind, rig.levels) == ("canary", ["replacement", "canary"])


def test_a_rolling_deployment_ends_as_a_full_replacement() -> None:
    """Once the older version has had no live traffic for long; what the open block held is not lost and not used twice."""
    rig = Rig()
    rig.new("canary")
    rig.old()
    for _ in range(GONE_AFTER_PREDICTIONS):
        rig.new("live")
    before = rig.contest.kind
    blocks = rig.contest.trials["canary"]
    closed = blocks.new.n % 10
    rig.new("live")

    assert (before, rig.contest.kind) == ("canary", "replacement")
    assert isinstance(blocks, BlockTrial)
    assert blocks.open_new() == []
    assert rig.contest.trial is not None
    assert rig.contest.trial.new.n >= closed


def test_each_kind_has_its_own_level_once() -> None:
    """A shadow that becomes a canary and then the only version is tested three times."""
    rig = Rig()
    for stage in ("shadow", "shadow", "canary", "canary"):
        rig.new(stage)
        rig.old()
    for _ in range(GONE_AFTER_PREDICTIONS + 2):
        rig.new("live")

    assert rig.levels == ["shadow", "canary", "replacement"]


@pytest.mark.parametrize("stage", ["shadow", "canary", "live"])
def test_a_much_worse_version_is_found_in_every_form(stage: str) -> None:
    """With 40 % errors against 10 %, within a few hundred labels; the labels since the onset go on counting."""
    rig = Rig()
    for number in range(400):
        rig.new(stage, wrong=0.4, identity=str(number))
        if stage != "live":
            rig.old(identity=str(number))
    labels = rig.contest.labels
    rig.new(stage, identity="more")

    assert rig.contest.decision == "worse"
    assert rig.contest.labels == labels + 1


def test_a_replacement_that_used_up_its_labels_counts_as_not_worse() -> None:
    """The longer the comparison goes on, the more else has changed; `harm` still watches."""
    rig = Rig()
    for _ in range(REPLACEMENT_LABELS):
        rig.new("live", wrong=0.1 + TOLERANCE)

    assert rig.contest.trial is not None
    assert (rig.contest.trial.verdict, rig.contest.decision) == ("undecided", "not_worse")


@pytest.mark.parametrize("stages", [("shadow",), ("canary",), ("live",), ("shadow", "canary"), ("canary", "live")])
def test_a_contest_goes_on_after_a_restart(stages: tuple[str, ...]) -> None:
    """Saved and restored between two labels, it decides at the same one."""
    whole, cut = Rig(), Rig()
    for rig in (whole, cut):
        for stage in stages:
            for number in range(13):
                rig.new(stage, identity=str(number))
                if number % 2:
                    rig.old(identity=str(number))
    cut.contest = Contest.from_state(cut.contest.to_state())
    for rig in (whole, cut):
        for number in range(40):
            rig.new(stages[-1], wrong=0.5, identity=f"later-{number}")
            rig.old(identity=f"later-{number}")

    assert cut.contest.to_state() == whole.contest.to_state()
    assert cut.contest.decision == whole.contest.decision
