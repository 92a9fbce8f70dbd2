"""The open incidents of a model: what is remembered of each beyond the incident itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from alerting import incidents
from alerting.incidents import Incident
from alerting.silences import Silence
from daemon.healing import Healing
from daemon.records import Partition


@dataclass
class Rollback:
    """One rollback on its way. Times are clocks of events, epoch seconds."""

    target: str
    at: float
    key: str
    confirmed: float | None = None
    overdue: bool = False


@dataclass
class Case:
    """An open incident and what is done about it."""

    incident: Incident
    healing: Healing | None = None  # whether the harm is over, where losses are part of it
    scopes: set[tuple[str, str, str]] = field(default_factory=set)  # (rule, version, segment) of all that was in breach
    rollback: Rollback | None = None
    notices: int = 0
    told: list[str] = field(default_factory=list)  # routes that know of it
    refused: list[str] = field(default_factory=list)  # reasons for which a rollback was blocked so far
    returns: int = 0  # times that it was called over too early
    said: dict[str, float] = field(default_factory=dict)  # when each route was last paged
    paged: float | None = None  # when the present problem was first told as a page
    escalated: float = 0.0  # how late the last step of the escalation is that was taken for it, seconds
    muted: str = ""  # the strongest that a silence held back: "trigger" or "update"
    asked: list[int] = field(default_factory=lambda: [0, 0])  # labels there were when it was first and last asked where it is

    def wait_anew(self) -> None:
        """Count from the next page on how long nobody has acknowledged it, and who has it: it will be of something new."""
        self.paged, self.escalated, self.said = None, 0.0, {}

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "incident": incidents.to_record(self.incident),
            "healing": None if self.healing is None else self.healing.to_state(),
            "scopes": sorted(self.scopes),
            "rollback": None if self.rollback is None else asdict(self.rollback),
            "notices": self.notices,
            "told": self.told,
            "refused": self.refused,
            "returns": self.returns,
            "said": self.said,
            "paged": self.paged,
            "escalated": self.escalated,
            "muted": self.muted,
            "asked": self.asked,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Case:
        """Rebuild what `to_state` described."""
        return cls(
            incidents.from_record(state["incident"]),
            None if state["healing"] is None else Healing.from_state(state["healing"]),
            {(rule, version, segment) for rule, version, segment in state["scopes"]},
            None if state["rollback"] is None else Rollback(**state["rollback"]),
            state["notices"],
            list(state["told"]),
            list(state["refused"]),
            state["returns"],
            dict(state["said"]),
            state["paged"],
            state["escalated"],
            state["muted"],
            list(state["asked"]),
        )


@dataclass(frozen=True, slots=True)
class Context:
    """What a step needs to know beside the model itself."""

    now: float  # clock of events, epoch seconds
    live: bool  # not far behind: what is decided now is still true of the world
    breaking: int  # other models with a page in the last minutes
    generation: int
    offsets: Mapping[Partition, int] = field(default_factory=dict)  # how far the topics had been read: where a replay ends
    silences: tuple[Silence, ...] = ()  # that persons asked for and that are not over
