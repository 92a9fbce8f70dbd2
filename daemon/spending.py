"""How a model spends its budget of false pages: by the time that passed, shared by whoever is at work.

All served versions draw on one clock: each input gets what the time since the last input *of any of them* brought, so they
share the weight of the rule by their traffic, however many there are. The tests of new against old spend the weight of theirs
when they begin; each kind that can page has half of it, on a clock of its own, so that a canary does not leave the full
replacement after it without a budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from detectors.budget import Budget, increment

#: A version whose segments were not tested for this long (seconds) has no share of their budget.
AT_WORK: Final = 3600.0


class Spending:
    """The clocks of one model's budget.

    Args:
        per_second: allowed false pages a second.
    """

    def __init__(self, per_second: float) -> None:
        self._budget = Budget(per_second)
        self._last_input: dict[str, float] = {}  # family of versions -> clock of the last tested prediction
        self._tested: dict[str, float] = {}  # version -> clock of its last prediction that was tested in segments
        self._last_test: dict[str, float] = {}  # kind of trial -> event time at which the last one began

    def since_last_input(self, family: str, at: float) -> float:
        """Give the budget of an input of `harm` that arrived at `at`; `family` is served or shadow."""
        last = self._last_input.get(family, at)
        self._last_input[family] = max(at, last)
        return increment(self._budget.harm(), 1.0, at - last)

    def segments(self, version: str, at: float) -> float:
        """Give the false pages a second that the segments of a version may cost: those tested of late share the weight."""
        self._tested[version] = max(at, self._tested.get(version, at))
        if min(self._tested.values()) < at - AT_WORK:
            self._tested = {name: last for name, last in self._tested.items() if last >= at - AT_WORK}
        return self._budget.segment(1) / len(self._tested)

    def level(self, kind: str, at: float) -> float:
        """Give the level of a trial of this kind that begins at an event time."""
        last = self._last_test.get(kind)
        self._last_test[kind] = at
        return self._budget.test_level(None if last is None else (at - last) / 2)

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {"last_input": self._last_input, "last_test": self._last_test, "tested": self._tested}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self._last_input, self._last_test = dict(state["last_input"]), dict(state["last_test"])
        self._tested = dict(state["tested"])
