"""How a model spends its budget of false pages: by the time that passed, shared by whoever is at work.

All served versions draw on one clock: each input gets what the time since the last input *of any of them* brought, so they
share the weight of the rule by their traffic, however many there are. The tests of new against old spend the weight of theirs
when they begin; each kind that can page has half of it, on a clock of its own, so that a canary does not leave the full
replacement after it without a budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detectors.budget import Budget, increment


class Spending:
    """The clocks of one model's budget.

    Args:
        per_second: allowed false pages a second.
    """

    def __init__(self, per_second: float) -> None:
        self._budget = Budget(per_second)
        self._last_input: dict[str, float] = {}  # family of versions, or "segments" -> clock of the last tested prediction
        self._last_test: dict[str, float] = {}  # kind of trial -> event time at which the last one began

    def since_last_input(self, family: str, at: float) -> float:
        """Give the budget of an input of `harm` that arrived at `at`; `family` is served or shadow."""
        return increment(self._budget.harm(), 1.0, self._passed(family, at))

    def segments(self, at: float) -> tuple[float, float]:
        """Give the false pages a second that segments may cost, and the seconds that an input of theirs at `at` brings.

        Those are the ones since the last input of any version: what all versions are given sums to the time that passed.
        """
        return self._budget.segment(1), self._passed("segments", at)

    def _passed(self, clock: str, at: float) -> float:
        last = self._last_input.get(clock, at)
        self._last_input[clock] = max(at, last)
        return max(0.0, at - last)

    def level(self, kind: str, at: float) -> float:
        """Give the level of a trial of this kind that begins at an event time."""
        last = self._last_test.get(kind)
        self._last_test[kind] = at
        return self._budget.test_level(None if last is None else (at - last) / 2)

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {"last_input": self._last_input, "last_test": self._last_test}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self._last_input, self._last_test = dict(state["last_input"]), dict(state["last_test"])
