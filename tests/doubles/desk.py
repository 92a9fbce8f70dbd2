"""The letters about one incident, and what they came to."""

from __future__ import annotations

from typing import Any

from alerting.hours import read_hours
from alerting.incidents import Finding, Incident, Severity, Terms, open_incident
from alerting.routing import Routing, Rule
from alerting.silences import Silence, new_silence
from daemon.cases import Case, Context
from daemon.letters import Letters
from tests.doubles.model import T0, a_guardrail

HOUR = 3600.0
#: 2026-09-21T13:33:20Z, a Monday.
NOW = T0
ROUTING = Routing(
    rules=(
        Rule(to=("desk",), models=("lo*",), severity="page", hours=(read_hours("mon-fri 08:00-18:00"),)),
        Rule(to=("pager",), models=("loan",), severity="page"),
        Rule(to=("queue",), owners=("team-*",), severity="ticket"),
    ),
    page=("default",),
    repeat={"desk": HOUR},
)


def an_incident(severity: Severity = "page", cause: str = "new_version", **terms: Any) -> Incident:  # noqa: ANN401  # of Terms
    """An incident of the model `loan`, opened now."""
    finding = Finding(model="loan", cause=cause, severity=severity, reason="worse", rules=("version",), version="8")
    said: dict[str, Any] = {"version": 1, "digest": "0", "owner": "team-credit"} | terms
    return open_incident(finding, Terms(**said), ordinal=1, at=NOW)


def a_context(after: float = 0.0, *silences: Silence, live: bool = True) -> Context:
    """So many seconds later."""
    return Context(NOW + after, live, 0, 1, silences=silences)


def a_silence(lasts: float = HOUR, **named: str) -> Silence:
    """Of the model, from now on."""
    what: dict[str, Any] = named or {"model": "loan"}
    return new_silence(author="ana", reason="work", at=NOW, ends=NOW + lasts, **what)


class Desk:
    """The letters about one incident, and what they came to."""

    def __init__(self, incident: Incident | None = None, routing: Routing = ROUTING, **said: Any) -> None:  # noqa: ANN401  # of a file
        self.case = Case(incident or an_incident())
        self.letters = Letters(a_guardrail(**said), routing)

    def told(self) -> list[str]:
        """What was told since the last time: event, route and problem of each notice."""
        bodies = [(one.body, one.destination) for one in self.letters.take() if one.kind != "journal"]
        return [f"{body['event']} {route} {body['dedup_key'].partition('.')[2] or 0}" for body, route in bodies]

    @property
    def noted(self) -> list[str]:
        """What the timeline says."""
        return [entry.what for entry in self.case.incident.timeline]
