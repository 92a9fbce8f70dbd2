"""From what a monitor holds to what a verdict is judged on: one reading for each rule and version."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from daemon.policy import HarmReading, Severity, VersionReading

if TYPE_CHECKING:
    from daemon.contest import Contest
    from daemon.guardrails import Guardrail
    from daemon.versions import Version


class Monitored(Protocol):
    """What readings are taken from: a monitor."""

    guardrail: Guardrail
    versions: dict[str, Version]
    contests: dict[str, Contest]
    age: float
    measure: str


def readings(monitor: Monitored) -> Iterator[HarmReading | VersionReading]:
    """Give a reading for each version and each rule that is on."""
    guardrail = monitor.guardrail
    harm, contest = guardrail.severity_of("harm"), guardrail.severity_of("version")
    for version in monitor.versions.values():
        if harm != "off":
            yield _harm(monitor, version, _at_most_ticket(harm, version.traffic.stage))
        if contest != "off" and (version.name in monitor.contests or not version.good):
            yield _version(monitor, version, _at_most_ticket(contest, version.traffic.stage))


def _harm(monitor: Monitored, version: Version, severity: Severity) -> HarmReading:
    guardrail, alarm = monitor.guardrail, version.alarm
    reference = version.reference or version.inherited
    return HarmReading(
        version=version.name,
        severity=severity,
        measure=monitor.measure,
        last_seen=version.traffic.last_seen,
        age=monitor.age,
        gap=version.traffic.gap,
        hidden=version.traffic.stage == "shadow" and guardrail.feedback_loop,
        limit=None if version.harm is None or version.too_dependent else version.harm.limit,
        reference=None if reference is None else reference.mean,
        learned=version.builder.n,
        needed=guardrail.reference.events,
        unscored=version.scored == 0 and version.unscored > 0,
        coverage=version.coverage,
        coverage_floor=version.coverage_floor(guardrail.labels.minimum_coverage),
        alarmed=alarm is not None,
        onset=None if alarm is None else alarm.onset,
        labels=len(version.last) if alarm is None else alarm.labels,
        mean=version.mean() if alarm is None else alarm.mean,
        evidence=version.evidence_ratio(),
    )


def _version(monitor: Monitored, version: Version, severity: Severity) -> VersionReading:
    guardrail, contest = monitor.guardrail, monitor.contests.get(version.name)
    trial = None if contest is None else contest.trial
    return VersionReading(
        version=version.name,
        severity=severity,
        measure=monitor.measure,
        last_seen=version.traffic.last_seen,
        age=monitor.age,
        gap=version.traffic.gap,
        hidden=version.traffic.stage == "shadow" and guardrail.feedback_loop,
        older=None if contest is None else contest.old,
        kind="" if contest is None else contest.kind,
        decision="undecided" if contest is None else contest.decision,
        onset=None if trial is None else trial.onset,
        labels=0 if contest is None else contest.labels,
        new_mean=0.0 if trial is None else trial.new.mean,
        old_mean=0.0 if trial is None else trial.old.mean,
        bound=0.0 if trial is None or contest is None else contest.bound,
        coverage=version.coverage,
        coverage_floor=version.coverage_floor(guardrail.labels.minimum_coverage),
        evidence=0.0 if trial is None else _ratio(trial.evidence, trial.level),
    )


def _at_most_ticket(severity: Severity, stage: str) -> Severity:
    """A shadow serves nobody: nobody is woken for it."""
    return "ticket" if stage == "shadow" and severity == "page" else severity


def _ratio(evidence: float, level: float) -> float:
    """How near the evidence is to 1/level, on a logarithmic scale from 0 to 1."""
    if level <= 0.0 or evidence <= 1.0:
        return 0.0
    return min(1.0, math.log(evidence) / -math.log(level))
