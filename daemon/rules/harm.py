"""The rule `harm`: the mean loss of a version against its limit, overall and in each segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.rules.base import Rule
from daemon.rules.verdict import Reason, Severity, State, Verdict, gone, share
from detectors.standard import LEAST

if TYPE_CHECKING:
    from daemon.versions import Version
    from detectors.segment import SegmentReading

#: Tested labels before a version may be called ok: of fewer nothing is known.
LEAST_LABELS: Final = 50
#: Share of the labels whose loss can be told, below which the rest is no fair sample.
LEAST_SCORED: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmReading:
    """What `harm` is judged on: one version, overall or in a segment. Losses on the scale 0..1, times in epoch seconds."""

    version: str
    severity: Severity
    measure: str  # what the loss is called, "error rate" say
    last_seen: float
    age: float  # labels are looked at this long after their prediction
    segment: str | None = None
    gap: float = 0.0  # mean seconds between predictions
    hidden: bool = False  # a shadow whose labels depend on what users were shown
    limit: float | None = None
    reference: float | None = None
    learned: int = 0
    needed: int = 0
    unscored: bool = False  # labels come, but the loss needs a score that does not
    too_dependent: bool = False  # losses hang together over so long that the reference cannot tell a rise from chance
    visible_rise: float | None = None  # given where it is too large to be of use: the smallest rise that could be seen
    coverage: float = 1.0
    coverage_floor: float = 0.0
    alarmed: bool = False
    onset: float | None = None
    found: float | None = None  # the clock at the alarm
    labels: int = 0
    mean: float = 0.0  # since the onset when alarmed, of late otherwise
    evidence: float = 0.0


def judge(r: HarmReading, now: float) -> Verdict:
    """Judge what was read; `now` is the clock of events, epoch seconds."""
    state, reason, text = _finding(r, now)
    breach = state == "breach"
    return Verdict(
        rule="harm",
        version=r.version,
        segment=r.segment,
        state=state,
        reason=reason,
        text=text,
        severity=r.severity,
        evidence=r.evidence,
        onset=r.onset if breach else None,
        found=r.found if breach else None,
        labels=r.labels if breach else 0,
        numbers={
            "mean_loss": r.mean,
            "limit": r.limit,
            "reference": r.reference,
            "coverage": r.coverage,
            "labels": float(r.labels),
        },
    )


def _finding(r: HarmReading, now: float) -> tuple[State, Reason, str]:
    if r.hidden:
        return "unknown", "feedback_loop", "users react to what they are shown, so a shadow's labels say nothing about it"
    if gone(r.last_seen, r.age, r.gap, now):
        return "unknown", "no_traffic", f"version {r.version} gets no predictions{_in(r)}"
    if r.unscored:
        return "unknown", "not_scored", f"the {r.measure} needs `score` or `scores`, which the predictions do not carry"
    if r.alarmed:
        text = (
            f"the {r.measure} of version {r.version}{_in(r)} is {share(r.mean)} over {r.labels} labels since its onset; "
            f"harm begins at {share(r.limit)}" + (f", the reference is {share(r.reference)}" if r.reference is not None else "")
        )
        return "breach", "over_limit", text
    unfit = _unfit(r)
    if unfit is not None:
        return unfit
    return "ok", "within_limit", f"the {r.measure}{_in(r)} is {share(r.mean)}; harm begins at {share(r.limit)}"


def _unfit(r: HarmReading) -> tuple[State, Reason, str] | None:
    """Say why nothing can be said."""
    if r.too_dependent:
        text = f"the losses{_in(r)} hang together over so long that {r.learned} labels cannot tell a rise from chance"
        return "unknown", "too_dependent", f"{text}; a longer reference can (reference.events, reference.span)"
    if r.limit is None:
        return "unknown", "learning_reference", f"learning the reference{_in(r)}: {r.learned} of {r.needed} labels"
    if r.visible_rise is not None:
        text = f"too few labels{_in(r)} for a limit of use: the smallest rise that could be seen is {share(r.visible_rise)}"
        return "unknown", "limit_too_wide", text
    if r.coverage < r.coverage_floor:
        text = f"{share(r.coverage)} of the predictions have a label in time, at least {share(r.coverage_floor)} are needed"
        return "unknown", "low_coverage", text
    if r.labels < LEAST_LABELS:
        return "unknown", "too_few_labels", f"{r.labels} of {LEAST_LABELS} labels{_in(r)} are there"
    return None


def _in(r: HarmReading) -> str:
    return "" if r.segment is None else f" in {r.segment}"


class Harm(Rule):
    """Reads what the versions of a model hold, and judges it."""

    def verdicts(self, now: float) -> Iterator[Verdict]:
        """Judge every version, overall and in its segments."""
        for version in self.model.versions.values():
            yield judge(self._overall(version), now)
            for found in version.segments.readings():
                yield judge(self._segment(version, found), now)

    def _overall(self, version: Version) -> HarmReading:
        model, guardrail, alarm = self.model, self.model.guardrail, version.alarm
        reference = version.reference or version.inherited
        return HarmReading(
            version=version.name,
            severity=self.severity_of(version.traffic.stage),
            measure=model.measure,
            last_seen=version.traffic.last_seen,
            age=model.age,
            gap=version.traffic.gap,
            hidden=version.traffic.stage == "shadow" and guardrail.feedback_loop,
            limit=None if version.harm is None else version.harm.limit,
            reference=None if reference is None else reference.mean,
            learned=version.builder.n if reference is None else reference.n,
            needed=guardrail.reference.events,
            unscored=version.scorable < LEAST_SCORED or (version.scored == 0 and version.unscored > 0),
            too_dependent=version.too_dependent,
            coverage=version.coverage,
            coverage_floor=version.coverage_floor(guardrail.labels.minimum_coverage),
            alarmed=alarm is not None,
            onset=None if alarm is None else alarm.onset,
            found=None if alarm is None else alarm.at,
            labels=len(version.last) if alarm is None else alarm.labels,
            mean=version.mean() if alarm is None else alarm.mean,
            evidence=version.evidence_ratio(),
        )

    def _segment(self, version: Version, found: SegmentReading) -> HarmReading:
        model, guardrail, alarm = self.model, self.model.guardrail, version.segments.alarms.get(found.segment)
        return HarmReading(
            version=version.name,
            segment=found.segment,
            severity=self.severity_of(version.traffic.stage),
            measure=model.measure,
            last_seen=version.traffic.last_seen,
            age=model.age,
            gap=version.traffic.gap,
            hidden=version.traffic.stage == "shadow" and guardrail.feedback_loop,
            limit=found.limit,
            reference=found.reference,
            learned=found.labels,
            needed=min(guardrail.reference.events, LEAST),
            too_dependent=found.too_dependent,
            visible_rise=found.visible_rise if found.too_wide else None,
            coverage=version.coverage,
            coverage_floor=version.coverage_floor(guardrail.labels.minimum_coverage),
            alarmed=alarm is not None,
            onset=None if alarm is None else alarm.onset,
            found=None if alarm is None else alarm.at,
            labels=found.labels if alarm is None else alarm.labels,
            mean=found.mean if alarm is None else alarm.mean,
            evidence=found.evidence,
        )
