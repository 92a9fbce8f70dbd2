"""What the response has to say, as intents: notices to routes, entries of the journal, a rollback to its executor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alerting import incidents
from alerting.incidents import Action, Incident
from alerting.intents import Intent, Kind, key_of
from alerting.journal import incident_entry
from alerting.notice import Event, Notice, notice_of
from alerting.notice import to_record as notice_record
from alerting.rollbacks.command import RollbackCommand
from alerting.rollbacks.command import to_record as command_record

if TYPE_CHECKING:
    from daemon.cases import Case, Context
    from daemon.guardrails import Guardrail


class Letters:
    """Collects the intents of one model until they are taken.

    Args:
        guardrail: names the routes, or leaves them to the defaults.
        routes: severity -> names of the default routes.
    """

    def __init__(self, guardrail: Guardrail, routes: Mapping[str, Sequence[str]]) -> None:
        self._guardrail = guardrail
        self._routes = {
            "page": tuple(guardrail.respond.page or routes.get("page", ()) or ("log",)),
            "ticket": tuple(guardrail.respond.ticket or routes.get("ticket", ()) or ("log",)),
            "log": ("log",),
        }
        self._intents: list[Intent] = []

    def take(self) -> list[Intent]:
        """Give what was collected, in the order in which it is to be carried out."""
        intents, self._intents = self._intents, []
        return intents

    def press(self, case: Case, reason: str, context: Context) -> None:
        """Tell of something worse inside an open incident; for whoever acknowledged it before, it is a new problem."""
        if case.incident.acknowledged is None:
            self.tell(case, "update", context)
        else:
            self.renew(case, reason, context)

    def renew(self, case: Case, reason: str, context: Context) -> None:
        """Tell of a new problem inside an open incident under a key of its own: receivers swallow a page under one they know.

        The old key is ended, so that one alert is open for one incident.
        """
        before, told = case.incident, list(case.told)
        case.incident = incidents.renew(before, reason, context.now)
        self.tell(case, "trigger", context)
        case.notices += 1
        for route in told if not before.observe else ():
            key = key_of(before.id, "resolve", route, case.notices)
            notice = notice_of(before, event="resolve", key=key, at=context.now, reason=f"told anew: {reason}")
            self._intend("resolve", key, route, notice_record(notice), before.id, context)

    def tell(self, case: Case, event: Event, context: Context) -> None:
        """Tell the routes of the incident's severity; those that were told of it also hear who has seen it, and its end."""
        incident, now = case.incident, context.now
        routes = tuple(case.told) if event in {"resolve", "acknowledge"} else self._routes[incident.severity]
        kind: Kind = "resolve" if event == "resolve" else "page" if incident.severity == "page" else "ticket"
        case.notices += 1
        for route in routes:
            key = key_of(incident.id, kind, route, case.notices)
            if route not in case.told:
                case.told.append(route)
            known = any(done.kind == kind and done.route == route for done in (*incident.actions, *incident.would))
            if event in {"trigger", "update"} and incident.severity != "log" and not known:
                case.incident = incidents.add_action(case.incident, Action(kind=kind, at=now, route=route, key=key))
            if not incident.observe:
                notice = notice_of(case.incident, event=event, key=key, at=now)
                self._intend(kind, key, route, notice_record(notice), incident.id, context)

    def remind(self, reason: str, context: Context) -> None:
        """Open a ticket about the guardrail file itself."""
        guardrail = self._guardrail
        about = f"review:{guardrail.model}:{guardrail.version}"
        for route in self._routes["ticket"]:
            notice = Notice(
                key=f"{about}:{route}",
                dedup_key=about,
                event="trigger",
                severity="ticket",
                cause="review",
                reason=reason,
                at=context.now,
                model=guardrail.model,
                runbook=guardrail.runbook,
            )
            self._intend("ticket", notice.key, route, notice_record(notice), None, context)

    def journal(self, incident: Incident, context: Context) -> None:
        """Write the incident down as it is now."""
        key = f"journal:{incident.id}:{incident.revision}"
        self._intend("journal", key, "journal", incident_entry(incident).body(), incident.id, context)

    def command(self, incident: Incident, target: str, key: str, at: float) -> RollbackCommand:
        """Give the command that rolls the incident's version back."""
        settings = self._guardrail.respond.rollback
        return RollbackCommand(
            model=incident.model,
            blamed=incident.version or "",
            target=target,
            key=key,
            incident=incident.id,
            reason=incident.reason,
            guardrail_version=self._guardrail.version,
            guardrail_digest=self._guardrail.short_digest,
            at=at,
            args=settings.args if settings is not None else {},
        )

    def roll_back(self, incident: Incident, executor: str, target: str, key: str, context: Context) -> None:
        """Order a rollback of the incident's version."""
        body = command_record(self.command(incident, target, key, context.now))
        self._intend("rollback", key, executor, body, incident.id, context)

    def _intend(
        self, kind: Kind, key: str, destination: str, body: dict[str, Any], incident: str | None, context: Context
    ) -> None:
        self._intents.append(
            Intent(
                key=key,
                kind=kind,
                model=self._guardrail.model,
                incident=incident,
                destination=destination,
                body=body,
                created=context.now,
                generation=context.generation,
            )
        )
