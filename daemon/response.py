"""From verdicts to incidents and intents: one case for each open incident of a model.

`step` is called after every alarm and at every tick of the clock of events. It opens a case for what is newly in breach,
follows the open ones (is a rollback due, did live traffic confirm it, is the harm over), and leaves intents for the outbox. It
calls nothing and nobody: what it decides is carried out elsewhere, after it was saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from alerting import incidents
from alerting.incidents import Action, Incident, Judgement, Terms
from alerting.intents import Intent, Outcome
from daemon.aftermath import Aftermath
from daemon.cases import Case, Context
from daemon.dossier import features_of, finding_of, healing_of, located, scored, why_over
from daemon.letters import Letters
from daemon.policy import LOSSES, RECOVERING, Diagnosis, cleared, diagnose, supersedes
from daemon.review import Review
from daemon.rollbacks import RollbackWatch

if TYPE_CHECKING:
    from alerting.routing import Routing
    from daemon.guardrails import Guardrail
    from daemon.monitor import Monitor
    from daemon.rules.verdict import Verdict

#: While an incident of another cause is open, nothing is learned about what is normal.
HARMLESS: Final = frozenset({"drift", "outcome"})


class Response:
    """The incidents of one model and the answers to them.

    Args:
        guardrail: what to do, and whom to tell.
        monitor: what is measured.
        routing: whom to tell, where the guardrail file does not say.
        recorded: the traffic was recorded and cannot obey, so nothing is judged unconfirmed.
    """

    def __init__(self, guardrail: Guardrail, monitor: Monitor, routing: Routing, recorded: bool) -> None:
        self.guardrail = guardrail
        self.monitor = monitor
        self.cases: dict[str, Case] = {}
        self.closed: list[Incident] = []  # resolved in this step
        self.aftermath = Aftermath()
        self.judged: dict[str, dict[Judgement, int]] = {}  # rule -> what persons said of its incidents
        self.last_page: float | None = None
        self.letters = Letters(guardrail, routing)
        self.review = Review(guardrail, self.letters)
        self.rollbacks = RollbackWatch(guardrail, monitor, self.letters, recorded)
        self._ordinals: dict[str, int] = {}
        self._terms = Terms(
            version=guardrail.version,
            digest=guardrail.short_digest,
            owner=guardrail.owner,
            runbook=guardrail.runbook,
            why=guardrail.why or "",
            observe=guardrail.mode == "observe",
        )

    # --- the step

    def step(self, verdicts: Sequence[Verdict], context: Context) -> list[Intent]:
        """Follow the verdicts; gives the new intents, in the order in which they are to be carried out."""
        before = {key: case.incident.revision for key, case in self.cases.items()}
        for over in self.aftermath.part(verdicts, context.now):
            self.letters.tell(over, "resolve", context)
        for diagnosis in diagnose(verdicts, self.monitor.standings(context.now), self.aftermath.drifting):
            case = self._case_of(diagnosis)
            if case is not None:
                self._extend(case, diagnosis, context)
            elif not self.aftermath.is_dismissed({verdict.scope for verdict in diagnosis.found}):
                self._open(diagnosis, context)
        for case in list(self.cases.values()):
            self._follow(case, verdicts, context)
        self.letters.follow(self.cases.values(), context)
        for incident in [case.incident for case in self.cases.values()] + self.closed:
            if before.get(incident.id) != incident.revision:
                self.letters.journal(incident, context)
        self.closed.clear()
        return self.letters.take()

    def _case_of(self, diagnosis: Diagnosis) -> Case | None:
        """Find the open case that these breaches belong to: one that has some of them already, or has the same cause."""
        scopes = {verdict.scope for verdict in diagnosis.found}
        known = [case for case in self.cases.values() if case.scopes & scopes]
        if known:
            return max(known, key=lambda case: incidents.SEVERITIES.index(case.incident.severity))
        for case in self.cases.values():
            same = case.incident.cause == diagnosis.cause.name
            if same and (not diagnosis.cause.rollback or case.incident.version == diagnosis.version):
                return case
        return None

    def _open(self, diagnosis: Diagnosis, context: Context) -> None:
        now = context.now
        finding = finding_of(self.monitor, diagnosis, context)
        known = self.aftermath.returned(finding)
        if known is not None:
            self._come_back(known, diagnosis, context)
            return
        name = f"{diagnosis.cause.name}/{diagnosis.version or ''}"
        ordinal = self._ordinals[name] = self._ordinals.get(name, 0) + 1
        incident = incidents.open_incident(finding, self._terms, ordinal=ordinal, at=now)
        case = self.cases[incident.id] = Case(incident, asked=scored(self.monitor, incident))
        self._take_up(case, diagnosis)
        if incident.severity == "page":
            self.last_page = now
        if diagnosis.cause.retrain:
            hint = Action(kind="retrain_hint", at=now, reason="what is to be predicted has changed since the onset")
            case.incident = incidents.add_action(case.incident, hint)
        self.rollbacks.consider(case, context)
        self.letters.tell(case, "trigger", context)

    def _come_back(self, case: Case, diagnosis: Diagnosis, context: Context) -> None:
        """Go on with an incident that was called over too early."""
        case.incident = incidents.come_back(case.incident, diagnosis.reason, context.now)
        case.returns += 1
        case.wait_anew()
        case.healing, case.rollback, case.scopes, case.asked = None, None, set(), scored(self.monitor, case.incident)
        self.cases[case.incident.id] = case
        self._take_up(case, diagnosis)
        before, case.incident = case.incident, incidents.raise_severity(case.incident, diagnosis.severity, context.now)
        if case.incident.severity == "page":
            self.last_page = context.now
        self.rollbacks.consider(case, context)
        if case.incident.severity != before.severity:
            self.letters.renew(case, diagnosis.reason, context)
        else:
            self.letters.tell(case, "trigger" if case.returns == 1 else "update", context)

    def _extend(self, case: Case, diagnosis: Diagnosis, context: Context) -> None:
        """Take more evidence into an open case: rules, columns, a higher severity, another cause."""
        now = context.now
        for verdict in diagnosis.found:
            case.incident = incidents.add_rule(case.incident, verdict.rule, now, verdict.text)
        self._take_up(case, diagnosis)
        features = features_of(diagnosis, self.monitor.evidence.since(case.incident.onset))
        case.incident = incidents.add_evidence(case.incident, features, now)
        if located(self.monitor, case, diagnosis, now):
            self._keep(case)
        before = case.incident
        if supersedes(diagnosis, before.cause) and case.rollback is None:
            case.incident = incidents.change_cause(case.incident, diagnosis.cause.name, diagnosis.reason, now)
            self._keep(case)
        case.incident = incidents.raise_severity(case.incident, diagnosis.severity, now)
        if case.incident.severity != before.severity:
            case.incident = incidents.restate(case.incident, diagnosis.reason, now)
            if case.incident.severity == "page":
                self.last_page = now
            if case.healing is not None:  # a shadow's harm that users get now is over when users' losses show it
                case.healing = healing_of(self.monitor, case.incident)
                self._keep(case)
            self.rollbacks.consider(case, context)
            self.letters.renew(case, f"it is a {case.incident.severity} now", context)
        elif case.incident.cause != before.cause:
            self.letters.press(case, diagnosis.reason, context)

    def _take_up(self, case: Case, diagnosis: Diagnosis) -> None:
        """Remember what is in breach, and watch for its end."""
        case.scopes |= {verdict.scope for verdict in diagnosis.found}
        if case.healing is None and any(verdict.rule in LOSSES for verdict in diagnosis.found):
            case.healing = healing_of(self.monitor, case.incident)
        self._keep(case)

    def _keep(self, case: Case) -> None:
        """Tell the monitor what it must know of a case: whose harm is to be over, and whether what is normal may be learned."""
        identity = case.incident.id
        if case.healing is not None:
            self.monitor.healings[identity] = case.healing
        if case.incident.cause not in HARMLESS:
            self.monitor.troubles.add(identity)

    # --- what follows

    def _follow(self, case: Case, verdicts: Sequence[Verdict], context: Context) -> None:
        if case.rollback is None:
            if self.rollbacks.consider(case, context):
                self.letters.tell(case, "update", context)
        elif case.rollback.confirmed is None:
            self.rollbacks.confirm(case, case.rollback, context)
        else:
            self.rollbacks.check(case, case.rollback, context)
        if self._over(case, verdicts, context.now):
            self._resolve(case, context)

    def _over(self, case: Case, verdicts: Sequence[Verdict], now: float) -> bool:
        """Whether it was found that all is well again; a harm is over when losses are, and drift may go on without one."""
        scopes = {scope for scope in case.scopes if scope[0] not in LOSSES}
        recovering = {scope for scope in scopes if scope[0] in RECOVERING}
        if case.healing is not None or recovering:
            scopes = recovering
        if case.healing is not None and not case.healing.healed:
            return False
        return cleared(scopes, verdicts, self.monitor.serving(now))

    def acted(self, key: str, outcome: Outcome, context: Context) -> list[Intent]:
        """Take the end of an act that the dispatcher reports; a rollback that could not be sent is told."""
        for case in self.cases.values():
            if case.rollback is not None and case.rollback.key == key:
                if outcome.status == "failed":
                    self.rollbacks.complain(case, "rollback_failed", outcome.detail, context)
                else:
                    case.incident = incidents.note(case.incident, outcome.at, "rollback_sent", outcome.detail)
                self.letters.journal(case.incident, context)
        return self.letters.take()

    def _resolve(self, case: Case, context: Context) -> None:
        case.incident = incidents.resolve(case.incident, why_over(case, self.monitor.measure), context.now)
        self._close(case)
        self.aftermath.keep(case)
        if not case.returns:  # the end of what flaps is told when it has lasted
            self.letters.tell(case, "resolve", context)

    def dismiss(self, case: Case, by: str, reason: str, verdict: Judgement | None, context: Context) -> None:
        """Close it on a person's word; what is in breach now opens nothing again before it has been well."""
        case.incident = incidents.resolve(case.incident, reason, context.now, by, verdict)
        self._close(case)
        self.aftermath.dismiss(case.scopes)
        self.letters.tell(case, "resolve", context)
        self.closed.clear()
        self.letters.journal(case.incident, context)

    def _close(self, case: Case) -> None:
        identity = case.incident.id
        del self.cases[identity]
        self.monitor.healings.pop(identity, None)
        self.monitor.troubles.discard(identity)
        if case.healing is not None:
            self.monitor.settle({name for name in self.monitor.versions if not self._elsewhere(name)})
        self.closed.append(case.incident)

    def _elsewhere(self, name: str) -> bool:
        """Whether another open case is about this version."""
        return any(case.healing is not None and case.incident.version == name for case in self.cases.values())

    # --- state

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "v": 2,
            "cases": [case.to_state() for case in self.cases.values()],
            "ordinals": self._ordinals,
            "aftermath": self.aftermath.to_state(),
            "judged": self.judged,
            "rollbacks": self.rollbacks.to_state(),
            "last_page": self.last_page,
            "reviewed": self.review.asked,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        for saved in state["cases"]:
            case = Case.from_state(saved)
            self.cases[case.incident.id] = case
            self._keep(case)
        self.aftermath.restore(state["aftermath"])
        self.judged = {rule: dict(counts) for rule, counts in state["judged"].items()}
        self.rollbacks.restore(state["rollbacks"])
        self._ordinals = dict(state["ordinals"])
        self.last_page, self.review.asked = state["last_page"], state["reviewed"]
