"""Acts of persons: what each must say, and what is written down of it."""

from __future__ import annotations

from typing import Any

import pytest

from alerting.acts import Act, Answer, act_entry, check
from alerting.errors import InvalidAct
from alerting.incidents import to_record
from tests.doubles.alerting import NOON, an_incident


def an_act(**fields: Any) -> Act:  # noqa: ANN401  # any field
    """An acknowledgement, unless told otherwise."""
    said: dict[str, Any] = {"id": "a1", "kind": "acknowledge", "by": "ann", "at": NOON, "incident": "0123456789ab"}
    return Act(**(said | fields))


@pytest.mark.parametrize(
    "act",
    [
        an_act(),
        an_act(kind="resolve", reason="mended", verdict="real"),
        an_act(kind="approve"),
        an_act(kind="silence", incident=None, reason="backfill", until=NOON + 60, model="loan"),
        an_act(kind="unsilence", incident=None, silence="0123456789ab"),
        an_act(kind="clear", incident=None, model="loan", version="8"),
    ],
)
def test_a_complete_act_is_taken(act: Act) -> None:
    """Of each kind."""
    check(act)


@pytest.mark.parametrize(
    ("act", "problems"),
    [
        (an_act(by=" "), "by: must be there"),
        (an_act(kind="resolve"), "reason: must be there"),
        (an_act(kind="clear", incident=None), "model: must be there; version: must be there"),
        (an_act(by="a" * 1001), "by: must not be longer than 1000"),
        (an_act(id="i" * 101), "id: must not be longer than 100"),
        (an_act(kind="destroy"), "kind: must be one of acknowledge, resolve, silence, unsilence, approve, clear, rehearse"),
        (an_act(kind="resolve", reason="x", verdict="maybe"), "verdict: must be one of real, false_alarm, duplicate"),
        (an_act(kind="silence", reason="x", until=float("nan")), "until: must be a time"),
    ],
)
def test_every_problem_of_an_act_is_said(act: Act, problems: str) -> None:
    """By the key that is wrong."""
    with pytest.raises(InvalidAct) as caught:
        check(act)

    assert str(caught.value) == problems


def test_the_journal_keeps_who_did_what() -> None:
    """Without the incident's record, which stands there already."""
    entry = act_entry(an_act(record=to_record(an_incident())), Answer(status="done", text="incident is acknowledged"))

    assert entry.key == "act/a1"
    assert (entry.record["kind"], entry.record["act"]["by"], entry.record["status"]) == ("act", "ann", "done")
    assert "record" not in entry.record["act"]
