"""Judging labels: whether they come, in time, and the right way round; without them nothing can be told, and that is said."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.join import Join
from daemon.monitor import Monitor
from daemon.rules.labels import LabelReading, Labels, RankingReading, judge_labels, judge_ranking
from daemon.rules.verdict import GONE_AFTER, Severity, Verdict
from daemon.store import MemoryStore
from detectors.maturity import LabelFinding, LabelReport
from detectors.ranking import Mirror
from tests.doubles.model import T0, a_guardrail

AGE = 60.0


def finding(what: str, **changes: Any) -> LabelFinding:  # noqa: ANN401  # any field of the finding
    """A fault of the labels that began an hour before T0."""
    fields: dict[str, Any] = {"share": 0.4, "expected": 0.9, "onset": T0 - 3600, "predictions": 500, "labels": 0}
    return LabelFinding(what=what, **(fields | changes))  # type: ignore[arg-type]  # of the list


def labels(
    *findings: LabelFinding, severity: Severity = "page", last_seen: float = T0 - 2, expected_coverage: float | None = 0.9
) -> Verdict:
    """Judge labels in which nothing, or this, was found."""
    report = LabelReport(findings=findings, coverage=0.88, expected_coverage=expected_coverage, delay=120.0)
    return judge_labels(LabelReading(severity=severity, report=report, last_seen=last_seen, age=AGE, gap=1.0), T0)


def ranking(moved: str = "", **changes: Any) -> Verdict:  # noqa: ANN401  # any field of the mirror
    """Judge how a version ranks its labels; well, unless told otherwise."""
    fields: dict[str, Any] = {"value": 0.84, "reference": 0.85, "bound": 0.24, "labels": 300, "mirrored": False}
    mirror = Mirror(**(fields | changes))
    return judge_ranking(RankingReading(version="8", severity="page", mirror=mirror, onset=T0 - 90, moved=moved))


TURNED: dict[str, Any] = {"value": 0.16, "mirrored": True, "labels": 150}

#: Verdict, its state, reason, severity and part of its text.
LABELS: dict[str, tuple[Verdict, str, str, str, str]] = {
    "they come": (labels(), "ok", "within_limit", "page", "88 % of the predictions get their label in time"),
    "they stopped": (
        labels(finding("stopped", share=0.0)),
        "breach",
        "stopped",
        "page",
        "no label has come for 500 predictions that should have theirs",
    ),
    "too few": (
        labels(finding("uncovered", share=0.1)),
        "breach",
        "uncovered",
        "page",
        "10 % of the predictions get a label in time, which is too few to tell anything",
    ),
    "fewer than usual": (
        labels(finding("sparse")),
        "breach",
        "sparse",
        "ticket",
        "40 % of the predictions get a label in time, 90 % are usual",
    ),
    "late": (
        labels(finding("late", expected=0.1)),
        "breach",
        "late",
        "ticket",
        "40 % of the labels come later than the age at which they are judged, 10 % are usual",
    ),
    "the worst is told": (labels(finding("stopped"), finding("late")), "breach", "stopped", "page", "no label has come"),
    "by a rule that only logs": (labels(finding("late"), severity="log"), "breach", "late", "log", "later"),
    "nothing is usual yet": (
        labels(expected_coverage=None),
        "unknown",
        "learning_reference",
        "page",
        "learning when labels usually come",
    ),
    "no predictions": (
        labels(last_seen=T0 - AGE - GONE_AFTER - 1),
        "unknown",
        "no_traffic",
        "page",
        "there are no predictions",
    ),
    "the last prediction was just now": (labels(last_seen=T0 - AGE - GONE_AFTER), "ok", "within_limit", "page", "in time"),
}
RANKING: dict[str, tuple[Verdict, str, str, str, str]] = {
    "the right way round": (ranking(), "ok", "within_limit", "page", "version 8 rank the labels with 0.84"),
    "turned round": (
        ranking(**TURNED),
        "breach",
        "flipped",
        "page",
        (
            "the labels of version 8 look turned round: its predictions rank 150 labels with 0.16, 0.85 was usual, "
            "and neither features nor scores moved"
        ),
    ),
    "near the mirror, but a feature moved": (ranking(moved="income", **TURNED), "ok", "within_limit", "page", "0.16"),
    "nothing is usual yet": (
        ranking(reference=None, bound=None, mirrored=None),
        "unknown",
        "learning_reference",
        "page",
        "learning how the predictions rank the labels",
    ),
    "few labels": (
        ranking(labels=12, mirrored=None),
        "unknown",
        "too_few_labels",
        "page",
        "12 labels are too few to tell whether they are the right way round",
    ),
    "no value at all": (ranking(value=None), "ok", "within_limit", "page", "rank the labels with unknown"),
}


def held(row: tuple[Verdict, str, str, str, str]) -> None:
    """Hold a verdict against the rest of its row."""
    verdict, *expected, text = row

    assert [verdict.state, verdict.reason, verdict.severity] == expected
    assert text in verdict.text


@pytest.mark.parametrize("case", LABELS)
def test_the_coming_of_labels_is_judged(case: str) -> None:
    """Of the model as a whole; what leaves nothing to judge pages, the rest is a ticket at most."""
    held(LABELS[case])

    assert (LABELS[case][0].rule, LABELS[case][0].version) == ("labels", "")


@pytest.mark.parametrize("case", RANKING)
def test_the_way_round_of_labels_is_judged(case: str) -> None:
    """Of each version; only a mirror is a finding, and only while the inputs stand still."""
    held(RANKING[case])

    assert (RANKING[case][0].rule, RANKING[case][0].version) == ("labels", "8")


def test_a_breach_has_an_onset_and_numbers() -> None:
    """Without one there is neither onset nor evidence."""
    stopped, flipped, calm = labels(finding("stopped")), ranking(**TURNED), ranking()

    assert (stopped.onset, stopped.evidence) == (T0 - 3600, 1.0)
    assert dict(stopped.numbers) == {"coverage": 0.88, "expected": 0.9, "delay": 120.0}
    assert (flipped.onset, flipped.labels, flipped.evidence) == (T0 - 90, 150, 1.0)
    assert dict(flipped.numbers) == {"ranking": 0.16, "reference": 0.85, "limit": 0.24}
    assert (calm.onset, calm.labels, calm.evidence) == (None, 0, 0.0)


def test_a_changed_guardrail_file_is_held_to_after_a_restart() -> None:
    """What was counted stays; what counts as too few is what the file says now."""

    def a_rule(minimum_coverage: float) -> Labels:
        guardrail = a_guardrail(labels={"expected_within": "60s", "minimum_coverage": minimum_coverage})
        return Labels("labels", "page", Monitor(guardrail, Join(MemoryStore(), guardrail.model)))

    before, after = a_rule(0.2), a_rule(0.5)
    after.restore(before.to_state())

    assert after.to_state() == a_rule(0.5).to_state()
