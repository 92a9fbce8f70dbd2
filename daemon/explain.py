"""What a guardrail file comes to: each rule's limit, its share of the budget, and the labels that a rise takes it.

The decision: figures of the detectors that judge, from the same functions, and none where there is no theorem to take one from.
Half of the rules have no proven rate of false alarms, and the table says so instead of leaving a gap that looks like a zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from alerting.periods import duration_text
from daemon.guardrail_parts import DefaultRule, OutcomeRule, Setting
from daemon.guardrails import Guardrail
from detectors.budget import HARM, HIGHEST_LEVEL, SEGMENTS, VERSION, Budget, increment
from detectors.power import asymptotic_labels, labels_of_canary, labels_to_alarm, labels_to_reject, smallest_visible_rise
from detectors.profile import Profile
from detectors.reference import RecentLosses, Sample, limit_of
from detectors.standard import CONFIDENCE
from detectors.trial import ReplacementTrial

#: Rises of the mean loss that are worked out unless others are asked for, as multiples of the reference.
RISES: Final = (1.25, 1.5, 2.0)
#: Labels an hour where nobody says how many there are: one a second. Twice as many add some per cent to the labels of a delay.
PER_HOUR: Final = 3600.0
#: The segment that is worked out: one of so many, all alike.
ALIKE: Final = 10
#: Shares of the traffic that the canaries have that are worked out.
CANARIES: Final = (0.1, 0.5)
#: What each kind of test of a newer version gets; a shadow, which wakes nobody, has a clock of its own too.
_KIND: Final = VERSION / 2.0


@dataclass(frozen=True, slots=True)
class Basis:
    """What the figures rest on.

    Attributes:
        sample: The reference: what is normal.
        source: Where it comes from, for a person.
        per_hour: Labels an hour, None where nobody knows.
    """

    sample: Sample
    source: str
    per_hour: float | None = None

    @property
    def pace(self) -> float:
        """Labels an hour that the figures are worked out for."""
        return PER_HOUR if self.per_hour is None else self.per_hour

    @property
    def spread(self) -> float:
        """The variance over the largest there can be, for `detectors.power`."""
        most = self.sample.mean * (1.0 - self.sample.mean)
        return 1.0 if self.sample.binary or most <= 0.0 else min(1.0, self.sample.variance / most)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """What one rule comes to.

    Attributes:
        rule: Its name, and what of it.
        severity: What a breach is.
        limit: From where on it is one, for a person.
        weight: Its share of the model's budget of false pages; None: no rate of false alarms is proven.
        every: So many seconds for each false alarm that it may cost; None likewise.
    """

    rule: str
    severity: Setting
    limit: str
    weight: float | None = None
    every: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiseLine:
    """What a rise of the mean loss takes: labels on average, infinity for never.

    Attributes:
        rise: As a multiple of the reference.
        mean: The mean loss after it.
        harm: Until the alarm of `harm`.
        textbook: What a single test of the textbook's would be said to take of them, ln(1/c) / KL.
        segment: Labels of one segment of ten alike that rises alone.
        canaries: Labels of both arms, for each of `CANARIES`.
        replacement: Labels of a version that took over all traffic; it is compared for `REPLACEMENT_LABELS` of them only.
    """

    rise: float
    mean: float
    harm: float
    textbook: float
    segment: float
    canaries: tuple[float, ...]
    replacement: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The tests that a guardrail file and a reference come to, before there is a label."""

    guardrail: Guardrail
    basis: Basis

    @property
    def budget(self) -> Budget:
        """The model's false pages."""
        return Budget(self.guardrail.false_pages.per_second)

    @property
    def tolerance(self) -> float:
        """The rise of the mean loss that does no harm."""
        return self.guardrail.tolerance_over(self.basis.sample.mean)

    @property
    def limit(self) -> float:
        """Of `harm`."""
        return limit_of(self.basis.sample, self.tolerance, self.guardrail.limit)

    @property
    def why(self) -> str:
        """What the limit of `harm` is made of."""
        if self.limit == self.guardrail.limit:
            return "the file's own limit"
        if self.limit == self.basis.sample.mean + self.tolerance:
            return f"the reference's mean + the tolerance, {self.guardrail.tolerance}"
        return "the 99 % bound of the reference, which is over its mean + the tolerance: more labels would lower it"

    @property
    def increment(self) -> float:
        """The false alarms that one label may cost `harm`."""
        return increment(self.budget.harm(), 1.0, 3600.0 / self.basis.pace)

    @property
    def segment_limit(self) -> float:
        """Of a segment that is like the whole and has learned from as many labels."""
        wanted = min(self.guardrail.reference.events, self.basis.sample.n)
        cap = self.guardrail.limit
        return limit_of(_sized(self.basis.sample, wanted), self.tolerance, cap, CONFIDENCE)

    @property
    def replacement(self) -> ReplacementTrial:
        """Against an older version whose last 10,000 labels were like the reference."""
        baseline = _sized(self.basis.sample, RecentLosses.CHUNK * RecentLosses.CHUNKS)
        return ReplacementTrial(baseline, self.tolerance, HIGHEST_LEVEL)

    @property
    def least_visible(self) -> float:
        """The smallest mean loss that `harm` finds within a day's labels; infinity if none."""
        basis = self.basis
        labels = 24.0 * basis.pace
        return smallest_visible_rise(self.limit, self.increment, labels, spread=basis.spread, tau=basis.sample.tau)

    def rise(self, rise: float) -> RiseLine:
        """What it takes until this multiple of the reference is found."""
        sample, spread = self.basis.sample, self.basis.spread
        mean = min(1.0, rise * sample.mean)
        limit, each, tau = self.limit, self.increment, sample.tau
        # A tenth of the traffic with a tenth of the weight: each of its labels brings what a label of the whole would.
        brought = increment(self.budget.segment(1), 1.0, 3600.0 / self.basis.pace)
        trial = self.replacement
        return RiseLine(
            rise=rise,
            mean=mean,
            harm=labels_to_alarm(mean, limit, each, spread=spread, tau=tau, before=min(sample.mean, limit)),
            textbook=asymptotic_labels(mean, limit, each, spread=spread, tau=tau),
            segment=labels_to_alarm(mean, self.segment_limit, brought, spread=spread, tau=tau, before=sample.mean),
            canaries=tuple(
                labels_of_canary(mean, sample.mean, self.tolerance, HIGHEST_LEVEL, share, spread=spread) for share in CANARIES
            ),
            replacement=labels_to_reject(mean, trial.limit, trial.level, spread=spread, tau=tau),
        )


def basis_of(profile: Profile, guardrail: Guardrail, per_hour: float | None = None) -> Basis | None:
    """What a profile says of the losses; None where it has none. Its own pace counts where `per_hour` is None."""
    labels = guardrail.labels
    reference = profile.reference(labels.expected_within, labels.minimum_coverage)
    if reference is None:
        return None
    seconds = profile.until - profile.since
    pace = 3600.0 * profile.rows * reference.coverage / seconds if profile.timed and seconds > 0.0 else None
    source = f"profile {profile.digest}, {reference.n:,} labels"
    return Basis(reference, source, pace if per_hour is None else per_hour)


def assumed(mean: float, guardrail: Guardrail, per_hour: float | None = None) -> Basis:
    """A reference of that mean from as many labels as the file asks for, if losses are 0 and 1: none spread more."""
    events = guardrail.reference.events
    sample = Sample(events, mean, mean * (1.0 - mean), binary=True, tau=1.0)
    return Basis(sample, f"assumed, as of {events:,} labels that are 0 or 1", per_hour)


def rules(guardrail: Guardrail, plan: Plan | None) -> Iterator[RuleLine]:
    """A line for each rule, and for each part of one that has a limit of its own.

    Args:
        guardrail: the file.
        plan: None: limits are told as what they will be made of.
    """
    yield from _losses(guardrail, plan)
    for rule, limit in _declared(guardrail).items():
        yield RuleLine(rule=rule, severity=guardrail.severity_of(rule), limit=limit)
    for setting in guardrail.rules:
        if isinstance(setting, DefaultRule):
            continue
        severity = guardrail.severity_of(setting.name)
        if isinstance(setting, OutcomeRule):
            side = "over" if setting.direction == "down" else "under"
            limit = f"a mean of {setting.outcome} {setting.tolerance:g} {side} its reference"
            # A budget of its own, as large as the model's and beside it.
            yield RuleLine(rule=setting.name, severity=severity, limit=limit, every=1.0 / guardrail.false_pages.per_second)
        else:
            yield RuleLine(rule=setting.name, severity=severity, limit=f"{setting.detector.kind} on {setting.watch}")


def _losses(guardrail: Guardrail, plan: Plan | None) -> Iterator[RuleLine]:
    """The rules with a theorem."""
    harm, version = guardrail.severity_of("harm"), guardrail.severity_of("version")
    tolerance = str(guardrail.tolerance) if plan is None else f"{plan.tolerance:.4g}"
    limit = f"the reference's mean loss + {tolerance}" if plan is None else f"a mean loss of {plan.limit:.4g}"
    yield _line(guardrail, "harm", harm, limit, HARM)
    if guardrail.segments:
        text = "each its own" if plan is None else f"each its own; one of {ALIKE} alike: {plan.segment_limit:.4g}"
        yield _line(guardrail, "harm in segments", harm, text, SEGMENTS)
    margin = f"the older version's mean loss + {tolerance}"
    yield _line(guardrail, "version, canary", version, margin, _KIND)
    replaced = margin if plan is None else f"a mean loss of {plan.replacement.limit:.4g}"
    yield _line(guardrail, "version, replacement", version, replaced, _KIND)
    yield _line(guardrail, "version, shadow", "ticket" if version == "page" else version, margin, _KIND)


def _line(guardrail: Guardrail, rule: str, severity: Setting, limit: str, weight: float) -> RuleLine:
    every = 1.0 / (weight * guardrail.false_pages.per_second)
    return RuleLine(rule=rule, severity=severity, limit=limit, weight=weight, every=every)


def _declared(guardrail: Guardrail) -> Mapping[str, str]:
    """What the rules without a theorem are held to."""
    silence = guardrail.traffic.silent_after
    silent = f"no prediction for {duration_text(silence)}" if isinstance(silence, float) else "no prediction for unusually long"
    return {
        "records": "2 % of the values of a declared column wrong; two columns swapped",
        "completeness": "missing values of a column 2 points over their usual share",
        "labels": f"a coverage below {100 * guardrail.labels.minimum_coverage:g} %, or 5 points under the usual; mirrored labels",
        "traffic": "off (traffic.silent_after)" if silence == "off" else silent,
        "drift": "a population stability of 0.2 in three windows",
    }


def full_level_after(guardrail: Guardrail) -> float:
    """Seconds after the last test of its kind from which on a test of a newer version has the highest level there is."""
    return HIGHEST_LEVEL / (_KIND * guardrail.false_pages.per_second)


def rises(plan: Plan, asked: Sequence[float] = RISES) -> list[RiseLine]:
    """A line for each rise, the smallest first."""
    return [plan.rise(rise) for rise in sorted(set(asked))]


def _sized(sample: Sample, n: int) -> Sample:
    """The same, had it been of n labels."""
    return Sample(n, sample.mean, sample.variance, sample.binary, sample.tau)
