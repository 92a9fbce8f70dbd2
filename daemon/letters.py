"""What the response has to say, as intents: notices to routes, entries of the journal, a rollback to its executor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from alerting import incidents
from alerting.incidents import Action, Incident
from alerting.intents import Intent, Kind, key_of
from alerting.journal import incident_entry
from alerting.notice import Event, Notice, duration, notice_of
from alerting.notice import from_record as read_notice
from alerting.notice import to_record as notice_record
from alerting.rollbacks.command import RollbackCommand
from alerting.rollbacks.command import to_record as command_record
from daemon.audience import Audience, told_of

if TYPE_CHECKING:
    from alerting.routing import Routing
    from daemon.cases import Case, Context
    from daemon.guardrails import Guardrail

#: Why something is told that was known before.
SILENCE_OVER: Final = "the silence is over"


class Letters:
    """Collects the intents of one model until they are taken.

    Args:
        guardrail: names the routes, or leaves them to the settings.
        routing: the settings' rules.
    """

    def __init__(self, guardrail: Guardrail, routing: Routing) -> None:
        self._guardrail = guardrail
        self._audience = Audience(guardrail, routing)
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

        The old key is ended, so that one alert is open for one incident. While a silence mutes it, the old one stays.
        """
        if self._mute(case, "trigger", context):
            return
        before, told = case.incident, list(case.told)
        case.incident = incidents.renew(before, reason, context.now)
        case.wait_anew()
        self.tell(case, "trigger", context)
        case.notices += 1
        for route in told if not before.observe else ():
            key = key_of(before.id, "resolve", route, case.notices)
            notice = notice_of(before, event="resolve", key=key, at=context.now, reason=f"told anew: {reason}")
            self._intend("resolve", key, route, notice_record(notice), before.id, context)

    def tell(self, case: Case, event: Event, context: Context) -> None:
        """Tell whoever is to know, unless a silence mutes it; those that were told also hear who has seen it, and its end."""
        if event in {"trigger", "update"}:
            held = case.muted
            if self._mute(case, event, context):
                return
            if held == "trigger" and case.told:  # of a new problem, under whose key nobody has heard yet
                self.renew(case, SILENCE_OVER, context)
                return
            event = event if case.told else "trigger"
        self._send(case, event, self._audience.routes(case, event, context.now), context)

    def follow(self, cases: Iterable[Case], context: Context) -> None:
        """Tell what is due by the passing of time alone: what a silence held back, what nobody has acknowledged."""
        for case in cases:
            if case.muted and self._audience.silence(case.incident, context) is None:
                self._unmute(case, context)
                continue
            for remind in (self._repeat, self._escalate):
                if not case.muted:
                    remind(case, context)

    def _repeat(self, case: Case, context: Context) -> None:
        overdue = self._audience.overdue(case, context)
        if overdue and not self._mute(case, "update", context):
            since = duration(context.now - case.incident.opened)
            case.incident = incidents.note(case.incident, context.now, "repeated", ", ".join(overdue))
            reason = f"still open after {since}, and nobody has acknowledged it: {case.incident.reason}"
            self._send(case, "update", overdue, context, reason)

    def _escalate(self, case: Case, context: Context) -> None:
        """Tell the next ones of a page that nobody has acknowledged; who knows of it hears it again only where a step says so."""
        found = self._audience.escalated(case, context)
        if found is None or self._mute(case, "update", context):
            return
        case.escalated, routes = found
        waited = duration(context.now - (case.paged or context.now))
        case.incident = incidents.note(case.incident, context.now, "escalated", f"after {waited} to {', '.join(routes)}")
        reason = f"escalated, as nobody has acknowledged it for {waited}: {case.incident.reason}"
        told = frozenset(case.told)
        news: tuple[tuple[Event, list[str]], ...] = (
            ("trigger", [name for name in routes if name not in told]),
            ("update", [name for name in routes if name in told]),
        )
        for event, names in news:
            self._send(case, event, names, context, reason)

    def _mute(self, case: Case, event: Event, context: Context) -> bool:
        """Hold back what a silence mutes, and note it; whether one does."""
        silence = self._audience.silence(case.incident, context)
        if silence is None:
            case.muted = ""  # what follows tells all that was held back
            return False
        case.muted = "trigger" if "trigger" in {event, case.muted} else "update"
        case.incident = incidents.note(case.incident, context.now, "muted", f"{case.incident.severity}: {silence}")
        return True

    def _unmute(self, case: Case, context: Context) -> None:
        """Tell what was held back, as it stands now: as a new problem where there was one, and where nobody knows of it yet."""
        held, case.muted = case.muted, ""
        case.incident = incidents.note(case.incident, context.now, "unmuted", SILENCE_OVER)
        if held == "trigger" and case.told:
            self.renew(case, SILENCE_OVER, context)
        else:
            self.tell(case, "update", context)
            if case.incident.acknowledged is not None:
                self.tell(case, "acknowledge", context)

    def fell_back(self, case: Case | None, refused: Intent, route: str, context: Context) -> None:
        """Count a route that took what another one refused among those that know: it must hear the end too."""
        if case is None:  # it ended meanwhile, and this one was told only now
            told = read_notice(refused.body)
            key = key_of(refused.incident or "", "resolve", route)
            end = replace(told, key=key, event="resolve", reason="it was over when this was told", at=max(context.now, told.at))
            self._intend("resolve", key, route, notice_record(end), refused.incident, context)
            return
        if refused.kind == "page" and refused.destination in case.said:  # the page is with the other now
            case.said[route] = case.said.pop(refused.destination)
        if route not in case.told:
            case.told.append(route)
            why = f"{refused.destination} refused it"
            taken = Action(kind=refused.kind, at=context.now, route=route, key=refused.key, reason=why)
            case.incident = incidents.add_action(case.incident, taken)
            self.journal(case.incident, context)

    def _send(self, case: Case, event: Event, routes: Sequence[str], context: Context, reason: str | None = None) -> None:
        incident, now = case.incident, context.now
        kind: Kind = "resolve" if event == "resolve" else "page" if incident.severity == "page" else "ticket"
        case.notices += 1
        for route in routes:
            key = key_of(incident.id, kind, route, case.notices)
            if route not in case.told:
                case.told.append(route)
            if event in {"trigger", "update"}:
                if kind == "page":
                    case.said[route] = now
                    case.paged = now if case.paged is None else case.paged
                known = incident.severity == "log" or route in told_of(case.incident, incident.severity)
                action = Action(kind=kind, at=now, route=route, key=key)
                case.incident = case.incident if known else incidents.add_action(case.incident, action)
            if not incident.observe:
                notice = notice_of(case.incident, event=event, key=key, at=now, reason=reason)
                self._intend(kind, key, route, notice_record(notice), incident.id, context)

    def remind(self, reason: str, context: Context) -> bool:
        """Open a ticket about the guardrail file itself; whether anybody is told."""
        guardrail = self._guardrail
        about = f"review:{guardrail.model}:{guardrail.version}"
        routes = self._audience.reminded("review", context)
        for route in routes:
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
        return bool(routes)

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
