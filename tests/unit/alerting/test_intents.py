"""Intents: stable keys, and a record that the outbox can keep."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from alerting import intents
from alerting.errors import InvalidRecord
from alerting.intents import Kind, Outcome, Status, key_of, restamped
from tests.doubles.alerting import NOON, an_intent


@pytest.mark.parametrize("kind", ["page", "ticket", "resolve", "rollback", "journal"])
def test_intents_round_trip_through_json(kind: Kind) -> None:
    """What the outbox gives back after a crash is what was put in."""
    intent = an_intent(kind, attempts=3, not_before=NOON + 8, deadline=NOON + 600)

    assert intents.from_record(json.loads(json.dumps(intents.to_record(intent)))) == intent


def test_a_broken_record_is_one_clear_error() -> None:
    """A record of another shape names what is wrong with it."""
    with pytest.raises(InvalidRecord, match=r"a stored Intent cannot be read: .*kind"):
        intents.from_record({**intents.to_record(an_intent()), "kind": "fax"})


def test_a_key_names_the_act() -> None:
    """The same act has the same key in every attempt and every process."""
    assert key_of("0123456789ab", "page", "hook", 2) == "0123456789ab:page:hook:2"


def test_a_new_assignment_changes_the_generation_only() -> None:
    """A daemon that is assigned again takes up its own outbox under the new generation."""
    assert restamped(an_intent(), 9) == replace(an_intent(), generation=9)


@pytest.mark.parametrize(("status", "final"), [("done", True), ("failed", True), ("retry_later", False), ("fenced", False)])
def test_what_may_leave_the_outbox(status: Status, final: bool) -> None:
    """Only what was done or given up."""
    assert Outcome(key="k", status=status, detail="", at=NOON).final is final
