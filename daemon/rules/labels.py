"""The rule `labels`: do they come, in time, and are they the right way round?

Two scopes. Of the model as a whole: whether labels have stopped, are too few or come late; then nothing can be judged, and that
is said. Of each version: whether its labels are turned round, seen from a ranking that is near the mirror of what it was, while
features and scores stay where they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from daemon.rules.base import Model, Rule
from daemon.rules.verdict import Reason, Severity, State, Verdict, gone, share
from detectors.maturity import LabelReport, LabelWatch
from detectors.ranking import Mirror, RankingWatch

if TYPE_CHECKING:
    from daemon.join import Joined
    from daemon.versions import Version

#: Findings after which nothing can be judged: they page. The others leave enough labels, or a promise of some.
BLIND: Final = frozenset({"stopped", "uncovered"})
#: A feature or the scores that moved by so many standard deviations since the onset: then it is not the labels.
MOVED: Final = 0.5

#: Labels between two looks at the ranking; and while the last ones cost no more than they may, which turned-round labels do.
EVERY: Final = 20
CALM_EVERY: Final = 200
#: The last labels whose mean loss tells that.
LATELY: Final = 50

_REASONS: Final[Mapping[str, Reason]] = {"stopped": "stopped", "uncovered": "uncovered", "sparse": "sparse", "late": "late"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelReading:
    """What the labels of a model are judged on; `last_seen` is its last prediction, epoch seconds."""

    severity: Severity
    report: LabelReport
    last_seen: float
    age: float
    gap: float = 0.0


def judge_labels(r: LabelReading, now: float) -> Verdict:
    """Judge whether labels come and in time."""
    report = r.report
    numbers = {"coverage": report.coverage, "expected": report.expected_coverage, "delay": report.delay}
    worst = next(iter(report.findings), None)
    if worst is not None:
        texts = {
            "stopped": f"no label has come for {worst.predictions} predictions that should have theirs",
            "uncovered": f"{share(worst.share)} of the predictions get a label in time, which is too few to tell anything",
            "sparse": f"{share(worst.share)} of the predictions get a label in time, {share(worst.expected)} are usual",
            "late": f"{share(worst.share)} of the labels come later than the age at which they are judged, "
            f"{share(worst.expected)} are usual",
        }
        severity = r.severity if worst.what in BLIND else _at_most_ticket(r.severity)
        return Verdict(
            rule="labels",
            version="",
            segment=None,
            state="breach",
            reason=_REASONS[worst.what],
            text=texts[worst.what],
            severity=severity,
            evidence=1.0,
            onset=worst.onset,
            numbers=numbers,
        )
    calm = Verdict(
        rule="labels",
        version="",
        segment=None,
        state="ok",
        reason="within_limit",
        text=f"{share(report.coverage)} of the predictions get their label in time",
        severity=r.severity,
        numbers=numbers,
    )
    if report.expected_coverage is None:
        return _unknown(calm, "learning_reference", "learning when labels usually come")
    if gone(r.last_seen, r.age, r.gap, now):
        return _unknown(calm, "no_traffic", "there are no predictions")
    return calm


def _unknown(calm: Verdict, reason: Reason, text: str) -> Verdict:
    return Verdict(
        rule=calm.rule,
        version=calm.version,
        segment=None,
        state="unknown",
        reason=reason,
        text=text,
        severity=calm.severity,
        numbers=calm.numbers,
    )


def _at_most_ticket(severity: Severity) -> Severity:
    return "ticket" if severity == "page" else severity


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingReading:
    """What the labels of one version are judged on; `moved` names an input that moved since the onset."""

    version: str
    severity: Severity
    mirror: Mirror
    onset: float | None  # of the labels that were looked at
    moved: str = ""


def judge_ranking(r: RankingReading) -> Verdict:
    """Judge whether the labels of a version are turned round."""
    mirror = r.mirror
    flipped = mirror.mirrored is True and not r.moved
    state: State = "ok"
    reason: Reason = "within_limit"
    text = f"the predictions of version {r.version} rank the labels with {_rank(mirror.value)}"
    if flipped:
        state, reason = "breach", "flipped"
        text = (
            f"the labels of version {r.version} look turned round: its predictions rank {mirror.labels} labels with "
            f"{_rank(mirror.value)}, {_rank(mirror.reference)} was usual, and neither features nor scores moved"
        )
    elif mirror.reference is None:
        state, reason, text = "unknown", "learning_reference", "learning how the predictions rank the labels"
    elif mirror.mirrored is None:
        state, reason = "unknown", "too_few_labels"
        text = f"{mirror.labels} labels are too few to tell whether they are the right way round"
    return Verdict(
        rule="labels",
        version=r.version,
        segment=None,
        state=state,
        reason=reason,
        text=text,
        severity=r.severity,
        evidence=1.0 if flipped else 0.0,
        onset=r.onset if flipped else None,
        labels=mirror.labels if flipped else 0,
        numbers={"ranking": mirror.value, "reference": mirror.reference, "limit": mirror.bound},
    )


def _rank(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


class _Ranking:
    """The ranking of one version, and what it last said: sorting some hundred labels at every one of them would be slow."""

    def __init__(self, watch: RankingWatch) -> None:
        self.watch = watch
        self.mirror = Mirror(None, None, None, 0, None)
        self.onset = 0.0
        self._labels = 0

    def look(self, version: Version) -> bool:
        """Look again after some labels; True when the labels were found to have turned round, or back."""
        self._labels += 1
        if version.reference is not None and self.watch.reference is None:
            self.watch.learn()
        if self._labels % EVERY or (self._labels % CALM_EVERY and self._calm(version)):
            return False
        before = self.mirror.mirrored
        onset = None if version.alarm is None else version.alarm.onset
        self.mirror = self.watch.mirrored(onset)
        if self.mirror.mirrored and not before:
            self.onset = version.last_mark if onset is None else onset
        return bool(self.mirror.mirrored) != bool(before)

    def _calm(self, version: Version) -> bool:
        lately = list(islice(reversed(version.last), LATELY))
        limit = 0.0 if version.harm is None else version.harm.limit
        return not self.mirror.mirrored and sum(lately) <= limit * len(lately)

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {"watch": self.watch.to_state(), "mirror": astuple(self.mirror), "onset": self.onset, "labels": self._labels}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> _Ranking:
        """Rebuild what `to_state` described."""
        ranking = cls(RankingWatch.from_state(state["watch"]))
        value, reference, bound, labels, mirrored, exchanged = state["mirror"]
        pairs = tuple((one, other) for one, other in exchanged)
        ranking.mirror = Mirror(value, reference, bound, labels, mirrored, pairs)
        ranking.onset, ranking._labels = state["onset"], state["labels"]
        return ranking


class Labels(Rule):
    """Watches when labels come, and how the predictions rank them."""

    def __init__(self, name: str, severity: Severity, model: Model) -> None:
        super().__init__(name, severity, model)
        guardrail = model.guardrail
        settings = guardrail.labels
        self._watch = LabelWatch(settings.expected_within, settings.minimum_coverage, guardrail.false_pages.per_second)
        self._rankings: dict[str, _Ranking] = {}
        self._learned = ""  # what is usual was learned from: a reference of its own, or one brought along

    def joined(self, found: Joined) -> None:
        """Note when a label came."""
        waiting = found.prediction
        if waiting.stage != "shadow":
            self._watch.arrived(found.delay, waiting.at + found.delay, waiting.ts)

    def mature(self, found: Joined, loss: float | None) -> bool:
        """Note whether a prediction has its label in time, and how it ranks."""
        waiting = found.prediction
        if waiting.stage == "shadow":
            return False
        version = self.model.versions[waiting.version]
        reference = version.reference or version.inherited
        if reference is not None and self._learned != "own":
            source = "inherited" if version.reference is None else "own"
            if source != self._learned:
                self._watch.learn(reference.coverage, self.model.age)
                self._learned = source
        if found.label is not None and not found.delay:
            self._watch.arrived(0.0, waiting.at, waiting.ts)  # it came before its prediction
        self._watch.matured(found.label is not None, waiting.at, waiting.ts)
        if found.label is None or loss is None:
            return False
        ranking = self._ranking(version)
        ranking.watch.add(waiting.prediction, waiting.score, waiting.scores, found.label, waiting.ts)
        return ranking.look(version)

    def _ranking(self, version: Version) -> _Ranking:
        ranking = self._rankings.get(version.name)
        if ranking is None:
            guardrail = self.model.guardrail
            watch = RankingWatch(guardrail.task, guardrail.positive)
            known = [other.watch.reference for other in self._rankings.values() if other.watch.reference is not None]
            if known and version.inherited is not None:
                watch.learn(known[-1])
            self._rankings = {name: kept for name, kept in self._rankings.items() if name in self.model.versions}
            ranking = self._rankings[version.name] = _Ranking(watch)
        return ranking

    def verdicts(self, now: float) -> Iterator[Verdict]:
        """Judge the model's labels, and those of each version that serves."""
        model = self.model
        serving = [version for version in model.versions.values() if version.traffic.stage != "shadow"]
        last = max(serving, key=lambda version: version.traffic.last_seen, default=None)
        if last is None:
            return
        yield judge_labels(
            LabelReading(
                severity=self.severity,
                report=self._watch.report(now),
                last_seen=last.traffic.last_seen,
                age=model.age,
                gap=last.traffic.gap,
            ),
            now,
        )
        for version in serving:
            ranking = self._rankings.get(version.name)
            if ranking is None or gone(version.traffic.last_seen, model.age, version.traffic.gap, now):
                continue
            yield judge_ranking(
                RankingReading(
                    version=version.name,
                    severity=self.severity_of(version.traffic.stage),
                    mirror=ranking.mirror,
                    onset=ranking.onset,
                    moved=self._moved(ranking.onset) if ranking.mirror.mirrored else "",
                )
            )

    def _moved(self, onset: float) -> str:
        changes = self.model.evidence.since(onset)
        return next((change.name for change in changes if abs(change.effect) >= MOVED), "")

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "watch": self._watch.to_state(),
            "rankings": {name: ranking.to_state() for name, ranking in self._rankings.items()},
            "learned": self._learned,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave; what the guardrail file says now is held to."""
        guardrail = self.model.guardrail
        settings = guardrail.labels
        self._watch = LabelWatch.from_state(state["watch"])
        self._watch.hold_to(settings.expected_within, settings.minimum_coverage, guardrail.false_pages.per_second)
        self._rankings = {name: _Ranking.from_state(kept) for name, kept in state["rankings"].items()}
        self._learned = state["learned"]
