"""The estimated loss of each version while its labels are not there yet: a series to look at, which pages nobody.

What it can and cannot see is told in `detectors.estimate`. It is taught from mature labels, and by none while an incident is
open: labels in doubt would make it repeat the doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from detectors.estimate import LossEstimate

if TYPE_CHECKING:
    from daemon.events import Prediction
    from daemon.guardrails import Guardrail
    from daemon.join import Waiting


class Estimates:
    """The estimates of one model, by version.

    Args:
        guardrail: says what counts as a loss.
    """

    def __init__(self, guardrail: Guardrail) -> None:
        self._guardrail = guardrail
        self._of: dict[str, LossEstimate] = {}

    def _new(self) -> LossEstimate:
        guardrail = self._guardrail
        costs = None if guardrail.costs is None else guardrail.costs.model_dump()
        return LossEstimate(guardrail.task, guardrail.loss, guardrail.positive, costs)

    def predicted(self, event: Prediction) -> None:
        """Take a prediction as it arrives."""
        estimate = self._of.get(event.version)
        if estimate is None:
            estimate = self._of[event.version] = self._new()
        estimate.add(event.prediction, event.score, event.scores, event.ts)

    def learn(self, waiting: Waiting, loss: float) -> None:
        """Take its loss once its label is mature."""
        estimate = self._of.get(waiting.version)
        if estimate is not None:
            estimate.learn(waiting.prediction, waiting.score, waiting.scores, loss)

    def value(self, version: str) -> float | None:
        """Give the estimated mean loss (0..1) of a version's last 1,000 predictions; None while too little is known."""
        estimate = self._of.get(version)
        return None if estimate is None else estimate.value

    def forget(self, version: str) -> None:
        """Drop a version."""
        self._of.pop(version, None)

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {version: estimate.to_state() for version, estimate in self._of.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self._of = {version: LossEstimate.from_state(saved) for version, saved in state.items()}
