"""What moved beside the losses: the drift detectors of one model, which are evidence in an incident and never an alarm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from detectors.drift import FeatureChange, FeatureDrift

if TYPE_CHECKING:
    from daemon.events import Prediction

#: Of a model that predicted `SPAN` times in less than `BUSY` seconds, the detectors see one prediction in `STRIDE`: at that pace
#: they lose nothing that matters, and the loop keeps a third of its time.
SPAN: Final = 1_000
BUSY: Final = 20.0
STRIDE: Final = 4


class DriftEvidence:
    """Shows predictions to the drift detectors, and remembers what they found."""

    def __init__(self) -> None:
        self.restarted = 0  # times that the detectors started over, because another River had written their state
        self._drift = FeatureDrift()
        self._arrived = 0
        self._stride = 1
        self._span_began = 0.0

    def sample(self, event: Prediction) -> None:
        """Take a live or canary prediction."""
        self._arrived += 1
        if self._arrived % SPAN == 0:
            self._stride = STRIDE if event.at - self._span_began < BUSY else 1
            self._span_began = event.at
        if self._arrived % self._stride == 0:
            self._drift.update(event.features, event.score, event.ts)

    def since(self, onset: float) -> list[FeatureChange]:
        """Give the features that moved since an event time, by size of effect."""
        return self._drift.changes(onset)

    def to_state(self) -> dict[str, Any]:
        """Give everything; what River wrote is bytes."""
        return {"drift": self._drift.to_state(), "sampling": [self._arrived, self._stride, self._span_began]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        saved = FeatureDrift.from_state(state["drift"])
        if saved is None:
            self.restarted += 1
        self._drift = saved or FeatureDrift()
        self._arrived, self._stride, self._span_began = state["sampling"]
