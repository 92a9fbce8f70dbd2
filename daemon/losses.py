"""The loss that a guardrail file asks for, as a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.performance import Loss, loss_function

if TYPE_CHECKING:
    from daemon.guardrails import Guardrail


def loss_of(guardrail: Guardrail) -> Loss:
    """Give the loss of one prediction in [0, 1] as this model's owners count it; None where it cannot be computed."""
    costs = guardrail.costs.model_dump() if guardrail.costs is not None else None
    return loss_function(guardrail.task, guardrail.loss, guardrail.positive, costs, guardrail.loss_bound)
