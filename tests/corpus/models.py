"""The models that the worlds serve: real ones, trained on a part of the rows, small enough to score a stream in milliseconds.

Every column is cut into bins, or taken by its categories, and each bin has a weight: a linear model that bends. What serving code
does with rubbish is in it: a missing value, or one that does not parse, counts as the usual one, an unknown category counts
nothing, a value beyond everything that was seen counts as the largest bin.

Missing numbers are NaN here, missing categories None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]

RIDGE: Final = 1.0
NEWTON_STEPS: Final = 7
#: Logits beyond are as good as certain, and their exponentials stay finite.
_CERTAIN: Final = 30.0


@dataclass(frozen=True, slots=True)
class Output:
    """What a model says of some rows: classes by number, or values; probabilities of the positive class, or of each class."""

    prediction: NDArray[Any]
    scores: Floats | None


class Model(Protocol):
    """What is served."""

    def predict(self, x: Columns) -> Output:
        """Predict each row."""


class Encoder:
    """From columns to the numbers of the cells that each row falls into; a pair of columns has the cells of both.

    Args:
        x: The training rows.
        bins: Most bins of a number.
        pairs: Columns that act together.
    """

    def __init__(self, x: Columns, bins: int, pairs: Sequence[tuple[str, str]]) -> None:
        self._edges: dict[str, Floats] = {}
        self._known: dict[str, dict[str, int]] = {}
        self._usual: dict[str, int] = {}
        self._pairs = tuple(pairs)
        for name, values in x.items():
            if values.dtype == object:
                kinds = sorted({value for value in values.tolist() if value is not None})
                self._known[name] = {kind: number for number, kind in enumerate(kinds)}
            else:
                present = values[~np.isnan(values)]
                self._edges[name] = np.unique(np.quantile(present, np.linspace(0, 1, bins + 1)[1:-1]))
            self._usual[name] = 0
            codes = self._one(name, values, len(values))
            self._usual[name] = int(np.bincount(codes).argmax()) if name in self._known else len(self._edges[name]) // 2

    def _size(self, name: str) -> int:
        """Cells of a column; the last one of a category is for what was never seen."""
        return len(self._known[name]) + 1 if name in self._known else len(self._edges[name]) + 1

    def _one(self, name: str, values: NDArray[Any] | None, rows: int) -> Ints:
        usual = self._usual[name]
        if values is None:
            return np.full(rows, usual)
        if name in self._known:
            known, unseen = self._known[name], len(self._known[name])
            return np.array([usual if value is None else known.get(value, unseen) for value in values.tolist()])
        codes = np.searchsorted(self._edges[name], values)
        codes[np.isnan(values)] = usual
        return codes

    def codes(self, x: Columns, rows: int) -> Ints:
        """The cells of each row, (rows, columns and pairs), numbered through; cell 0 is the intercept."""
        single = {name: self._one(name, x.get(name), rows) for name in self._usual}
        found, offset = [np.zeros(rows, dtype=np.int64)], 1
        for name, codes in single.items():
            found.append(codes + offset)
            offset += self._size(name)
        for left, right in self._pairs:
            found.append(single[left] * self._size(right) + single[right] + offset)
            offset += self._size(left) * self._size(right)
        return np.stack(found, axis=1)

    @property
    def cells(self) -> int:
        """How many weights there are."""
        sizes = sum(self._size(name) for name in self._usual)
        return 1 + sizes + sum(self._size(left) * self._size(right) for left, right in self._pairs)


def _dense(codes: Ints, cells: int) -> Floats:
    design = np.zeros((len(codes), cells))
    np.put_along_axis(design, codes, 1.0, axis=1)
    return design


def _logistic(design: Floats, positive: NDArray[np.bool_]) -> Floats:
    """Weights of a ridge logistic regression, by Newton's method."""
    weights = np.zeros(design.shape[1])
    eye = RIDGE * np.eye(len(weights))
    for _ in range(NEWTON_STEPS):
        p = _probability(design @ weights)
        slope = design.T @ (positive - p) - RIDGE * weights
        curvature = (design.T * (p * (1 - p))) @ design + eye
        weights += np.linalg.solve(curvature, slope)
    return weights


def _probability(logit: Floats) -> Floats:
    result: Floats = 1.0 / (1.0 + np.exp(-np.clip(logit, -_CERTAIN, _CERTAIN)))
    return result


class Classifier:
    """One logistic regression for two classes, one a class for more, whose probabilities are made to sum to 1."""

    def __init__(self, x: Columns, y: NDArray[Any], classes: int, bins: int, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self._encoder = Encoder(x, bins, pairs)
        design = _dense(self._encoder.codes(x, len(y)), self._encoder.cells)
        wanted = [1] if classes == 2 else list(range(classes))
        self._weights = [_logistic(design, y == number) for number in wanted]

    def predict(self, x: Columns) -> Output:
        """Classes by number and probabilities."""
        codes = self._encoder.codes(x, _rows(x))
        each = [_probability(weights[codes].sum(axis=1)) for weights in self._weights]
        if len(each) == 1:
            return Output((each[0] >= 0.5).astype(np.int64), each[0])
        scores = np.stack(each, axis=1)
        scores /= scores.sum(axis=1, keepdims=True)
        return Output(scores.argmax(axis=1), scores)


class Regressor:
    """A ridge regression on the same cells."""

    def __init__(self, x: Columns, y: NDArray[Any], bins: int, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self._encoder = Encoder(x, bins, pairs)
        design = _dense(self._encoder.codes(x, len(y)), self._encoder.cells)
        self._weights = np.linalg.solve(design.T @ design + RIDGE * np.eye(design.shape[1]), design.T @ y)

    def predict(self, x: Columns) -> Output:
        """Values."""
        codes = self._encoder.codes(x, _rows(x))
        return Output(self._weights[codes].sum(axis=1), None)


def _rows(x: Columns) -> int:
    return len(next(iter(x.values())))
