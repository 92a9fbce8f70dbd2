"""A classifier of River's behind plain values: what stands in for a user's model where this project needs one to watch.

It is here, although it detects nothing, because River is imported in this package alone. The daemon never trains a model of
its own; the demo's server does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from river.tree import HoeffdingTreeClassifier

#: Examples that a leaf waits between two attempts to split, and the two thresholds of a split. Far greedier than River's
#: defaults, which are made for streams of millions: here some ten thousand examples have to do.
_GRACE_PERIOD: Final = 50
_DELTA: Final = 0.05
_TAU: Final = 0.1


class TreeClassifier:
    """A Hoeffding tree that tells two classes apart: `learn` example by example, then `score`."""

    def __init__(self) -> None:
        self._tree = HoeffdingTreeClassifier(grace_period=_GRACE_PERIOD, delta=_DELTA, tau=_TAU)

    def learn(self, features: Mapping[str, float], positive: bool) -> None:
        """Take one example."""
        self._tree.learn_one(dict(features), positive)

    def score(self, features: Mapping[str, float]) -> float:
        """Probability of the positive class, 0 to 1; 0.5 before the first example."""
        return float(self._tree.predict_proba_one(dict(features)).get(True, 0.0 if self._tree.n_nodes else 0.5))
