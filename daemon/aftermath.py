"""What is remembered of incidents that are over: those that may come back, and those that a person closed as they were.

Harm is called over by a test that is sometimes wrong, and what swings about its limit is over again and again. Told each time, it
would page each time. So the same problem that is back within half an hour goes on as the same incident: it pages once more, since
somebody may have gone back to bed, and from then on its end is told only when it has lasted for that half hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from daemon.cases import Case
from daemon.policy import LOSSES, Scope

if TYPE_CHECKING:
    from alerting.incidents import Finding
    from daemon.rules.verdict import Verdict

#: What is back so soon (seconds of the clock of events) after it was found to be over was not over: the same incident goes on.
#: Who was paged is still awake then; and a test that calls harm over too early is wrong within the next labels, not hours later.
FLAPPING: Final = 1800.0

#: Whether it is the version or the world cannot be told anew right after the contest about it has ended: it is the same harm.
HARM: Final = {"new_version", "concept"}


class Aftermath:
    """The recent past of one model's incidents."""

    def __init__(self) -> None:
        self.lately: dict[str, Case] = {}  # found to be over a moment ago, by id
        self.drifting: set[Scope] = set()  # drift in breach still that was part of an incident that is over
        self._dismissed: set[Scope] = set()  # what persons closed while it was in breach

    def keep(self, case: Case) -> None:
        """Remember what was found to be over; if its drift stays, that is not told again by itself."""
        self.lately[case.incident.id] = case
        self.drifting |= {scope for scope in case.scopes if scope[0] == "drift"}

    def returned(self, finding: Finding) -> Case | None:
        """Take out the case of the same problem that was found to be over a moment ago."""
        for identity, case in self.lately.items():
            known = case.incident
            same = known.cause == finding.cause or {known.cause, finding.cause} == HARM
            # Where a harm is, is a guess right at its alarm.
            near = known.segment is None or finding.segment in {None, known.segment}
            if same and near and known.version == finding.version:
                return self.lately.pop(identity)
        return None

    def dismiss(self, scopes: set[Scope]) -> None:
        """Remember what a person closed as it is. But losses are watched afresh: harm that goes on is found by new evidence."""
        self._dismissed |= {scope for scope in scopes if scope[0] not in LOSSES}

    def is_dismissed(self, scopes: set[Scope]) -> bool:
        """Whether all of it was closed by persons, and has not been well since."""
        return scopes <= self._dismissed

    def part(self, verdicts: Sequence[Verdict], now: float) -> list[Case]:
        """Let go of what has lasted, or is well again; gives the cases whose end was held back and is to be told now."""
        if self._dismissed:
            self._dismissed &= {verdict.scope for verdict in verdicts if verdict.state != "ok"}
        self.drifting &= {verdict.scope for verdict in verdicts if verdict.state == "breach"}
        over = [case for case in self.lately.values() if now - (case.incident.resolved or 0.0) >= FLAPPING]
        for case in over:
            del self.lately[case.incident.id]
        return [case for case in over if case.returns]

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "lately": [case.to_state() for case in self.lately.values()],
            "drifting": sorted(self.drifting),
            "dismissed": sorted(self._dismissed),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        cases = [Case.from_state(saved) for saved in state["lately"]]
        self.lately = {case.incident.id: case for case in cases}
        self.drifting = {(rule, version, segment) for rule, version, segment in state["drifting"]}
        self._dismissed = {(rule, version, segment) for rule, version, segment in state["dismissed"]}
