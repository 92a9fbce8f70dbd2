"""What a person's act does to the incidents of one model. The sentence that comes back is all that they see, so it says why.

Nothing here is undone by a machine's opinion, and nothing is believed for a person's: a rollback that is approved passes the
brake as any other, and harm that goes on after somebody closed its incident is found again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting import incidents
from alerting.acts import Act, Answer
from alerting.errors import IllegalTransition
from alerting.formats import rfc3339
from alerting.incidents import Incident, Judgement
from alerting.rollbacks.command import to_record
from daemon.cases import Case

if TYPE_CHECKING:
    from daemon.cases import Context
    from daemon.response import Response


def do(response: Response, act: Act, context: Context) -> Answer:
    """Carry out an act on an incident or a version of this model; its intents wait in the response's letters."""
    if act.kind == "clear":
        return _clear(response, act.version or "", act.by, context)
    case = response.cases.get(act.incident or "")
    if case is None:
        return _over(response, act, context)
    if act.problem is not None and act.problem != case.incident.dedup_key:
        text = f"that was about an earlier page of incident {act.incident}; since then: {case.incident.reason}"
        return Answer(status="refused", text=text)
    match act.kind:
        case "acknowledge":
            return _acknowledge(response, case, act, context)
        case "resolve":
            response.dismiss(case, act.by, act.reason, act.verdict, context)
            _count(response, case.incident, act.verdict)
            return Answer(status="done", text=f"incident {case.incident.id} is resolved")
        case "approve":
            return _approve(response, case, act.by, context)
        case _:
            return _rehearse(response, case, context)


def _acknowledge(response: Response, case: Case, act: Act, context: Context) -> Answer:
    seen = case.incident
    if seen.acknowledged is not None:
        when = rfc3339(seen.acknowledged)
        return Answer(status="unchanged", text=f"incident {seen.id} was acknowledged by {seen.acknowledged_by} at {when}")
    case.incident = incidents.acknowledge(seen, act.by, context.now)
    if act.reason:
        case.incident = incidents.note(case.incident, context.now, "note", f"by {act.by}: {act.reason}")
    response.letters.tell(case, "acknowledge", context)
    response.letters.journal(case.incident, context)
    return Answer(status="done", text=f"incident {seen.id} is acknowledged by {act.by}")


def _over(response: Response, act: Act, context: Context) -> Answer:
    """Answer for an incident that is not open; only a judgement can still be given to it."""
    lately = response.aftermath.lately.get(act.incident or "")
    over = lately.incident if lately is not None else act.known
    if over is None or (over.live and act.kind != "resolve"):
        return Answer(status="unknown", text=f"there is no open incident {act.incident}")
    if over.live:
        return _stray(response, over, act, context)
    if act.kind != "resolve" or act.verdict is None:
        text = f"incident {over.id} was resolved at {rfc3339(over.resolved or 0.0)}: {over.resolution}"
        return Answer(status="unchanged" if act.kind == "resolve" else "refused", text=text)
    if over.verdict == act.verdict:
        return Answer(status="unchanged", text=f"incident {over.id} was called {over.verdict} by {over.judged_by} before")
    try:
        judged = incidents.judge(over, act.verdict, act.by, context.now)
    except IllegalTransition as refusal:
        return Answer(status="refused", text=str(refusal))
    if lately is not None:
        lately.incident = judged
    _count(response, judged, act.verdict)
    response.letters.journal(judged, context)
    return Answer(status="done", text=f"incident {over.id}, which is over, was {act.verdict.replace('_', ' ')}")


def _stray(response: Response, incident: Incident, act: Act, context: Context) -> Answer:
    """Close an incident that only the journal knows to be open: its store is gone, and nothing else would ever end it."""
    closed = incidents.resolve(incident, act.reason, context.now, act.by, act.verdict)
    told = [action.route for action in incident.actions if action.kind in {"page", "ticket"} and action.route is not None]
    response.letters.tell(Case(closed, notices=closed.revision, told=list(dict.fromkeys(told))), "resolve", context)
    response.letters.journal(closed, context)
    _count(response, closed, act.verdict)
    return Answer(status="done", text=f"incident {incident.id}, which was left by an earlier store, is resolved")


def _count(response: Response, incident: Incident, verdict: Judgement | None) -> None:
    if verdict is None:
        return
    for rule in incident.rules:
        counts = response.judged.setdefault(rule, {})
        counts[verdict] = counts.get(verdict, 0) + 1


def _approve(response: Response, case: Case, by: str, context: Context) -> Answer:
    incident = case.incident
    if case.rollback is not None:
        when = rfc3339(case.rollback.at)
        text = f"the rollback of version {incident.version} to {case.rollback.target} was ordered at {when}"
        return Answer(status="unchanged", text=text)
    answer = response.rollbacks.approve(case, by, context)
    if answer.kind != "rollback":
        return Answer(status="refused", text=f"not rolled back: {answer.reason}")
    response.letters.tell(case, "update", context)
    response.letters.journal(case.incident, context)
    return Answer(status="done", text=f"the rollback of version {incident.version} to {answer.target} is ordered")


def _rehearse(response: Response, case: Case, context: Context) -> Answer:
    command = response.rollbacks.rehearsed(case, context)
    settings = response.guardrail.respond.rollback
    record = None if command is None or settings is None else {"executor": settings.with_, "command": to_record(command)}
    if case.rollback is not None:
        text = f"it was ordered at {rfc3339(case.rollback.at)}, and is not sent again"
        return Answer(status="unchanged", text=text, command=record)
    answer = response.rollbacks.ask(case, context)
    if answer.kind not in {"rollback", "rollback_awaits_approval"}:
        return Answer(status="refused", text=f"it would not be sent now: {answer.reason}", command=record)
    return Answer(status="done", text=f"it may be sent now: version {answer.target} is known to be good", command=record)


def _clear(response: Response, version: str, by: str, context: Context) -> Answer:
    model = response.guardrail.model
    about = [case for case in response.cases.values() if case.incident.version == version]
    ordered = next((case for case in about if case.rollback is not None), None)
    if ordered is not None:
        text = f"its rollback is part of incident {ordered.incident.id}, which is open: resolve that first"
        return Answer(status="refused", text=text)
    if not response.rollbacks.clear(version):
        known = version in response.monitor.versions
        text = f"version {version} of {model} " + ("was not rolled back: there is nothing to clear" if known else "is not known")
        return Answer(status="unchanged" if known else "unknown", text=text)
    for case in about:
        case.incident = incidents.note(case.incident, context.now, "cleared", f"version {version} by {by}")
        response.letters.journal(case.incident, context)
    return Answer(status="done", text=f"version {version} of {model} may be rolled back again")
