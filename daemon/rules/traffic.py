"""The rule `traffic`: a model that stopped predicting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alerting.notice import duration
from daemon.rules.base import Model, Rule
from daemon.rules.verdict import Severity, Verdict
from detectors.silence import LEAST_SEEN, Silence

if TYPE_CHECKING:
    from daemon.events import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficReading:
    """What the traffic of a model is judged on; `patience` is the silence (seconds) that is still usual, None while unknown."""

    severity: Severity
    last_seen: float | None
    patience: float | None


def judge(r: TrafficReading, now: float) -> Verdict | None:
    """Judge whether the model has fallen silent; nothing to judge before its first prediction."""
    if r.last_seen is None:
        return None
    if r.patience is None:
        text = "too few predictions to tell what silence is unusual"
        return Verdict(
            rule="traffic",
            version="",
            segment=None,
            state="unknown",
            reason="learning_reference",
            text=text,
            severity=r.severity,
        )
    silence = now - r.last_seen
    silent = silence > r.patience
    text = (
        f"the model has predicted nothing for more than {duration(r.patience)}"
        if silent
        else f"the model predicts; a silence of {duration(r.patience)} would be reported"
    )
    return Verdict(
        rule="traffic",
        version="",
        segment=None,
        state="breach" if silent else "ok",
        reason="silent" if silent else "within_limit",
        text=text,
        severity=r.severity,
        evidence=min(1.0, max(0.0, silence / r.patience)),
        onset=r.last_seen if silent else None,
        numbers={"silence_seconds": silence, "limit": r.patience},
    )


class TrafficRule(Rule):
    """Watches the gaps between a model's predictions that users get."""

    def __init__(self, name: str, severity: Severity, model: Model) -> None:
        super().__init__(name, severity, model)
        self._silence = Silence()

    def observe(self, event: Prediction) -> None:
        """Note a prediction."""
        if event.stage != "shadow":
            self._silence.see(event.at)

    def verdicts(self, now: float) -> Iterator[Verdict]:
        """Judge the model as a whole."""
        declared = self.model.guardrail.traffic.silent_after
        if declared == "off":
            return
        silence = self._silence
        patience = silence.silent_after(declared) if silence.seen >= LEAST_SEEN else None
        verdict = judge(TrafficReading(severity=self.severity, last_seen=silence.last, patience=patience), now)
        if verdict is not None:
            yield verdict

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {"silence": self._silence.to_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self._silence = Silence.from_state(state["silence"])
