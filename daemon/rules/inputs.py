"""The three rules about inputs: `records` (what is wrong), `completeness` (what is missing) and `drift` (what moved).

All three read what one detector measured on the inputs of a version; none of them has a theorem about false pages. Only two
findings may page: errors against what the guardrail file declares, and missing values that move the scores. Whatever is only
inferred from the reference is evidence: it pages together with harm, never alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.rules.base import Rule
from daemon.rules.verdict import Effect, Reason, Severity, State, Verdict, gone, share, worst

if TYPE_CHECKING:
    from detectors.inputs import ColumnFinding, InputReport

#: Population stability of the scores between rows with and without a value, from which on the missing value moves them.
MOVES_SCORES: Final = 0.2
#: Columns that a sentence names.
NAMED: Final = 3
#: Predictions before anything is said of a version of which nothing was learned yet.
LEAST_ROWS: Final = 50

_WORDS: Final = {
    "missing": "missing",
    "wrong_type": "of the wrong type",
    "out_of_bounds": "out of bounds",
    "unknown_category": "an unknown category",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputReading:
    """What the inputs of a version are judged on; times in epoch seconds."""

    version: str
    severity: Severity
    report: InputReport
    gap: float = 0.0
    declared: bool = False  # something is held to that the guardrail file declares, which needs no reference


def judge_records(r: InputReading, now: float) -> Verdict:
    """Judge hard errors and swapped columns; what is only inferred counts as evidence and is told with the severity `log`."""
    report = r.report
    hard, swapped, soft = report.hard, report.swapped, report.soft
    if _gone(r, now) or not (swapped or hard or soft):
        return _calm("records", r, now, "records are as declared")
    if swapped:
        first = swapped[0]
        text = f"columns {first.name} and {first.partner} of version {r.version} are swapped: each has the other's values"
        return _breach("records", r, "swapped", text, (*swapped, *hard), r.severity)
    if hard:
        return _breach("records", r, "hard_errors", _list(r, hard), hard, r.severity)
    return _breach("records", r, "inferred_errors", f"{_list(r, soft)}, by what the reference holds", soft, "log")


def judge_completeness(r: InputReading, now: float) -> Verdict:
    """Judge missing values: a ticket, or a page when they move the scores."""
    missing = r.report.missing
    if not missing or _gone(r, now):
        return _calm("completeness", r, now, "no more values are missing than usual")
    moving = [one for one in missing if one.moves_scores is not None and one.moves_scores >= MOVES_SCORES]
    if moving and r.severity != "log":
        text = f"{_list(r, moving)}, and it moves the scores (population stability {moving[0].moves_scores:.2f})"
        return _breach("completeness", r, "missing_moves_scores", text, missing, worst([r.severity, "page"]))
    return _breach("completeness", r, "missing", _list(r, missing), missing, r.severity)


def judge_drift(r: InputReading, now: float) -> Verdict:
    """Judge moved distributions: one verdict a version, whatever the number of columns."""
    drifted = r.report.drifted
    if not drifted or _gone(r, now):
        return _calm("drift", r, now, "features, scores and predictions are distributed as in the reference")
    slowly = all(one.slow for one in drifted)
    names = ", ".join(one.name for one in drifted[:NAMED]) + (f" and {len(drifted) - NAMED} more" if len(drifted) > NAMED else "")
    how = "slowly: retraining may be due" if slowly else "suddenly"
    text = f"{names} of version {r.version} moved {how} (population stability {drifted[0].share:.2f})"
    return _breach("drift", r, "drifted_slowly" if slowly else "drifted", text, drifted, r.severity)


def _gone(r: InputReading, now: float) -> bool:
    """Whether the version gets no predictions any more: what was found on its last ones says nothing of now."""
    return gone(r.report.last, 0.0, r.gap, now)


def _list(r: InputReading, found: Sequence[ColumnFinding]) -> str:
    named = [f"{one.name} {_WORDS[one.what]} in {share(one.share)} of the rows" for one in found[:NAMED]]
    more = f" and {len(found) - NAMED} more columns" if len(found) > NAMED else ""
    return f"version {r.version}: {', '.join(named)}{more}; {share(found[0].expected)} is usual"


def _breach(rule: str, r: InputReading, reason: Reason, text: str, found: Sequence[ColumnFinding], severity: Severity) -> Verdict:
    return Verdict(
        rule=rule,
        version=r.version,
        segment=None,
        state="breach",
        reason=reason,
        text=text,
        severity=severity,
        evidence=1.0,
        onset=min(one.onset for one in found),
        numbers={"columns": float(len(found)), "share": found[0].share, "expected": found[0].expected},
        effects=tuple(Effect(name=one.name, effect=one.effect, what=_what(one)) for one in found),
    )


def _what(one: ColumnFinding) -> str:
    if one.what == "swapped":
        return f"swapped with {one.partner}"
    return f"{one.what} {share(one.share)}" if one.what != "drifted" else "drifted"


def _calm(rule: str, r: InputReading, now: float, text: str) -> Verdict:
    state: State = "ok"
    reason: Reason = "within_limit"
    report = r.report
    learning = f"learning what is usual: {report.learned} of {report.needed} predictions"
    if _gone(r, now):
        state, reason, text = "unknown", "no_traffic", f"version {r.version} gets no predictions"
    elif not report.judged and r.declared and report.rows >= LEAST_ROWS:
        text = f"{text}, as far as is declared; {learning}"
    elif not report.judged:
        state, reason, text = "unknown", "learning_reference", learning
    group = {"records": "records", "completeness": "missing", "drift": "drift"}[rule]
    return Verdict(
        rule=rule,
        version=r.version,
        segment=None,
        state=state,
        reason=reason,
        text=text,
        severity=r.severity,
        evidence=report.evidence.get(group, 0.0),
    )


class _Inputs(Rule):
    """Reads what was measured on the inputs of each version that serves."""

    def readings(self, declared: bool = False) -> Iterator[InputReading]:
        """Give a reading for each version that was measured."""
        for name, report in self.model.evidence.reports():
            traffic = self.model.versions[name].traffic
            severity = self.severity_of(traffic.stage)
            yield InputReading(version=name, severity=severity, report=report, gap=traffic.gap, declared=declared)


class Records(_Inputs):
    """Hard errors, against what the guardrail file declares, and swapped columns."""

    def verdicts(self, now: float) -> Iterator[Verdict]:
        """Judge every version that serves."""
        declared = bool(self.model.guardrail.features)
        return (judge_records(reading, now) for reading in self.readings(declared))


class Completeness(_Inputs):
    """Missing values, against the reference."""

    def verdicts(self, now: float) -> Iterator[Verdict]:
        """Judge every version that serves."""
        declared = any(feature.missing is not None for feature in self.model.guardrail.features.values())
        return (judge_completeness(reading, now) for reading in self.readings(declared))


class Drift(_Inputs):
    """Distributions of features, scores and predictions, against the reference."""

    def verdicts(self, now: float) -> Iterator[Verdict]:
        """Judge every version that serves."""
        return (judge_drift(reading, now) for reading in self.readings())
