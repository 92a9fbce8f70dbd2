"""The shift report, from incidents that a test made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from alerting import incidents
from alerting.incidents import Action, Incident, Judgement
from alerting.report import Precision, precision, precisions, report, to_demote
from tests.doubles.alerting import NOON, an_incident

DAY = 86_400.0


def one(number: int, at: float, verdict: Judgement | None = None, **changes: Any) -> Incident:  # noqa: ANN401  # of Finding
    """An incident that was opened at `at`, acknowledged after two minutes and closed after ten."""
    opened = replace(an_incident(**changes), id=f"{number:012x}", opened=at)
    return incidents.resolve(incidents.acknowledge(opened, "ann", at + 120), "mended", at + 600, "ann", verdict)


def test_a_shift_without_anything_has_a_report() -> None:
    """Zeros, and no rule to demote."""
    made = report([], NOON, NOON + DAY)

    assert made["fired"] == {"incidents": 0, "severities": {}, "causes": {}, "models": {}}
    assert made["took"]["acknowledge"] == {"incidents": 0, "median": None, "longest": None}
    assert (made["open"], made["rules"], made["demote"], made["from"]) == ([], [], None, "2026-10-01T12:00:00.000Z")


def test_what_fired_what_was_done_and_how_long_it_took() -> None:
    """In the window; what was opened before it and is still open stands under `open`."""
    old = replace(an_incident(), id="f" * 12, opened=NOON - 9 * DAY)
    paged = incidents.add_action(one(1, NOON + 60, "real"), Action(kind="page", at=NOON + 60, route="pager"))
    slow = incidents.acknowledge(replace(an_incident(cause="drift"), id="2" * 12, opened=NOON + 90), "bob", NOON + 690)
    made = report([paged, slow, old], NOON, NOON + DAY)

    assert made["fired"]["causes"] == {"drift": 1, "new_version": 1}
    assert made["done"] == {"page": 1}
    assert made["took"]["acknowledge"] == {"incidents": 2, "median": 360.0, "longest": 600.0}
    assert made["took"]["resolve"] == {"incidents": 1, "median": 600.0, "longest": 600.0}
    assert [each["id"] for each in made["open"]] == ["f" * 12, "2" * 12]
    assert [each["id"] for each in made["incidents"]] == [paged.id, slow.id]


def test_what_was_only_observed_and_what_came_later_is_left_out() -> None:
    """Nobody was called for it."""
    watched = replace(an_incident(), observe=True)

    assert report([watched, one(1, NOON + 2 * DAY)], NOON, NOON + DAY)["fired"]["incidents"] == 0


def test_a_page_that_nobody_acknowledged_is_counted() -> None:
    """It woke somebody who then turned over."""
    assert report([an_incident()], NOON - 1, NOON + 1)["unseen"] == 1


def test_a_new_problem_does_not_make_a_quick_acknowledgement_slow() -> None:
    """The first one counts."""
    seen = incidents.acknowledge(an_incident(), "ann", NOON + 60)
    again = incidents.acknowledge(incidents.renew(seen, "worse", NOON + 3_600), "ann", NOON + 7_200)

    assert report([again], NOON, NOON + DAY)["took"]["acknowledge"]["longest"] == 60.0


def test_precision_counts_real_ones_against_false_alarms() -> None:
    """A duplicate is neither, and what nobody judged says nothing."""
    verdicts: Sequence[Judgement | None] = ("real", "false_alarm", "duplicate", None)
    made = precisions(one(number, NOON, verdict) for number, verdict in enumerate(verdicts))

    assert made == [Precision(rule="version", incidents=4, real=1, false_alarm=1, duplicate=1)]
    assert made[0].ratio == 0.5
    assert precision({"duplicate": 3}) is None


def rule(name: str, real: int, false_alarm: int) -> Precision:
    """A rule whose incidents were all judged."""
    return Precision(rule=name, incidents=real + false_alarm, real=real, false_alarm=false_alarm, duplicate=0)


@pytest.mark.parametrize(
    ("rules", "worst"),
    [
        ([], None),
        ([rule("drift", 0, 2)], None),  # two judgements are an anecdote
        ([rule("drift", 2, 2)], None),  # half of them were real
        ([rule("drift", 1, 2)], "drift"),
        ([rule("drift", 1, 2), rule("traffic", 0, 3)], "traffic"),
        ([rule("drift", 0, 3), rule("traffic", 0, 4)], "traffic"),
    ],
)
def test_the_rule_to_demote_is_the_one_that_is_most_often_wrong(rules: list[Precision], worst: str | None) -> None:
    """And only when enough was judged to say so."""
    found = to_demote(rules)

    assert (None if found is None else found.rule) == worst


def test_the_report_says_why_a_rule_should_be_demoted_and_how() -> None:
    """With its counts."""
    false = [one(number, NOON + number, "false_alarm", rules=("drift",)) for number in range(3)]
    made = report(false, NOON, NOON + DAY)

    assert made["demote"]["why"] == (
        "3 of the 3 incidents of drift that somebody judged were false alarms; "
        "{rule: drift, severity: ticket} in the guardrail file lets people sleep"
    )
