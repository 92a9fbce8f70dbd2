"""The shift report: what fired, what was done, how long it took, what is left, and which rule cries wolf.

A pure function over incidents. Precision is that of the incidents which a person judged, with its counts, since three
judgements are an anecdote: a rule is named for demotion only when enough were judged and most of them were false.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from alerting.formats import rfc3339
from alerting.incidents import Incident, Judgement
from alerting.priority import by_priority

#: Incidents of a rule that must have been judged before it is named for demotion, and the precision below which it is.
ENOUGH: Final = 3
POOR: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """What persons said of the incidents of a rule. A duplicate counts neither for it nor against it."""

    rule: str
    incidents: int
    real: int
    false_alarm: int
    duplicate: int

    @property
    def judged(self) -> int:
        """Incidents that speak for the rule or against it."""
        return self.real + self.false_alarm

    @property
    def ratio(self) -> float | None:
        """The share of them that were real; None before anybody judged one."""
        return precision({"real": self.real, "false_alarm": self.false_alarm})


def precision(counts: Mapping[Judgement, int]) -> float | None:
    """The share of real ones among real and false alarms; None without any."""
    real, false = counts.get("real", 0), counts.get("false_alarm", 0)
    return real / (real + false) if real + false else None


def report(incidents: Iterable[Incident], since: float, until: float) -> dict[str, Any]:
    """The report over a time (epoch seconds) as plain JSON data; lengths are seconds. What was only observed is left out."""
    known = [incident for incident in incidents if not incident.observe and incident.opened < until]
    fired = sorted((one for one in known if one.opened >= since), key=lambda one: (one.opened, one.id))
    ended = [one for one in known if one.resolved is not None and since <= one.resolved < until]
    rules = precisions({one.id: one for one in (*fired, *ended)}.values())
    worst = to_demote(rules)
    return {
        "from": rfc3339(since),
        "to": rfc3339(until),
        "fired": {
            "incidents": len(fired),
            "severities": _counted(one.severity for one in fired),
            "causes": _counted(one.cause for one in fired),
            "models": _counted(one.model for one in fired),
        },
        "done": _counted(action.kind for one in known for action in one.actions if since <= action.at < until),
        "took": {
            "acknowledge": _times(fired, "acknowledged"),
            "mitigate": _times(fired, "mitigated"),
            "resolve": _times(ended, "resolved", last=True),
        },
        "unseen": sum(one.severity == "page" and _first(one, "acknowledged") is None for one in fired),
        "incidents": [_brief(one) for one in fired],
        "open": [_brief(one) for one in by_priority(one for one in known if one.live)],
        "rules": [
            {
                "rule": each.rule,
                "incidents": each.incidents,
                "real": each.real,
                "false_alarm": each.false_alarm,
                "duplicate": each.duplicate,
                "precision": each.ratio,
            }
            for each in rules
        ],
        "demote": None if worst is None else {"rule": worst.rule, "why": _why(worst)},
    }


def precisions(incidents: Iterable[Incident]) -> list[Precision]:
    """What persons said of each rule's incidents, by the name of the rule; an incident counts for each of its rules."""
    counts: dict[str, Counter[str]] = {}
    for incident in incidents:
        for rule in incident.rules:
            counts.setdefault(rule, Counter())[incident.verdict or ""] += 1
    return [
        Precision(
            rule=rule,
            incidents=said.total(),
            real=said["real"],
            false_alarm=said["false_alarm"],
            duplicate=said["duplicate"],
        )
        for rule, said in sorted(counts.items())
    ]


def to_demote(rules: Sequence[Precision]) -> Precision | None:
    """The rule that should page less: the one with the lowest precision below POOR, ENOUGH judged; of two the one with more."""
    poor = [rule for rule in rules if rule.judged >= ENOUGH and (rule.ratio or 0.0) < POOR]
    return min(poor, key=lambda rule: (rule.ratio or 0.0, -rule.false_alarm, rule.rule), default=None)


def _why(rule: Precision) -> str:
    return (
        f"{rule.false_alarm} of the {rule.judged} incidents of {rule.rule} that somebody judged were false alarms; "
        f"{{rule: {rule.rule}, severity: ticket}} in the guardrail file lets people sleep"
    )


def _brief(incident: Incident) -> dict[str, Any]:
    said = ("id", "model", "severity", "cause", "version", "segment", "state", "reason", "acknowledged_by", "verdict")
    times = {name: getattr(incident, name) for name in ("opened", "resolved")}
    return {name: getattr(incident, name) for name in said} | {
        name: None if at is None else rfc3339(at) for name, at in times.items()
    }


def _times(incidents: Iterable[Incident], what: str, *, last: bool = False) -> dict[str, Any]:
    """How long after the opening something happened, for those that it happened to."""
    found = [at - incident.opened for incident in incidents if (at := _first(incident, what, last=last)) is not None]
    return {
        "incidents": len(found),
        "median": round(median(found), 3) if found else None,
        "longest": round(max(found), 3) if found else None,
    }


def _first(incident: Incident, what: str, *, last: bool = False) -> float | None:
    """When it happened; a later problem inside the incident does not undo that somebody was quick with the first one."""
    if last:
        return incident.resolved
    return next((entry.at for entry in incident.timeline if entry.what == what), None)


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
