"""From verdicts to incidents and intents: one case for each open incident of a model.

`step` is called after every alarm and at every tick of the clock of events. It opens a case for what is newly in breach,
follows the open ones (is a rollback due, did live traffic confirm it, is the harm over), and leaves intents for the outbox. It
calls nothing and nobody: what it decides is carried out elsewhere, after it was saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final

from alerting import incidents
from alerting.incidents import Action, Finding, Incident, Terms
from alerting.intents import Intent, Outcome
from daemon.cases import Case, Context
from daemon.healing import Healing
from daemon.letters import Letters
from daemon.policy import LOSSES, RECOVERING, Diagnosis, cleared, diagnose, supersedes
from daemon.rollbacks import RollbackWatch

if TYPE_CHECKING:
    from daemon.guardrails import Guardrail
    from daemon.monitor import Monitor
    from daemon.rules.verdict import Verdict
    from daemon.versions import Version
    from detectors.drift import FeatureChange

#: Features that an incident carries.
FEATURES: Final = 20
#: Where a harm is, is asked again after so many labels, until there were so many.
ASK_EVERY: Final = 25
ASK_FOR: Final = 300
#: While an incident of another cause is open, nothing is learned about what is normal.
HARMLESS: Final = frozenset({"drift", "outcome"})


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
        self._reminded = 0  # version of the guardrail file whose review was asked for
        self._terms = Terms(
            version=guardrail.version,
            digest=guardrail.short_digest,
            owner=guardrail.owner,
            runbook=guardrail.runbook,
            why=guardrail.why or "",
            observe=guardrail.mode == "observe",
        )

    # --- the step

    def remind(self, context: Context) -> list[Intent]:
        """Open a ticket, once for each version of the guardrail file, when the day is past by which it was to be reviewed."""
        due = self.guardrail.review_by
        if due is None or self._reminded == self.guardrail.version or context.now < _end_of(due):
            return []
        self._reminded = self.guardrail.version
        if self.guardrail.mode == "enforce":
            self._letters.remind(f"the guardrail file of {self.guardrail.model} was to be reviewed by {due}", context)
        return self._letters.take()

    def step(self, verdicts: Sequence[Verdict], context: Context) -> list[Intent]:
        """Follow the verdicts; gives the new intents, in the order in which they are to be carried out."""
        before = {key: case.incident.revision for key, case in self.cases.items()}
        for diagnosis in diagnose(verdicts, self.monitor.standings(context.now)):
            case = self._case_of(diagnosis)
            if case is None:
                self._open(diagnosis, context)
            else:
                self._extend(case, diagnosis, context)
        for case in list(self.cases.values()):
            self._follow(case, verdicts, context)
        for incident in [case.incident for case in self.cases.values()] + self.closed:
            if before.get(incident.id) != incident.revision:
                self._letters.journal(incident, context)
        self.closed.clear()
        return self._letters.take()

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
        monitor, now, first = self.monitor, context.now, diagnosis.first
        onset = diagnosis.onset(now)
        version = monitor.versions.get(diagnosis.version or "")
        finding = Finding(
            model=self.guardrail.model,
            cause=diagnosis.cause.name,
            severity=diagnosis.severity,
            reason=diagnosis.reason,
            rules=tuple(sorted({verdict.rule for verdict in diagnosis.found})),
            version=diagnosis.version,
            segment=segment_of(diagnosis, version, onset),
            onset=onset,
            labels_to_alarm=first.labels,
            numbers=dict(first.numbers),
            features=features_of(diagnosis, self.monitor.evidence.since(onset)),
            offsets={f"{topic}-{partition}": offset for (topic, partition), offset in sorted(context.offsets.items())},
            examples=() if version is None else version.examples(onset),
        )
        name = f"{diagnosis.cause.name}/{diagnosis.version or ''}"
        ordinal = self._ordinals[name] = self._ordinals.get(name, 0) + 1
        incident = incidents.open_incident(finding, self._terms, ordinal=ordinal, at=now)
        case = self.cases[incident.id] = Case(incident, asked=[0, 0] if version is None else [version.scored, version.scored])
        self._take_up(case, diagnosis)
        if incident.severity == "page":
            self.last_page = now
        if diagnosis.cause.retrain:
            hint = Action(kind="retrain_hint", at=now, reason="what is to be predicted has changed since the onset")
            case.incident = incidents.add_action(case.incident, hint)
        self._rollbacks.consider(case, context)
        self._letters.tell(case, "trigger", context)

    def _extend(self, case: Case, diagnosis: Diagnosis, context: Context) -> None:
        """Take more evidence into an open case: rules, columns, a higher severity, another cause."""
        now = context.now
        for verdict in diagnosis.found:
            case.incident = incidents.add_rule(case.incident, verdict.rule, now, verdict.text)
        self._take_up(case, diagnosis)
        features = features_of(diagnosis, self.monitor.evidence.since(case.incident.onset))
        case.incident = incidents.add_evidence(case.incident, features, now)
        self._locate(case, diagnosis, now)
        before = case.incident
        if supersedes(diagnosis.cause.name, before.cause) and case.rollback is None:
            case.incident = incidents.change_cause(case.incident, diagnosis.cause.name, diagnosis.reason, now)
            self._keep(case)
        case.incident = incidents.raise_severity(case.incident, diagnosis.severity, now)
        if case.incident.severity != before.severity:
            if case.incident.severity == "page":
                self.last_page = now
            if case.healing is not None:  # a shadow's harm that users get now is over when users' losses show it
                case.healing = self._healing(case.incident)
                self._keep(case)
            self._rollbacks.consider(case, context)
            self._letters.tell(case, "trigger", context)
        elif case.incident.cause != before.cause:
            self._letters.tell(case, "update", context)

    def _take_up(self, case: Case, diagnosis: Diagnosis) -> None:
        """Remember what is in breach, and watch for its end."""
        case.scopes |= {verdict.scope for verdict in diagnosis.found}
        if case.healing is None and any(verdict.rule in LOSSES for verdict in diagnosis.found):
            case.healing = self._healing(case.incident)
        self._keep(case)

    def _keep(self, case: Case) -> None:
        """Tell the monitor what it must know of a case: whose harm is to be over, and whether what is normal may be learned."""
        identity = case.incident.id
        if case.healing is not None:
            self.monitor.healings[identity] = case.healing
        if case.incident.cause not in HARMLESS:
            self.monitor.troubles.add(identity)

    def _locate(self, case: Case, diagnosis: Diagnosis, now: float) -> None:
        """Ask again where the harm is: right at the alarm that is a guess, some hundred labels later it is known."""
        version = self.monitor.versions.get(case.incident.version or "")
        if version is None or case.healing is None or diagnosis.version != version.name:
            return
        first, last = case.asked
        if version.scored - last < ASK_EVERY or version.scored - first > ASK_FOR:
            return
        case.asked = [first, version.scored]
        segment = segment_of(diagnosis, version, case.incident.onset)
        if segment != case.incident.segment:
            case.incident = incidents.locate(case.incident, segment, now)
            case.healing = self._healing(case.incident)
            self._keep(case)

    def _healing(self, incident: Incident) -> Healing:
        name = incident.version or ""
        version = self.monitor.versions.get(name)
        limit = version.harm.limit if version is not None and version.harm is not None else 1.0
        if version is not None and incident.segment is not None:
            known = {reading.segment: reading.limit for reading in version.segments.readings()}
            limit = known.get(incident.segment) or limit
        shadow = version is not None and version.traffic.stage == "shadow"
        return Healing(limit, shadow, name, incident.segment)

    # --- what follows

    def _follow(self, case: Case, verdicts: Sequence[Verdict], context: Context) -> None:
        if case.rollback is None:
            if self._rollbacks.consider(case, context):
                self._letters.tell(case, "update", context)
        elif case.rollback.confirmed is None:
            self._rollbacks.confirm(case, case.rollback, context)
        else:
            self._rollbacks.check(case, case.rollback, context)
        if self._over(case, verdicts, context.now):
            self._resolve(case, context)

    def _over(self, case: Case, verdicts: Sequence[Verdict], now: float) -> bool:
        """Whether it was found that all is well again; a harm is over when losses are, and drift may go on without one."""
        scopes = {scope for scope in case.scopes if scope[0] not in LOSSES}
        if case.healing is not None:
            scopes = {scope for scope in scopes if scope[0] in RECOVERING}
            if not case.healing.healed:
                return False
        return cleared(scopes, verdicts, self.monitor.serving(now))

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
        if healing is None:
            reason = f"{' and '.join(sorted({scope[0] for scope in case.scopes}))} found it over"
        else:
            since = "since the rollback" if healing.since is not None else "since the alarm"
            reason = (
                f"the {self.monitor.measure} is {100 * healing.mean:.3g} % over {healing.labels} labels {since}, "
                f"under the limit of {100 * healing.limit:.3g} %"
            )
        case.incident = incidents.resolve(incident, reason, context.now)
        self._letters.tell(case, "resolve", context)
        del self.cases[incident.id]
        self.monitor.healings.pop(incident.id, None)
        self.monitor.troubles.discard(incident.id)
        if healing is not None:
            self.monitor.settle({name for name in self.monitor.versions if not self._elsewhere(name)})
        self.closed.append(case.incident)

    def _elsewhere(self, name: str) -> bool:
        """Whether another open case is about this version."""
        return any(case.healing is not None and case.incident.version == name for case in self.cases.values())

    # --- state

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "v": 1,
            "cases": [case.to_state() for case in self.cases.values()],
            "ordinals": self._ordinals,
            "sent": self._rollbacks.sent,
            "last_page": self.last_page,
            "reminded": self._reminded,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        for saved in state["cases"]:
            case = Case.from_state(saved)
            self.cases[case.incident.id] = case
            self._keep(case)
        self._ordinals, self._rollbacks.sent = dict(state["ordinals"]), list(state["sent"])
        self.last_page, self._reminded = state["last_page"], state["reminded"]


def features_of(diagnosis: Diagnosis, moved: Sequence[FeatureChange]) -> list[dict[str, Any]]:
    """Rank the columns that are part of it: what a rule found first, then what moved since the onset."""
    found = {effect.name: effect for verdict in diagnosis.found for effect in verdict.effects}
    ranked = [
        {"name": one.name, "effect": round(one.effect, 4), "what": one.what}
        for one in sorted(found.values(), key=lambda one: (-abs(one.effect), one.name))
    ]
    ranked += [
        {"name": change.name, "effect": round(change.effect, 4), "what": f"mean {change.before:.4g} to {change.after:.4g}"}
        for change in moved
        if change.name not in found
    ]
    return ranked[:FEATURES]


def segment_of(diagnosis: Diagnosis, version: Version | None, onset: float) -> str | None:
    """Name the narrowest segment outside which there is no harm."""
    losses = [verdict for verdict in diagnosis.found if verdict.rule in LOSSES]
    if version is None or not losses:
        return None
    blamed = version.segments.blame(onset)
    everywhere = any(verdict.segment is None for verdict in losses)
    return blamed if blamed is not None or everywhere else losses[0].segment


def _end_of(day: date) -> float:
    """The first moment after a day in UTC, epoch seconds."""
    return datetime.combine(day, time.max, tzinfo=UTC).timestamp()
