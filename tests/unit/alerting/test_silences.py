"""Silences: what they mute, for how long, and which cannot be asked for."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.errors import InvalidSilence
from alerting.facts import Facts, facts_of
from alerting.silences import LONGEST, Silence, ended, from_record, merged, new_silence, not_over, silenced, to_record
from tests.doubles.alerting import NOON, an_incident

HOUR = 3600.0
LOAN = Facts(severity="page", model="loan-approval", owner="team-credit", cause="new_version")
DAEMON = Facts(severity="page", cause="daemon")


def a_silence(**changes: Any) -> Silence:  # noqa: ANN401  # any argument of new_silence
    """An hour's silence of loan-approval from noon on."""
    asked = {"author": "ana", "reason": "retraining", "at": NOON, "ends": NOON + HOUR}
    named = {} if {"model", "cause", "owner"} & set(changes) else {"model": "loan-approval"}
    return new_silence(**{**asked, **named, **changes})


@pytest.mark.parametrize(
    ("named", "facts", "mutes"),
    [
        ({"model": "loan-approval"}, LOAN, True),
        ({"model": "loan-*"}, LOAN, True),
        ({"model": "Loan-*"}, LOAN, False),
        ({"model": "fraud"}, LOAN, False),
        ({"model": "loan-*", "cause": "drift"}, LOAN, False),
        ({"cause": "new_version"}, LOAN, True),
        ({"owner": "team-*", "cause": "new_*"}, LOAN, True),
        ({"owner": "team-risk"}, LOAN, False),
        ({"model": "*"}, LOAN, True),
        ({"model": "*"}, DAEMON, True),
        ({"model": "?*"}, DAEMON, False),
        ({"cause": "daemon"}, DAEMON, True),
        ({"owner": "team-*"}, DAEMON, False),
        ({"model": "a[1]"}, Facts(severity="ticket", model="a[1]"), True),
    ],
)
def test_a_silence_mutes_what_fits_all_that_it_names(named: dict[str, str], facts: Facts, mutes: bool) -> None:
    """By globs; a name that looks like a glob still is a name."""
    assert a_silence(**named).mutes(facts, NOON) == mutes


@pytest.mark.parametrize(("after", "mutes"), [(-1.0, False), (0.0, True), (HOUR - 1, True), (HOUR, False), (9 * HOUR, False)])
def test_a_silence_begins_and_ends(after: float, mutes: bool) -> None:
    """At its end it mutes no longer."""
    assert (silenced(LOAN, [a_silence()], NOON + after) is not None) == mutes


def test_a_silence_may_begin_later() -> None:
    """For the maintenance of tonight; one that was to begin in the past begins now."""
    tonight = a_silence(starts=NOON + HOUR, ends=NOON + 2 * HOUR)

    assert [tonight.mutes(LOAN, NOON + hours * HOUR) for hours in (0.5, 1, 1.5, 2)] == [False, True, True, False]
    assert a_silence(starts=NOON - HOUR).starts == NOON


def test_of_several_the_one_that_ends_last_is_told() -> None:
    """That is how long nobody will hear of it."""
    short, long, other = a_silence(), a_silence(ends=NOON + 2 * HOUR), a_silence(model="fraud", ends=NOON + 3 * HOUR)

    assert silenced(LOAN, [short, long, other], NOON) == long
    assert silenced(LOAN, [], NOON) is None


def test_the_facts_of_an_incident_are_those_of_now() -> None:
    """A cause that turns out to be another may be silenced or not."""
    facts = facts_of(an_incident())

    assert facts == LOAN
    assert silenced(facts, [a_silence(cause="drift")], NOON) is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"author": " "}, "author: must not be empty"),
        ({"reason": ""}, "reason: must not be empty"),
        ({"reason": "x" * 1001}, "reason: must not be longer than 1000"),
        ({"cause": ""}, "cause: must not be empty"),
        ({"model": None}, "model: name a model, a cause or an owner; `*` is all of them"),
        ({"ends": NOON}, "ends: must be later than now"),
        ({"ends": NOON - 1}, "ends: must be later than now"),
        ({"starts": NOON + HOUR}, "ends: must be later than the beginning"),
        ({"ends": float("inf")}, "ends: must be a time"),
        ({"ends": float("nan")}, "ends: must be a time"),
        (
            {"ends": NOON + LONGEST + 1},
            "ends: must be at most 31 days away; what is never to page again is severity: log in the guardrail file",
        ),
        ({"author": "", "ends": NOON}, "author: must not be empty; ends: must be later than now"),
    ],
)
def test_a_silence_needs_an_author_a_reason_and_an_end(changes: dict[str, Any], problem: str) -> None:
    """Every problem is told at once."""
    with pytest.raises(InvalidSilence) as caught:
        a_silence(**changes)

    assert str(caught.value) == problem


def test_asked_for_twice_it_is_one() -> None:
    """A client that got no answer asks again, a moment later."""
    assert a_silence().id == a_silence(at=NOON + 5).id
    assert len({a_silence().id, a_silence(author="bo").id, a_silence(ends=NOON + 60).id, a_silence(cause="drift").id}) == 4


def test_a_person_may_end_it_sooner() -> None:
    """It mutes no longer from then on, and who ended it is on record; what is over cannot be ended."""
    sooner = ended(a_silence(), "bo", NOON + 60)

    assert (sooner.ends, sooner.ended_by, sooner.mutes(LOAN, NOON + 59), sooner.mutes(LOAN, NOON + 60)) == (
        NOON + 60,
        "bo",
        True,
        False,
    )
    assert not ended(a_silence(starts=NOON + HOUR, ends=NOON + 2 * HOUR), "bo", NOON + 60).mutes(LOAN, NOON + HOUR)
    with pytest.raises(InvalidSilence, match=r"^silence [0-9a-f]{12} was over at 2026-10-01T12:01:00.000Z$"):
        ended(sooner, "ana", NOON + 61)
    with pytest.raises(InvalidSilence, match="by: say who ends it"):
        ended(a_silence(), "", NOON + 61)


def test_what_is_over_drops_out() -> None:
    """The first to end stands first."""
    over, long, short = a_silence(ends=NOON + 1), a_silence(ends=NOON + 9), a_silence(ends=NOON + 5)

    assert not_over([over, long, short], NOON + 1) == (short, long)


def test_records_may_come_in_any_order() -> None:
    """And more than once: a silence that was ended stays ended."""
    first, other = a_silence(), a_silence(model="fraud")
    records = [first, ended(first, "bo", NOON + 60), other, first]
    expected = {first.id: records[1], other.id: other}

    assert all(merged(order) == expected for order in permutations(records))


def test_it_can_be_written_down() -> None:
    """For the journal, the store and the API."""
    silence = ended(a_silence(), "bo", NOON + 60)

    assert from_record(to_record(silence)) == silence
    assert (
        str(a_silence()) == f"silence {a_silence().id} of ana over model=loan-approval until 2026-10-01T13:00:00.000Z: retraining"
    )
    assert " over everything until " in str(a_silence(model="*"))


TEXTS = st.text(max_size=20)


@given(author=TEXTS, reason=TEXTS, model=TEXTS, lasts=st.floats(), delay=st.none() | st.floats())
def test_whatever_is_asked_for_is_a_silence_with_an_end_or_an_error(
    author: str, reason: str, model: str, lasts: float, delay: float | None
) -> None:
    """No text or number makes a silence that nobody signed or that never ends."""
    try:
        silence = new_silence(
            author=author, reason=reason, at=NOON, ends=NOON + lasts, starts=None if delay is None else NOON + delay, model=model
        )
    except InvalidSilence:
        return
    assert silence.author.strip()
    assert silence.reason.strip()
    assert NOON <= silence.starts < silence.ends <= silence.starts + LONGEST
    assert from_record(to_record(silence)) == silence
