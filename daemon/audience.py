"""Whom a model's letters go to, and whether now: routes, silences and repetitions, as they are known when a letter is written.

A problem is routed when it is first told: by the guardrail file, else by the settings' rules and the time of day. News of it go
to those who know of it, not to whoever is on duty now: who was woken hears that the rollback is confirmed, and nobody else is
woken for that. What a silence mutes is told when it ends, as it stands then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.facts import Facts, facts_of
from alerting.incidents import Incident, Severity
from alerting.notice import Event
from alerting.routing import Routing
from alerting.silences import Silence, silenced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.cases import Case, Context
    from daemon.guardrails import Guardrail


class Audience:
    """Who hears of one model.

    Args:
        guardrail: names routes, or leaves them to the settings.
        routing: the settings' rules.
    """

    def __init__(self, guardrail: Guardrail, routing: Routing) -> None:
        self._guardrail = guardrail
        self._routing = routing

    def routes(self, case: Case, event: Event, now: float) -> tuple[str, ...]:
        """Name the routes to tell of an incident; an end and an acknowledgement go to all that were told."""
        if event in {"resolve", "acknowledge"}:
            return tuple(case.told)
        incident = case.incident
        known = told_of(incident, incident.severity) if event == "update" else ()
        return known or self._routing.routes_for(facts_of(incident), now, self._written(incident.severity))

    def reminded(self, cause: str, context: Context) -> tuple[str, ...]:
        """Name the routes of a ticket about the guardrail file itself; none while it is silenced."""
        guardrail = self._guardrail
        facts = Facts(severity="ticket", model=guardrail.model, owner=guardrail.owner, cause=cause)
        if silenced(facts, context.silences, context.now) is not None:
            return ()
        return self._routing.routes_for(facts, context.now, self._written("ticket"))

    def silence(self, incident: Incident, context: Context) -> Silence | None:
        """Give the silence that mutes pages and tickets of an incident now; what is only logged is never muted."""
        return None if incident.severity == "log" else silenced(facts_of(incident), context.silences, context.now)

    def overdue(self, case: Case, context: Context) -> tuple[str, ...]:
        """Name the routes that are to be told once more of a page that nobody has acknowledged."""
        if not _waits(case, context):
            return ()
        every = self._routing.repeat
        return tuple(route for route, said in case.said.items() if route in every and context.now - said >= every[route])

    def escalated(self, case: Case, context: Context) -> tuple[float, tuple[str, ...]] | None:
        """Name the routes of the steps of the escalation that are due, and the time (seconds) of the last; None when none is.

        A page that is with a receiver that escalates by itself is left to it.
        """
        if case.paged is None or not _waits(case, context) or not self._routing.escalating.isdisjoint(case.said):
            return None
        return self._routing.escalation(facts_of(case.incident), context.now, context.now - case.paged, case.escalated)

    def _written(self, severity: Severity) -> Sequence[str] | None:
        respond = self._guardrail.respond
        return respond.page if severity == "page" else respond.ticket


def _waits(case: Case, context: Context) -> bool:
    """Whether a page waits for somebody to acknowledge it, now and not in a past that is being caught up with."""
    incident = case.incident
    return incident.severity == "page" and incident.state == "open" and not incident.observe and context.live


def told_of(incident: Incident, severity: Severity) -> tuple[str, ...]:
    """Name the routes that were told of an incident at this severity, each once; not those that stood in for one of them.

    Their actions have a reason, which is that the other refused it.
    """
    kind = "page" if severity == "page" else "ticket"
    told = (done for done in (*incident.actions, *incident.would) if done.kind == kind and done.reason is None)
    return tuple(dict.fromkeys(done.route for done in told if done.route is not None))
