"""From verdicts to incidents and intents: one case for each open incident of a model.

`step` is called after every alarm and at every tick of the clock of events. It opens a case for what is newly in breach,
follows the open ones (is a rollback due, did live traffic confirm it, is the harm over), and leaves intents for the outbox. It
calls nothing and nobody: what it decides is carried out elsewhere, after it was saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from alerting import incidents
from alerting.incidents import Action, Finding, Incident, Terms
from alerting.intents import Intent, Outcome
from daemon.cases import Case, Context
from daemon.healing import Healing
from daemon.letters import Letters
from daemon.policy import Cause, Severity, Verdict, cause_of, worst
from daemon.rollbacks import RollbackWatch

if TYPE_CHECKING:
    from daemon.guardrails import Guardrail
    from daemon.monitor import Monitor

#: Features that an incident carries.
FEATURES: Final = 20


class Response:
    """The incidents of one model and the answers to them.

    Args:
        guardrail: what to do, and whom to tell.
        monitor: what is measured.
        routes: severity -> names of the default routes.
        recorded: the traffic was recorded and cannot obey, so nothing is judged unconfirmed.
    """

    def __init__(self, guardrail: Guardrail, monitor: Monitor, routes: Mapping[str, Sequence[str]], recorded: bool) -> None:
        self.guardrail = guardrail
        self.monitor = monitor
        self.cases: dict[str, Case] = {}
        self.closed: list[Incident] = []  # resolved since the last `take_closed`
        self.last_page: float | None = None
        self._letters = Letters(guardrail, routes)
        self._rollbacks = RollbackWatch(guardrail, monitor, self._letters, recorded)
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
        for cause, found in self._by_cause(verdicts):
            self._open_or_extend(cause, found, context)
        for case in list(self.cases.values()):
            self._follow(case, context)
        for incident in [case.incident for case in self.cases.values()] + self.closed:
            if before.get(incident.id) != incident.revision:
                self._letters.journal(incident, context)
        self.closed.clear()
        return self._letters.take()

    def _by_cause(self, verdicts: Sequence[Verdict]) -> list[tuple[Cause, list[Verdict]]]:
        """Group the breaches of versions by their cause, each version under the most specific one."""
        found: dict[str, tuple[Cause, list[Verdict]]] = {}
        for name in sorted({verdict.version for verdict in verdicts if verdict.state == "breach"}):
            cause = cause_of(self.monitor.facts(name, list(verdicts)))
            if cause is None:
                continue
            scope = name if cause.rollback else ""
            breaches = [verdict for verdict in verdicts if verdict.version == name and verdict.state == "breach"]
            found.setdefault(f"{cause.name}/{scope}", (cause, []))[1].extend(breaches)
        return list(found.values())

    def _open_or_extend(self, cause: Cause, found: list[Verdict], context: Context) -> None:
        now = context.now
        case = self._case_of(cause, found)
        first = min(found, key=lambda verdict: (verdict.rule != "version", verdict.onset or now))
        severity = worst([verdict.severity for verdict in found])
        if case is None:
            self._open(cause, first, found, severity, context)
            return
        for verdict in found:
            case.incident = incidents.add_rule(case.incident, verdict.rule, now, verdict.text)
        before = case.incident.severity
        case.incident = incidents.raise_severity(case.incident, severity, now)
        if case.incident.severity != before:
            case.healing = self._healing(case.incident)
            self.monitor.healings[case.incident.id] = case.healing
            self._rollbacks.consider(case, context)
            self._letters.tell(case, "trigger", context)
        if cause.name != case.incident.cause and case.rollback is None:
            case.incident = incidents.change_cause(case.incident, cause.name, first.text, now)
            self._letters.tell(case, "update", context)

    def _case_of(self, cause: Cause, found: list[Verdict]) -> Case | None:
        """Find the open case that these breaches belong to: the same cause, or another cause of the same version."""
        versions = {verdict.version for verdict in found}
        for case in self.cases.values():
            same = case.incident.cause == cause.name and (not cause.rollback or case.incident.version in versions)
            if same or case.incident.version in versions:
                return case
        return None

    def _open(self, cause: Cause, first: Verdict, found: list[Verdict], severity: Severity, context: Context) -> None:
        monitor, now = self.monitor, context.now
        onset = min((verdict.onset for verdict in found if verdict.onset is not None), default=now)
        moved = [
            {"name": change.name, "effect": round(change.effect, 4), "what": f"mean {change.before:.4g} to {change.after:.4g}"}
            for change in monitor.evidence.since(onset)[:FEATURES]
        ]
        finding = Finding(
            model=self.guardrail.model,
            cause=cause.name,
            severity=severity,
            reason=first.text,
            rules=tuple(sorted({verdict.rule for verdict in found})),
            version=first.version,
            onset=onset,
            labels_to_alarm=first.labels,
            numbers=dict(first.numbers),
            features=moved,
            offsets={f"{topic}-{partition}": offset for (topic, partition), offset in sorted(context.offsets.items())},
            examples=monitor.versions[first.version].examples(onset),
        )
        name = f"{cause.name}/{first.version}"
        ordinal = self._ordinals[name] = self._ordinals.get(name, 0) + 1
        incident = incidents.open_incident(finding, self._terms, ordinal=ordinal, at=now)
        case = Case(incident, self._healing(incident))
        self.cases[case.incident.id] = case
        monitor.healings[case.incident.id] = case.healing
        if severity == "page":
            self.last_page = now
        if cause.retrain:
            hint = Action(kind="retrain_hint", at=now, reason="what is to be predicted has changed since the onset")
            case.incident = incidents.add_action(case.incident, hint)
        self._rollbacks.consider(case, context)
        self._letters.tell(case, "trigger", context)

    def _healing(self, incident: Incident) -> Healing:
        name = incident.version or ""
        version = self.monitor.versions.get(name)
        limit = version.harm.limit if version is not None and version.harm is not None else 1.0
        shadow = version is not None and version.traffic.stage == "shadow"
        return Healing(limit, shadow, name)

    # --- what follows

    def _follow(self, case: Case, context: Context) -> None:
        if case.rollback is None:
            if self._rollbacks.consider(case, context):
                self._letters.tell(case, "update", context)
        elif case.rollback.confirmed is None:
            self._rollbacks.confirm(case, case.rollback, context)
        else:
            self._rollbacks.check(case, case.rollback, context)
        if case.healing.healed:
            self._resolve(case, context)

    def acted(self, key: str, outcome: Outcome, context: Context) -> list[Intent]:
        """Take the end of an act that the dispatcher reports; a rollback that could not be sent is told."""
        for case in self.cases.values():
            if case.rollback is not None and case.rollback.key == key:
                if outcome.status == "failed":
                    self._rollbacks.complain(case, "rollback_failed", outcome.detail, context)
                else:
                    case.incident = incidents.note(case.incident, outcome.at, "rollback_sent", outcome.detail)
                self._letters.journal(case.incident, context)
        return self._letters.take()

    def _resolve(self, case: Case, context: Context) -> None:
        healing, incident = case.healing, case.incident
        since = "since the rollback" if healing.since is not None else "since the alarm"
        reason = (
            f"the {self.monitor.measure} is {100 * healing.mean:.3g} % over {healing.labels} labels {since}, "
            f"under the limit of {100 * healing.limit:.3g} %"
        )
        case.incident = incidents.resolve(incident, reason, context.now)
        self._letters.tell(case, "resolve", context)
        del self.cases[incident.id], self.monitor.healings[incident.id]
        self.monitor.settle({name for name in self.monitor.versions if not self._elsewhere(name)})
        self.closed.append(case.incident)

    def _elsewhere(self, name: str) -> bool:
        """Whether another open case is about this version."""
        return any(case.incident.version == name for case in self.cases.values())

    # --- state

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "v": 1,
            "cases": [case.to_state() for case in self.cases.values()],
            "ordinals": self._ordinals,
            "sent": self._rollbacks.sent,
            "last_page": self.last_page,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        for saved in state["cases"]:
            case = Case.from_state(saved)
            self.cases[case.incident.id] = case
            self.monitor.healings[case.incident.id] = case.healing
        self._ordinals, self._rollbacks.sent = dict(state["ordinals"]), list(state["sent"])
        self.last_page = state["last_page"]
