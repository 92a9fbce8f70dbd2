"""The traffic of one version: in which stages its predictions come, since when, how often, and whether users get them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: Mean gaps between predictions without one, from which on a version's traffic counts as gone.
GAPS: Final = 10

_STAGES: Final = ("shadow", "canary", "live")


class Traffic:
    """Counts the predictions of one version. Times are clocks of events, epoch seconds.

    Args:
        first_seen: the version's first prediction.
    """

    def __init__(self, first_seen: float) -> None:
        self.first_seen = first_seen
        self.stage = ""  # the one that it is judged in; "" before its first prediction
        self.seen: dict[str, float] = {}  # stage -> last prediction
        self.predictions: dict[str, int] = {}
        self.since: dict[str, float] = {}  # stage -> first prediction

    @property
    def last_seen(self) -> float:
        """The last prediction in any stage."""
        return max(self.seen.values(), default=self.first_seen)

    @property
    def last_served(self) -> float:
        """The last live or canary prediction; 0 when there was none."""
        return max(self.seen.get("live", 0.0), self.seen.get("canary", 0.0))

    @property
    def gap(self) -> float:
        """Mean seconds between two predictions of its present stage; 0 while there are none."""
        count = self.predictions.get(self.stage, 0)
        return (self.seen[self.stage] - self.since[self.stage]) / (count - 1) if count > 1 else 0.0

    def serves(self, now: float, least: float) -> bool:
        """Whether users get its predictions: a live or canary one came in the last `least` seconds, or 10 of its mean gaps."""
        within = max(least, GAPS * self.gap)
        return any(now - self.seen[stage] <= within for stage in ("live", "canary") if stage in self.seen)

    def see(self, stage: str, at: float, gone_after: float) -> bool:
        """Note a prediction; True when the version came to serve or ceased to, so that it is to be judged afresh.

        A stage counts as left when nothing came in it for `gone_after` seconds.
        """
        self.since.setdefault(stage, at)
        self.seen[stage] = max(at, self.seen.get(stage, at))
        self.predictions[stage] = self.predictions.get(stage, 0) + 1
        if stage == self.stage:
            return False
        served = self.last_served
        if stage == "shadow" and self.stage and at - served < gone_after:
            return False  # it also serves: that is what counts
        afresh = (self.stage == "shadow") != (stage == "shadow") and bool(self.stage)
        if not self.stage or afresh or _STAGES.index(stage) > _STAGES.index(self.stage) or at - served >= gone_after:
            self.stage = stage
        return afresh

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "first_seen": self.first_seen,
            "stage": self.stage,
            "seen": self.seen,
            "predictions": self.predictions,
            "since": self.since,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Traffic:
        """Rebuild what `to_state` described."""
        traffic = cls(state["first_seen"])
        traffic.stage = state["stage"]
        traffic.seen, traffic.since = dict(state["seen"]), dict(state["since"])
        traffic.predictions = dict(state["predictions"])
        return traffic
