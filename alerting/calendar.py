"""Shifts out of a calendar (iCalendar, RFC 5545), as whoever keeps the rota elsewhere exports them.

What repeats, which of it was moved and which left out is the business of two libraries, an optional extra. Ours is what an event
means: it is a shift of the one person whom its title names, or, where the title names nobody, of the one whom its attendees name.
An event that names none or several is no shift, nor is one that is cancelled or does not make busy: better the order of the rota
than a guess. Days and times without a zone go by the clock of the rota.

A calendar is written by many hands, and an unlucky rule of repetition is work without end. So the text has a limit, nothing may
repeat within a day, and what repeats may do so for so many days in all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from importlib.util import find_spec
from typing import Any, Final

from alerting.errors import InvalidCalendar
from alerting.rota import Shift

#: What icalendar makes of a part of a text: it says so little of its types that naming them helps nobody.
Component = Any

#: Bytes of a calendar.
SIZE_LIMIT: Final = 1_048_576
#: Shifts of one look at it: whoever is on call is found among all of them.
SHIFT_LIMIT: Final = 1_000
#: Days from the beginnings of all that repeats to the end of the look; each may cost a microsecond or two.
DAYS_LIMIT: Final = 5_000_000

#: What to say where the extra is missing.
MISSING: Final = "needs the packages that read calendars, an extra: pip install 'watchkeeper[ical]'"

_FOLD: Final = re.compile(rb"\r?\n[ \t]")
#: Rules that repeat within a day, and those that never move on, over which the libraries would sit for ever.
_RESTLESS: Final = re.compile(
    rb"FREQ=(?:SECOND|MINUTE|HOUR)LY|BY(?:SECOND|MINUTE|HOUR)=[0-9]+,|INTERVAL=(?!0*[1-9])", re.IGNORECASE
)

_DAY: Final = timedelta(days=1)
#: All that the libraries were seen to raise over texts that are no calendars, or could.
_NO_CALENDAR: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("icalendar") is not None and find_spec("recurring_ical_events") is not None


def shifts_of(content: bytes, people: Collection[str], zone: tzinfo, since: float, until: float) -> tuple[Shift, ...]:
    """The shifts of `people` that lie between `since` and `until` (epoch seconds), or reach into that, in their order.

    Raises:
        InvalidCalendar: it is no calendar, or more than can be looked through. Nothing of it is quoted.
    """
    if len(content) > SIZE_LIMIT:
        raise InvalidCalendar(f"the calendar has more than {SIZE_LIMIT} bytes")
    if _RESTLESS.search(_FOLD.sub(b"", content)):
        raise InvalidCalendar("the calendar has an event that repeats within a day, or without moving on")
    try:
        shifts = sorted(_shifts(content, people, zone, since, until), key=lambda shift: (shift.starts, shift.ends, shift.person))
    except _NO_CALENDAR as error:
        # The libraries quote what they could not read.
        raise InvalidCalendar(f"it is not a calendar that can be read ({type(error).__name__})") from None
    if len(shifts) > SHIFT_LIMIT:
        raise InvalidCalendar(f"the calendar has more than {SHIFT_LIMIT} shifts")
    return tuple(shifts)


def _shifts(content: bytes, people: Collection[str], zone: tzinfo, since: float, until: float) -> Iterator[Shift]:
    # Here, since whoever has no calendar has no such packages.
    from icalendar import Calendar  # noqa: PLC0415  # see above
    from recurring_ical_events import of  # noqa: PLC0415  # see above

    calendar = Calendar.from_ical(content)
    begin, end = (datetime.fromtimestamp(moment, zone) for moment in (since, until))
    _refuse_without_end(calendar, end.date())
    names = _Names(people)
    # A day more on both sides: where an event has no zone, the libraries compare clocks.
    for event in of(calendar, skip_bad_series=True).between(begin - _DAY, end + _DAY):
        person = names.named_by(event)
        starts, ends = (_moment(event[key].dt, zone) for key in ("DTSTART", "DTEND"))
        if person is not None and max(starts, since) < min(ends, until):
            yield Shift(starts=starts, ends=ends, person=person)


def _refuse_without_end(calendar: Component, end: date) -> None:
    begins = [event["DTSTART"].dt for event in calendar.walk("VEVENT") if "RRULE" in event and "DTSTART" in event]
    days = sum((end - (begin.date() if isinstance(begin, datetime) else begin)).days for begin in begins)
    if days > DAYS_LIMIT:
        raise InvalidCalendar("the calendar has too many events that repeat, and for too long")


def _moment(at: date, zone: tzinfo) -> float:
    """Epoch seconds of a day or a time; `zone` where it has none."""
    if not isinstance(at, datetime):
        at = datetime.combine(at, time())
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp()


class _Names:
    """Finds the people of the rota in texts: as whole words, whatever their case; of two names the longer one."""

    def __init__(self, people: Collection[str]) -> None:
        self._people = {person.casefold(): person for person in people}
        longest_first = sorted(map(re.escape, people), key=len, reverse=True)
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE)

    def named_by(self, event: Component) -> str | None:
        """Whose shift an event is; None for nobody's."""
        if str(event.get("STATUS", "")).upper() == "CANCELLED" or str(event.get("TRANSP", "")).upper() == "TRANSPARENT":
            return None
        found = self._in(str(event.get("SUMMARY", ""))) or {person for each in _attendees(event) for person in self._in(each)}
        return found.pop() if len(found) == 1 else None

    def _in(self, text: str) -> set[str]:
        return {self._people[name.casefold()] for name in self._pattern.findall(text)}


def _attendees(event: Component) -> Iterator[str]:
    """Of each attendee the name, or the address up to the @ where there is no name."""
    said = event.get("ATTENDEE", [])
    for attendee in said if isinstance(said, list) else [said]:
        address = str(attendee).removeprefix("mailto:").removeprefix("MAILTO:").partition("@")[0]
        yield str(attendee.params.get("CN", "")) or address
