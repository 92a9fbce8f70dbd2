"""Shifts out of calendars: whose an event is, when it is, and what is no calendar."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.calendar import DAYS_LIMIT, SHIFT_LIMIT, SIZE_LIMIT, shifts_of
from alerting.errors import InvalidCalendar

BERLIN: Final = ZoneInfo("Europe/Berlin")
PEOPLE: Final = ("ana", "ben", "ana-maria")

#: As PagerDuty exports a schedule: every shift is an event of its own, in UTC, with whoever has it as the attendee.
PAGERDUTY: Final = """\
BEGIN:VCALENDAR
PRODID:-//PagerDuty//On-Call//EN
VERSION:2.0
CALSCALE:GREGORIAN
METHOD:PUBLISH
X-WR-CALNAME:On Call Schedule for Models
X-WR-TIMEZONE:Europe/Berlin
BEGIN:VEVENT
DTSTART:20260302T090000Z
DTEND:20260309T090000Z
DTSTAMP:20260301T120000Z
UID:Q1-PABC123
ATTENDEE;CN="Ana Lopez";ROLE=REQ-PARTICIPANT:mailto:a.lopez@shop.example
SUMMARY:On Call - Models
URL;VALUE=URI:https://shop.pagerduty.example/schedules#PABC123
END:VEVENT
BEGIN:VEVENT
DTSTART:20260309T090000Z
DTEND:20260316T090000Z
DTSTAMP:20260301T120000Z
UID:Q2-PABC123
ATTENDEE:mailto:ben@shop.example
SUMMARY:On Call - Models
END:VEVENT
END:VCALENDAR
"""

#: As Google exports it: zones by name with their definition, a rule, an exception, and one that was moved.
GOOGLE: Final = """\
BEGIN:VCALENDAR
PRODID:-//Google Inc//Google Calendar 70.9054//EN
VERSION:2.0
CALSCALE:GREGORIAN
METHOD:PUBLISH
X-WR-CALNAME:Rota
X-WR-TIMEZONE:America/New_York
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
DTSTART;TZID=Europe/Berlin:20260105T100000
DTEND;TZID=Europe/Berlin:20260112T100000
RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO
EXDATE;TZID=Europe/Berlin:20260302T100000
UID:rota@google.com
SEQUENCE:1
STATUS:CONFIRMED
SUMMARY:ANA is on call
TRANSP:OPAQUE
END:VEVENT
BEGIN:VEVENT
DTSTART;TZID=Europe/Berlin:20260317T100000
DTEND;TZID=Europe/Berlin:20260323T100000
UID:rota@google.com
RECURRENCE-ID;TZID=Europe/Berlin:20260316T100000
SEQUENCE:2
STATUS:CONFIRMED
SUMMARY:Ben is on call
TRANSP:OPAQUE
END:VEVENT
END:VCALENDAR
"""


def berlin(text: str) -> float:
    """Epoch seconds of a time in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


def a_calendar(*events: str) -> bytes:
    """A calendar of events, each given as its lines without the first and the last."""
    inner = "".join(f"BEGIN:VEVENT\nUID:{place}\n{event.strip()}\nEND:VEVENT\n" for place, event in enumerate(events))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{inner}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def told(content: bytes, since: str = "2026-03-01", until: str = "2026-04-12") -> list[tuple[str, str, str]]:
    """Whose the shifts are and when, by the clock in Berlin."""
    shifts = shifts_of(content, PEOPLE, BERLIN, berlin(since), berlin(until))
    clock = [[f"{datetime.fromtimestamp(at, BERLIN):%m-%d %H:%M}" for at in (shift.starts, shift.ends)] for shift in shifts]
    return [(shift.person, starts, ends) for shift, (starts, ends) in zip(shifts, clock, strict=True)]


def whose(summary: str, *further: str) -> list[str]:
    """The persons of a calendar of one event."""
    event = "\n".join(["DTSTART:20260302T100000Z", "DTEND:20260302T180000Z", f"SUMMARY:{summary}", *further])
    return [person for person, _, _ in told(a_calendar(event))]


def test_a_schedule_of_pagerduty() -> None:
    """The title names nobody, so the attendee counts: the name, or the address up to the @."""
    assert told(PAGERDUTY.encode()) == [("ana", "03-02 10:00", "03-09 10:00"), ("ben", "03-09 10:00", "03-16 10:00")]


def test_a_calendar_of_google() -> None:
    """What repeats stays at ten over the change to summer; one is left out, one was moved and given to another."""
    assert told(GOOGLE.encode()) == [("ben", "03-17 10:00", "03-23 10:00"), ("ana", "03-30 10:00", "04-06 10:00")]


def test_a_week_over_the_change_is_an_hour_shorter() -> None:
    """As it is for who works it."""
    weekly = (
        "DTSTART;TZID=Europe/Berlin:20260302T100000\nDTEND;TZID=Europe/Berlin:20260309T100000\nRRULE:FREQ=WEEKLY\nSUMMARY:ana"
    )
    shifts = shifts_of(a_calendar(weekly), PEOPLE, BERLIN, berlin("2026-03-16 10:00"), berlin("2026-04-06 10:00"))

    assert [(shift.ends - shift.starts) / 3600 for shift in shifts] == [168.0, 167.0, 168.0]


def test_whole_days_and_times_without_a_zone_go_by_the_clock_of_the_rota() -> None:
    """From midnight to midnight there, over the change too; without an end it is one day."""
    content = a_calendar(
        "DTSTART;VALUE=DATE:20260328\nDTEND;VALUE=DATE:20260330\nSUMMARY:ana",
        "DTSTART;VALUE=DATE:20260401\nSUMMARY:ben",
        "DTSTART:20260402T080000\nDURATION:PT10H\nSUMMARY:ana",
    )

    assert told(content) == [
        ("ana", "03-28 00:00", "03-30 00:00"),
        ("ben", "04-01 00:00", "04-02 00:00"),
        ("ana", "04-02 08:00", "04-02 18:00"),
    ]


@pytest.mark.parametrize(
    ("summary", "persons"),
    [
        ("Ana", ["ana"]),
        ("on call: BEN (primary)", ["ben"]),
        ("Ana-Maria", ["ana-maria"]),
        ("Anastasia is on holiday", []),
        ("ana covers for ben", []),
        ("team lunch", []),
    ],
)
def test_the_title_names_whose_it_is(summary: str, persons: list[str]) -> None:
    """As a whole word; of two names that begin alike the longer one; nobody or several is no shift."""
    assert whose(summary) == persons


def test_attendees_count_when_the_title_names_nobody() -> None:
    """One of the rota among them; others do no harm."""
    cem, ana, ben = (f"ATTENDEE;CN={name}:mailto:{name}@shop.example" for name in ("cem", "ana", "ben"))

    assert [whose("shift", cem), whose("shift", cem, ana), whose("shift", ana, ben), whose("ben", ana)] == [
        [],
        ["ana"],
        [],
        ["ben"],
    ]


@pytest.mark.parametrize("line", ["STATUS:CANCELLED", "TRANSP:TRANSPARENT"])
def test_what_is_cancelled_or_not_busy_is_no_shift(line: str) -> None:
    """However it is named."""
    assert whose("ana", line) == []


def test_a_cancelled_one_of_a_series_leaves_the_others() -> None:
    """The exception takes the place of what the rule says."""
    series = "DTSTART:20260302T100000Z\nDTEND:20260302T180000Z\nRRULE:FREQ=DAILY;COUNT=3\nSUMMARY:ana"
    moment = "DTSTART:20260303T100000Z\nDTEND:20260303T180000Z\nRECURRENCE-ID:20260303T100000Z"
    gone = f"{moment}\nSEQUENCE:2\nSTATUS:CANCELLED\nSUMMARY:ana"
    content = a_calendar(series, gone).replace(b"UID:1", b"UID:0")

    assert [starts for _, starts, _ in told(content)] == ["03-02 11:00", "03-04 11:00"]


def test_shifts_reach_into_the_time_that_is_asked_for() -> None:
    """What ended with its beginning or begins with its end is not in it."""
    content = a_calendar(*(f"DTSTART:202603{day}T000000Z\nDTEND:202603{day + 1}T000000Z\nSUMMARY:ana" for day in range(10, 15)))

    assert [starts for _, starts, _ in told(content, "2026-03-11 01:00", "2026-03-13 01:00")] == ["03-11 01:00", "03-12 01:00"]
    assert [starts for _, starts, _ in told(content, "2026-03-11 00:59", "2026-03-11 01:00")] == ["03-10 01:00"]


DAILY: Final = "DTSTART:20260101T100000Z\nDTEND:20260101T180000Z\nSUMMARY:ana\nRRULE:"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it is not a calendar that can be read (ValueError)"),
        (b"\x00\xff\xfe rubbish", "it is not a calendar that can be read (ValueError)"),
        (b"<html>Please log in</html>", "it is not a calendar that can be read (ValueError)"),
        (b"x" * (SIZE_LIMIT + 1), f"the calendar has more than {SIZE_LIMIT} bytes"),
        *(
            (a_calendar(DAILY + rule), "the calendar has an event that repeats within a day, or without moving on")
            for rule in (
                "FREQ=SECONDLY",
                "FREQ=MI\n NUTELY",
                "freq=hourly",
                "FREQ=DAILY;BYHOUR=1,2",
                "FREQ=DAILY;INTERVAL=0",
                "FREQ=DAILY;INTERVAL=-1",
            )
        ),
        (
            a_calendar(*["DTSTART;VALUE=DATE:15000101\nSUMMARY:x\nRRULE:FREQ=DAILY"] * (DAYS_LIMIT // 190_000 + 1)),
            "the calendar has too many events that repeat, and for too long",
        ),
        (
            a_calendar(*["DTSTART:20260302T100000Z\nDTEND:20260302T180000Z\nSUMMARY:ana"] * (SHIFT_LIMIT + 1)),
            f"the calendar has more than {SHIFT_LIMIT} shifts",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_what_is_no_calendar_is_refused_with_a_sentence(content: bytes, sentence: str) -> None:
    """So is what would take for ever, before it is begun; nothing of it is quoted."""
    with pytest.raises(InvalidCalendar) as error:
        told(content)

    assert str(error.value) == sentence


def test_a_calendar_without_events_has_no_shifts() -> None:
    """It is one all the same."""
    assert told(a_calendar()) == []


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from([PAGERDUTY.encode(), GOOGLE.encode()]),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 3), st.binary(max_size=4)), min_size=1, max_size=6),
)
def test_no_calendar_is_a_traceback(text: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    """Whatever is broken in it: there are shifts, or one error with a sentence."""
    for at, length, put in changes:
        text = text[:at] + put + text[at + length :]
    try:
        shifts = shifts_of(text, PEOPLE, BERLIN, berlin("2026-03-01"), berlin("2026-04-12"))
    except InvalidCalendar as error:
        assert "calendar" in str(error)  # noqa: PT017  # either end is right
    else:
        assert all(shift.starts < shift.ends and shift.person in PEOPLE for shift in shifts)
