"""The life of an incident: what each state allows, what is written down, what is shown."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import incidents
from alerting.errors import IllegalTransition, InvalidRecord
from alerting.incidents import Action, Finding, Incident, Terms
from tests.doubles.alerting import FINDING, NOON, TERMS, an_incident

LATER = NOON + 60.0

TEXT = st.text(max_size=8)
NUMBERS = st.dictionaries(TEXT, st.none() | st.floats() | st.integers(-(2**53), 2**53), max_size=3)

CHANGES: dict[str, Callable[[Incident], Incident]] = {
    "add_rule": lambda i: incidents.add_rule(i, "harm", LATER),
    "change_cause": lambda i: incidents.change_cause(i, "concept", "older versions too", LATER),
    "raise_severity": lambda i: incidents.raise_severity(i, "page", LATER),
    "with_evidence": lambda i: incidents.with_evidence(i, LATER, detail="more", numbers={"mean_loss": 0.4}),
    "acknowledge": lambda i: incidents.acknowledge(i, "ana", LATER),
    "mitigate": lambda i: incidents.mitigate(i, "traffic carries 7", LATER),
    "relapse": lambda i: incidents.relapse(i, "no help", LATER),
    "resolve": lambda i: incidents.resolve(i, "mean loss 0.19", LATER),
}


def test_the_id_is_the_hash_of_what_it_is_about() -> None:
    """Twelve hex digits of the SHA-256 over model, cause, version, segment and ordinal."""
    canonical = b'["loan","harm","8","region=north",2]'

    assert incidents.incident_id("loan", "harm", "8", "region=north", 2) == hashlib.sha256(canonical).hexdigest()[:12]


def test_ids_differ_where_what_they_are_about_differs() -> None:
    """Neither an absent version nor a moved boundary between two names makes two incidents one."""
    ids = {
        incidents.incident_id("a", "b", None, None, 0),
        incidents.incident_id("a", "b", "None", None, 0),
        incidents.incident_id("a", "b", "", None, 0),
        incidents.incident_id("ab", "", None, None, 0),
        incidents.incident_id("a", "b", None, None, 1),
        incidents.incident_id("a", "b", None, "\ud800", 0),
    }

    assert len(ids) == 6


def test_opening_writes_down_the_finding_and_the_terms() -> None:
    """A new incident is open, carries guardrail and numbers, and its timeline begins."""
    incident = an_incident()

    assert (incident.state, incident.opened, incident.onset) == ("open", NOON, NOON - 1500)
    assert (incident.guardrail_version, incident.guardrail_digest, incident.owner) == (3, "0123456789abcdef", "team-credit")
    assert [(entry.at, entry.what) for entry in incident.timeline] == [(NOON, "opened")]


def test_an_unknown_onset_is_the_opening() -> None:
    """Rules without an onset give the time at which they found it."""
    assert an_incident(onset=None).onset == NOON


def test_numbers_that_are_not_there_leave_as_none() -> None:
    """NaN and infinities never reach a record."""
    incident = an_incident(numbers={"a": math.nan, "b": -math.inf, "c": 1})

    assert incident.numbers == {"a": None, "b": None, "c": 1}


@pytest.mark.parametrize(
    ("change", "state"),
    [("acknowledge", "acknowledged"), ("mitigate", "mitigated"), ("resolve", "resolved"), ("add_rule", "open")],
)
def test_transitions_from_open(change: str, state: str) -> None:
    """An open incident goes where its table says, one revision and one line of the timeline further."""
    incident = CHANGES[change](an_incident())

    assert (incident.state, incident.revision, len(incident.timeline)) == (state, 1, 2)


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_resolved_incident_stays_as_it_is(change: str) -> None:
    """Resolved is final: a new problem is a new incident."""
    resolved = incidents.resolve(an_incident(), "mean loss 0.19", LATER)

    with pytest.raises(IllegalTransition, match="resolved"):
        CHANGES[change](resolved)


def test_what_comes_after_the_end_is_still_written_down() -> None:
    """The resolving page is delivered after the incident is resolved."""
    resolved = incidents.resolve(an_incident(), "mean loss 0.19", LATER)
    told = incidents.add_action(resolved, Action(kind="resolve", at=LATER, route="hook"))

    assert told.actions[-1].kind == "resolve"
    assert incidents.note(told, LATER, "commented", "by ana").timeline[-1].what == "commented"


def test_it_is_acknowledged_once() -> None:
    """The second person learns who was first."""
    acknowledged = incidents.acknowledge(an_incident(), "ana", LATER)

    with pytest.raises(IllegalTransition, match="acknowledged by ana before"):
        incidents.acknowledge(acknowledged, "ben", LATER)


def test_acknowledging_a_mitigated_incident_does_not_undo_the_mitigation() -> None:
    """A person who has seen it changes nothing about what the world shows."""
    incident = incidents.acknowledge(incidents.mitigate(an_incident(), "back on 7", LATER), "ana", LATER)

    assert (incident.state, incident.acknowledged_by) == ("mitigated", "ana")


def test_a_relapse_wakes_again() -> None:
    """A mitigation that did not hold opens it, and takes back the acknowledgement."""
    mitigated = incidents.mitigate(incidents.acknowledge(an_incident(), "ana", LATER), "back on 7", LATER)
    incident = incidents.relapse(mitigated, "the loss is as it was", LATER)

    assert (incident.state, incident.acknowledged, incident.mitigated) == ("open", None, None)


@pytest.mark.parametrize("change", ["mitigate", "relapse"])
def test_mitigation_alternates_with_relapse(change: str) -> None:
    """Neither can happen twice in a row."""
    incident = incidents.mitigate(an_incident(), "back on 7", LATER) if change == "mitigate" else an_incident()

    with pytest.raises(IllegalTransition, match=incident.id):
        CHANGES[change](incident)


def test_a_person_closing_it_is_recorded_as_that() -> None:
    """A resolution by a person is told apart from a positive finding."""
    found = incidents.resolve(an_incident(), "mean loss 0.19", LATER)
    closed = incidents.resolve(an_incident(), "a test", LATER, by="ana")

    assert (found.resolved_by, found.resolution) == (None, "mean loss 0.19")
    assert (closed.resolved_by, closed.resolution) == ("ana", "by ana: a test")


def test_its_cause_changes_and_its_id_does_not() -> None:
    """The id is that of the cause at opening."""
    incident = incidents.change_cause(an_incident(), "concept", "the rollback did not help", LATER)

    assert (incident.id, incident.cause) == (an_incident().id, "concept")
    assert incident.timeline[-1].detail == "new_version to concept: the rollback did not help"


def test_severity_is_the_highest_reached() -> None:
    """It rises and never falls."""
    ticket = an_incident(severity="ticket")
    page = incidents.raise_severity(ticket, "page", LATER, "moves the scores")

    assert page.severity == "page"
    assert incidents.raise_severity(page, "log", LATER) is page


def test_what_is_known_already_changes_nothing() -> None:
    """The same rule or the same cause again makes no revision, and so no journal entry."""
    incident = an_incident()

    assert incidents.add_rule(incident, "version", LATER) is incident
    assert incidents.change_cause(incident, "new_version", "still", LATER) is incident


def test_in_observe_mode_actions_are_what_it_would_have_done() -> None:
    """Nothing is recorded as done that was not."""
    incident = incidents.open_incident(FINDING, replace(TERMS, observe=True), ordinal=0, at=NOON)
    incident = incidents.add_action(incident, Action(kind="rollback", at=LATER, target="7"))
    report = incidents.to_report(incident)

    assert (report["actions"], report["would"]) == ([], [{"kind": "rollback", "target": "7"}])
    assert incident.timeline[-1].what == "would_rollback"


def test_the_timeline_is_bounded() -> None:
    """A flapping incident keeps its opening and the latest lines."""
    incident = an_incident()
    for number in range(2 * incidents.TIMELINE_LIMIT):
        incident = incidents.note(incident, LATER + number, "noted", str(number))

    assert len(incident.timeline) == incidents.TIMELINE_LIMIT
    assert (incident.timeline[0].what, incident.timeline[-1].detail) == ("opened", "999")


def test_the_report_is_the_contract() -> None:
    """Field for field what the document of `backtest --json` promises."""
    incident = incidents.add_action(an_incident(), Action(kind="rollback", at=LATER, target="7", key="k"))
    incident = incidents.add_action(incident, Action(kind="page", at=LATER, route="pagerduty", key="k2"))

    assert incidents.to_report(incident) == {
        "id": incident.id,
        "model": "loan-approval",
        "severity": "page",
        "cause": "new_version",
        "rules": ["version"],
        "version": "8",
        "segment": None,
        "onset": "2026-10-01T11:35:00.000Z",
        "opened": "2026-10-01T12:00:00.000Z",
        "resolved": None,
        "reason": "mean loss 0.31 against 0.2 of version 7",
        "labels_to_alarm": 412,
        "features": [{"name": "age", "effect": 0.41, "what": "missing"}],
        "actions": [{"kind": "rollback", "target": "7"}, {"kind": "page", "route": "pagerduty"}],
    }


@st.composite
def lives(draw: st.DrawFn) -> Incident:
    """Incidents that have lived through some changes; those that their state refused did not happen."""
    finding = Finding(
        model=draw(TEXT),
        cause=draw(TEXT),
        severity=draw(st.sampled_from(incidents.SEVERITIES)),
        reason=draw(TEXT),
        rules=tuple(draw(st.lists(TEXT, max_size=2))),
        version=draw(st.none() | TEXT),
        segment=draw(st.none() | TEXT),
        onset=draw(st.none() | st.floats(0, 1e10)),
        labels_to_alarm=draw(st.integers(0, 10**6)),
        numbers=draw(NUMBERS),
        features=draw(st.lists(st.fixed_dictionaries({"name": TEXT, "effect": st.floats()}), max_size=2)),
        examples=tuple(draw(st.lists(TEXT, max_size=2))),
    )
    terms = Terms(version=draw(st.integers(0, 99)), digest=draw(TEXT), observe=draw(st.booleans()))
    incident = incidents.open_incident(finding, terms, ordinal=draw(st.integers(0, 9)), at=NOON)
    for change in draw(st.lists(st.sampled_from(sorted(CHANGES)), max_size=6)):
        try:
            incident = CHANGES[change](incident)
        except IllegalTransition:
            incident = incidents.add_action(incident, Action(kind=change, at=LATER, reason=draw(TEXT)))
    return incident


@given(lives())
def test_records_round_trip_through_json(incident: Incident) -> None:
    """What is read back from the journal is the incident that was written, whatever it lived through."""
    record = json.loads(json.dumps(incidents.to_record(incident), allow_nan=False))

    assert incidents.from_record(record) == incident


@given(lives(), st.sampled_from(sorted(CHANGES)))
def test_the_revision_grows_exactly_when_something_changed(incident: Incident, change: str) -> None:
    """Of two different records of one incident the later one has the larger revision."""
    try:
        after = CHANGES[change](incident)
    except IllegalTransition:
        return

    assert after.revision == incident.revision + (after != incident)
    assert (after.id, after.opened, after.model) == (incident.id, incident.opened, incident.model)


def test_a_record_of_a_newer_program_can_be_read() -> None:
    """Fields that were added later are passed over."""
    record = {**incidents.to_record(an_incident()), "colour": "red"}

    assert incidents.from_record(record) == an_incident()


@pytest.mark.parametrize("broken", [{}, {"state": "asleep"}, {"opened": "noon"}, {"rules": 3}])
def test_a_broken_record_says_what_is_wrong(broken: dict[str, Any]) -> None:
    """A record that is not one is one clear error."""
    record = {**incidents.to_record(an_incident()), **broken} if broken else {}

    with pytest.raises(InvalidRecord, match="a stored Incident cannot be read"):
        incidents.from_record(record)
