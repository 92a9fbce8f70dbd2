"""New against old: the three trials, their verdicts, and what they do when an arm stops."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.bounds import lower_bound, upper_bound
from detectors.reference import Sample
from detectors.trial import OPEN, REPLACEMENT_LABELS, Arm, BlockTrial, PairedTrial, ReplacementTrial
from tests.unit.detectors import slow

losses = st.floats(0.0, 1.0)
arms: st.SearchStrategy[Arm] = st.sampled_from(["new", "old"])
BASELINE = Sample(n=10_000, mean=0.1, variance=0.09, binary=True, tau=1.0)


# ----------------------------------------------------------------------------------------------------------------- pairs


@given(st.lists(st.tuples(losses, losses), min_size=1, max_size=25), st.floats(0.0, 0.2))
def test_pairs_are_tested_by_their_difference(pairs: list[tuple[float, float]], margin: float) -> None:
    """Both evidences are those of the formula."""
    trial = PairedTrial(margin, 0.01)
    for new, old in pairs:
        trial.add(new, old)
    ds = [new - old - margin for new, old in pairs]

    worse = float(slow.wealth(ds, 1 + Fraction(margin), slow.DIFFERENCE_BETS))
    not_worse = float(slow.wealth([-d for d in ds], 1 - Fraction(margin), slow.DIFFERENCE_BETS))
    assert trial.evidence == pytest.approx(worse, rel=1e-11)
    assert trial.evidence_for_promotion == pytest.approx(not_worse, rel=1e-11)
    assert trial.labels == len(pairs)


def test_a_version_that_fails_where_the_old_one_does_not_is_worse() -> None:
    """Eleven pairs suffice at a level of a hundredth: the largest bet alone has 1.8^10 / 5 = 71, then 1.8^11 / 5 = 129."""
    trial = PairedTrial(0.0, 0.01)
    verdicts = []
    for i in range(11):
        trial.add(1.0, 0.0, mark=float(i))
        verdicts.append(trial.verdict)

    assert verdicts == ["undecided"] * 10 + ["worse"]
    assert trial.onset == 0.0
    assert trial.since_onset == 11


def test_equal_versions_are_promoted_in_the_end() -> None:
    """Each error that both make says nothing; each agreement speaks for it by the margin."""
    trial = PairedTrial(0.05, 0.01)
    verdicts = []
    for loss, n in ((1.0, 40), (0.0, 200)):
        for _ in range(n):
            trial.add(loss, loss)
        verdicts.append(trial.verdict)

    assert verdicts == ["undecided", "not_worse"]


def test_worse_is_final_and_not_worse_is_not() -> None:
    """A version that was promoted and then turns bad is found; one that was found bad stays so."""
    trial = PairedTrial(0.05, 0.01)
    verdicts = []
    for new, n in ((0.0, 300), (1.0, 100), (0.0, 2000)):
        for _ in range(n):
            trial.add(new, 0.0)
        verdicts.append(trial.verdict)

    assert verdicts == ["not_worse", "worse", "worse"]


def test_without_a_level_a_trial_never_says_worse() -> None:
    """Two deployments in the same second share a budget of nothing. Promotion costs no page and goes on."""
    trial = PairedTrial(0.05, 0.0)
    for _ in range(500):
        trial.add(1.0, 0.0)

    assert trial.verdict == "undecided"
    assert "evidence_needed" not in trial.numbers()
    for level in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match="level of a trial"):
            PairedTrial(0.05, level)


# ---------------------------------------------------------------------------------------------------------------- blocks


@given(st.lists(st.tuples(arms, losses), max_size=120), st.floats(0.0, 0.2))
def test_a_block_closes_with_both_arms_and_ten_labels(stream: list[tuple[Arm, float]], margin: float) -> None:
    """Each loss is in one block; what is open is what came since the last one closed."""
    trial = BlockTrial(margin, 0.01)
    ds: list[float] = []
    block: list[tuple[Arm, float]] = []
    for arm, loss in stream:
        trial.add(arm, loss)
        block.append((arm, loss))
        new, old = ([x for a, x in block if a == wanted] for wanted in ("new", "old"))
        if new and old and len(block) >= 10:
            ds.append(sum(new) / len(new) - sum(old) / len(old) - margin)
            block = []

    assert trial.blocks == len(ds)
    assert trial.evidence == pytest.approx(float(slow.wealth(ds, 1 + Fraction(margin), slow.DIFFERENCE_BETS)), rel=1e-9)
    assert [loss for _, loss in trial.open_new()] == [x for a, x in block if a == "new"]


def test_the_onset_of_a_canary_counts_its_own_labels() -> None:
    """Its mark is that of the new arm's first label in the first bad block."""
    trial = BlockTrial(0.02, 0.01)
    for i in range(300):
        new = i % 5 == 0
        trial.add("new" if new else "old", float(new and i >= 100), mark=float(i))

    assert trial.onset == 100.0
    assert trial.since_onset == 40
    assert trial.labels == 60
    assert trial.numbers()["labels_old"] == 240
    assert trial.numbers()["blocks"] == 30
    assert trial.verdict == "worse"


def test_an_arm_that_stops_costs_no_memory() -> None:
    """The first thousand losses that wait are kept for a replacement trial; the rest is counted."""
    trial = BlockTrial(0.02, 0.01)
    for i in range(50_000):
        trial.add("new", 0.0, mark=float(i))
    for _ in range(50_000):
        trial.add("new", 1.0)

    assert len(json.dumps(trial.to_state())) < 50_000
    assert trial.dropped == 100_000 - OPEN
    assert trial.open_new() == [(float(i), 0.0) for i in range(OPEN)]
    assert trial.open_new() == []


def test_losses_that_were_taken_out_are_not_used_again() -> None:
    """The block that they were in begins anew, without the old arm's labels in it too."""
    trial = BlockTrial(0.0, 0.01)
    for _ in range(4):
        trial.add("old", 0.0)
    for _ in range(5):
        trial.add("new", 1.0)
    taken = trial.open_new()
    trial.add("old", 0.0)

    assert len(taken) == 5
    assert trial.blocks == 0
    assert trial.evidence == 1.0


# ----------------------------------------------------------------------------------------------------------- replacement


def test_the_limit_of_a_replacement_is_the_baselines_bound_and_the_tolerance() -> None:
    """At a level of a hundredth: the 99.8 % bound, and a stop at 1 / 0.008."""
    trial = ReplacementTrial(BASELINE, 0.025)

    assert trial.limit == upper_bound(0.1, 10_000, 0.09, True, 0.998) + 0.025
    assert trial.numbers()["evidence_needed"] == pytest.approx(1 / 0.008)
    assert trial.numbers()["evidence_for_promotion_needed"] == pytest.approx(1 / 0.04)
    assert trial.not_worse.offset == lower_bound(0.1, 10_000, 0.09, True, 0.99) + 0.025
    assert trial.numbers()["mean_old"] == pytest.approx(0.1)
    assert trial.numbers()["labels_old"] == 10_000


def test_a_bad_replacement_is_worse_and_goes_on_counting() -> None:
    """A rollback that waits for labels since the onset gets them after the verdict too."""
    trial = ReplacementTrial(BASELINE, 0.025)
    counts = []
    for i in range(60):
        trial.add(1.0, mark=float(i))
        if trial.verdict == "worse":
            counts.append(trial.since_onset)

    assert counts[0] < 10
    assert counts[-1] == 60
    assert trial.onset == 0.0
    assert trial.finished


def test_a_replacement_is_compared_for_five_thousand_labels() -> None:
    """Later ones change nothing: `harm` watches then."""
    trial = ReplacementTrial(BASELINE, 0.0, 0.01)
    rng = random.Random(2)
    for _ in range(REPLACEMENT_LABELS):
        trial.add(float(rng.random() < 0.105))
    before = trial.to_state()
    trial.add(1.0)

    assert trial.finished
    assert trial.verdict == "undecided"
    assert trial.labels == REPLACEMENT_LABELS
    assert trial.to_state() == before


def test_dependent_losses_are_compared_in_blocks() -> None:
    """Of the length that the baseline's autocorrelation asks for; the bound is wider too."""
    dependent = ReplacementTrial(Sample(10_000, 0.1, 0.09, True, tau=3.0), 0.025)
    for i in range(44):
        dependent.add(1.0, mark=float(i))

    assert dependent.numbers()["block"] == 15
    assert dependent.worse.inputs == 2
    assert dependent.since_onset == 30
    assert dependent.limit > ReplacementTrial(BASELINE, 0.025).limit


@pytest.mark.parametrize("mean", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("n", [1, 50, 10_000])
@pytest.mark.parametrize("alpha", [0.0, 1e-12, 0.01])
def test_a_replacement_survives_any_baseline(mean: float, n: int, alpha: float) -> None:
    """Where the limit is 1 there is no verdict "worse", and no number stops being one."""
    trial = ReplacementTrial(Sample(n, mean, mean * (1 - mean), True, 1.0), 0.05, alpha)
    for i in range(300):
        trial.add(float(i % 2))

    assert 0.0 < trial.limit <= 1.0
    assert all(math.isfinite(value) for value in trial.numbers().values())
    assert trial.verdict in ("undecided", "worse", "not_worse")
    if trial.limit == 1.0:
        assert trial.verdict != "worse"


# ------------------------------------------------------------------------------------------------------------- all three

AnyTrial = PairedTrial | BlockTrial | ReplacementTrial

TRIALS: list[Callable[[], AnyTrial]] = [
    lambda: PairedTrial(0.02, 0.01),
    lambda: BlockTrial(0.02, 0.01),
    lambda: ReplacementTrial(Sample(500, 0.2, 0.1, False, 2.0), 0.02),
]


def feed(trial: AnyTrial, loss: float, i: int) -> None:
    """Input number i, whatever the trial."""
    if isinstance(trial, PairedTrial):
        trial.add(loss, float(i % 3 == 0), float(i))
    elif isinstance(trial, BlockTrial):
        trial.add("new" if i % 3 else "old", loss, float(i))
    else:
        trial.add(loss, float(i))


@pytest.mark.parametrize("make", TRIALS)
@given(xs=st.lists(losses, max_size=60), data=st.data())
def test_a_trial_may_be_cut_anywhere(make: Callable[[], AnyTrial], xs: list[float], data: st.DataObject) -> None:
    """Saved as JSON, restored and fed the rest, it has the bits of one that was never interrupted."""
    cut = data.draw(st.integers(0, len(xs)))
    whole, first = make(), make()
    for i, x in enumerate(xs):
        feed(whole, x, i)
    for i, x in enumerate(xs[:cut]):
        feed(first, x, i)
    second = type(first).from_state(json.loads(json.dumps(first.to_state(), allow_nan=False)))
    for i, x in enumerate(xs[cut:], start=cut):
        feed(second, x, i)

    assert second.to_state() == whole.to_state()
    assert second.numbers() == whole.numbers()
    assert second.verdict == whole.verdict


@pytest.mark.parametrize("make", TRIALS)
@pytest.mark.parametrize("loss", [math.nan, math.inf, -0.1, 1.1])
def test_a_trial_refuses_what_is_no_loss_and_changes_nothing(make: Callable[[], AnyTrial], loss: float) -> None:
    """Half an update would leave the arms out of step."""
    trial = make()
    feed(trial, 0.5, 1)
    before = trial.to_state()

    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        feed(trial, loss, 2)

    assert trial.to_state() == before


@pytest.mark.parametrize("make", TRIALS)
def test_a_trial_of_another_version_is_refused_by_name(make: Callable[[], AnyTrial]) -> None:
    """So that no field is read that meant something else."""
    trial = make()

    with pytest.raises(ValueError, match="trial has version 0"):
        type(trial).from_state(trial.to_state() | {"v": 0})
