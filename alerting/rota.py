"""Who is on call: an order of people, when they hand over, and who has swapped with whom.

A hand-over is at a time of the clock on the wall in one time zone, so it stays at ten in the morning in summer and winter, and
the shift over the change is an hour shorter or longer, as it is for who works it. In a night in which the hour of the hand-over
is not there it is an hour later; where it is there twice, the first of the two counts.

Somebody is on call at every moment, and one alone: the order has no beginning and no end (the day from which it counts only says
whose turn it is), and where an override or a calendar says nothing, the order holds. An override comes before the calendar, and
the calendar before the order, since the last word is that of whoever swapped at short notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from alerting.hours import read_hours

#: Changes that are looked at for the end of a shift: a rota in which nobody else comes up within so many has none.
LOOK_AHEAD: Final = 100

_HAND_OVER: Final = re.compile(r"(?:(.*[^ ]) +)?([01][0-9]|2[0-3]):([0-5][0-9])")
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class HandOver:
    """On these days of the week (0 is Monday) at this time of the clock on the wall."""

    days: frozenset[int]
    at: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One person from `starts` up to `ends` (epoch seconds): an override, or what a calendar says."""

    starts: float
    ends: float
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """Whose turn it is. `people` are names and the route of each.

    `primary` is the order of those who are paged, one a shift; `shadow` of those who are told as well and need not answer. The
    first of each takes over at the first hand-over on the day `since` or after it. A name may stand in an order several times,
    twice in a row for a shift of two. `overrides` do not overlap.
    """

    people: Mapping[str, str]
    primary: tuple[str, ...]
    hand_over: HandOver
    zone: tzinfo
    since: date
    shadow: tuple[str, ...] = ()
    overrides: tuple[Shift, ...] = ()

    def routes(self, duty: Duty) -> tuple[str, ...]:
        """The routes of those who are on call, the primary's first, each once."""
        return tuple(dict.fromkeys(self.people[name] for name in (duty.primary, duty.shadow) if name is not None))


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on call, and until when (epoch seconds) neither of the two changes; None: as far as can be seen."""

    primary: str
    shadow: str | None
    until: float | None


def on_call(rota: Rota, at: float, calendar: Sequence[Shift] = ()) -> Duty:
    """Who is on call at `at` (epoch seconds). What a calendar says of people whom the rota does not have counts nothing."""
    known = tuple(shift for shift in calendar if shift.person in rota.people and shift.ends > at)
    now = _pair(rota, at, known)
    moment = at
    for _ in range(LOOK_AHEAD):
        moment = _next_change(rota, moment, known)
        if _pair(rota, moment, known) != now:
            return Duty(*now, moment)
    return Duty(*now, None)


def read_hand_over(text: str) -> HandOver:
    """The hand-over that a text says: `mon 10:00` is a weekly one, `09:00` a daily one. Raises ValueError with one sentence."""
    found = _HAND_OVER.fullmatch(text.strip().lower())
    if found is not None:
        with suppress(ValueError):
            days = frozenset(range(_WEEK)) if found[1] is None else read_hours(found[1]).days
            return HandOver(days, time(int(found[2]), int(found[3])))
    raise ValueError(f"must be a time, or days and a time, such as 09:00 or mon 10:00, not {text!r}")


def overlapping(shifts: Sequence[Shift]) -> tuple[int, int] | None:
    """The places of two shifts that overlap, the earlier place first; None when no two do."""
    order = sorted(range(len(shifts)), key=lambda place: shifts[place].starts)
    for first, second in pairwise(order):
        if shifts[second].starts < shifts[first].ends:
            return min(first, second), max(first, second)
    return None


def _pair(rota: Rota, at: float, calendar: Iterable[Shift]) -> tuple[str, str | None]:
    """The primary and the shadow at `at`; nobody shadows themselves."""
    turn = _turn(rota, at)
    primary = _standing(rota.overrides, at) or _standing(calendar, at) or rota.primary[turn % len(rota.primary)]
    shadow = rota.shadow[turn % len(rota.shadow)] if rota.shadow else None
    return primary, None if shadow == primary else shadow


def _standing(shifts: Iterable[Shift], at: float) -> str | None:
    """Who has a shift at `at`; of several the one that began last, as it was laid over the others."""
    standing = [shift for shift in shifts if shift.starts <= at < shift.ends]
    return max(standing, key=lambda shift: (shift.starts, -shift.ends, shift.person)).person if standing else None


def _next_change(rota: Rota, at: float, calendar: Iterable[Shift]) -> float:
    """The first moment after `at` at which somebody else may be on call."""
    edges = [edge for shift in (*rota.overrides, *calendar) for edge in (shift.starts, shift.ends) if edge > at]
    today = datetime.fromtimestamp(at, rota.zone).date()
    coming = (_moment(rota, today + timedelta(days)) for days in range(-1, _WEEK + 2))
    return min([moment for moment in coming if moment is not None and moment > at] + edges)


def _turn(rota: Rota, at: float) -> int:
    """The number of the shift that `at` lies in: 0 is the one that begins with the first hand-over from `since` on."""
    today = datetime.fromtimestamp(at, rota.zone).date()
    days = (today - timedelta(days) for days in range(-1, _WEEK + 2))
    last = next(day for day in days if (moment := _moment(rota, day)) is not None and moment <= at)
    return _hand_overs(rota.hand_over, last) - _hand_overs(rota.hand_over, rota.since - timedelta(1)) - 1


def _moment(rota: Rota, day: date) -> float | None:
    """When the hand-over of a day is, epoch seconds; None on a day without one."""
    if day.weekday() not in rota.hand_over.days:
        return None
    return datetime.combine(day, rota.hand_over.at, rota.zone).timestamp()


def _hand_overs(hand_over: HandOver, until: date) -> int:
    """How many hand-overs there are from the first Monday of the calendar up to a day, that day included."""
    weeks, weekday = divmod(until.toordinal() - 1, _WEEK)
    return weeks * len(hand_over.days) + sum(1 for day in hand_over.days if day <= weekday)
