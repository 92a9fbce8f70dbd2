"""Are the labels turned round? The ranking of the last labelled predictions, and whether it is the mirror of what it was.

The decision: a model that is worse than before ranks towards chance; labels that are turned round leave its ranking as good as it
was, and the wrong way about. So the ranking must be *near its mirror*, three quarters of the way from chance to it. Below chance
is not enough: a bad retrain often is.

What is looked at: AUC where a binary model has scores, balanced accuracy where it has none, the concordance of predictions and
labels for a regression. For several classes it is a one-to-one renaming of classes that makes the labels fit again. It is
looked for in one half of the labels and judged on the other half: the best of all renamings always fits what it was
chosen on.

What a mirror says: labels and predictions name two classes the other way about, all the time. What it does not say: which of
the two is at fault. A version whose own classes are numbered in another order looks the same, and only the labels of another
version in the same days can tell. Labels of which a part is turned round are no mirror: they look like a worse model.

Sources: Mann and Whitney 1947 (AUC and its error at chance); Kendall, "Rank correlation methods", 1948 (concordance); Kuhn,
"The Hungarian method for the assignment problem", 1955 (the renaming).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Final, Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from detectors.base import State, checked
from detectors.performance import LOSSES, Scores

Measure = Literal["auc", "balanced_accuracy", "concordance"]
#: ordinal, mark, score, prediction, label. The last two are truth values (binary), numbers (regression), names (multiclass).
_Row = tuple[int, float, float | None, bool | float | str, bool | float | str]

#: Labels since the onset, and of each class, below which nothing is told: a rollback waits for as many labels. With fewer of a
#: class the error at chance is no longer what its formula says.
LEAST_LABELS: Final = 50
LEAST_OF_A_CLASS: Final = 10
#: Labels of each class that are looked at where no onset is given, however long ago the rare ones came.
ENOUGH_OF_A_CLASS: Final = 30
#: A reference whose ranking is less than this share of the way from chance to perfect has no mirror to tell from chance: AUC 0.6.
LEAST_SKILL: Final = 0.2
#: The share of the way between chance and the reference that a mirror may fall short of.
SHORT: Final = 1 / 4
#: Classes among which a renaming is looked for: the most frequent ones.
CLASSES: Final = 20
#: Characters of a class's name; labels with longer ones are not looked at.
LONGEST_NAME: Final = 256
#: Standard errors from chance, so that chance itself is taken for a mirror in one of a hundred looks at most; and from the
#: mirror, so that a mirror is denied in as few.
_ERRORS: Final = 2.33
#: Numbers beyond are rubbish.
_LARGEST: Final = 1e100


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well a version ranked when all was well.

    Attributes:
        value: The measure's value, 0 to 1.
        measure: Which one.
        chance: Its value for a model that knows nothing: 0.5, or one over the number of classes.
    """

    value: float
    measure: Measure
    chance: float = 0.5

    @property
    def bound(self) -> float:
        """The value from which on downwards a ranking is near this one's mirror."""
        return 1.0 - self.value + (self.value - self.chance) * SHORT

    @property
    def tells(self) -> bool:
        """Whether its mirror can be told from chance."""
        return self.value - self.chance >= LEAST_SKILL * (1.0 - self.chance) - 1e-12


@dataclass(frozen=True, slots=True)
class Mirror:
    """Whether the labels look turned round.

    Attributes:
        value: The ranking since the onset; for several classes the balanced accuracy over those exchanged, if any are. None if
            it is not defined.
        reference: The ranking when all was well; None before it is learned.
        bound: The value at or below which it is near its mirror.
        labels: Labels that `value` was worked out from.
        mirrored: Yes, no, or None where that cannot be told.
        exchanged: Several classes: for each class that the labels call by another name, its label and what is predicted there.
    """

    value: float | None
    reference: float | None
    bound: float | None
    labels: int
    mirrored: bool | None
    exchanged: tuple[tuple[str, str], ...] = ()


def auc(pairs: Sequence[tuple[float, bool]]) -> float | None:
    """The area under the ROC curve of (score, is positive), exact: ties count a half. None if a class is missing."""
    scores = np.array([score for score, _ in pairs], dtype=np.float64)
    positive = np.array([label for _, label in pairs], dtype=bool)
    n1 = int(positive.sum())
    n0 = len(pairs) - n1
    if not n0 or not n1:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2.0  # those that tie share the mean of their ranks
    return float((ranks[places][positive].sum() - n1 * (n1 + 1) / 2.0) / (n0 * n1))


def concordance(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The share of pairs of (prediction, label) that predictions order as their labels are; equal predictions count a half.

    Pairs with equal labels are left out; None if that leaves none. Time and memory grow with the square of the number.
    """
    counted = _pairs(pairs)
    predictions = np.array([prediction for prediction, _ in pairs], dtype=np.float64)
    labels = np.array([label for _, label in pairs], dtype=np.float64)
    if not counted:
        return None
    # Each pair is met twice, once with either sign.
    agreement = np.sign(predictions[:, None] - predictions) * np.sign(labels[:, None] - labels)
    return float(0.5 + agreement.sum() / 4.0 / counted)


def _pairs(pairs: Sequence[tuple[float, float]]) -> float:
    """How many pairs have different labels."""
    n = len(pairs)
    return (n * n - sum(count * count for count in Counter(label for _, label in pairs).values())) / 2.0


def balanced_accuracy(pairs: Sequence[tuple[object, object]]) -> float | None:
    """The mean over the classes of (prediction, label) of the share of a class's labels that were predicted; None without any."""
    right: Counter[object] = Counter(label for prediction, label in pairs if prediction == label)
    all_of = Counter(label for _, label in pairs)
    return sum(right[name] / count for name, count in all_of.items()) / len(all_of) if all_of else None


class RankingWatch:
    """The last mature labels of one version, and what they say of the ranking. Memory is bounded, whatever comes.

    Args:
        task: "binary", "multiclass" or "regression".
        positive: The positive label (binary).
        window: How many labels are kept; of a binary model so many of each class, because rare positives would else never be
            enough, and neither measure depends on how frequent they are.

    Raises:
        ValueError: If the task is unknown, or a binary one has no positive label.
    """

    def __init__(self, task: str, positive: str | None, window: int = 300) -> None:
        if task not in LOSSES:
            raise ValueError(f"unknown task {task!r}; known are {', '.join(LOSSES)}")
        if task == "binary" and positive is None:
            raise ValueError("the ranking of a binary model needs the positive label")
        self.task, self.positive, self.window = task, positive, window
        self.reference: Ranking | None = None
        self._count = 0
        self._rows: dict[bool, deque[_Row]] = {False: deque(maxlen=window), True: deque(maxlen=window)}

    def add(self, prediction: str, score: float | None, scores: Scores | None, label: str, mark: float = 0.0) -> None:
        """Take a mature label, in the order of prediction.

        Args:
            prediction: As text.
            score: The probability of the positive class, if there is one; else it is looked up in `scores`.
            scores: Probabilities by class.
            label: As text.
            mark: Event time of the prediction. What cannot be used (a regression value that is no finite number) is left out.
        """
        row = self._row(prediction, score, scores, label, mark)
        if row is not None:
            self._count += 1
            self._rows[row[4] is True].append(row)

    def _row(self, prediction: str, score: float | None, scores: Scores | None, label: str, mark: float) -> _Row | None:
        if not _usable(mark):
            return None
        if self.task == "regression":
            p, y = _number(prediction), _number(label)
            return None if p is None or y is None else (self._count, float(mark), None, p, y)
        if self.task == "multiclass":
            known = max(len(prediction), len(label)) <= LONGEST_NAME
            return (self._count, float(mark), None, prediction, label) if known else None
        s = score if score is not None else (scores or {}).get(str(self.positive))
        usable = float(s) if s is not None and _usable(s) else None
        return (self._count, float(mark), usable, prediction == self.positive, label == self.positive)

    def value(self, since: float | None = None) -> float | None:
        """The ranking of the predictions since an event time, of the last `window` labels if that is None; None if undefined."""
        return self._value(self._since(since), self._measure())

    def learn(self, reference: Ranking | None = None) -> Ranking | None:
        """Freeze what is normal: from the labels that are kept now, or as it is given (by the last good version, say).

        It returns what is normal from now on: as before, where the labels do not define any.
        """
        if reference is None:
            measure, rows = self._measure(fresh=True), self._since(-math.inf)
            value = self._value(rows, measure)
            classes = len({row[4] for row in rows})
            chance = 0.5 if self.task != "multiclass" else 1.0 / max(2, classes)
            reference = self.reference if value is None else Ranking(value, measure, chance)
        self.reference = reference
        return reference

    def mirrored(self, since: float | None = None) -> Mirror:
        """Whether the labels since an event time (the last `window`, if None) are turned round.

        None for an answer, "cannot be told": without a reference, or with one that hardly ranks (AUC below 0.6); below 50
        labels or 10 of a class; where the value is as low as a mirror's but its error reaches to chance; and where it is not
        so low but a mirror's error reaches to it.
        """
        rows, normal = self._since(since), self.reference
        if normal is None:
            return Mirror(self._value(rows, self._measure()), None, None, len(rows), None)
        if self.task == "multiclass":
            return _renamed([(str(row[3]), str(row[4])) for row in rows], normal)
        if normal.measure == "auc":
            rows = [row for row in rows if row[2] is not None]
        value, mirrored = self._value(rows, normal.measure), None
        rarest = len(rows) - max(Counter(row[4] for row in rows).values(), default=0)
        if value is not None and normal.tells and len(rows) >= LEAST_LABELS and rarest >= LEAST_OF_A_CLASS:
            error = _ERRORS * _ERROR_AT_CHANCE[normal.measure]([float(row[4]) for row in rows])
            mirrored = _near_mirror(value, normal, error)
        return Mirror(value, normal.value, normal.bound, len(rows), mirrored)

    def _since(self, since: float | None) -> list[_Row]:
        """Rows in the order in which they came."""
        rows = sorted(chain.from_iterable(self._rows.values()))  # two runs that are in order: sorted in one pass
        if since is not None:
            return [row for row in rows if row[1] >= since]
        last = rows[-self.window :]
        if self.task == "binary" and last:
            enough = [kept[-min(len(kept), ENOUGH_OF_A_CLASS)] for kept in self._rows.values() if kept]
            first = min(last[0][0], *(row[0] for row in enough))
            return [row for row in rows if row[0] >= first]
        return last

    def _measure(self, *, fresh: bool = False) -> Measure:
        if self.reference is not None and not fresh:
            return self.reference.measure
        if self.task != "binary":
            return "concordance" if self.task == "regression" else "balanced_accuracy"
        rows = self._since(-math.inf)
        return "auc" if 2 * sum(row[2] is not None for row in rows) > len(rows) else "balanced_accuracy"

    @staticmethod
    def _value(rows: list[_Row], measure: Measure) -> float | None:
        if measure == "auc":
            return auc([(row[2], row[4] is True) for row in rows if row[2] is not None])
        if measure == "concordance":
            return concordance([(float(row[3]), float(row[4])) for row in rows])
        return balanced_accuracy([(row[3], row[4]) for row in rows])

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "task": self.task,
            "positive": self.positive,
            "window": self.window,
            "reference": None if self.reference is None else asdict(self.reference),
            "count": self._count,
            "rows": [list(row) for row in self._since(-math.inf)],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> RankingWatch:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "ranking", 1)
        watch = cls(s["task"], s["positive"], s["window"])
        watch.reference = None if s["reference"] is None else Ranking(**s["reference"])
        watch._count = s["count"]
        for ordinal, mark, score, prediction, label in s["rows"]:
            watch._rows[label is True].append((ordinal, mark, score, prediction, label))
        return watch


def _near_mirror(value: float, normal: Ranking, error: float) -> bool | None:
    """Whether a value is near the mirror; None where chance, or a mirror, may as well have given it.

    `error` is what the value may be off by at chance. At the mirror it is less: as the deviation of a share is.
    """
    if value <= normal.bound:
        return True if value <= normal.chance - error else None
    off = error * 2.0 * math.sqrt(normal.value * (1.0 - normal.value))
    return False if value > 1.0 - normal.value + off else None


def _usable(x: object) -> bool:
    return isinstance(x, (int, float)) and -_LARGEST < x < _LARGEST  # NaN is not, either


def _number(text: str) -> float | None:
    try:
        x = float(text)
    except ValueError:
        return None
    return x if _usable(x) else None


def _auc_error(labels: Sequence[float]) -> float:
    n, n1 = len(labels), sum(labels)
    return math.sqrt((n + 1) / (12.0 * n1 * (n - n1)))


def _accuracy_error(labels: Sequence[float]) -> float:
    n, n1 = len(labels), sum(labels)
    return math.sqrt(1.0 / n1 + 1.0 / (n - n1)) / 4.0


def _concordance_error(labels: Sequence[float]) -> float:
    n = len(labels)
    return math.sqrt(n * (n - 1) * (2 * n + 5) / 18.0) / 2.0 / _pairs([(0.0, label) for label in labels])


#: The largest standard error that the measure has where predictions and labels are independent.
_ERROR_AT_CHANCE: Final[Mapping[Measure, Callable[[Sequence[float]], float]]] = {
    "auc": _auc_error,
    "balanced_accuracy": _accuracy_error,
    "concordance": _concordance_error,
}


def _renamed(pairs: list[tuple[str, str]], normal: Ranking) -> Mirror:
    """Whether a renaming of classes makes the labels of (prediction, label) fit again."""
    every = balanced_accuracy(pairs)
    seen = Counter(label for _, label in pairs).most_common(CLASSES)
    names = [name for name, count in seen if count >= LEAST_OF_A_CLASS]
    if every is None or not normal.tells or len(pairs) < LEAST_LABELS or len(names) <= 1:
        return Mirror(every, normal.value, normal.bound, len(pairs), None)
    chosen_on, judged_on = _halves(pairs, names)
    renaming = _renaming(chosen_on)
    if not renaming:
        return Mirror(every, normal.value, normal.bound, len(pairs), mirrored=False)
    plain = sum(_share(judged_on[name], name) for name in renaming) / len(renaming)
    fits = sum(_share(judged_on[name], other) for name, other in renaming.items()) / len(renaming)
    near = fits >= 1.0 - normal.bound and plain <= normal.bound
    for_it = sum(judged_on[name][other] for name, other in renaming.items())
    against = sum(judged_on[name][name] for name in renaming)
    clear = for_it - against >= _ERRORS * math.sqrt(max(for_it + against, LEAST_OF_A_CLASS))
    mirrored = near if near == clear else None
    exchanged = tuple(sorted(renaming.items())) if mirrored is not False else ()
    return Mirror(plain if exchanged else every, normal.value, normal.bound, len(pairs), mirrored, exchanged)


_Counts = dict[str, Counter[str]]


def _halves(pairs: list[tuple[str, str]], names: list[str]) -> tuple[_Counts, _Counts]:
    """By label the predictions, in two halves: the labels of each class go to them by turns."""
    halves: tuple[_Counts, _Counts] = ({name: Counter() for name in names}, {name: Counter() for name in names})
    turn: Counter[str] = Counter()
    for prediction, label in pairs:
        if label in halves[0]:
            halves[turn[label] % 2][label][prediction] += 1
            turn[label] += 1
    return halves


def _share(predictions: Counter[str], name: str) -> float:
    return predictions[name] / max(predictions.total(), 1)


def _renaming(counts: _Counts) -> dict[str, str]:
    """The one-to-one renaming of labels that fits predictions best, without the classes that keep their name."""
    frequent = sum(counts.values(), Counter[str]()).most_common(CLASSES)
    columns = list(dict.fromkeys([*counts, *(name for name, _ in frequent)]))
    # Its own name is a hair better than another one: of two that fit as well, nothing is renamed.
    gain = np.array([[_share(row, column) + 1e-9 * (column == name) for column in columns] for name, row in counts.items()])
    names = list(counts)
    best = {names[i]: columns[j] for i, j in zip(*linear_sum_assignment(gain, maximize=True), strict=True)}
    moved = {name: other for name, other in best.items() if _share(counts[name], other) > _share(counts[name], name)}
    # A class that keeps its name after all takes it back from the one that was to have it.
    while taken := [name for name, other in moved.items() if other in counts and other not in moved]:
        for name in taken:
            del moved[name]
    return moved
