"""Losses of single predictions, and River's metrics over the last ones."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import metrics

from detectors.performance import LOSSES, RollingPerformance, loss_function

COSTS = {"false_positive": 1.0, "false_negative": 40.0}

anything = st.floats(allow_nan=True, allow_infinity=True)
texts = st.sampled_from(["0", "1", "2", "", "true", "nan", "inf", "-inf", "1e400", "-1e308", "1e308", "1_0", "٣", "north"])


@pytest.mark.parametrize(
    ("loss", "prediction", "score", "label", "expected"),
    [
        ("error", "1", None, "1", 0.0),
        ("error", "1", None, "0", 1.0),
        ("error", "true", None, "1", 1.0),
        ("brier", "1", 0.8, "1", 0.04),
        ("brier", "1", 0.8, "0", 0.64),
        ("brier", "1", None, "0", None),
        ("log", "1", 1.0, "1", 0.0),
        ("log", "1", 0.1, "1", 0.5),
        ("log", "1", 0.01, "1", 1.0),
        ("log", "1", 0.0, "1", 1.0),
        ("log", "0", 0.9, "0", 0.5),
        ("log", "1", None, "1", None),
        ("cost", "1", None, "0", 0.025),
        ("cost", "0", None, "1", 1.0),
        ("cost", "1", None, "1", 0.0),
    ],
)
def test_losses_of_a_binary_model(loss: str, prediction: str, score: float | None, label: str, expected: float | None) -> None:
    """Log loss is -ln p over ln 100 with p clipped at 0.01; costs are divided by the larger; all by hand."""
    actual = loss_function("binary", loss, "1", COSTS)(prediction, score, None, label)

    assert actual == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("loss", "scores", "label", "expected"),
    [
        ("brier", {"a": 0.7, "b": 0.2, "c": 0.1}, "a", (0.09 + 0.04 + 0.01) / 2),
        ("brier", {"a": 1.0}, "b", 1.0),
        ("brier", {"a": 0.5, "b": 0.5}, "new", (0.25 + 0.25 + 1) / 2),
        ("brier", {}, "a", None),
        ("brier", {"a": 1.2, "b": -0.2}, "a", None),
        ("log", {"a": 0.1, "b": 0.9}, "a", 0.5),
        ("log", {"a": 0.1, "b": 0.9}, "new", 1.0),
        ("log", None, "a", None),
    ],
)
def test_losses_of_a_multiclass_model(loss: str, scores: dict[str, float] | None, label: str, expected: float | None) -> None:
    """Brier's score over all classes, halved; a class that is not listed has probability 0."""
    actual = loss_function("multiclass", loss)("a", None, scores, label)

    assert actual == (None if expected is None else pytest.approx(expected))


def test_costs_of_a_multiclass_model_are_those_of_its_positive_class() -> None:
    """A miss of it costs what it costs; any other mistake costs a false alarm."""
    loss = loss_function("multiclass", "cost", "fraud", COSTS)

    assert [loss(p, None, None, y) for p, y in (("ok", "fraud"), ("fraud", "ok"), ("ok", "late"), ("late", "late"))] == [
        1.0,
        0.025,
        0.025,
        0.0,
    ]


@pytest.mark.parametrize(
    ("loss", "prediction", "label", "expected"),
    [
        ("absolute", "10", "12.5", 0.25),
        ("absolute", "10", "25", 1.0),
        ("absolute", "10", "-1e308", 1.0),
        ("absolute", "-1e308", "1e308", 1.0),
        ("squared", "10", "12.5", 0.0625),
        ("squared", "10", "1e200", 1.0),
        ("absolute", "nan", "1", None),
        ("absolute", "1", "inf", None),
        ("squared", "1", "many", None),
        ("squared", "", "1", None),
    ],
)
def test_losses_of_a_regression(loss: str, prediction: str, label: str, expected: float | None) -> None:
    """Divided by the bound of 10 (the square by its square), 1 from there on; no number, no loss."""
    actual = loss_function("regression", loss, loss_bound=10.0)(prediction, None, None, label)

    assert actual == (None if expected is None else pytest.approx(expected))


def test_the_positive_probability_may_come_from_the_scores() -> None:
    """`score` goes before; a positive class that is not among the scores is no probability."""
    loss = loss_function("binary", "brier", "1")

    assert loss("1", None, {"0": 0.2, "1": 0.8}, "1") == pytest.approx(0.04)
    assert loss("1", 0.5, {"0": 0.2, "1": 0.8}, "1") == pytest.approx(0.25)
    assert loss("1", None, {"yes": 0.8}, "1") is None
    assert loss("1", 1.2, None, "1") is None


@pytest.mark.parametrize(("task", "loss"), [(task, loss) for task, known in LOSSES.items() for loss in known])
@given(texts, st.none() | anything, st.none() | st.dictionaries(texts, anything, max_size=4), texts)
def test_a_loss_is_in_range_or_not_there(
    task: str, loss: str, prediction: str, score: float | None, scores: Mapping[str, float] | None, label: str
) -> None:
    """Never NaN, whatever an event holds."""
    actual = loss_function(task, loss, "1", COSTS, 10.0)(prediction, score, scores, label)

    assert actual is None or 0.0 <= actual <= 1.0


@pytest.mark.parametrize(
    ("task", "loss", "more", "message"),
    [
        ("ranking", "error", {}, "known are binary, multiclass, regression"),
        ("binary", "absolute", {}, "it has error, brier, log, cost"),
        ("regression", "error", {}, "it has absolute, squared"),
        ("regression", "absolute", {}, "needs a loss_bound above 0"),
        ("regression", "squared", {"loss_bound": 0.0}, "needs a loss_bound above 0"),
        ("regression", "squared", {"loss_bound": math.nan}, "needs a loss_bound above 0"),
        ("binary", "brier", {}, "needs the positive label"),
        ("binary", "cost", {"positive": "1"}, "costs for false_positive and false_negative"),
        ("binary", "cost", {"positive": "1", "costs": {"false_positive": 1.0}}, "costs for false_positive and"),
        ("binary", "cost", {"positive": "1", "costs": {"false_positive": 0.0, "false_negative": 0.0}}, "one is above 0"),
        ("binary", "cost", {"positive": "1", "costs": {"false_positive": -1.0, "false_negative": 2.0}}, "not negative"),
        ("multiclass", "cost", {"costs": COSTS}, "needs the positive label"),
    ],
)
def test_a_loss_that_cannot_be_is_refused_with_what_can(task: str, loss: str, more: dict[str, object], message: str) -> None:
    """One sentence that lists the known ones or names what is missing."""
    arguments: dict[str, object] = {"positive": None, "costs": None, "loss_bound": None} | more

    with pytest.raises(ValueError, match=message):
        loss_function(task, loss, **arguments)  # type: ignore[arg-type]  # what a file says is of no type yet


# ------------------------------------------------------------------------------------------------------------- metrics


def stream(n: int, seed: int = 1) -> list[tuple[str, float, str, float]]:
    """Predictions of a binary model with scores that mean something."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        score = rng.random()
        prediction, label = str(int(score > 0.5)), str(int(rng.random() < score))
        rows.append((prediction, score, label, float(prediction != label)))
    return rows


def test_the_metrics_are_rivers_over_the_last_labels() -> None:
    """Those that left the window do not count, to the last bit."""
    rolling = RollingPerformance("binary", "1", window=300)
    for row in stream(200, seed=2) + stream(300):
        rolling.update(*row)
    cm, auc = metrics.ConfusionMatrix(), metrics.RollingROCAUC(window_size=300)
    for prediction, score, label, _ in stream(300):
        cm.update(label == "1", prediction == "1")
        auc.update(label == "1", score)

    assert len(rolling) == 300
    assert rolling.values() == {
        "labels": 300.0,
        "mean_loss": sum(row[3] for row in stream(300)) / 300,
        "accuracy": metrics.Accuracy(cm=cm).get(),
        "precision": metrics.Precision(cm=cm).get(),
        "recall": metrics.Recall(cm=cm).get(),
        "f1": metrics.F1(cm=cm).get(),
        "roc_auc": auc.get(),
    }


def test_the_auc_of_a_small_sample_by_hand() -> None:
    """Three of four pairs of a positive and a negative are in order."""
    rolling = RollingPerformance("binary", "1")
    for score, label in ((0.1, "0"), (0.4, "0"), (0.35, "1"), (0.8, "1")):
        rolling.update("1", score, label)

    assert rolling.values()["roc_auc"] == pytest.approx(0.75)
    assert rolling.values()["recall"] == 1.0
    assert rolling.values()["precision"] == 0.5


def test_a_metric_that_is_not_defined_is_not_there() -> None:
    """No AUC of one class or without scores, no mean of no losses."""
    rolling = RollingPerformance("binary", "1")
    assert rolling.values() == {"labels": 0.0}

    rolling.update("1", None, "1")
    assert rolling.values().keys() == {"labels", "accuracy", "precision", "recall", "f1"}


def test_many_classes_are_macro_averaged_and_forgotten() -> None:
    """A hundred thousand labels leave no trace beyond the window."""
    rolling = RollingPerformance("multiclass", window=100)
    for i in range(100_000):
        rolling.update(f"class {i}", None, f"class {i}", 0.0)

    assert rolling.values() == {"labels": 100.0, "mean_loss": 0.0, "accuracy": 1.0, "macro_f1": 1.0}
    assert len(json.dumps(rolling.to_state())) < 10_000


def test_a_regression_forgets_a_huge_error() -> None:
    """Once it has left the window the others are exact again; what overflows is not reported."""
    rolling = RollingPerformance("regression", window=4)
    rolling.update("1e300", None, "-1e300", 1.0)
    assert "rmse" not in rolling.values()
    for prediction, label in (("3", "1"), ("1", "3"), ("2", "2"), ("text", "2"), ("4", "4")):
        rolling.update(prediction, None, label, 0.0)

    values = rolling.values()
    assert values["mae"] == pytest.approx(2 / 3)
    assert values["rmse"] == pytest.approx(math.sqrt(4 / 3))
    assert values["r2"] == pytest.approx(1 - 4 / 2)


def test_the_window_survives_a_restart() -> None:
    """Its state is plain data with a version."""
    rolling = RollingPerformance("binary", "1", window=50)
    for row in stream(120):
        rolling.update(*row)
    again = RollingPerformance.from_state(json.loads(json.dumps(rolling.to_state(), allow_nan=False)))
    for row in stream(20, seed=5):
        rolling.update(*row)
        again.update(*row)

    assert again.values() == rolling.values()
    assert again.to_state() == rolling.to_state()
    with pytest.raises(ValueError, match="rolling performance has version 3"):
        RollingPerformance.from_state(rolling.to_state() | {"v": 3})


@pytest.mark.parametrize(("task", "positive", "message"), [("ranking", None, "known are"), ("binary", None, "positive label")])
def test_metrics_of_an_unknown_task_are_refused(task: str, positive: str | None, message: str) -> None:
    """As the losses are."""
    with pytest.raises(ValueError, match=message):
        RollingPerformance(task, positive)
