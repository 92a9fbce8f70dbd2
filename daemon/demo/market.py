"""The electricity market: real rows, drawn at random with a fixed seed.

In their own order the rows drift so much that every frozen model really is harmed by the world, not by its next version. Drawn
at random they are one steady stream, so that the only thing that changes in the demo is what somebody deploys. One half of the
rows is for training, the other for serving: a model is never asked what it was told.
"""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Final

#: Column of the file -> what it is (see SOURCE.md).
COLUMNS: Final = {
    "feat_1": "period",
    "feat_2": "price_nsw",
    "feat_3": "demand_nsw",
    "feat_4": "price_vic",
    "feat_5": "demand_vic",
    "feat_6": "transfer",
}
#: The clock's column: the others are readings of the market.
PERIOD: Final = "period"
_SPLIT_SEED: Final = 1999


@dataclass(frozen=True, slots=True)
class Row:
    """Half an hour of the market: its features, 0 to 1 each, and whether the price rose."""

    features: dict[str, float]
    rises: bool


@dataclass(frozen=True)
class Market:
    """All rows, in the order of time."""

    rows: tuple[Row, ...]

    @cached_property
    def _shuffled(self) -> list[int]:
        order = list(range(len(self.rows)))
        random.Random(_SPLIT_SEED).shuffle(order)  # noqa: S311 - a split wants a seed, not secrecy
        return order

    @property
    def training(self) -> list[int]:
        """Numbers of the rows to train on, in random order."""
        return self._shuffled[: len(self.rows) // 2]

    @property
    def serving(self) -> list[int]:
        """Numbers of the rows that are predicted, in random order."""
        return self._shuffled[len(self.rows) // 2 :]

    def draw(self, seed: int) -> Iterator[Row]:
        """Rows of the serving half for ever, with replacement; the same seed gives the same rows."""
        chance = random.Random(seed)  # noqa: S311 - the same
        serving = self.serving
        while True:
            yield self.rows[chance.choice(serving)]


def load() -> Market:
    """The market as it is in the package's own file."""
    packed = files(__package__).joinpath("elec.csv.gz").read_bytes()
    lines = csv.DictReader(gzip.decompress(packed).decode("ascii").splitlines())
    return Market(
        tuple(Row({name: float(line[column]) for column, name in COLUMNS.items()}, line["target"] == "1") for line in lines)
    )
