"""A guardrail file that says little, and events of its model, for the tests of `daemon`."""

from __future__ import annotations

from typing import Any, Final

from daemon.events import Label, Prediction
from daemon.guardrails import Guardrail

#: A round time: a multiple of every tick.
T0: Final = 1_790_000_000.0

_FILE: Final[dict[str, Any]] = {
    "guardrails": "v1",
    "model": "loan",
    "version": 1,
    "owner": "team-credit",
    "runbook": "https://wiki.example/loan",
    "task": "binary",
    "positive": "1",
    "labels": {"expected_within": "60s", "give_up_after": "1h"},
    "reference": {"events": 300},
    "respond": {"rollback": {"with": "kafka"}},
}


def a_guardrail(**changes: Any) -> Guardrail:  # noqa: ANN401  # any key of the file
    """The file with some keys of its own."""
    return Guardrail.model_validate(_FILE | changes)


def a_prediction(number: int = 0, at: float = T0, **changes: Any) -> Prediction:  # noqa: ANN401  # any field
    """Prediction `number` of version 7, right when its label is 0."""
    fields: dict[str, Any] = {
        "id": str(number),
        "model": "loan",
        "version": "7",
        "stage": "live",
        "at": at,
        "ts": at,
        "prediction": "0",
        "score": None,
        "scores": None,
        "features": {},
        "segments": {},
    }
    return Prediction(**(fields | changes))


def a_label(number: int = 0, at: float = T0, label: str = "0", model: str = "loan") -> Label:
    """The label of prediction `number`."""
    return Label(str(number), model, label, at, at)
