"""The words of a page: one sentence that a tired person understands, then the rest, a line each."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import incidents, notice
from alerting.incidents import Action
from alerting.notice import SUMMARY_LIMIT, describe, duration, notice_of, summary
from tests.doubles.alerting import NOON, a_notice, an_incident


def test_a_page_says_what_is_wrong_and_what_was_done() -> None:
    """One line: model and version, the meaning of the cause, the numbers, the last act."""
    incident = incidents.add_action(an_incident(), Action(kind="rollback", at=NOON, target="7"))

    assert summary(notice_of(incident, event="trigger", key="k", at=NOON)) == (
        "loan-approval version 8: the new version predicts worse than the one before it: "
        "mean loss 0.31 against 0.2 of version 7. Done: rollback to version 7 ordered."
    )


def test_the_end_says_how_long_it_took_and_why_it_is_over() -> None:
    """A resolve gives the positive finding, not the reason that it was opened for."""
    incident = incidents.resolve(an_incident(), "mean loss 0.19 over 300 labels", NOON + 2520)

    assert summary(notice_of(incident, event="resolve", key="k", at=NOON + 2520)) == (
        "loan-approval version 8: resolved after 42 min: mean loss 0.19 over 300 labels."
    )


def test_the_description_has_all_that_a_page_must_carry() -> None:
    """Numbers, columns, ids, what was done, why it matters, runbook, owner, guardrail, incident."""
    incident = incidents.add_action(an_incident(), Action(kind="rollback_blocked", at=NOON, reason="cooldown until 12:40"))

    assert describe(notice_of(incident, event="update", key="k", at=NOON)).splitlines()[1:] == [
        "Began: 2026-10-01T11:35:00.000Z, found after 25 min and 412 labels",
        "Numbers: mean_loss 0.31, limit 0.22",
        "Moved: age (missing, effect 0.41)",
        "Look at: id-1, id-2",
        "Done: not rolled back: cooldown until 12:40",
        "Why it matters: A wrong approval costs 4,000.",
        "Runbook: https://wiki.example/loan-approval",
        "Owner: team-credit",
        "Judged by: guardrail version 3 (0123456789ab), rules version",
        f"Incident: {incident.id}",
    ]


def test_trouble_of_the_daemon_itself_reads_as_that() -> None:
    """A notice without a model is about watchkeeper, and lines without content are left out."""
    told = notice.Notice(
        key="k", dedup_key="d", event="trigger", severity="page", cause="corrupt_range", reason="offsets 5 to 9 lost", at=NOON
    )

    assert describe(told) == "watchkeeper: corrupt range: offsets 5 to 9 lost."


@pytest.mark.parametrize(
    ("kind", "told"),
    [("rollback_confirmed", "rollback confirmed: live traffic carries version 7"), ("page", None), ("something_new", None)],
)
def test_notices_are_not_told_as_deeds(kind: str, told: str | None) -> None:
    """What was done about it does not list the pages that say so."""
    incident = incidents.add_action(an_incident(), Action(kind=kind, at=NOON, target="7", route="hook"))

    assert notice_of(incident, event="update", key="k", at=NOON).done == (() if told is None else (told,))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "59 min"), (11_100, "3 h 5 min"), (187_200, "2 d 4 h")],
)
def test_durations_read_aloud(seconds: float, text: str) -> None:
    """One or two units, the largest."""
    assert duration(seconds) == text


@given(st.text(), st.text(max_size=2000))
def test_what_events_bring_cannot_write_lines_into_a_page(name: str, reason: str) -> None:
    """Whatever a column is called, the summary is one printable line of bounded length, and the columns are one line."""
    told = a_notice(reason=reason, features=({"name": name, "effect": 0.5, "what": "moved"},))

    assert len(summary(told)) <= SUMMARY_LIMIT
    assert summary(told).isprintable()
    assert len(describe(told).splitlines()) == len(describe(a_notice()).splitlines())


def test_a_new_problem_inside_an_incident_has_its_own_key() -> None:
    """What receivers merge on is the incident unless said otherwise."""
    incident = an_incident()

    assert notice_of(incident, event="trigger", key="k", at=NOON).dedup_key == incident.id
    assert notice_of(incident, event="trigger", key="k", at=NOON, dedup_key="other").dedup_key == "other"


def test_notices_round_trip_through_json() -> None:
    """The body of an intent is the notice."""
    told = replace(a_notice(), done=("rollback to version 7 ordered",))

    assert notice.from_record(json.loads(json.dumps(notice.to_record(told)))) == told
