"""What an incident says of a diagnosis: the numbers, columns, segment and examples that a person is shown, and when it is over.

All of it is read from the monitor as it stands; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from alerting import incidents
from alerting.incidents import Finding, Incident
from daemon.healing import Healing
from daemon.policy import LOSSES, Diagnosis

if TYPE_CHECKING:
    from daemon.cases import Case, Context
    from daemon.monitor import Monitor
    from daemon.versions import Version
    from detectors.drift import FeatureChange

#: Seconds without a prediction from which on a version has no share of the traffic.
JUST_NOW: Final = 10.0
#: Features that an incident carries.
FEATURES: Final = 20
#: Where a harm is, is asked again after so many labels, until there were so many.
ASK_EVERY: Final = 25
ASK_FOR: Final = 300


def finding_of(monitor: Monitor, diagnosis: Diagnosis, context: Context) -> Finding:
    """Give the evidence that opens an incident."""
    first, onset = diagnosis.first, diagnosis.onset(context.now)
    version = monitor.versions.get(diagnosis.version or "")
    return Finding(
        model=monitor.guardrail.model,
        cause=diagnosis.cause.name,
        severity=diagnosis.severity,
        reason=diagnosis.reason,
        rules=tuple(sorted({verdict.rule for verdict in diagnosis.found})),
        version=diagnosis.version,
        segment=segment_of(diagnosis, version, onset),
        onset=onset,
        labels_to_alarm=first.labels,
        numbers=dict(first.numbers),
        features=features_of(diagnosis, monitor.evidence.since(onset)),
        offsets={f"{topic}-{partition}": offset for (topic, partition), offset in sorted(context.offsets.items())},
        examples=() if version is None else version.examples(onset),
        traffic=traffic_of(monitor, diagnosis.version, context.now),
    )


def traffic_of(monitor: Monitor, name: str | None, now: float) -> float | None:
    """Give the share of what users get that comes from a version, by the pace of its predictions; None: nobody knows.

    Without a version it is all of it; a shadow has none.
    """
    if name is None:
        return 1.0
    version = monitor.versions.get(name)
    if version is not None and version.traffic.stage == "shadow":
        return 0.0
    # One that was replaced a moment ago has no share any more.
    serving = [other for other, known in monitor.versions.items() if known.traffic.serves(now, JUST_NOW)]
    paces = {other: 1.0 / gap for other in serving if (gap := monitor.versions[other].traffic.gap) > 0}
    return round(paces[name] / sum(paces.values()), 3) if name in paces else None


def segment_of(diagnosis: Diagnosis, version: Version | None, onset: float) -> str | None:
    """Name the narrowest segment outside which there is no harm."""
    losses = [verdict for verdict in diagnosis.found if verdict.rule in LOSSES]
    if version is None or not losses:
        return None
    blamed = version.segments.blame(onset)
    everywhere = any(verdict.segment is None for verdict in losses)
    return blamed if blamed is not None or everywhere else losses[0].segment


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


def scored(monitor: Monitor, incident: Incident) -> list[int]:
    """Give the labels of the incident's version as it was first and last asked where the harm is: now."""
    version = monitor.versions.get(incident.version or "")
    return [0, 0] if version is None else [version.scored, version.scored]


def located(monitor: Monitor, case: Case, diagnosis: Diagnosis, now: float) -> bool:
    """Ask again where the harm is: a guess at the alarm, known some hundred labels later. True when it is elsewhere."""
    version = monitor.versions.get(case.incident.version or "")
    if version is None or case.healing is None or diagnosis.version != version.name:
        return False
    first, last = case.asked
    if version.scored - last < ASK_EVERY or version.scored - first > ASK_FOR:
        return False
    case.asked = [first, version.scored]
    segment = segment_of(diagnosis, version, case.incident.onset)
    if segment == case.incident.segment:
        return False
    case.incident = incidents.locate(case.incident, segment, now)
    case.healing = healing_of(monitor, case.incident)
    return True


def healing_of(monitor: Monitor, incident: Incident) -> Healing:
    """Give what watches for the end of an incident's harm."""
    name = incident.version or ""
    version = monitor.versions.get(name)
    limit = version.harm.limit if version is not None and version.harm is not None else 1.0
    if version is not None and incident.segment is not None:
        known = {reading.segment: reading.limit for reading in version.segments.readings()}
        limit = known.get(incident.segment) or limit
    shadow = version is not None and version.traffic.stage == "shadow"
    return Healing(limit, shadow, name, incident.segment)


def why_over(case: Case, measure: str) -> str:
    """Say what showed that an incident is over."""
    healing = case.healing
    if healing is None:
        return f"{' and '.join(sorted({scope[0] for scope in case.scopes}))} found it over"
    since = "since the rollback" if healing.since is not None else "since the alarm"
    return (
        f"the {measure} is {100 * healing.mean:.3g} % over {healing.labels} labels {since}, "
        f"under the limit of {100 * healing.limit:.3g} %"
    )
