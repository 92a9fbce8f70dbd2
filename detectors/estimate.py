"""The loss that is to be expected while no label is there: from the scores, and from what such scores were worth lately.

The decision: believe the model's scores only as far as its own mature labels do. A score already says how large a loss the
model expects; in bins of such scores, the mean of what the losses came to beyond that is added. Bins hold about equally many
labels, split and merge as the scores move, forget slowly, and are drawn towards what is known of all when they hold few. Of
the last predictions the mean of these corrected losses is the estimate.

It is the idea of CBPE (NannyML, "Confidence-based performance estimation"; Guillory et al., "Predicting with confidence on
unseen distributions", ICCV 2021), with two differences: the correction is learnt from mature labels as they come and not once
from a reference, and it is one of the loss itself, so that errors, Brier, log and costs are the same to it.

What it cannot see: *a concept change*. It follows when inputs move to where the model is less sure, and only that. Where the
same inputs and scores begin to mean other labels, nothing of it is in the scores: the estimate stays as it was, until labels
of the new kind are there, which is when `harm` sees them too. Nor does it see labels that are missing for a reason (only the
approved ever pay back), or inputs where the model is sure and never was before. So it is a series to look at: it pages nobody,
and while labels are in doubt the caller should teach it none.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from detectors.base import State, checked
from detectors.performance import LEAST_PROBABILITY, Scores, loss_function

#: Bins of one table at most.
BINS: Final = 20
#: A label weighs 1/e of a new one after so many more of its table.
MEMORY: Final = 10_000
#: Labels that an estimate needs at least. Before, nothing is known of what the scores are worth.
LEAST_LABELS: Final = 300
#: Predictions that it needs.
LEAST_PREDICTIONS: Final = 50
#: What is known of all counts as so many labels of each bin.
_PRIOR: Final = 20.0
#: A bin with fewer is not split.
_SPLITTABLE: Final = 50.0
#: Keys nearer to each other count as one.
_ONE_KEY: Final = 1e-9
#: A score may be a whole number; a boolean is none, and neither is text.
_NUMBERS: Final = (float, int)
#: Weights grow instead of all older ones shrinking; from here on they are scaled back.
_HEAVY: Final = 1e100

#: What a prediction says of its own loss: the table that it belongs to, where in there, and the loss that it expects.
Expectation = tuple[int, float, float]
#: (prediction, score, scores) -> that, or None where there is no probability to go by.
Expect = Callable[[str, float | None, Scores | None], Expectation | None]


class LossEstimate:
    """The expected mean loss of the last predictions of one version, without their labels.

    Args:
        task: "binary", "multiclass" or "regression". A regression's prediction says nothing of its loss: never an estimate.
        loss: As for `detectors.performance.loss_function`.
        positive: Likewise.
        costs: Likewise.
        window: How many predictions.

    Attributes:
        unscored: Predictions that no loss could be expected of: no score, or none that is a probability.

    Raises:
        ValueError: If the task is unknown or has no such loss, or something is missing for it.
    """

    def __init__(
        self, task: str, loss: str, positive: str | None = None, costs: Mapping[str, float] | None = None, window: int = 1000
    ) -> None:
        self.task, self.loss, self.positive, self.window = task, loss, positive, window
        self.costs = None if costs is None else dict(costs)
        self.unscored = 0
        self.calibrated_on = 0
        self._expect = _expectation(task, loss, positive, self.costs)
        self._tables = (_Table(), _Table())
        self._rows: deque[tuple[float, int, float, float]] = deque(maxlen=window)  # (event time, *Expectation)

    def add(self, prediction: str, score: float | None, scores: Scores | None, at: float) -> None:
        """Take a prediction as it comes; `at` is its event time. What has no usable score is counted, and that is all."""
        expected = self._expect(prediction, score, scores) if math.isfinite(at) else None
        if expected is None:
            self.unscored += 1
        else:
            self._rows.append((at, *expected))

    def learn(self, prediction: str, score: float | None, scores: Scores | None, loss: float | None) -> None:
        """Take a prediction whose label is mature, with its loss in [0, 1]. Anything else is passed over."""
        if type(loss) not in _NUMBERS or loss is None or not 0.0 <= loss <= 1.0:
            return
        expected = self._expect(prediction, score, scores)
        if expected is not None:
            table, key, own = expected
            self._tables[table].learn(key, loss - own)
            self.calibrated_on += 1

    @property
    def value(self) -> float | None:
        """The estimated mean loss of the last `window` predictions, in [0, 1]; None while too little is known.

        Worked out anew at each call, half a millisecond with a thousand predictions: what was learnt since counts for all.
        """
        if self.calibrated_on < LEAST_LABELS or len(self._rows) < LEAST_PREDICTIONS:
            return None
        tables = self._tables
        losses = (min(1.0, max(0.0, own + tables[table].beyond(key))) for _, table, key, own in self._rows)
        return math.fsum(losses) / len(self._rows)

    @property
    def own_value(self) -> float | None:
        """The same if the scores are believed as they are: far from `value`, the model is not as sure as it says."""
        return math.fsum(row[3] for row in self._rows) / len(self._rows) if self._rows else None

    @property
    def since(self) -> float | None:
        """The event time of the first prediction in it; None while there is none."""
        return self._rows[0][0] if self._rows else None

    def __len__(self) -> int:
        """The predictions in it now."""
        return len(self._rows)

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "task": self.task,
            "loss": self.loss,
            "positive": self.positive,
            "costs": self.costs,
            "window": self.window,
            "unscored": self.unscored,
            "calibrated_on": self.calibrated_on,
            "tables": [table.to_state() for table in self._tables],
            "rows": [list(row) for row in self._rows],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> LossEstimate:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "loss estimate", 1)
        estimate = cls(s["task"], s["loss"], s["positive"], s["costs"], s["window"])
        estimate.unscored, estimate.calibrated_on = s["unscored"], s["calibrated_on"]
        first, second = (_Table.from_state(table) for table in s["tables"])
        estimate._tables = (first, second)
        estimate._rows.extend((at, table, key, own) for at, table, key, own in s["rows"])
        return estimate


class _Table:
    """By how much losses exceeded what their predictions expected, in bins of a key in [0, 1]."""

    __slots__ = ("_columns", "_edges", "_excess", "_keys", "_seen", "_total", "_unit", "_weight", "_weights")

    def __init__(self) -> None:
        self._edges: list[float] = []  # between the bins, ascending
        self._unit = 1.0  # what a label that comes now weighs
        self._weight = 0.0  # of all bins
        self._total = 0.0  # excess of all bins
        self._take([[0.0], [0.0], [0.0], [0.0]])

    def _take(self, columns: list[list[float]]) -> None:
        """A list of each of: weight, weight x excess; and since the last split of a bin, weight x key, weight."""
        self._columns = columns
        self._weights, self._excess, self._keys, self._seen = columns

    def learn(self, key: float, excess: float) -> None:
        """Take a label."""
        i, unit = bisect_right(self._edges, key), self._unit
        self._weights[i] += unit
        self._excess[i] += unit * excess
        self._keys[i] += unit * key
        self._seen[i] += unit
        self._weight += unit
        self._total += unit * excess
        if self._weights[i] > max(_SPLITTABLE * unit, 2.0 * self._weight / BINS) and self._seen[i] > 0.5 * self._weights[i]:
            self._split(i)
        self._unit = unit * (1.0 + 1.0 / MEMORY)
        if self._unit > _HEAVY:
            self._lighten()

    def beyond(self, key: float) -> float:
        """What the loss of a prediction at this key is expected to be beyond what the prediction expects."""
        i, prior = bisect_right(self._edges, key), _PRIOR * self._unit
        all_bins = self._total / (self._weight + prior)
        return (self._excess[i] + prior * all_bins) / (self._weights[i] + prior)

    def _split(self, i: int) -> None:
        """Cut a bin at the mean of its keys, and where that makes too many, join the two neighbours that hold least."""
        low = self._edges[i - 1] if i else 0.0
        high = self._edges[i] if i < len(self._edges) else 1.0
        middle = self._keys[i] / self._seen[i]
        self._keys[i] = self._seen[i] = 0.0
        if not low + _ONE_KEY < middle < high - _ONE_KEY:
            return  # all keys are one, as those of a tree with few leaves are
        self._edges.insert(i, middle)
        for column in self._columns:
            column[i] /= 2.0
            column.insert(i, column[i])
        if len(self._weights) > BINS:
            self._join(min(range(len(self._edges)), key=lambda j: self._weights[j] + self._weights[j + 1]))

    def _join(self, i: int) -> None:
        del self._edges[i]
        for column in self._columns:
            column[i] += column.pop(i + 1)

    def _lighten(self) -> None:
        """Count in units of a label that comes now; sum up anew, for rounding parts the sums from their bins in the long run."""
        self._take([[x / self._unit for x in column] for column in self._columns])
        self._weight, self._total, self._unit = math.fsum(self._weights), math.fsum(self._excess), 1.0

    def to_state(self) -> State:
        return {
            "edges": list(self._edges),
            "bins": [list(column) for column in self._columns],
            "sums": [self._unit, self._weight, self._total],
        }

    @classmethod
    def from_state(cls, state: State) -> _Table:
        table = cls()
        table._edges = list(state["edges"])
        table._take([list(column) for column in state["bins"]])
        table._unit, table._weight, table._total = state["sums"]
        return table


def _expectation(task: str, loss: str, positive: str | None, costs: Mapping[str, float] | None) -> Expect:
    """What predictions of a task say of their own loss; None where they say nothing."""
    loss_function(task, loss, positive, costs, loss_bound=1.0)  # for its errors
    if task == "regression":
        return lambda _prediction, _score, _scores: None
    false_positive, false_negative = 1.0, 1.0
    if loss == "cost" and costs is not None:
        false_positive, false_negative = (costs[name] / max(costs.values()) for name in ("false_positive", "false_negative"))
    if task == "binary":
        return _of_two_classes(loss, positive, false_positive, false_negative)
    return _of_classes(loss, positive, false_positive, false_negative)


def _log_loss(p: float) -> float:
    return math.log(max(p, LEAST_PROBABILITY)) / math.log(LEAST_PROBABILITY)


def _of_two_classes(loss: str, positive: str | None, false_positive: float, false_negative: float) -> Expect:
    """The key is the score, in one table for each predicted class: a model may be sure of one for good reasons, and not of both.

    Were it the expected loss, 0.1 and 0.9 would be one to a model with its threshold at a half.
    """

    def expect(prediction: str, score: float | None, scores: Scores | None) -> Expectation | None:
        p = score if score is not None else (scores or {}).get(positive or "")
        if type(p) not in _NUMBERS or p is None or not 0.0 <= p <= 1.0:
            return None
        is_positive = prediction == positive
        if loss == "brier":
            own = p * (1.0 - p)
        elif loss == "log":
            own = p * _log_loss(p) + (1.0 - p) * _log_loss(1.0 - p)
        else:
            own = false_positive * (1.0 - p) if is_positive else false_negative * p
        return int(is_positive), float(p), own

    return expect


def _of_classes(loss: str, positive: str | None, false_positive: float, false_negative: float) -> Expect:
    """The key is the expected loss itself, in one table: with many classes one for each would hold too few labels."""

    def expect(prediction: str, _score: float | None, scores: Scores | None) -> Expectation | None:
        if not scores or not all(type(p) in _NUMBERS and 0.0 <= p <= 1.0 for p in scores.values()):
            return None
        if loss == "brier":
            own = (1.0 - sum(p * p for p in scores.values())) / 2.0
        elif loss == "log":
            own = sum(p * _log_loss(p) for p in scores.values())
        else:
            missed = 0.0 if prediction == positive else float(scores.get(positive or "", 0.0))
            own = false_negative * missed + false_positive * (1.0 - scores.get(prediction, 0.0) - missed)
        own = min(1.0, max(0.0, own))  # the scores of some models do not sum to 1
        return 0, own, own

    return expect
