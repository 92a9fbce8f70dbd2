"""The policy: from readings to verdicts, and from verdicts to a cause. Pure functions and literal tables.

A verdict is `ok`, `unknown` or `breach`, with a reason from a closed list and the numbers behind it. Unknown is not healthy: no
data, immature labels and too few samples never resolve anything, never promote and never roll back. Which cause a set of
breaches has is one table, most specific first; the first row that holds wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Severity = Literal["log", "ticket", "page"]
State = Literal["ok", "unknown", "breach"]
Reason = Literal[
    "within_limit",
    "over_limit",
    "learning_reference",
    "too_few_labels",
    "low_coverage",
    "no_traffic",
    "feedback_loop",
    "not_scored",
    "not_worse",
    "worse_than_older",
    "undecided",
    "no_older_version",
]

#: A version without a prediction for this long (seconds, or this many of its mean gaps, beside the age of its labels) has nothing
#: left to judge.
GONE_AFTER: Final = 600.0
GONE_AFTER_GAPS: Final = 30
#: Tested labels before a version may be called ok: of fewer nothing is known.
LEAST_LABELS: Final = 50
#: Labels since the onset before a rollback may be sent: a handful of bad luck is no reason to move traffic.
ROLLBACK_LABELS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a rule finds in a scope. `onset` is event time in epoch seconds, `labels` the tested labels since then."""

    rule: str
    version: str
    segment: str | None
    state: State
    reason: Reason
    text: str
    severity: Severity
    evidence: float = 0.0
    onset: float | None = None
    labels: int = 0
    numbers: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmReading:
    """What `harm` is judged on: one version, overall. Losses on the scale 0..1, times in epoch seconds."""

    version: str
    severity: Severity
    measure: str  # what the loss is called, "error rate" say
    last_seen: float
    age: float  # labels are looked at this long after their prediction
    gap: float = 0.0  # mean seconds between predictions
    hidden: bool = False  # a shadow whose labels depend on what users were shown
    limit: float | None = None
    reference: float | None = None
    learned: int = 0
    needed: int = 0
    unscored: bool = False  # labels come, but the loss needs a score that does not
    coverage: float = 1.0
    coverage_floor: float = 0.0
    alarmed: bool = False
    onset: float | None = None
    labels: int = 0
    mean: float = 0.0  # since the onset when alarmed, of late otherwise
    evidence: float = 0.0


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
    onset: float | None = None
    labels: int = 0
    new_mean: float = 0.0
    old_mean: float = 0.0
    bound: float = 0.0  # the new version's mean loss above which it counts as worse
    coverage: float = 1.0
    coverage_floor: float = 0.0
    evidence: float = 0.0


Reading = HarmReading | VersionReading


def judge(reading: Reading, now: float) -> Verdict:
    """Judge what was read; `now` is the clock of events, epoch seconds."""
    return _judge_harm(reading, now) if isinstance(reading, HarmReading) else _judge_version(reading, now)


def _gone(r: Reading, now: float) -> bool:
    return now - r.last_seen > r.age + max(GONE_AFTER, GONE_AFTER_GAPS * r.gap)


def _judge_harm(r: HarmReading, now: float) -> Verdict:
    state, reason, text = _harm_finding(r, now)
    numbers = {"mean_loss": r.mean, "limit": r.limit, "reference": r.reference, "coverage": r.coverage, "labels": float(r.labels)}
    return Verdict(
        rule="harm",
        version=r.version,
        segment=None,
        state=state,
        reason=reason,
        text=text,
        severity=r.severity,
        evidence=r.evidence,
        onset=r.onset if state == "breach" else None,
        labels=r.labels if state == "breach" else 0,
        numbers=numbers,
    )


def _harm_finding(r: HarmReading, now: float) -> tuple[State, Reason, str]:
    if r.hidden:
        return "unknown", "feedback_loop", "users react to what they are shown, so a shadow's labels say nothing about it"
    if _gone(r, now):
        return "unknown", "no_traffic", f"version {r.version} gets no predictions"
    if r.unscored:
        return "unknown", "not_scored", f"the {r.measure} needs `score` or `scores`, which the predictions do not carry"
    if r.limit is None:
        return "unknown", "learning_reference", f"learning the reference: {r.learned} of {r.needed} labels"
    if r.alarmed:
        text = (
            f"the {r.measure} of version {r.version} is {_share(r.mean)} over {r.labels} labels since its onset; "
            f"harm begins at {_share(r.limit)}" + (f", the reference is {_share(r.reference)}" if r.reference is not None else "")
        )
        return "breach", "over_limit", text
    if r.coverage < r.coverage_floor:
        text = f"{_share(r.coverage)} of the predictions have a label in time, at least {_share(r.coverage_floor)} are needed"
        return "unknown", "low_coverage", text
    if r.labels < LEAST_LABELS:
        return "unknown", "too_few_labels", f"{r.labels} of {LEAST_LABELS} labels are there"
    return "ok", "within_limit", f"the {r.measure} is {_share(r.mean)}; harm begins at {_share(r.limit)}"


def _judge_version(r: VersionReading, now: float) -> Verdict:
    state, reason, text = _version_finding(r, now)
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


def _version_finding(r: VersionReading, now: float) -> tuple[State, Reason, str]:
    if r.hidden:
        return "unknown", "feedback_loop", "users react to what they are shown, so a shadow's labels say nothing about it"
    if _gone(r, now):
        return "unknown", "no_traffic", f"version {r.version} gets no predictions"
    if r.older is None:
        return "unknown", "no_older_version", "there is no older version that is known to be good"
    numbers = f"{_share(r.new_mean)} against {_share(r.old_mean)} of version {r.older}"
    if r.decision == "worse":
        text = (
            f"version {r.version} is worse than version {r.older} ({r.kind}): its {r.measure} is {numbers}, "
            f"harm begins at {_share(r.bound)}, {r.labels} labels since its onset"
        )
        return "breach", "worse_than_older", text
    if r.coverage < r.coverage_floor:
        text = f"{_share(r.coverage)} of the predictions have a label in time, at least {_share(r.coverage_floor)} are needed"
        return "unknown", "low_coverage", text
    if r.decision == "not_worse":
        return "ok", "not_worse", f"version {r.version} is not worse ({r.kind}): its {r.measure} is {numbers}"
    return "unknown", "undecided", f"undecided after {r.labels} labels ({r.kind}): the {r.measure} is {numbers}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.3g} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about one version when it is in breach; `older` is the one before it that was known to be good."""

    worse: bool
    harm: bool
    older_over_limit: bool


@dataclass(frozen=True, slots=True)
class Cause:
    """A row of the table: its name, when it holds, and what it leads to."""

    name: str
    holds: Callable[[Facts], bool]
    rollback: bool = False
    retrain: bool = False


#: Most specific first. `label_fault` and `input_fault` belong before `new_version`, `blind` and `drift` behind `concept`.
CAUSES: Final[tuple[Cause, ...]] = (
    Cause(
        "new_version",
        lambda facts: facts.worse and not facts.older_over_limit,
        rollback=True,
    ),
    Cause(
        "concept",
        lambda facts: facts.worse or facts.harm,
        retrain=True,
    ),
)


def cause_of(facts: Facts) -> Cause | None:
    """Give the first row of the table that holds; None when nothing is in breach."""
    return next((cause for cause in CAUSES if cause.holds(facts)), None)


def worst(severities: list[Severity]) -> Severity:
    """Give the highest of some severities."""
    return max(severities, key=("log", "ticket", "page").index)
