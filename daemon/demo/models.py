"""The two versions of the model. Both are the same River classifier; what differs is the data set that it was trained on.

Version 7 was trained on good data. Version 8 is a bad retrain of an ordinary kind: the job that joined its training set took
the readings of the market four hours late, so that it learned what *was* true when the label came. Nothing is wrong with the
features that it is served with, none of them drifts, no record is malformed; it is just worse, and only labels can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from daemon.demo.market import PERIOD, Market, Row
from detectors.classifier import TreeClassifier

#: Version -> by how many rows (half hours) the readings in its training set are late.
VERSIONS: Final[Mapping[str, int]] = {"7": 0, "8": 8}
GOOD: Final = "7"
BAD: Final = "8"
#: A score of this much is a rise.
THRESHOLD: Final = 0.5


class Model(Protocol):
    """What is served: features in, the probability of a rise out."""

    def score(self, features: Mapping[str, float]) -> float:
        """Probability of the positive class."""


def train(market: Market, late: int) -> TreeClassifier:
    """Train on the training half, with readings that are `late` rows late."""
    model = TreeClassifier()
    for number in market.training:
        row = market.rows[number]
        model.learn(_seen_late(market, number, late), row.rises)
    return model


def _seen_late(market: Market, number: int, late: int) -> dict[str, float]:
    """The features of a row as the broken join saw them: the clock is right, the readings are older."""
    earlier = market.rows[max(number - late, 0)].features
    return {**earlier, PERIOD: market.rows[number].features[PERIOD]}


def is_wrong(model: Model, row: Row) -> bool:
    """Whether the model's prediction for a row is an error."""
    return (model.score(row.features) >= THRESHOLD) != row.rises


def error_rate(model: Model, market: Market) -> float:
    """Share of wrong predictions over the whole serving half."""
    serving = market.serving
    return sum(is_wrong(model, market.rows[number]) for number in serving) / len(serving)
