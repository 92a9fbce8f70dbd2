"""Judging inputs: what is declared pages, what is only inferred is evidence, and what nobody sends any more is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.rules.inputs import LEAST_ROWS, MOVES_SCORES, InputReading, judge_completeness, judge_drift, judge_records
from daemon.rules.verdict import GONE_AFTER, GONE_AFTER_GAPS, Effect, Severity, Verdict
from detectors.findings import ColumnFinding, InputReport
from tests.doubles.model import T0


def finding(name: str, what: str, **changes: Any) -> ColumnFinding:  # noqa: ANN401  # any field of the finding
    """A column in which 30 % of the rows are at fault, an hour before T0."""
    fields: dict[str, Any] = {
        "share": 0.3,
        "expected": 0.01,
        "effect": 0.27,
        "onset": T0 - 3600,
        "rows": 900,
        "hard": False,
    }
    return ColumnFinding(name=name, what=what, **(fields | changes))  # type: ignore[arg-type]  # of the list


def reading(severity: Severity = "page", gap: float = 1.0, declared: bool = False, **report: Any) -> InputReading:  # noqa: ANN401  # any field of the report
    """Inputs in which nothing was found."""
    fields: dict[str, Any] = {
        "rows": 5_000,
        "learned": 2_000,
        "needed": 2_000,
        "last": T0 - 2,
        "judged": True,
        "hard": (),
        "soft": (),
        "missing": (),
        "swapped": (),
        "drifted": (),
        "evidence": {"records": 0.1, "missing": 0.2, "drift": 0.3},
        "errors": {},
        "stale": (),
        "appeared": (),
    }
    return InputReading(version="8", severity=severity, report=InputReport(**(fields | report)), gap=gap, declared=declared)


NEGATIVE = finding("age", "out_of_bounds", hard=True, share=0.5, effect=0.48, onset=T0 - 1800)
TEXT = finding("income", "wrong_type", hard=True)
NEW = finding("region", "unknown_category")
SWAPPED = (
    finding("age", "swapped", share=2.5, expected=0.0, effect=2.5, partner="income", onset=T0 - 700),
    finding("income", "swapped", share=1.5, expected=0.0, effect=1.5, partner="age", onset=T0 - 700),
)
LACKING = finding("income", "missing")
MOVING = finding("income", "missing", moves_scores=MOVES_SCORES)
STILL = finding("income", "missing", moves_scores=MOVES_SCORES - 0.01)
DRIFTED = finding("income", "drifted", share=0.4, expected=0.0, effect=0.4)
SLOWLY = finding("age", "drifted", share=0.3, expected=0.0, effect=0.3, slow=True)
LONG_AGO = T0 - GONE_AFTER - 1

Table = dict[str, tuple[InputReading, str, str, str, str]]

#: Reading -> state, reason, severity, part of the text.
RECORDS: Table = {
    "as declared": (reading(), "ok", "within_limit", "page", "records are as declared"),
    "a number out of bounds": (
        reading(hard=(NEGATIVE,)),
        "breach",
        "hard_errors",
        "page",
        "version 8: age out of bounds in 50 % of the rows; 1 % is usual",
    ),
    "several columns": (
        reading(hard=(NEGATIVE, TEXT, TEXT, TEXT, TEXT)),
        "breach",
        "hard_errors",
        "page",
        "income of the wrong type in 30 % of the rows and 2 more columns; 1 % is usual",
    ),
    "errors by a rule that only logs": (reading("log", hard=(TEXT,)), "breach", "hard_errors", "log", "of the wrong type"),
    "swapped columns": (
        reading(swapped=SWAPPED),
        "breach",
        "swapped",
        "page",
        "columns age and income of version 8 are swapped: each has the other's values",
    ),
    "swapped columns that break what is declared": (
        reading(swapped=SWAPPED, hard=(NEGATIVE,)),
        "breach",
        "swapped",
        "page",
        "are swapped",
    ),
    "a category that was never seen": (
        reading(soft=(NEW,)),
        "breach",
        "inferred_errors",
        "log",
        "region an unknown category in 30 % of the rows; 1 % is usual, by what the reference holds",
    ),
    "declared errors among inferred ones": (reading(soft=(NEW,), hard=(TEXT,)), "breach", "hard_errors", "page", "income"),
    "silence": (reading(last=LONG_AGO), "unknown", "no_traffic", "page", "version 8 gets no predictions"),
    "silence after errors": (reading(last=LONG_AGO, hard=(TEXT,)), "unknown", "no_traffic", "page", "no predictions"),
    "silence after a swap": (reading(last=LONG_AGO, swapped=SWAPPED), "unknown", "no_traffic", "page", "no predictions"),
    "a pause": (reading(last=T0 - GONE_AFTER), "ok", "within_limit", "page", "as declared"),
    "seldom traffic": (
        reading(gap=3600.0, last=T0 - GONE_AFTER_GAPS * 3600.0),
        "ok",
        "within_limit",
        "page",
        "as declared",
    ),
    "nothing learned": (
        reading(judged=False, learned=700),
        "unknown",
        "learning_reference",
        "page",
        "learning what is usual: 700 of 2000 predictions",
    ),
    "predictions enough, but of too short a time": (
        reading(judged=False),
        "unknown",
        "learning_reference",
        "page",
        "learning what is usual",
    ),
    "another version's reference": (reading(learned=10), "ok", "within_limit", "page", "as declared"),
    "nothing learned, but something declared": (
        reading(judged=False, declared=True, rows=LEAST_ROWS, learned=50),
        "ok",
        "within_limit",
        "page",
        "records are as declared, as far as is declared; learning what is usual: 50 of 2000 predictions",
    ),
    "a handful of predictions": (
        reading(judged=False, declared=True, rows=LEAST_ROWS - 1, learned=49),
        "unknown",
        "learning_reference",
        "page",
        "learning what is usual: 49",
    ),
    "errors before anything was learned": (
        reading(judged=False, declared=True, learned=0, hard=(TEXT,)),
        "breach",
        "hard_errors",
        "page",
        "income",
    ),
}
COMPLETENESS: Table = {
    "nothing is missing": (reading("ticket"), "ok", "within_limit", "ticket", "no more values are missing than usual"),
    "missing values": (
        reading("ticket", missing=(LACKING,)),
        "breach",
        "missing",
        "ticket",
        "version 8: income missing in 30 % of the rows; 1 % is usual",
    ),
    "missing values that leave the scores alone": (reading("ticket", missing=(STILL,)), "breach", "missing", "ticket", "income"),
    "missing values that move the scores": (
        reading("ticket", missing=(MOVING,)),
        "breach",
        "missing_moves_scores",
        "page",
        "income missing in 30 % of the rows; 1 % is usual, and it moves the scores (population stability 0.20)",
    ),
    "two columns of which one moves the scores": (
        reading("ticket", missing=(finding("age", "missing", effect=0.5), MOVING)),
        "breach",
        "missing_moves_scores",
        "page",
        "version 8: income missing in 30 % of the rows; 1 % is usual, and it",
    ),
    "missing values by a rule that only logs": (reading("log", missing=(MOVING,)), "breach", "missing", "log", "income"),
    "silence after missing values": (
        reading("ticket", last=LONG_AGO, missing=(MOVING,)),
        "unknown",
        "no_traffic",
        "ticket",
        "no predictions",
    ),
    "nothing learned": (
        reading("ticket", judged=False, learned=700),
        "unknown",
        "learning_reference",
        "ticket",
        "700 of 2000 predictions",
    ),
    "nothing learned, but something declared": (
        reading("ticket", judged=False, declared=True, learned=700),
        "ok",
        "within_limit",
        "ticket",
        "as far as is declared",
    ),
}
DRIFT: Table = {
    "nothing moved": (reading("ticket"), "ok", "within_limit", "ticket", "are distributed as in the reference"),
    "a column moved suddenly": (
        reading("ticket", drifted=(DRIFTED,)),
        "breach",
        "drifted",
        "ticket",
        "income of version 8 moved suddenly (population stability 0.40)",
    ),
    "all moved slowly": (
        reading("ticket", drifted=(SLOWLY,)),
        "breach",
        "drifted_slowly",
        "ticket",
        "age of version 8 moved slowly: retraining may be due (population stability 0.30)",
    ),
    "one suddenly, the others slowly": (
        reading("ticket", drifted=(DRIFTED, SLOWLY, SLOWLY, SLOWLY)),
        "breach",
        "drifted",
        "ticket",
        "income, age, age and 1 more of version 8 moved suddenly",
    ),
    "silence after a drift": (
        reading("ticket", last=LONG_AGO, drifted=(DRIFTED,)),
        "unknown",
        "no_traffic",
        "ticket",
        "no predictions",
    ),
    "nothing learned": (
        reading("ticket", judged=False, learned=700),
        "unknown",
        "learning_reference",
        "ticket",
        "learning what is usual",
    ),
}


def held(verdict: Verdict, row: tuple[InputReading, str, str, str, str]) -> None:
    """Hold a verdict against its row of a table."""
    assert (verdict.state, verdict.reason, verdict.severity) == row[1:4]
    assert row[4] in verdict.text


@pytest.mark.parametrize("case", RECORDS)
def test_records_are_judged(case: str) -> None:
    """Each reading has one state, one reason, one severity and a sentence."""
    held(judge_records(RECORDS[case][0], T0), RECORDS[case])


@pytest.mark.parametrize("case", COMPLETENESS)
def test_completeness_is_judged(case: str) -> None:
    """Missing values are a ticket, and a page when they move the scores."""
    held(judge_completeness(COMPLETENESS[case][0], T0), COMPLETENESS[case])


@pytest.mark.parametrize("case", DRIFT)
def test_drift_is_judged(case: str) -> None:
    """One verdict a version, whatever the number of columns; never more than its severity."""
    held(judge_drift(DRIFT[case][0], T0), DRIFT[case])


def test_a_breach_names_its_columns_since_when_and_how_much() -> None:
    """The onset is that of the first column."""
    found = judge_records(reading(hard=(NEGATIVE, TEXT)), T0)

    assert (found.rule, found.version, found.segment, found.evidence) == ("records", "8", None, 1.0)
    assert found.onset == TEXT.onset
    assert found.effects == (
        Effect(name="age", effect=0.48, what="out_of_bounds 50 %"),
        Effect(name="income", effect=0.27, what="wrong_type 30 %"),
    )
    assert dict(found.numbers) == {"columns": 2.0, "share": 0.5, "expected": 0.01}


def test_a_swap_names_both_columns_and_whose_values_they_have() -> None:
    """A person can see at once what to exchange."""
    found = judge_records(reading(swapped=SWAPPED), T0)

    assert [(effect.name, effect.what) for effect in found.effects] == [
        ("age", "swapped with income"),
        ("income", "swapped with age"),
    ]


def test_what_is_near_is_seen_before_it_is_found() -> None:
    """The evidence of each rule is that of its group; without a breach there is no onset."""
    calm = reading()
    found = [judge(calm, T0) for judge in (judge_records, judge_completeness, judge_drift)]

    assert [(one.rule, one.evidence, one.onset) for one in found] == [
        ("records", 0.1, None),
        ("completeness", 0.2, None),
        ("drift", 0.3, None),
    ]
