"""The rollback command, field for field, and what is recognised as one."""

from __future__ import annotations

import json

import pytest

from alerting.rollbacks.command import from_record, to_record
from alerting.rollbacks.kafka import key_of_command
from tests.doubles.alerting import a_command


def test_the_body_is_the_contract() -> None:
    """Other programs are written against it."""
    assert a_command().body() == {
        "command": "rollback",
        "model": "loan-approval",
        "from": "8",
        "to": "7",
        "key": "i:rollback:kafka:0",
        "incident": "0123456789ab",
        "reason": "mean loss 0.31 against 0.2 of version 7",
        "guardrails": {"version": 3, "digest": "0123456789ab"},
        "at": "2026-10-01T12:00:00.000Z",
    }


def test_commands_round_trip_through_json() -> None:
    """The body of an intent is the command, with what the guardrail file told its executor."""
    command = a_command(args={"name": "loan", "nested": {"n": [1, None, True]}})

    assert from_record(json.loads(json.dumps(to_record(command)))) == command


def test_a_command_of_an_older_release_is_read() -> None:
    """It had no args."""
    record = to_record(a_command())
    del record["args"]

    assert from_record(record) == a_command()


def test_args_are_not_on_the_topic() -> None:
    """They are the executor's; the record is a contract with others."""
    assert a_command(args={"name": "loan"}).body() == a_command().body()


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\xff", b"[]", b"null", b"[" * 100_000, b'{"command": "promote", "key": "k"}', b'{"command": "rollback"}'],
)
def test_what_others_write_to_the_topic_is_no_command_of_ours(value: bytes | None) -> None:
    """Whatever stands there is passed over."""
    assert key_of_command(value) is None


def test_our_own_command_is_recognised() -> None:
    """By its key."""
    assert key_of_command(json.dumps(a_command("k-1").body()).encode()) == "k-1"
