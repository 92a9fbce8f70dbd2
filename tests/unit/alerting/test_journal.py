"""The journal's entries: whole states under stable keys."""

from __future__ import annotations

import pytest

from alerting import incidents
from alerting.errors import InvalidRecord
from alerting.intents import Outcome
from alerting.journal import action_entry, decode, encode, entry_of_body, incident_entry, silence_entry
from alerting.silences import from_record, new_silence
from tests.doubles.alerting import NOON, an_incident, an_intent


def test_an_incident_is_kept_whole_under_its_id() -> None:
    """A compacted log keeps the last entry of a key: it must be all there is."""
    entry = incident_entry(an_incident())
    record = decode(encode(entry.record))

    assert entry.key == f"incident/{an_incident().id}"
    assert record is not None
    assert incidents.from_record(record["incident"]) == an_incident()


def test_an_act_is_kept_under_the_key_of_its_intent() -> None:
    """A key that is there is done."""
    entry = action_entry(an_intent("rollback"), Outcome(key="x", status="done", detail="acknowledged", at=NOON, attempts=2))

    assert entry.key == "action/i:rollback:kafka:0"
    assert entry.record == {
        "v": 1,
        "kind": "action",
        "key": "i:rollback:kafka:0",
        "action": "rollback",
        "destination": "kafka",
        "model": "loan-approval",
        "incident": "0123456789ab",
        "status": "done",
        "fallback": None,
        "detail": "acknowledged",
        "attempts": 2,
        "at": NOON,
    }


def test_a_silence_is_kept_whole_under_its_id() -> None:
    """A daemon that takes over knows who must not be woken, and until when."""
    silence = new_silence(author="ana", reason="retraining", at=NOON, ends=NOON + 60, model="loan-*")
    entry = silence_entry(silence)
    record = decode(encode(entry.record))

    assert entry.key == f"silence/{silence.id}"
    assert record is not None
    assert (record["kind"], from_record(record["silence"])) == ("silence", silence)


def test_the_same_record_has_the_same_bytes() -> None:
    """Whatever the order in which it was put together."""
    assert encode({"b": 1, "a": "é"}) == encode({"a": "é", "b": 1}) == b'{"a":"\\u00e9","b":1}'


@pytest.mark.parametrize("value", [None, b"", b"null", b"[1]", b"\xff", b"{", b"[" * 100_000])
def test_what_is_no_record_is_passed_over(value: bytes | None) -> None:
    """Tombstones, and what others wrote."""
    assert decode(value) is None


def test_entries_round_trip_through_the_body_of_an_intent() -> None:
    """What the outbox keeps is what is written."""
    entry = incident_entry(an_incident())

    assert entry_of_body(entry.body()) == entry
    with pytest.raises(InvalidRecord):
        entry_of_body({"key": "k"})
