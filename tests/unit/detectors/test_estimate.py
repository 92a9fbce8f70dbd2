"""The estimated loss: beside the true one where inputs move, blind where the concept changes, and never killed by a value."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.estimate import BINS, LEAST_LABELS, LEAST_PREDICTIONS, LossEstimate
from detectors.performance import loss_function

COSTS: Final = {"false_positive": 1.0, "false_negative": 4.0}
#: Seeds of a short run and of a long one.
FEW: Final = 12
MANY: Final = 200


@dataclass(frozen=True)
class World:
    """One input, normal about `centre`; the chance of the positive label rises with it, or in a changed concept falls.

    Scores are twice as sure as they may be, as a network's are: the model itself expects half of its errors.
    """

    centre: float
    changed: float = 0.0  # share of the labels that follow the opposite concept

    def draw(self, rng: np.random.Generator, count: int) -> tuple[list[float], list[float]]:
        """Scores, and the true chance of a positive label at each."""
        x = rng.normal(self.centre, 1.2, count)
        p = 1.0 / (1.0 + np.exp(-2.5 * x))
        return (1.0 / (1.0 + np.exp(-5.0 * x))).tolist(), (p * (1.0 - self.changed) + (1.0 - p) * self.changed).tolist()


USUAL: Final = World(1.0)


def predicted(score: float) -> str:
    """The class at a threshold of a half."""
    return "1" if score > 0.5 else "0"


def estimated(loss: str, world: World, seed: int, labels: int = 5_000) -> tuple[float, float, float]:
    """What 1,000 predictions of a world cost on average, the estimate of it, and what the scores say by themselves.

    Learned from labels of the usual world. The truth is the expected loss given the true chances: no label is drawn for it.
    """
    rng = np.random.default_rng(seed)
    measure = loss_function("binary", loss, "1", COSTS if loss == "cost" else None)
    estimate = LossEstimate("binary", loss, "1", COSTS if loss == "cost" else None)
    for score, chance in zip(*USUAL.draw(rng, labels), strict=True):
        label = "1" if rng.random() < chance else "0"
        estimate.learn(predicted(score), score, None, measure(predicted(score), score, None, label))
    costs = []
    for at, (score, chance) in enumerate(zip(*world.draw(rng, 1_000), strict=True)):
        estimate.add(predicted(score), score, None, float(at))
        right, wrong = (measure(predicted(score), score, None, label) or 0.0 for label in ("1", "0"))
        costs.append(chance * right + (1.0 - chance) * wrong)
    value, own = estimate.value, estimate.own_value
    assert value is not None
    assert own is not None
    return math.fsum(costs) / len(costs), value, own


def means(loss: str, world: World, seeds: int, labels: int = 5_000) -> tuple[float, float, float, float]:
    """The means over seeds of truth, estimate and the scores' own, and the root of the mean square of estimate - truth."""
    runs = np.array([estimated(loss, world, seed, labels) for seed in range(seeds)])
    truth, value, own = runs.mean(axis=0).tolist()
    return truth, value, own, float(np.sqrt(np.mean((runs[:, 1] - runs[:, 0]) ** 2)))


# ------------------------------------------------------------------------------------------------- what it sees, and what not


@pytest.mark.parametrize("centre", [1.0, 0.5, 0.0])
def test_the_estimate_follows_the_loss_where_inputs_move(centre: float) -> None:
    """Towards the boundary errors rise from .125 to .163; the scores by themselves say half of it."""
    truth, value, own, error = means("error", World(centre), FEW)

    assert value == pytest.approx(truth, abs=0.006)
    assert error < 0.012
    assert own < 0.6 * truth


@pytest.mark.statistics
@pytest.mark.parametrize("centre", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("loss", ["error", "brier", "log", "cost"])
def test_the_estimate_follows_every_loss_where_inputs_move(loss: str, centre: float) -> None:
    """200 seeds of each loss: the mean is within .004 of the truth, one estimate mostly within .012."""
    truth, value, _, error = means(loss, World(centre), MANY)
    print(f"{loss:6} inputs at {centre}: true {truth:.4f}, estimated {value:.4f}, error of one {error:.4f}")  # noqa: T201 - the figures

    assert value == pytest.approx(truth, abs=0.004)
    assert error < 0.012


def test_a_concept_change_is_not_seen() -> None:
    """What the documentation says that it cannot see: a fifth of the labels turn, errors double, and the estimate stays."""
    truth, value, _, _ = means("error", World(1.0, changed=0.2), FEW)
    quiet, before, _, _ = means("error", USUAL, FEW)

    assert truth > 2.0 * quiet
    assert value == pytest.approx(before, abs=1e-9)


def test_labels_after_a_concept_change_bring_the_estimate_back() -> None:
    """It is only as late as the labels are: one memory of labels on, most of the change is in."""
    rng = np.random.default_rng(1)
    estimate = LossEstimate("binary", "error", "1")
    for world, labels in ((USUAL, 5_000), (World(1.0, changed=0.2), 15_000)):
        for score, chance in zip(*world.draw(rng, labels), strict=True):
            estimate.learn(predicted(score), score, None, float((predicted(score) == "1") != (rng.random() < chance)))
    for score in World(1.0, changed=0.2).draw(rng, 1_000)[0]:
        estimate.add(predicted(score), score, None, 0.0)

    assert estimate.value == pytest.approx(0.275, abs=0.03)


def test_scores_that_are_right_are_left_as_they_are() -> None:
    """Calibrated scores: the estimate is what they say, but for the noise of the labels."""
    rng = np.random.default_rng(2)
    estimate = LossEstimate("binary", "error", "1")
    for score in rng.random(5_000).tolist():
        estimate.learn(predicted(score), score, None, float((predicted(score) == "1") != (rng.random() < score)))
        estimate.add(predicted(score), score, None, 0.0)

    assert estimate.value == pytest.approx(estimate.own_value, abs=0.01)
    assert estimate.own_value == pytest.approx(0.25, abs=0.01)


def test_rare_positives_with_tiny_scores_have_bins_of_their_own() -> None:
    """Fraud: all scores below .01, each a tenth of what it should be. Where they are high the loss is far higher."""
    rng = np.random.default_rng(3)
    estimate = LossEstimate("binary", "error", "1")
    chances = np.exp(rng.uniform(math.log(1e-4), math.log(0.1), 20_000)).tolist()
    for chance in chances:
        estimate.learn("0", chance / 10.0, None, float(rng.random() < chance))
    for _ in range(100):
        estimate.add("0", 0.009, None, 0.0)

    assert estimate.value == pytest.approx(0.09, abs=0.02)


# ---------------------------------------------------------------------------------------------------------------- by hand

A_BINARY: Final[tuple[Any, ...]] = ("1", 0.8, None)
NEGATIVE: Final[tuple[Any, ...]] = ("0", 0.4, None)
CLASSES: Final[tuple[Any, ...]] = ("a", None, {"a": 0.5, "b": 0.3, "c": 0.2})


@pytest.mark.parametrize(
    ("task", "loss", "row", "expected"),
    [
        ("binary", "error", A_BINARY, 0.2),
        ("binary", "error", NEGATIVE, 0.4),
        ("binary", "error", ("1", None, {"1": 0.7, "0": 0.3}), 0.3),
        ("binary", "brier", A_BINARY, 0.16),
        ("binary", "log", A_BINARY, -(0.8 * math.log(0.8) + 0.2 * math.log(0.2)) / math.log(100)),
        ("binary", "log", ("1", 1.0, None), 0.0),
        ("binary", "cost", A_BINARY, 0.2 * 0.25),
        ("binary", "cost", NEGATIVE, 0.4),
        ("multiclass", "error", CLASSES, 0.5),
        ("multiclass", "error", ("d", None, {"a": 0.5, "b": 0.5}), 1.0),
        ("multiclass", "brier", CLASSES, (1 - 0.25 - 0.09 - 0.04) / 2),
        ("multiclass", "log", ("a", None, {"a": 0.5, "b": 0.5}), math.log(2) / math.log(100)),
        ("multiclass", "cost", ("b", None, {"1": 0.3, "b": 0.5, "c": 0.2}), 0.3 + 0.2 * 0.25),
        ("multiclass", "cost", ("1", None, {"1": 0.3, "b": 0.5, "c": 0.2}), 0.7 * 0.25),
    ],
)
def test_what_a_score_says_of_its_loss(task: str, loss: str, row: tuple[Any, ...], expected: float) -> None:
    """Before anything is learnt; each worked out by hand."""
    estimate = LossEstimate(task, loss, "1", COSTS if loss == "cost" else None)
    prediction, score, scores = row
    estimate.add(prediction, score, scores, 0.0)

    assert estimate.own_value == pytest.approx(expected, abs=1e-12)


@given(st.floats(0.0, 1.0), st.sampled_from(["error", "brier", "log", "cost"]), st.booleans())
def test_what_a_score_says_is_the_mean_of_the_loss_function(score: float, loss: str, positive: bool) -> None:
    """With p for the one label and 1 - p for the other: the same losses that `harm` tests."""
    costs = COSTS if loss == "cost" else None
    measure, estimate, prediction = (
        loss_function("binary", loss, "1", costs),
        LossEstimate("binary", loss, "1", costs),
        str(int(positive)),
    )
    estimate.add(prediction, score, None, 0.0)
    right, wrong = (measure(prediction, score, None, label) or 0.0 for label in ("1", "0"))

    assert estimate.own_value == pytest.approx(score * right + (1.0 - score) * wrong, abs=1e-12)


@pytest.mark.parametrize("loss", ["absolute", "squared"])
def test_a_regression_has_no_estimate(loss: str) -> None:
    """A number says nothing of how wrong it is."""
    estimate = LossEstimate("regression", loss)
    for i in range(1_000):
        estimate.learn("1.5", None, None, 0.1)
        estimate.add("1.5", None, None, float(i))

    assert (estimate.value, estimate.own_value, estimate.calibrated_on, len(estimate)) == (None, None, 0, 0)


def test_too_little_gives_no_estimate() -> None:
    """Scores alone are worth nothing, and neither is a handful of predictions."""
    estimate = LossEstimate("binary", "error", "1")
    for _ in range(LEAST_PREDICTIONS - 1):
        estimate.add("1", 0.9, None, 0.0)
    for _ in range(LEAST_LABELS):
        estimate.learn("1", 0.9, None, 0.0)
    assert estimate.value is None

    estimate.add("1", 0.9, None, 0.0)
    assert estimate.value == pytest.approx(0.0, abs=0.01)
    assert estimate.calibrated_on == LEAST_LABELS


def test_labels_count_for_predictions_that_were_there_before_them() -> None:
    """The estimate of the same predictions changes as more is learnt of what their scores are worth."""
    estimate = LossEstimate("binary", "error", "1")
    for i in range(100):
        estimate.add("1", 0.9, None, float(i))
    for _ in range(2_000):
        estimate.learn("1", 0.9, None, 1.0)

    assert estimate.value == pytest.approx(1.0, abs=0.02)
    assert estimate.since == 0.0


def test_the_window_moves_on() -> None:
    """Only the last predictions count, and the time of the first of them is known."""
    estimate = LossEstimate("binary", "error", "1", window=100)
    for i in range(250):
        estimate.add("1", 0.5 if i < 150 else 0.9, None, float(i))

    assert (len(estimate), estimate.since) == (100, 150.0)
    assert estimate.own_value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("task", "loss", "positive", "costs"),
    [
        ("ranking", "error", "1", None),
        ("binary", "absolute", "1", None),
        ("binary", "brier", None, None),
        ("binary", "cost", "1", None),
    ],
)
def test_what_has_no_loss_is_an_error(task: str, loss: str, positive: str | None, costs: Mapping[str, float] | None) -> None:
    """The sentences of `loss_function`."""
    with pytest.raises(ValueError, match=r"unknown task|has no loss|needs"):
        LossEstimate(task, loss, positive, costs)


# ------------------------------------------------------------------------------------------------------- values and state

POISON: Final[list[Any]] = [None, math.nan, math.inf, -math.inf, 1e300, -0.1, 10**400, "0.5", True, [], "x" * 10_000]


def fed(estimate: LossEstimate, count: int = 2_000, seed: int = 4, then: Callable[[int], None] = lambda _: None) -> LossEstimate:
    """An estimate that saw so much, with something done after each."""
    rng = np.random.default_rng(seed)
    for i, score in enumerate(rng.beta(0.5, 0.5, count).tolist()):
        classes = {"1": score, "0": 1.0 - score}
        estimate.add(predicted(score), None, classes, float(i))
        estimate.learn(predicted(score), None, classes, float(rng.random() < 0.2))
        then(i)
    return estimate


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("poison", POISON, ids=lambda value: repr(value)[:12])
def test_poison_changes_nothing(task: str, poison: Any) -> None:  # noqa: ANN401 - anything
    """A score, one of several scores, a loss or a time that is none: the estimate is what it would have been."""
    estimate = LossEstimate(task, "error", "1")

    def poisoned(_: int) -> None:
        estimate.add("1", poison, None, 0.0)
        estimate.learn("1", poison, None, 0.0)
        estimate.add("1", None, {"1": poison, "0": 0.5}, 0.0)
        estimate.learn("1", None, {"1": poison, "0": 0.5}, 0.0)
        estimate.learn("1", 0.5, {"1": 0.5}, poison)
        estimate.add("1", 0.5, {"1": 0.5}, math.nan)

    assert fed(estimate, then=poisoned).value == fed(LossEstimate(task, "error", "1")).value
    assert estimate.unscored == 3 * 2_000


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 600), st.sampled_from(["binary", "multiclass"]), st.sampled_from(["error", "log", "cost"]))
def test_an_estimate_goes_on_to_the_bit(cut: int, task: str, loss: str) -> None:
    """Saved and restored anywhere, by way of JSON."""
    costs = COSTS if loss == "cost" else None
    straight = fed(fed(LossEstimate(task, loss, "1", costs), cut), 600 - cut, seed=5)
    state = json.loads(json.dumps(fed(LossEstimate(task, loss, "1", costs), cut).to_state(), allow_nan=False))
    resumed = fed(LossEstimate.from_state(state), 600 - cut, seed=5)

    assert resumed.to_state() == straight.to_state()
    assert resumed.value == straight.value


def test_another_version_of_the_state_is_refused() -> None:
    """Fields that meant something else are not read."""
    with pytest.raises(ValueError, match="version 2"):
        LossEstimate.from_state({**LossEstimate("binary", "error", "1").to_state(), "v": 2})


@pytest.mark.parametrize("keys", [lambda i: 0.3, lambda i: i / 40_000, lambda i: (i * 0.618) % 1.0, lambda i: 2.0 ** -(i % 900)])
def test_memory_and_bins_are_bounded(keys: Callable[[int], float]) -> None:
    """One score for ever, scores that creep, all scores, tiny ones: at most `BINS` bins, in order, none of weight 0 or less."""
    estimate = LossEstimate("binary", "error", "1")
    for i in range(40_000):
        estimate.learn("0", keys(i), None, float(i % 7 == 0))
        estimate.add("0", keys(i), None, float(i))
    edges, (weights, *_) = (estimate.to_state()["tables"][0][name] for name in ("edges", "bins"))

    assert len(weights) == len(edges) + 1 <= BINS
    assert edges == sorted(set(edges))
    assert min(weights) > 0.0
    assert estimate.value == pytest.approx(1 / 7, abs=0.02)


def test_weights_that_grew_heavy_are_scaled_back() -> None:
    """After two and a half million labels the weights would overflow; the estimate does not notice."""
    estimate = fed(LossEstimate("binary", "error", "1"))
    state = estimate.to_state()
    for table in state["tables"]:
        table["bins"] = [[9e99 * x for x in column] for column in table["bins"]]
        table["sums"] = [9e99 * x for x in table["sums"]]
    heavy = fed(LossEstimate.from_state(state), 10_000, seed=6)
    light = fed(estimate, 10_000, seed=6)

    assert heavy.value == pytest.approx(light.value, rel=1e-9)
    assert max(table["sums"][1] for table in heavy.to_state()["tables"]) < 1e6
