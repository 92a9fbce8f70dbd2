"""The document of `backtest --json`: exactly the contract's fields, the same bytes for the same events, however they are cut."""

from __future__ import annotations

import json
import re
from datetime import datetime
from itertools import chain
from typing import Any

import pytest

from daemon import backtest
from tests.scenarios.reports import only, rollbacks
from tests.scenarios.streams import MODEL, START, Arm, Phase, guardrail, judged, story

LINES = story(Phase(3_000, (Arm("7", 0.10),)), Phase(1_500, (Arm("8", 0.25),), shift=2.0)).lines()
LAST = START + 2.0 * 4_500


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """The report of a story with one incident."""
    return judged(LINES)


def test_the_document_has_exactly_the_fields_of_the_contract(found: dict[str, Any]) -> None:
    """At every level."""
    incident = only(found)

    assert set(found) == {"guardrails", "events", "joined", "expired", "from", "to", "incidents", "verdicts"}
    assert set(found["guardrails"]) == {"model", "version", "digest"}
    assert set(found["events"]) == {"predictions", "labels", "outcomes", "rejected"}
    assert set(incident) == {
        *("id", "model", "severity", "cause", "rules", "version", "segment", "onset", "opened", "resolved", "reason"),
        *("labels_to_alarm", "features", "actions"),
    }
    assert {frozenset(feature) for feature in incident["features"]} == {frozenset({"name", "effect", "what"})}
    assert [action for action in incident["actions"] if action["kind"] == "rollback"] == [{"kind": "rollback", "target": "7"}]
    assert [action for action in incident["actions"] if action["kind"] == "page"] == [{"kind": "page", "route": "log"}]
    for verdict in found["verdicts"]:
        assert set(verdict) == {"rule", "version", "segment", "state", "seconds"}
        assert list(verdict["seconds"]) == ["ok", "unknown", "breach"]
        assert verdict["state"] in {"ok", "unknown", "breach"}


def test_its_numbers_are_those_of_the_events(found: dict[str, Any]) -> None:
    """Everything is counted, and the digest is that of the file."""
    assert found["guardrails"] == {"model": MODEL, "version": 1, "digest": guardrail().digest}
    assert found["events"] == {"predictions": 4_500, "labels": 4_500, "outcomes": 0, "rejected": {}}
    assert (found["joined"], found["expired"]) == (4_500, 0)
    assert found["from"] == "2026-05-01T12:00:00.000Z"
    assert re.fullmatch(r"[0-9a-f]{12}", only(found)["id"]) is not None


def test_times_are_rfc_3339_in_utc_with_milliseconds(found: dict[str, Any]) -> None:
    """And in order: onset, opening, end of the events."""
    incident = only(found)
    times = [found["from"], incident["onset"], incident["opened"], found["to"]]

    assert [re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) is not None for time in times] == [True] * 4
    assert times == sorted(times)
    assert abs(datetime.fromisoformat(incident["onset"]).timestamp() - (START + 6_000)) < 300


def test_verdicts_are_sorted_and_their_seconds_are_those_since_the_version_came(found: dict[str, Any]) -> None:
    """By rule, version and segment; `ok`, `unknown` and `breach` leave no second out."""
    scopes = [(verdict["rule"], verdict["version"], verdict["segment"] or "") for verdict in found["verdicts"]]
    first = next(verdict for verdict in found["verdicts"] if (verdict["rule"], verdict["version"]) == ("harm", "7"))
    end = datetime.fromisoformat(found["to"]).timestamp()

    assert scopes == sorted(scopes)
    assert sum(first["seconds"].values()) == pytest.approx(end - START, abs=20)


def test_the_same_events_give_the_same_bytes(found: dict[str, Any]) -> None:
    """Twice, and however often the run saves in between."""
    assert json.dumps(judged(LINES)) == json.dumps(found)


@pytest.mark.parametrize("every", [1, 1_000])
def test_saving_changes_nothing(found: dict[str, Any], every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes through the store comes back as it was."""
    monkeypatch.setattr(backtest, "SAVE_EVERY", every)

    assert judged(LINES) == found


@pytest.mark.parametrize("size", [1_000, 3_333])
def test_several_files_are_one_stream(found: dict[str, Any], size: int) -> None:
    """Where they are cut makes no difference."""
    files = [LINES[start : start + size] for start in range(0, len(LINES), size)]

    assert judged(chain.from_iterable(files)) == found


def test_events_that_are_there_twice_count_once(found: dict[str, Any]) -> None:
    """They are read twice, and judged once."""
    twice = judged(line for line in LINES for _ in range(2))

    assert twice["events"]["predictions"] == 2 * found["events"]["predictions"]
    assert {**twice, "events": None} == {**found, "events": None}


def test_bad_lines_are_counted_by_reason_and_change_nothing(found: dict[str, Any]) -> None:
    """Each with the reason that the daemon would give it; another model's events are unmonitored."""
    bad = [
        *(
            b"{",
            b"[1]",
            b'{"id": "x"}',
            b'{"type": "guess", "id": "x"}',
            b'{"type": "label", "id": "x", "model": "loan-approval"}',
        ),
        b'{"type": "label", "id": "x", "model": "loan-approval", "label": 1, "ts": 1777636800000}',
        b'{"type": "label", "id": "x", "model": "another", "label": 1}',
        b"\xff\xfe",
    ]
    mixed = [*LINES[:5_000], *bad, *LINES[5_000:]]
    report = judged(mixed)

    assert sum(report["events"]["rejected"].values()) == len(bad)
    assert report["events"]["rejected"]["unmonitored"] == 1
    assert {**report, "events": None} == {**found, "events": None}


def test_it_ends_at_the_last_event_unless_the_clock_is_let_go_on() -> None:
    """`--until` brings what only time brings: ids that are given up on."""
    unlabelled = story(Phase(100, (Arm("7", 0.10),), labelled=0.0)).lines()
    short = judged(unlabelled)
    long = judged(unlabelled, until=START + 2 * 86_400)

    assert (short["expired"], long["expired"]) == (0, 100)
    assert long["to"] == "2026-05-03T12:00:00.000Z"


def test_nothing_to_read_is_a_report_too() -> None:
    """With no times, since there were none."""
    empty = judged([])

    assert (empty["from"], empty["to"], empty["incidents"], empty["verdicts"]) == (None, None, [], [])


def test_an_incident_has_the_same_id_in_every_run_over_the_same_events(found: dict[str, Any]) -> None:
    """And in observe mode: the id is that of what happened, not of what was done."""
    observed = judged(LINES, mode="observe")

    assert only(observed)["id"] == only(found)["id"]
    assert (rollbacks(only(observed)), rollbacks(only(found))) == ([], ["7"])
