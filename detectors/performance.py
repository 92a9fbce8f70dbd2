"""What one prediction cost (a loss in [0, 1]) and how good the last thousand were (River's metrics).

The loss is what is tested, so it must be bounded and never NaN; where it cannot be computed there is no loss, which the
caller counts. The rolling metrics are for people to look at: they judge nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Literal

from river import metrics

from detectors.base import State, checked

Task = Literal["binary", "multiclass", "regression"]
Scores = Mapping[str, float]
#: (prediction, score, scores, label) -> loss in [0, 1], or None where it cannot be computed.
Loss = Callable[[str, float | None, Scores | None, str], float | None]

#: prediction, score, label, loss
_Row = tuple[str, float | None, str, float | None]

#: log loss: probabilities are clipped at this, which bounds the loss; it is divided by its largest value.
LEAST_PROBABILITY: Final = 0.01
#: Numbers beyond are left out of the metrics of a regression: their squares, which River takes, would overflow.
_LARGEST: Final = 1e100
_LOG_SCALE: Final = -math.log(LEAST_PROBABILITY)


def loss_function(
    task: str,
    loss: str,
    positive: str | None = None,
    costs: Mapping[str, float] | None = None,
    loss_bound: float | None = None,
) -> Loss:
    """The loss of one prediction, as a function of (prediction, score, scores, label) in [0, 1].

    Predictions and labels are text and compared as text. The function returns None where the loss cannot be computed:
    `brier` or `log` without a probability, a regression value that is not a finite number.

    Args:
        task: "binary", "multiclass" or "regression".
        loss: "error", "brier", "log" or "cost"; for a regression "absolute" or "squared".
        positive: The positive label (binary); for "cost" of a multiclass model, the class whose misses and false alarms
            have their own costs.
        costs: "false_positive" and "false_negative", for "cost"; divided by the larger.
        loss_bound: For a regression: an error of this size or more counts as 1.

    Raises:
        ValueError: If the task has no such loss (the message lists those it has), or something is missing for it.
    """
    if task not in LOSSES:
        raise ValueError(f"unknown task {task!r}; known are {', '.join(LOSSES)}")
    if loss not in LOSSES[task]:
        raise ValueError(f"a {task} model has no loss {loss!r}; it has {', '.join(LOSSES[task])}")
    if task == "regression":
        if loss_bound is None or not 0.0 < loss_bound < math.inf:
            raise ValueError(f"a regression needs a loss_bound above 0, not {loss_bound}")
        return _absolute(loss_bound) if loss == "absolute" else _squared(loss_bound)
    if loss == "error":
        return _error
    if loss == "cost":
        return _cost(positive, costs)
    if task == "multiclass":
        return _brier_of_classes if loss == "brier" else _log_of_classes
    if positive is None:
        raise ValueError(f"the {loss} loss of a binary model needs the positive label")
    return _brier(positive) if loss == "brier" else _log(positive)


#: Which losses a task has. One line here and one function below add a loss.
LOSSES: Final[Mapping[str, tuple[str, ...]]] = {
    "binary": ("error", "brier", "log", "cost"),
    "multiclass": ("error", "brier", "log", "cost"),
    "regression": ("absolute", "squared"),
}


def _error(prediction: str, _score: float | None, _scores: Scores | None, label: str) -> float | None:
    return 0.0 if prediction == label else 1.0


def _positive_probability(positive: str, score: float | None, scores: Scores | None) -> float | None:
    p = score if score is not None else (scores or {}).get(positive)
    return p if p is not None and 0.0 <= p <= 1.0 else None


def _brier(positive: str) -> Loss:
    def loss(_prediction: str, score: float | None, scores: Scores | None, label: str) -> float | None:
        p = _positive_probability(positive, score, scores)
        if p is None:
            return None
        return (1.0 - p) ** 2 if label == positive else p * p

    return loss


def _log(positive: str) -> Loss:
    def loss(_prediction: str, score: float | None, scores: Scores | None, label: str) -> float | None:
        p = _positive_probability(positive, score, scores)
        if p is None:
            return None
        return _log_loss(p if label == positive else 1.0 - p)

    return loss


def _log_loss(p: float) -> float:
    return min(1.0, -math.log(max(p, LEAST_PROBABILITY)) / _LOG_SCALE)


def _probabilities(scores: Scores | None) -> Scores | None:
    """The scores if each is a probability; else None."""
    if not scores or not all(0.0 <= p <= 1.0 for p in scores.values()):
        return None
    return scores


def _brier_of_classes(_prediction: str, _score: float | None, scores: Scores | None, label: str) -> float | None:
    known = _probabilities(scores)
    if known is None:
        return None
    # Brier's own score runs to 2: all probability on one wrong class. A class that is not listed has probability 0.
    total = sum((p - (name == label)) ** 2 for name, p in known.items()) + (label not in known)
    return min(1.0, total / 2.0)


def _log_of_classes(_prediction: str, _score: float | None, scores: Scores | None, label: str) -> float | None:
    known = _probabilities(scores)
    return None if known is None else _log_loss(known.get(label, 0.0))


def _cost(positive: str | None, costs: Mapping[str, float] | None) -> Loss:
    if positive is None or costs is None or set(costs) != {"false_positive", "false_negative"}:
        raise ValueError("the cost loss needs the positive label, and costs for false_positive and false_negative")
    largest = max(costs.values())
    if not (0.0 < largest < math.inf and min(costs.values()) >= 0.0):
        raise ValueError(f"costs are not negative, and one is above 0; not {dict(costs)}")
    false_positive = costs["false_positive"] / largest
    false_negative = costs["false_negative"] / largest

    def loss(prediction: str, _score: float | None, _scores: Scores | None, label: str) -> float | None:
        if prediction == label:
            return 0.0
        # Two other classes taken for each other (multiclass): wrong, and no miss of the class that matters.
        return false_negative if label == positive else false_positive

    return loss


def _number(text: str) -> float | None:
    try:
        x = float(text)
    except ValueError:
        return None
    return x if math.isfinite(x) else None


def _absolute(bound: float) -> Loss:
    def loss(prediction: str, _score: float | None, _scores: Scores | None, label: str) -> float | None:
        p, y = _number(prediction), _number(label)
        return None if p is None or y is None else min(1.0, abs(p - y) / bound)

    return loss


def _squared(bound: float) -> Loss:
    absolute = _absolute(bound)

    def loss(prediction: str, score: float | None, scores: Scores | None, label: str) -> float | None:
        error = absolute(prediction, score, scores, label)
        # (error / bound)^2, and never error^2 / bound^2: the square of a large error would overflow.
        return None if error is None else error * error

    return loss


class RollingPerformance:
    """River's metrics over the last labels of a version.

    The window is kept here and River's metrics run over it when they are asked for (a millisecond or two), not at every
    label: an update then costs a tenth of a microsecond, a value that leaves the window takes its rounding errors along
    (River's `revert` would keep them, and one huge value spoils an RMSE for ever), and the state is plain data.

    Args:
        task: "binary", "multiclass" or "regression".
        positive: The positive label (binary).
        window: How many labels.

    Raises:
        ValueError: If the task is unknown, or a binary one has no positive label.
    """

    def __init__(self, task: str, positive: str | None = None, window: int = 1000) -> None:
        if task not in LOSSES:
            raise ValueError(f"unknown task {task!r}; known are {', '.join(LOSSES)}")
        if task == "binary" and positive is None:
            raise ValueError("the metrics of a binary model need the positive label")
        self.task, self.positive, self.window = task, positive, window
        self._rows: deque[_Row] = deque(maxlen=window)

    def update(self, prediction: str, score: float | None, label: str, loss: float | None = None) -> None:
        """Take one labelled prediction."""
        self._rows.append((prediction, score, label, loss))

    def __len__(self) -> int:
        return len(self._rows)

    def values(self) -> dict[str, float]:
        """The metrics by name, each finite; one that is not defined on this window (an AUC of one class) is not there.

        `mean_loss` and `labels` always; then `accuracy`, `precision`, `recall`, `f1`, `roc_auc` (binary),
        `accuracy`, `macro_f1` (multiclass) or `mae`, `rmse`, `r2` (regression).
        """
        losses = [row[3] for row in self._rows if row[3] is not None]
        found = {"labels": float(len(self._rows))}
        if losses:
            found["mean_loss"] = math.fsum(losses) / len(losses)
        if self._rows:
            found |= self._regression() if self.task == "regression" else self._classification()
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _classification(self) -> dict[str, float]:
        cm = metrics.ConfusionMatrix()
        for prediction, _, label, _ in self._rows:
            cm.update(label, prediction)
        found = {"accuracy": metrics.Accuracy(cm=cm).get()}
        if self.task == "multiclass":
            return found | {"macro_f1": metrics.MacroF1(cm=cm).get()}
        found["precision"] = metrics.Precision(cm=cm, pos_val=self.positive).get()
        found["recall"] = metrics.Recall(cm=cm, pos_val=self.positive).get()
        found["f1"] = metrics.F1(cm=cm, pos_val=self.positive).get()
        scored = [(label == self.positive, s) for _, s, label, _ in self._rows if s is not None and math.isfinite(s)]
        if 0 < sum(y for y, _ in scored) < len(scored):
            auc = metrics.RollingROCAUC(window_size=self.window)
            for y, s in scored:
                auc.update(y, s)
            found["roc_auc"] = auc.get()
        return found

    def _regression(self) -> dict[str, float]:
        wanted = {"mae": metrics.MAE(), "rmse": metrics.RMSE(), "r2": metrics.R2()}
        numbers = [(_number(label), _number(prediction)) for prediction, _, label, _ in self._rows]
        usable = [(y, p) for y, p in numbers if y is not None and p is not None and max(abs(y), abs(p)) < _LARGEST]
        for y, p in usable:
            for metric in wanted.values():
                metric.update(y, p)
        return {name: metric.get() for name, metric in wanted.items()} if usable else {}

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "task": self.task,
            "positive": self.positive,
            "window": self.window,
            "rows": [list(row) for row in self._rows],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> RollingPerformance:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "rolling performance", 1)
        rolling = cls(s["task"], s["positive"], s["window"])
        rolling._rows.extend((p, score, label, loss) for p, score, label, loss in s["rows"])
        return rolling
