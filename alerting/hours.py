"""Times of the week as people write them, `mon-fri 08:00-18:00`, and whether a moment lies in them.

They are times of a wall clock in a time zone, so the same hours hold in summer and winter; in the night of the change an hour is
there twice, or not at all, as it is for the people who work in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT: Final = 24 * 60

_DAY: Final = f"(?:{'|'.join(DAYS)})"
_SPAN: Final = f"{_DAY}(?:-{_DAY})?"
_TIME: Final = r"([01][0-9]|2[0-4]):([0-5][0-9])"
_HOURS: Final = re.compile(rf"({_SPAN}(?:, ?{_SPAN})*)?(?:(?:^| )+{_TIME} ?- ?{_TIME})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hours:
    """On these days (0 is Monday), from minute `start` of the day up to `end`; an end before the start is on the next day."""

    days: frozenset[int]
    start: int = 0
    end: int = MIDNIGHT

    def contain(self, at: float, zone: tzinfo) -> bool:
        """Whether `at` (epoch seconds) lies in them, by the clock of `zone`."""
        local = datetime.fromtimestamp(at, zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        yesterday = (today - 1) % 7
        return (today in self.days and minute >= self.start) or (yesterday in self.days and minute < self.end)


def read_hours(text: str) -> Hours:
    """The hours that a text says: days, times of a day, or both. Raises ValueError with one sentence."""
    found = _HOURS.fullmatch(text.strip())
    if found is None or not text.strip():
        raise ValueError(f"must be days and times such as mon-fri 08:00-18:00, not {text!r}")
    days, *times = found.groups()
    on = frozenset(range(7)) if days is None else frozenset(_days(days.lower()))
    if times[0] is None:
        return Hours(on)
    start, end = (int(times[at]) * 60 + int(times[at + 1]) for at in (0, 2))
    if max(start, end) > MIDNIGHT or start == MIDNIGHT:
        raise ValueError(f"a day ends at 24:00 and begins at 00:00, not as in {text!r}")
    if start == end:
        raise ValueError(f"{text!r} begins when it ends; for the whole day leave the times out")
    return Hours(on, start, end)


def read_zone(name: str) -> ZoneInfo:
    """The time zone of this name. Raises ValueError with one sentence."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # the last: the name of a directory of zones
        raise ValueError(f"there is no time zone {name!r} here; write one such as Europe/Berlin or UTC") from None


def within(hours: Iterable[Hours], at: float, zone: tzinfo) -> bool:
    """Whether `at` lies in one of them; where none are given, it always does."""
    given = list(hours)
    return not given or any(each.contain(at, zone) for each in given)


def _days(text: str) -> Iterator[int]:
    """The days of `mon,wed-fri`; a span may go over the end of the week."""
    for span in text.replace(" ", "").split(","):
        first, _, last = span.partition("-")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        yield from ((begin + further) % 7 for further in range((end - begin) % 7 + 1))
