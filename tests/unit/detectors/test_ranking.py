"""Are the labels turned round? A mirror is told from a worse model, and nothing is told from too little."""

from __future__ import annotations

import json
import math
import random

import msgspec
import pytest

from detectors.ranking import LEAST_LABELS, Mirror, Ranking, RankingWatch, auc, balanced_accuracy


def feed(
    watch: RankingWatch, seed: int, count: int, *, skill: float = 2.0, flipped: bool = False, positives: float = 0.5
) -> None:
    """Feed labels of a model whose scores are `skill` standard deviations apart; its marks go on from the last one."""
    chance = random.Random(seed)
    for number in range(count):
        positive = chance.random() < positives
        score = 1.0 / (1.0 + math.exp(-chance.gauss(skill / 2 if positive else -skill / 2, 1.0)))
        label = str(int(positive != flipped))
        watch.add(str(int(score >= 0.5)), score, None, label, seed * 1e6 + number)


def learned(seed: int = 1, *, positives: float = 0.5, skill: float = 2.0) -> RankingWatch:
    """A binary watch whose reference is an AUC of about .92."""
    watch = RankingWatch("binary", "1")
    feed(watch, seed, 2_000, positives=positives, skill=skill)
    watch.learn()
    return watch


def answers(count: int, **how: float | bool) -> list[bool | None]:
    """What 60 watches say of so many further labels."""
    found = []
    for seed in range(60):
        watch = learned(seed + 1, positives=float(how.get("positives", 0.5)))
        feed(watch, seed + 1_001, count, **how)  # type: ignore[arg-type]  # as given by the test
        found.append(watch.mirrored((seed + 1_001) * 1e6).mirrored)
    return found


def test_the_area_under_the_curve_counts_ties_as_a_half() -> None:
    """By hand: of six pairs four are right and one is a tie."""
    assert auc([(0.9, True), (0.4, True), (0.8, False), (0.4, False), (0.1, False)]) == pytest.approx(4.5 / 6)
    assert auc([(0.5, True)]) is None


def test_balanced_accuracy_is_the_mean_over_the_classes() -> None:
    """Three of four positives and one of two negatives."""
    pairs = [(True, True)] * 3 + [(False, True), (False, False), (True, False)]

    assert balanced_accuracy(pairs) == pytest.approx((0.75 + 0.5) / 2)


def test_labels_that_are_turned_round_are_found_at_fifty() -> None:
    """As many as a rollback waits for: the expected share of answers is above .99, 55 of 60 are asked for."""
    assert answers(LEAST_LABELS, flipped=True).count(True) >= 55


def test_healthy_labels_are_never_a_mirror() -> None:
    """And soon said to be none."""
    found = answers(100)

    assert found.count(True) == 0
    assert found.count(False) >= 55


@pytest.mark.parametrize("skill", [1.0, 0.0])
def test_a_worse_model_is_no_mirror(skill: float) -> None:
    """Not even one that knows nothing: that is how a bad retrain looks."""
    assert answers(200, skill=skill).count(True) == 0


def test_a_model_below_chance_is_not_enough_for_a_mirror() -> None:
    """An AUC of .36 where the mirror of .92 is meant: a retrain that learned nonsense."""
    assert answers(200, skill=-0.5).count(True) == 0


def test_of_two_in_a_hundred_positives_nothing_is_told_before_there_are_ten() -> None:
    """However many others there are."""
    watch = learned(positives=0.02)
    feed(watch, 77, 200, positives=0.02, flipped=True)

    assert watch.mirrored(77e6).mirrored is None


def test_rare_positives_that_are_turned_round_are_found_in_the_end() -> None:
    """Once there are enough of both."""
    watch = learned(positives=0.05)
    feed(watch, 78, 1_500, positives=0.05, flipped=True)

    assert watch.mirrored(78e6).mirrored is True


def test_a_reference_that_hardly_ranks_has_no_mirror() -> None:
    """An AUC of .52 and its mirror are the same to everybody."""
    watch = learned(skill=0.07)
    feed(watch, 79, 300, flipped=True, skill=0.07)

    assert watch.mirrored(79e6).mirrored is None


def test_without_scores_the_predictions_tell() -> None:
    """By balanced accuracy."""
    watch, chance = RankingWatch("binary", "1"), random.Random(3)
    for number in range(800):
        label = chance.random() < 0.4
        said = label == (chance.random() < 0.9)
        if number == 500:
            watch.learn()
        watch.add(str(int(said)), None, None, str(int(label != (number >= 500))), float(number))
    mirror = watch.mirrored(500.0)

    assert watch.reference is not None
    assert watch.reference.measure == "balanced_accuracy"
    assert mirror.mirrored is True


def test_two_classes_that_are_exchanged_are_named() -> None:
    """The others stay as they are."""
    watch, chance = RankingWatch("multiclass", None), random.Random(4)
    names = ["cat", "dog", "bird", "fish"]
    for number in range(1_200):
        label = chance.choice(names)
        said = label if chance.random() < 0.9 else chance.choice(names)
        if number == 700:
            watch.learn()
        told = {"cat": "dog", "dog": "cat"}.get(label, label) if number >= 700 else label
        watch.add(said, None, None, told, float(number))
    mirror = watch.mirrored(700.0)

    assert mirror.mirrored is True
    assert sorted(mirror.exchanged) == [("cat", "dog"), ("dog", "cat")]


def test_the_sign_of_a_regression_that_is_turned_is_found() -> None:
    """By the concordance of predictions and labels."""
    watch, chance = RankingWatch("regression", None), random.Random(5)
    for number in range(900):
        truth = chance.gauss(0.0, 1.0)
        if number == 600:
            watch.learn()
        watch.add(repr(truth + chance.gauss(0.0, 0.4)), None, None, repr(-truth if number >= 600 else truth), float(number))

    assert watch.mirrored(600.0).mirrored is True


def test_a_reference_may_be_brought_along() -> None:
    """By a version that follows a good one."""
    watch = RankingWatch("binary", "1")
    watch.learn(Ranking(0.92, "auc"))
    feed(watch, 80, 120, flipped=True)

    assert watch.mirrored().mirrored is True


def test_before_anything_was_learned_nothing_is_told() -> None:
    """The value is there all the same."""
    watch = RankingWatch("binary", "1")
    feed(watch, 81, 200)
    mirror = watch.mirrored()

    assert mirror == Mirror(mirror.value, None, None, 200, None)
    assert mirror.value is not None


def test_poison_changes_nothing() -> None:
    """No number, no time, no end."""
    watch = learned()
    before = watch.mirrored()
    for bad in (math.nan, math.inf, -math.inf, 1e300):
        watch.add("1", 0.5, None, "1", bad)
    regression = RankingWatch("regression", None)
    for text in ("nan", "inf", "high", "", "1e999"):
        regression.add(text, None, None, "1", 0.0)
        regression.add("1", None, None, text, 0.0)

    assert watch.mirrored() == before
    assert regression.mirrored().labels == 0


def test_memory_is_bounded() -> None:
    """Three hundred of each class are kept, whatever comes, and no name of a class is long."""
    watch = RankingWatch("multiclass", None)
    for number in range(5_000):
        watch.add(f"c{number}", None, None, "x" * number, float(number))

    assert len(json.dumps(watch.to_state())) < 150_000


@pytest.mark.parametrize("kept", ["json", "msgpack"])
def test_a_restart_changes_nothing(kept: str) -> None:
    """At any label."""
    whole, half = learned(), learned()
    for seed in (90, 91, 92):
        feed(whole, seed, 37, positives=0.1)
        feed(half, seed, 37, positives=0.1)
        state = half.to_state()
        half = RankingWatch.from_state(
            json.loads(json.dumps(state)) if kept == "json" else msgspec.msgpack.decode(msgspec.msgpack.encode(state))
        )

        assert half.to_state() == whole.to_state()
        assert half.mirrored() == whole.mirrored()
