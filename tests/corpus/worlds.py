"""The worlds that the streams come from: rows and their truth, the models that are served, and the guardrail file of each.

Two worlds have real rows, drawn at random with replacement, so that nothing changes but what a fault changes; three are made
(`made.py`). Each serves models that were trained on rows that are never served. A role names the columns that a fault is about,
so that one table of faults fits all worlds.

Nothing here knows a detector: what is true of a stream is worked out from these generators alone.
"""

from __future__ import annotations

import csv
import gzip
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from daemon.demo import market
from tests.corpus.models import Classifier, Columns, Floats, Model, Output

#: Role -> columns.
Roles = Mapping[str, tuple[str, ...]]

#: How hard a fault hits: mildly, plainly, hard. The strength goes with the seed.
LEVELS: Final = 3
#: Rows that a model is trained on, at most.
TRAINING: Final = 12_000
LABELS: Final[Mapping[str, object]] = {"expected_within": "1h", "give_up_after": "2d"}

_SEA: Final = Path(__file__).parent / "data" / "sea_stream.csv.gz"


@dataclass(frozen=True, slots=True)
class Rows:
    """Inputs, what is true of them, and the chance in [0, 1) that decided it, so that another truth can be decided by it."""

    x: dict[str, NDArray[Any]]
    y: NDArray[Any]
    chance: Floats

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: NDArray[Any]) -> Rows:
        """Some of the rows, in that order."""
        return Rows({name: values[index] for name, values in self.x.items()}, self.y[index], self.chance[index])


class World(ABC):
    """A model in its world.

    Attributes:
        name: Of the world, and of its model.
        every: Mean seconds between two predictions.
        coverage: Share of the predictions that get a label.
        classes: Names of the classes; empty for a regression.
        roles: Role -> columns.
        segment: The column whose values are segments, or "".
        victim: The value of it that a fault of one segment hits.
        said: What the guardrail file says beyond what all say.
    """

    name: ClassVar[str]
    every: ClassVar[float] = 20.0
    coverage: ClassVar[float] = 0.9
    classes: ClassVar[tuple[str, ...]] = ("0", "1")
    roles: ClassVar[Roles]
    segment: ClassVar[str] = ""
    victim: ClassVar[str] = ""
    said: ClassVar[Mapping[str, Any]] = {"task": "binary", "positive": "1"}

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int) -> Rows:
        """Rows of what is served, never of what was trained on."""

    @abstractmethod
    def concept(self, rows: Rows, level: int) -> NDArray[Any]:
        """What is true of the rows once the world has changed."""

    @abstractmethod
    def training(self, kind: str, level: int) -> tuple[Columns, NDArray[Any]]:
        """The rows that a model was trained on: `good`, `fresh` (others, as good), or `bad` (a job gone wrong)."""

    def adapted(self, level: int) -> tuple[Columns, NDArray[Any]]:
        """Rows of the world as it is after its concept changed."""
        rows = self.draw(np.random.default_rng(2024), TRAINING)
        return rows.x, self.concept(rows, level)

    def fit(self, x: Columns, y: NDArray[Any]) -> Model:
        """Train."""
        return Classifier(x, y, len(self.classes), bins=10)

    def model(self, kind: str, level: int = 0) -> Model:
        """The model of a kind, trained once.

        `leaky` was trained with a column that knows the answer and is not served, `adapted` after the concept changed.
        """
        key = (kind, level if kind in {"bad", "leaky", "adapted"} else 0)
        if key not in self._models:
            x, y = self.adapted(level) if kind == "adapted" else self.training("fresh" if kind == "leaky" else kind, level)
            self._models[key] = self.fit({**x, "leak": self._leak(y, level)} if kind == "leaky" else x, y)
        return self._models[key]

    @cached_property
    def _models(self) -> dict[tuple[str, int], Model]:
        return {}

    def _leak(self, y: NDArray[Any], level: int) -> Floats:
        """A column that follows the answer, the closer the higher the level."""
        spread = np.std(y.astype(np.float64)) * (1.0, 0.5, 0.2)[level]
        result: Floats = y + np.random.default_rng(9).normal(0.0, spread, len(y))
        return result

    def losses(self, output: Output, y: NDArray[Any]) -> Floats:
        """The loss of each prediction, as the guardrail file defines it, in [0, 1]."""
        result: Floats = (output.prediction != y).astype(np.float64)
        return result

    def wrong(self, losses: Floats) -> NDArray[np.bool_]:
        """Which predictions a person would call wrong."""
        result: NDArray[np.bool_] = losses > 0.5
        return result

    def noisy(self, y: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        """Labels that have nothing to do with the truth."""
        return rng.permutation(y)

    def flipped(self, y: NDArray[Any]) -> NDArray[Any]:
        """Labels turned round."""
        return len(self.classes) - 1 - y

    def text(self, y: NDArray[Any]) -> list[str]:
        """Labels or predictions as events write them."""
        return [self.classes[number] for number in y.tolist()]

    def guardrail(self, **said: object) -> dict[str, Any]:
        """The guardrail file's content."""
        return {
            "guardrails": "v1",
            "model": self.name,
            "version": 1,
            "owner": f"team-{self.name}",
            "runbook": f"https://wiki.example/{self.name}",
            "labels": dict(LABELS),
            "respond": {"rollback": {"with": "kafka"}},
            **self.said,
            **said,
        }


class Electricity(World):
    """Does the price rise? Half-hours of the market of New South Wales, in random order; a fifth of the answers are wrong."""

    name = "electricity"
    roles: ClassVar[Roles] = {
        "strong": ("price_nsw",),
        "key": ("price_nsw", "demand_nsw", "period"),
        "weak": ("transfer",),
        "pair": ("price_nsw", "demand_nsw"),
        "header": ("price_nsw", "demand_nsw", "transfer"),
        "shifted": ("price_nsw", "demand_nsw", "transfer"),
        "bounded": ("demand_nsw",),
    }
    said: ClassVar[Mapping[str, Any]] = {**World.said, "features": {"demand_nsw": {"type": "number", "minimum": 0, "maximum": 1}}}
    #: Share of the labels that turn round in working hours.
    _TURNED: Final = (0.35, 0.6, 0.9)
    #: Half hours by which the readings in the training set of a bad version are late.
    _LATE: Final = (4, 8, 20)

    @cached_property
    def _rows(self) -> tuple[dict[str, Floats], NDArray[Any], NDArray[Any], NDArray[Any]]:
        data = market.load()
        x = {name: np.array([row.features[name] for row in data.rows]) for name in data.rows[0].features}
        y = np.array([int(row.rises) for row in data.rows])
        return x, y, np.array(data.training), np.array(data.serving)

    def draw(self, rng: np.random.Generator, n: int) -> Rows:
        """Half-hours of the serving half."""
        x, y, _, serving = self._rows
        index = rng.choice(serving, n)
        return Rows({name: values[index] for name, values in x.items()}, y[index], rng.random(n))

    def concept(self, rows: Rows, level: int) -> NDArray[Any]:
        """The working day follows another rule."""
        period = rows.x["period"]
        turned = (period > 0.3) & (period < 0.75) & (rows.chance < self._TURNED[level])
        return np.where(turned, 1 - rows.y, rows.y)

    def training(self, kind: str, level: int) -> tuple[Columns, NDArray[Any]]:
        """For a bad version the job took the market's readings some hours late."""
        x, y, training, _ = self._rows
        index = training[-TRAINING:] if kind == "fresh" else training[:TRAINING]
        late = np.maximum(index - self._LATE[level], 0) if kind == "bad" else index
        return {name: values[index if name == market.PERIOD else late] for name, values in x.items()}, y[index]

    def fit(self, x: Columns, y: NDArray[Any]) -> Model:
        """The price means something else at each time of day."""
        pairs = [("period", "price_nsw"), ("demand_nsw", "price_nsw"), ("period", "demand_nsw")]
        return Classifier(x, y, 2, bins=8, pairs=[pair for pair in pairs if set(pair) <= set(x)])


class Sea(World):
    """The SEA concepts: a sum under a threshold, a tenth of the truth is noise."""

    name = "sea"
    every = 15.0
    coverage = 0.85
    roles: ClassVar[Roles] = {
        "strong": ("attrib1",),
        "key": ("attrib1", "attrib2"),
        "weak": ("attrib3",),
        "alike": ("attrib1", "attrib3"),
        "shifted": ("attrib1", "attrib2", "attrib3"),
    }
    said: ClassVar[Mapping[str, Any]] = {**World.said, "loss": "error"}
    _THRESHOLD: Final = 9.0
    #: The thresholds of the paper's other concepts, and one of our own that is further away.
    _OTHERS: Final = (8.0, 7.0, 5.5)
    #: Of the training set of a bad version: an old concept.
    _OLD: Final = (7.4, 6.5, 5.0)

    @cached_property
    def _rows(self) -> tuple[dict[str, Floats], NDArray[Any], NDArray[Any]]:
        with gzip.open(_SEA, "rt") as file:
            table = np.array(list(csv.reader(file))[1:], dtype=np.float64)
        x = {f"attrib{number + 1}": table[:, number] for number in range(3)}
        return x, table[:, 3].astype(np.int64), np.random.default_rng(1999).permutation(len(table))

    def _under(self, x: Columns, threshold: float) -> NDArray[np.bool_]:
        under: NDArray[np.bool_] = x["attrib1"] + x["attrib2"] <= threshold
        return under

    def draw(self, rng: np.random.Generator, n: int) -> Rows:
        """Rows of the serving half."""
        x, y, order = self._rows
        index = rng.choice(order[len(order) // 2 :], n)
        return Rows({name: values[index] for name, values in x.items()}, y[index], rng.random(n))

    def concept(self, rows: Rows, level: int) -> NDArray[Any]:
        """Another threshold; the noise stays what it was."""
        moved = self._under(rows.x, self._THRESHOLD) != self._under(rows.x, self._OTHERS[level])
        return np.where(moved, 1 - rows.y, rows.y)

    def training(self, kind: str, level: int) -> tuple[Columns, NDArray[Any]]:
        """For a bad version the job took labels of an old concept."""
        x, y, order = self._rows
        index = order[TRAINING // 2 : TRAINING * 3 // 2] if kind == "fresh" else order[:TRAINING]
        rows = {name: values[index] for name, values in x.items()}
        if kind != "bad":
            return rows, y[index]
        moved = self._under(rows, self._THRESHOLD) != self._under(rows, self._OLD[level])
        return rows, np.where(moved, 1 - y[index], y[index])

    def fit(self, x: Columns, y: NDArray[Any]) -> Model:
        """Two columns add up."""
        return Classifier(x, y, 2, bins=12, pairs=[("attrib1", "attrib2")])
