"""The three worlds that are made: loans with segments and declared columns, times of delivery (a regression), kinds of tickets.

Their columns have distributions of different shapes, some missing values, and one column that has nothing to do with the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from tests.corpus.models import Columns, Floats, Model, Output, Regressor
from tests.corpus.worlds import TRAINING, Electricity, Roles, Rows, Sea, World


def _categories(rng: np.random.Generator, n: int, shares: Mapping[str, float]) -> NDArray[Any]:
    return rng.choice(np.array(list(shares), dtype=object), n, p=list(shares.values()))


def _missing(rng: np.random.Generator, values: Floats, share: float) -> Floats:
    return np.where(rng.random(len(values)) < share, np.nan, values)


def _of(values: NDArray[Any], numbers: Mapping[str, float]) -> Floats:
    """A number for each category; 0 for one that is not listed."""
    return np.array([numbers.get(value, 0.0) for value in values.tolist()])


def _seed(kind: str) -> np.random.Generator:
    return np.random.default_rng([1999, kind == "fresh"])


class Loans(World):
    """Is a loan paid back? Binary, four regions as segments, columns with declared bounds and categories."""

    name = "loans"
    segment = "region"
    victim = "east"
    roles: ClassVar[Roles] = {
        "strong": ("income",),
        "key": ("income", "debt", "age"),
        "weak": ("visits",),
        "pair": ("income", "debt"),
        "header": ("age", "income", "debt"),
        "shifted": ("income", "debt", "visits"),
        "bounded": ("age",),
        "category": ("channel",),
        "declared": ("region",),
    }
    said: ClassVar[Mapping[str, Any]] = {
        **World.said,
        "segments": ["region"],
        "features": {
            "age": {"type": "number", "minimum": 0, "maximum": 120, "missing": 0.01},
            "region": {"type": "category", "values": ["north", "south", "east", "west"]},
        },
    }
    _REGIONS: Final = {"north": 0.35, "south": 0.25, "east": 0.2, "west": 0.2}
    _CHANNELS: Final = {"web": 0.5, "app": 0.35, "branch": 0.15}
    #: What income is worth once the world has changed.
    _WORTH: Final = (0.5, 0.1, -0.5)
    #: The factor between the currencies of training and serving of a bad version.
    _CURRENCY: Final = (1.3, 1.6, 2.5)

    def _columns(self, rng: np.random.Generator, n: int) -> dict[str, NDArray[Any]]:
        income = np.round(rng.lognormal(10.3, 0.5, n))
        return {
            "age": np.clip(np.round(rng.normal(42.0, 13.0, n)), 18, 90),
            "income": income,
            "debt": np.round(rng.gamma(2.0, 5_000.0, n)),
            "tenure": _missing(rng, np.round(rng.exponential(5.0, n), 2), 0.03),
            "visits": rng.poisson(6.0, n).astype(np.float64),
            "channel": _categories(rng, n, self._CHANNELS),
            "region": _categories(rng, n, self._REGIONS),
        }

    def _pays(self, x: Columns, worth: float = 1.0) -> Floats:
        logit = (
            3.2 * worth * (np.log(x["income"]) - 10.3) / 0.5
            - 2.0 * (x["debt"] - 10_000.0) / 7_000.0
            + 1.1 * (x["age"] - 42.0) / 13.0
            + 0.1 * np.nan_to_num(x["tenure"])
            + _of(x["channel"], {"web": 0.3, "app": 0.9, "branch": -0.6})
        )
        result: Floats = 1.0 / (1.0 + np.exp(-logit))
        return result

    def draw(self, rng: np.random.Generator, n: int) -> Rows:
        """Applications."""
        x, chance = self._columns(rng, n), rng.random(n)
        return Rows(x, (chance < self._pays(x)).astype(np.int64), chance)

    def concept(self, rows: Rows, level: int) -> NDArray[Any]:
        """Income says less, or the opposite."""
        return (rows.chance < self._pays(rows.x, self._WORTH[level])).astype(np.int64)

    def training(self, kind: str, level: int) -> tuple[Columns, NDArray[Any]]:
        """For a bad version the incomes came in another currency."""
        rows = self.draw(_seed(kind), TRAINING)
        x: dict[str, NDArray[Any]] = dict(rows.x)
        if kind == "bad":
            x["income"] = x["income"] * self._CURRENCY[level]
        return x, rows.y


class Delivery(World):
    """How many minutes does a delivery take? A regression with the absolute error, bounded at 40 minutes."""

    name = "delivery"
    every = 15.0
    coverage = 0.95
    classes: ClassVar[tuple[str, ...]] = ()
    roles: ClassVar[Roles] = {
        "strong": ("distance",),
        "key": ("distance", "items", "hour"),
        "weak": ("temperature",),
        "pair": ("items", "distance"),
        "header": ("distance", "items", "hour"),
        "shifted": ("distance", "items", "temperature"),
        "bounded": ("distance",),
        "category": ("courier",),
        "declared": ("courier",),
    }
    LOSS_BOUND: Final = 40.0
    said: ClassVar[Mapping[str, Any]] = {
        "task": "regression",
        "loss_bound": LOSS_BOUND,
        "features": {
            "distance": {"type": "number", "minimum": 0},
            "courier": {"type": "category", "values": ["bike", "scooter", "van"]},
        },
    }
    _COURIERS: Final = {"bike": 0.4, "scooter": 0.4, "van": 0.2}
    #: How much longer everything takes once the world has changed.
    _LONGER: Final = (1.15, 1.3, 1.6)
    #: The factor between the units of training and serving of a bad version.
    _UNIT: Final = (1.61, 2.5, 4.0)

    def draw(self, rng: np.random.Generator, n: int) -> Rows:
        """Orders."""
        x: dict[str, NDArray[Any]] = {
            "distance": np.round(rng.lognormal(1.2, 0.6, n), 3),
            "items": 1.0 + rng.poisson(3.0, n),
            "hour": rng.integers(8, 23, n).astype(np.float64),
            "temperature": np.round(rng.normal(12.0, 8.0, n), 1),
            "courier": _categories(rng, n, self._COURIERS),
        }
        pace = _of(x["courier"], {"bike": 3.6, "scooter": 2.4, "van": 3.0})
        rush = np.isin(x["hour"], (12.0, 13.0, 18.0, 19.0, 20.0)) * 7.0
        usual = 8.0 + pace * x["distance"] + 1.5 * x["items"] + rush
        chance = rng.random(n)
        # A long tail: most deliveries are a little early, some much too late.
        return Rows(x, np.round(usual + 7.0 * (-np.log1p(-chance) - 1.0), 2), chance)

    def concept(self, rows: Rows, level: int) -> NDArray[Any]:
        """Road works: everything takes longer."""
        return np.round(rows.y * self._LONGER[level], 2)

    def training(self, kind: str, level: int) -> tuple[Columns, NDArray[Any]]:
        """For a bad version the distances came in another unit."""
        rows = self.draw(_seed(kind), TRAINING)
        x: dict[str, NDArray[Any]] = dict(rows.x)
        if kind == "bad":
            x["distance"] = x["distance"] * self._UNIT[level]
        return x, rows.y

    def fit(self, x: Columns, y: NDArray[Any]) -> Model:
        """Couriers differ in pace."""
        return Regressor(x, y, bins=20, pairs=[("courier", "distance")])

    def losses(self, output: Output, y: NDArray[Any]) -> Floats:
        """Absolute error on the scale of the bound."""
        result: Floats = np.minimum(np.abs(output.prediction - y) / self.LOSS_BOUND, 1.0)
        return result

    def wrong(self, losses: Floats) -> NDArray[np.bool_]:
        """Off by ten minutes."""
        result: NDArray[np.bool_] = losses > 10.0 / self.LOSS_BOUND
        return result

    def flipped(self, y: NDArray[Any]) -> NDArray[Any]:
        """A minus that got into the labels."""
        return -y

    def text(self, y: NDArray[Any]) -> list[str]:
        """Numbers."""
        return [f"{value:.2f}" for value in y.tolist()]


class Tickets(World):
    """Which of four teams is a support ticket for? Multiclass with the Brier score, three plans as segments."""

    name = "tickets"
    every = 30.0
    coverage = 0.8
    classes: ClassVar[tuple[str, ...]] = ("billing", "bug", "howto", "outage")
    segment = "plan"
    victim = "enterprise"
    roles: ClassVar[Roles] = {
        "strong": ("urgency",),
        "key": ("urgency", "length", "product"),
        "weak": ("attachments",),
        "pair": ("urgency", "length"),
        "header": ("urgency", "length", "logins"),
        "shifted": ("urgency", "length", "logins"),
        "category": ("product",),
    }
    said: ClassVar[Mapping[str, Any]] = {"task": "multiclass", "loss": "brier", "segments": ["plan"]}
    _PLANS: Final = {"free": 0.5, "pro": 0.3, "enterprise": 0.2}
    _PRODUCTS: Final = {"cloud": 0.4, "desktop": 0.35, "mobile": 0.25}
    #: What each class looks like: (urgency, logarithm of the length, logins).
    _LOOK: Final = np.array([(4.0, 5.0, 3.0), (5.5, 6.4, 8.0), (2.5, 4.4, 14.0), (8.0, 4.2, 6.0)])
    #: Share of the bugs and questions that now belong to the other team.
    _MOVED: Final = (0.06, 0.2, 0.5)
    #: The same in the training set of a bad version.
    _CONFUSED: Final = (0.45, 0.53, 0.7)

    def draw(self, rng: np.random.Generator, n: int) -> Rows:
        """Tickets of the four kinds, each as it looks."""
        y = rng.choice(4, n, p=[0.3, 0.25, 0.3, 0.15])
        look = self._LOOK[y]
        product = _categories(rng, n, self._PRODUCTS)
        product[(y == 3) & (rng.random(n) < 0.5)] = "cloud"
        x: dict[str, NDArray[Any]] = {
            "urgency": np.round(np.clip(rng.normal(look[:, 0], 1.2), 0.0, 10.0), 2),
            "length": np.round(np.exp(rng.normal(look[:, 1], 0.7))),
            "logins": rng.poisson(look[:, 2]).astype(np.float64),
            "attachments": rng.poisson(0.7, n).astype(np.float64),
            "product": product,
            "plan": _categories(rng, n, self._PLANS),
        }
        return Rows(x, y, rng.random(n))

    def _reassigned(self, y: NDArray[Any], chance: Floats, share: float) -> NDArray[Any]:
        """Bugs (1) and questions (2) change places."""
        return np.where(np.isin(y, (1, 2)) & (chance < share), 3 - y, y)

    def concept(self, rows: Rows, level: int) -> NDArray[Any]:
        """Two teams share their work in another way."""
        return self._reassigned(rows.y, rows.chance, self._MOVED[level])

    def training(self, kind: str, level: int) -> tuple[Columns, NDArray[Any]]:
        """For a bad version two classes were confused when the labels were joined."""
        rows = self.draw(_seed(kind), TRAINING)
        return rows.x, self._reassigned(rows.y, rows.chance, self._CONFUSED[level]) if kind == "bad" else rows.y

    def losses(self, output: Output, y: NDArray[Any]) -> Floats:
        """Half the Brier score of the four probabilities."""
        scores = np.zeros((len(y), len(self.classes))) if output.scores is None else output.scores
        result: Floats = ((scores - np.eye(len(self.classes))[y]) ** 2).sum(axis=1) / 2.0
        return result

    def noisy(self, y: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        """Any team."""
        return rng.integers(0, len(self.classes), len(y))

    def flipped(self, y: NDArray[Any]) -> NDArray[Any]:
        """Every class under the next one's name: a list of classes that lost its first line."""
        return (y + 1) % len(self.classes)


WORLDS: Final[Mapping[str, World]] = {world.name: world for world in (Electricity(), Sea(), Loans(), Delivery(), Tickets())}
