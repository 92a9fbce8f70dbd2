"""The life of an incident, as pure functions over frozen data.

Breaches of one model with one cause become one incident; rules, columns and segments are evidence inside it. Every function
takes an incident and the time and returns the next one, with an entry in its timeline; what its state does not allow raises
`IllegalTransition`. Nothing here reads a clock or does I/O, so a backtest and the live daemon tell the same story.

    open ──────────► acknowledged ──────┐
     │ ▲   (a person has seen it)       │
     │ └──── relapse ────┐              ▼
     └──────────────► mitigated ──► resolved      (open and acknowledged resolve too)

`mitigated`: what was done has taken hold (a rollback is confirmed by live traffic), the proof that the harm is gone is
still to come. `resolved` is final: a new problem is a new incident with the next ordinal. Only what was found to be over and is
back within minutes was not over: the same incident comes back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from alerting.errors import IllegalTransition
from alerting.formats import plain, read_record, rfc3339, write_record

Severity = Literal["log", "ticket", "page"]
State = Literal["open", "acknowledged", "mitigated", "resolved"]
#: What a person says that an incident was.
Judgement = Literal["real", "false_alarm", "duplicate"]

#: From the least to the most urgent.
SEVERITIES: Final[tuple[Severity, ...]] = ("log", "ticket", "page")

#: Entries that a timeline keeps: a flapping incident must not grow its journal record without end.
TIMELINE_LIMIT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that was decided because of the incident: `page`, `ticket`, `rollback`, `rollback_blocked`, ...

    `target` is the version rolled back to, `route` the route notified, `reason` why it was not done (or why it was), `key` the
    key of the intent that carries it out, `at` epoch seconds.
    """

    kind: str
    at: float
    target: str | None = None
    route: str | None = None
    reason: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the timeline: what happened at `at` (epoch seconds), and the particulars for a reader."""

    at: float
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the policy found: the evidence that opens an incident.

    `onset` is the event time at which the harm is thought to have begun (None: when it was found). `numbers` are the figures
    behind the verdict, `offsets` how far each partition ("topic-0") had been read, `features` the columns that moved, as
    `{"name", "effect", "what"}`, by size of effect, `examples` ids of predictions to look at.
    """

    model: str
    cause: str
    severity: Severity
    reason: str
    rules: tuple[str, ...]
    version: str | None = None
    segment: str | None = None
    onset: float | None = None
    labels_to_alarm: int = 0
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    features: Sequence[Mapping[str, Any]] = ()
    examples: tuple[str, ...] = ()
    offsets: Mapping[str, int] = field(default_factory=dict)
    traffic: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the guardrail file says that a page must carry. With `observe` nothing is done: actions are recorded in `would`."""

    version: int
    digest: str
    owner: str = ""
    runbook: str = ""
    why: str = ""
    observe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One problem of one model with one cause. Times are epoch seconds; `severity` is the highest reached.

    `revision` grows by one with each change: of two records of an incident the one with the larger revision is the later one.
    `problem` counts the new problems inside it, each of which is told under a key of its own. `traffic` is the share of the
    model's live and canary predictions that it affects, None where nobody knows. `verdict` is what a person said that it was.
    """

    id: str
    model: str
    cause: str
    version: str | None
    segment: str | None
    severity: Severity
    state: State
    rules: tuple[str, ...]
    onset: float
    opened: float
    reason: str
    guardrail_version: int
    guardrail_digest: str
    acknowledged: float | None = None
    acknowledged_by: str | None = None
    mitigated: float | None = None
    resolved: float | None = None
    resolved_by: str | None = None
    resolution: str = ""
    verdict: Judgement | None = None
    judged_by: str | None = None
    problem: int = 0
    traffic: float | None = None
    features: tuple[dict[str, Any], ...] = ()
    examples: tuple[str, ...] = ()
    labels_to_alarm: int = 0
    numbers: dict[str, float | None] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)
    owner: str = ""
    runbook: str = ""
    why: str = ""
    observe: bool = False
    actions: tuple[Action, ...] = ()
    would: tuple[Action, ...] = ()
    timeline: tuple[Entry, ...] = ()
    revision: int = 0

    @property
    def live(self) -> bool:
        """Whether it still waits for its resolution."""
        return self.state != "resolved"

    @property
    def dedup_key(self) -> str:
        """The key that its present problem is told under: a receiver that has been told of it pages nobody again."""
        return f"{self.id}.{self.problem}" if self.problem else self.id


def incident_id(model: str, cause: str, version: str | None, segment: str | None, ordinal: int) -> str:
    """12 hex digits of the SHA-256 over the canonical JSON of (model, cause at opening, version, segment, ordinal)."""
    # ASCII JSON: a lone surrogate in a name (legal in JSON events) has no UTF-8 form.
    text = json.dumps([model, cause, version, segment, ordinal], separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:12]


def open_incident(finding: Finding, terms: Terms, *, ordinal: int, at: float) -> Incident:
    """A new incident, the `ordinal`th of its model, cause, version and segment."""
    return Incident(
        id=incident_id(finding.model, finding.cause, finding.version, finding.segment, ordinal),
        model=finding.model,
        cause=finding.cause,
        version=finding.version,
        segment=finding.segment,
        severity=finding.severity,
        state="open",
        rules=finding.rules,
        onset=at if finding.onset is None else finding.onset,
        opened=at,
        reason=finding.reason,
        features=tuple(plain(finding.features)),
        examples=finding.examples,
        labels_to_alarm=finding.labels_to_alarm,
        traffic=finding.traffic,
        numbers=plain(finding.numbers),
        offsets=dict(finding.offsets),
        guardrail_version=terms.version,
        guardrail_digest=terms.digest,
        owner=terms.owner,
        runbook=terms.runbook,
        why=terms.why,
        observe=terms.observe,
        timeline=(Entry(at=at, what="opened", detail=finding.reason),),
    )


def add_rule(incident: Incident, rule: str, at: float, reason: str = "") -> Incident:
    """One more rule in breach with the same cause; a rule that is there already changes nothing."""
    _live(incident, "take up a rule")
    if rule in incident.rules:
        return incident
    return _next(replace(incident, rules=(*incident.rules, rule)), at, "rule_added", _joined(rule, reason))


def add_evidence(incident: Incident, features: Sequence[Mapping[str, Any]], at: float) -> Incident:
    """Columns that are part of it, by size of effect; nothing new changes nothing."""
    _live(incident, "take up evidence")
    known = {feature["name"] for feature in incident.features}
    new = [feature for feature in features if feature["name"] not in known]
    if not new:
        return incident
    merged = (*incident.features, *plain(new))
    return _next(replace(incident, features=merged), at, "evidence", ", ".join(str(feature["name"]) for feature in new))


def locate(incident: Incident, segment: str | None, at: float) -> Incident:
    """The segment that it is in, None for everywhere, as more labels tell it. The id stays that of the opening."""
    _live(incident, "be located")
    if segment == incident.segment:
        return incident
    return _next(replace(incident, segment=segment), at, "located", segment or "everywhere")


def change_cause(incident: Incident, cause: str, reason: str, at: float) -> Incident:
    """Another cause, as evidence comes in. The id stays that of the cause at opening."""
    _live(incident, "change its cause")
    if cause == incident.cause:
        return incident
    detail = f"{incident.cause} to {cause}: {reason}"
    return _next(replace(incident, cause=cause, reason=reason), at, "cause_changed", detail)


def raise_severity(incident: Incident, severity: Severity, at: float, reason: str = "") -> Incident:
    """A higher severity; a lower or equal one changes nothing, since an incident keeps the highest it reached."""
    _live(incident, "change its severity")
    if SEVERITIES.index(severity) <= SEVERITIES.index(incident.severity):
        return incident
    detail = _joined(f"{incident.severity} to {severity}", reason)
    return _next(replace(incident, severity=severity), at, "severity_raised", detail)


def restate(incident: Incident, reason: str, at: float) -> Incident:
    """Another sentence for what is wrong, because more of it is known; the same one changes nothing."""
    _live(incident, "change its reason")
    return incident if reason == incident.reason else _next(replace(incident, reason=reason), at, "restated", reason)


def with_evidence(
    incident: Incident,
    at: float,
    *,
    detail: str,
    numbers: Mapping[str, float | None] | None = None,
    features: Sequence[Mapping[str, Any]] | None = None,
    examples: tuple[str, ...] | None = None,
) -> Incident:
    """Newer evidence in place of the old, for each kind that is given."""
    _live(incident, "take up evidence")
    changed = replace(
        incident,
        numbers=incident.numbers if numbers is None else plain(numbers),
        features=incident.features if features is None else tuple(plain(features)),
        examples=incident.examples if examples is None else examples,
    )
    return _next(changed, at, "evidence", detail)


def acknowledge(incident: Incident, by: str, at: float) -> Incident:
    """A person has seen it. A mitigated incident stays mitigated. Raises IllegalTransition when one already has."""
    _live(incident, "be acknowledged")
    if incident.acknowledged is not None:
        raise IllegalTransition(f"incident {incident.id} was acknowledged by {incident.acknowledged_by} before")
    state: State = "acknowledged" if incident.state == "open" else incident.state
    return _next(replace(incident, state=state, acknowledged=at, acknowledged_by=by), at, "acknowledged", f"by {by}")


def mitigate(incident: Incident, reason: str, at: float) -> Incident:
    """What was done has taken hold; the harm is not yet proven to be gone."""
    _live(incident, "be mitigated")
    if incident.state == "mitigated":
        raise IllegalTransition(f"incident {incident.id} is already mitigated")
    return _next(replace(incident, state="mitigated", mitigated=at), at, "mitigated", reason)


def relapse(incident: Incident, reason: str, at: float) -> Incident:
    """The mitigation did not hold: open again, and not acknowledged, since whoever did so went back to sleep on it."""
    if incident.state != "mitigated":
        raise IllegalTransition(f"incident {incident.id} is {incident.state}, only a mitigated one can relapse")
    reopened = replace(incident, state="open", mitigated=None, acknowledged=None, acknowledged_by=None)
    return _next(reopened, at, "relapsed", reason)


def renew(incident: Incident, reason: str, at: float) -> Incident:
    """A new problem inside it: told under a key of its own, and not acknowledged, since nobody has seen it yet."""
    _live(incident, "have a new problem")
    state: State = "open" if incident.state == "acknowledged" else incident.state
    changed = replace(incident, state=state, problem=incident.problem + 1, acknowledged=None, acknowledged_by=None)
    return _next(changed, at, "new_problem", reason)


def come_back(incident: Incident, reason: str, at: float) -> Incident:
    """It was found to be over, and is not: the same incident again, not acknowledged. What a person closed stays closed."""
    if incident.live or incident.resolved_by is not None:
        how = f"is {incident.state}" if incident.live else f"was closed by {incident.resolved_by}"
        raise IllegalTransition(f"incident {incident.id} {how}, only one that was found to be over can come back")
    again = replace(incident, state="open", reason=reason, resolved=None, resolution="")
    again = replace(again, mitigated=None, acknowledged=None, acknowledged_by=None)
    return _next(again, at, "came_back", reason)


def resolve(incident: Incident, reason: str, at: float, by: str | None = None, verdict: Judgement | None = None) -> Incident:
    """The end: a positive finding that the harm is gone (`by` None), or a person's word, recorded as that."""
    _live(incident, "be resolved")
    detail = reason if by is None else f"by {by}: {reason}"
    ended = replace(incident, state="resolved", resolved=at, resolved_by=by, resolution=detail)
    ended = _next(ended, at, "resolved", detail)
    return ended if verdict is None else judge(ended, verdict, by or "", at)


def judge(incident: Incident, verdict: Judgement, by: str, at: float) -> Incident:
    """What a person says that it was, once it is over. Raises IllegalTransition while it is open, and when one said so before."""
    if incident.live:
        raise IllegalTransition(f"incident {incident.id} is {incident.state}: it is judged when it is resolved")
    if incident.verdict is not None:
        raise IllegalTransition(f"incident {incident.id} was called {incident.verdict} by {incident.judged_by} before")
    return _next(replace(incident, verdict=verdict, judged_by=by), at, "judged", f"{verdict} by {by}")


def add_action(incident: Incident, action: Action) -> Incident:
    """A decision taken because of it, also once it is resolved (a resolving page is one). In observe mode it goes to `would`."""
    detail = " ".join(part for part in (action.target, action.route, action.reason) if part)
    if incident.observe:
        return _next(replace(incident, would=(*incident.would, action)), action.at, f"would_{action.kind}", detail)
    return _next(replace(incident, actions=(*incident.actions, action)), action.at, action.kind, detail)


def note(incident: Incident, at: float, what: str, detail: str = "") -> Incident:
    """A line in the timeline, whatever the state."""
    return _next(incident, at, what, detail)


def to_record(incident: Incident) -> dict[str, Any]:
    """The whole incident as plain JSON data: for the journal and the API."""
    return write_record(incident)


def from_record(record: Mapping[str, Any]) -> Incident:
    """The incident of `to_record`; fields that a newer version added are ignored. Raises InvalidRecord."""
    return read_record(record, Incident)


def to_report(incident: Incident) -> dict[str, Any]:
    """The incident as `backtest --json` shows it: exactly the fields that the contract names, and `would` in observe mode."""
    report: dict[str, Any] = {
        "id": incident.id,
        "model": incident.model,
        "severity": incident.severity,
        "cause": incident.cause,
        "rules": list(incident.rules),
        "version": incident.version,
        "segment": incident.segment,
        "onset": rfc3339(incident.onset),
        "opened": rfc3339(incident.opened),
        "resolved": None if incident.resolved is None else rfc3339(incident.resolved),
        "reason": incident.reason,
        "labels_to_alarm": incident.labels_to_alarm,
        "features": [dict(feature) for feature in incident.features],
        "actions": [_action_report(action) for action in incident.actions],
    }
    if incident.observe:
        report["would"] = [_action_report(action) for action in incident.would]
    return report


def _action_report(action: Action) -> dict[str, str]:
    fields = {"kind": action.kind, "target": action.target, "route": action.route, "reason": action.reason}
    return {name: value for name, value in fields.items() if value is not None}


def _joined(head: str, reason: str) -> str:
    return f"{head}: {reason}" if reason else head


def _live(incident: Incident, intention: str) -> None:
    if not incident.live:
        raise IllegalTransition(f"incident {incident.id} is resolved and cannot {intention}; a new problem is a new incident")


def _next(incident: Incident, at: float, what: str, detail: str) -> Incident:
    timeline = (*incident.timeline, Entry(at=at, what=what, detail=detail))
    if len(timeline) > TIMELINE_LIMIT:
        # The opening is kept, the oldest after it goes.
        timeline = (timeline[0], *timeline[2:])
    return replace(incident, timeline=timeline, revision=incident.revision + 1)
