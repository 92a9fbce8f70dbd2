"""The rule `version`: a newer version against the one before it that was known to be good."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.rules.base import Rule
from daemon.rules.verdict import Reason, Severity, State, Verdict, gone, share

if TYPE_CHECKING:
    from daemon.versions import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionReading:
    """What `version` is judged on: a newer version against the older one, whose comparison is a `kind` of trial."""

    version: str
    severity: Severity
    measure: str
    last_seen: float
    age: float
    gap: float = 0.0
    hidden: bool = False
    older: str | None = None
    kind: str = ""
    decision: str = "undecided"
    differ: str = ""  # in what the arms of a canary differ, so that they cannot be compared
    onset: float | None = None
    labels: int = 0
    new_mean: float = 0.0
    old_mean: float = 0.0
    bound: float = 0.0  # the new version's mean loss above which it counts as worse
    coverage: float = 1.0
    coverage_floor: float = 0.0
    evidence: float = 0.0


def judge(r: VersionReading, now: float) -> Verdict:
    """Judge what was read; `now` is the clock of events, epoch seconds."""
    state, reason, text = _finding(r, now)
    breach = state == "breach"
    return Verdict(
        rule="version",
        version=r.version,
        segment=None,
        state=state,
        reason=reason,
        text=text,
        severity=r.severity,
        evidence=r.evidence,
        onset=r.onset if breach else None,
        labels=r.labels if breach else 0,
        numbers={"mean_loss": r.new_mean, "older_mean_loss": r.old_mean, "limit": r.bound, "labels": float(r.labels)},
    )


def _finding(r: VersionReading, now: float) -> tuple[State, Reason, str]:
    if r.hidden:
        return "unknown", "feedback_loop", "users react to what they are shown, so a shadow's labels say nothing about it"
    if gone(r.last_seen, r.age, r.gap, now):
        return "unknown", "no_traffic", f"version {r.version} gets no predictions"
    if r.older is None:
        return "unknown", "no_older_version", "there is no older version that is known to be good"
    numbers = f"{share(r.new_mean)} against {share(r.old_mean)} of version {r.older}"
    if r.differ:
        text = f"versions {r.version} and {r.older} do not get the same kind of traffic ({r.differ}): they cannot be compared"
        return "unknown", "arms_differ", text
    if r.decision == "worse":
        text = (
            f"version {r.version} is worse than version {r.older} ({r.kind}): its {r.measure} is {numbers}, "
            f"harm begins at {share(r.bound)}, {r.labels} labels since its onset"
        )
        return "breach", "worse_than_older", text
    if r.coverage < r.coverage_floor:
        text = f"{share(r.coverage)} of the predictions have a label in time, at least {share(r.coverage_floor)} are needed"
        return "unknown", "low_coverage", text
    if r.decision == "not_worse":
        return "ok", "not_worse", f"version {r.version} is not worse ({r.kind}): its {r.measure} is {numbers}"
    return "unknown", "undecided", f"undecided after {r.labels} labels ({r.kind}): the {r.measure} is {numbers}"


class Newer(Rule):
    """Reads the contests between versions, and judges them."""

    def verdicts(self, now: float) -> Iterator[Verdict]:
        """Judge every version that is set against an older one, or not known to be good yet."""
        for version in self.model.versions.values():
            if version.name in self.model.contests or not version.good:
                yield judge(self._reading(version), now)

    def _reading(self, version: Version) -> VersionReading:
        model, guardrail, contest = self.model, self.model.guardrail, self.model.contests.get(version.name)
        trial = None if contest is None else contest.trial
        return VersionReading(
            version=version.name,
            severity=self.severity_of(version.traffic.stage),
            measure=model.measure,
            last_seen=version.traffic.last_seen,
            age=model.age,
            gap=version.traffic.gap,
            hidden=version.traffic.stage == "shadow" and guardrail.feedback_loop,
            older=None if contest is None else contest.old,
            kind="" if contest is None else contest.kind,
            decision="undecided" if contest is None else contest.decision,
            differ=self._differ(version),
            onset=None if trial is None else trial.onset,
            labels=0 if contest is None else contest.labels,
            new_mean=0.0 if trial is None else trial.new.mean,
            old_mean=0.0 if trial is None else trial.old.mean,
            bound=0.0 if trial is None or contest is None else contest.bound,
            coverage=version.coverage,
            coverage_floor=version.coverage_floor(guardrail.labels.minimum_coverage),
            evidence=0.0 if trial is None else _ratio(trial.evidence, trial.level),
        )

    def _differ(self, version: Version) -> str:
        """Say why the arms of a canary cannot be compared; nothing where they can, or where it is no canary."""
        contest = self.model.contests.get(version.name)
        older = None if contest is None or contest.kind != "canary" else self.model.versions.get(contest.old)
        return "" if older is None else self.model.evidence.differ(version, older)


def _ratio(evidence: float, level: float) -> float:
    """How near the evidence is to 1/level, on a logarithmic scale from 0 to 1."""
    if level <= 0.0 or evidence <= 1.0:
        return 0.0
    return min(1.0, math.log(evidence) / -math.log(level))
