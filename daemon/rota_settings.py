"""The rota as the settings say it: who can be on call, in which order, when they hand over, and who has swapped with whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from alerting.calendar import MISSING, is_installed
from alerting.hours import read_zone
from alerting.rota import HandOver, Rota, Shift, overlapping, read_hand_over
from daemon.schema import Finding, Name, default, shown, suggestion, tuple_of_list, wrong
from daemon.schema import day as read_day
from daemon.setting_parts import Group, Patterns, SecretAddress, Zone

_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}")


def _hand_over(value: object) -> object:
    if isinstance(value, HandOver):
        return value
    try:
        return read_hand_over(str(value))
    except ValueError as error:
        wrong(str(error))


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        wrong(f"must be a day and a time such as 2026-12-24 10:00, not {shown(value)}")
    try:
        return datetime.fromisoformat(value)  # without a zone: it is that of the rota
    except ValueError as error:
        wrong(f"is not a time: {error}")


def _day(value: object) -> object:
    return value if isinstance(value, date) else read_day(value)


Moment = Annotated[datetime, BeforeValidator(_moment)]


class Override(Group):
    """Who is on call instead of whose turn it is. They may not overlap."""

    person: Name = Field(description="One of `rota.people`.")
    from_: Moment = Field(alias="from", description="From then, `2026-12-24 10:00`, by the clock of `rota.zone`.")
    to: Moment = Field(description="Up to then.")

    @field_validator("to")
    @classmethod
    def _later(cls, value: datetime, info: ValidationInfo) -> datetime:
        if "from_" in info.data and value <= info.data["from_"]:
            wrong("must be later than `from`")
        return value

    def shift(self, zone: ZoneInfo) -> Shift:
        """The same as `alerting` wants it."""
        starts, ends = (moment.replace(tzinfo=zone).timestamp() for moment in (self.from_, self.to))
        return Shift(starts=starts, ends=ends, person=self.person)


class RotaGroup(Group):
    """Who is on call: the name `on-call` then stands wherever that of a route may. Without `primary` there is no rota."""

    people: dict[Name, Name] = default({}, "Who can be on call, and the route of each: `{ana: pager-ana, ben: pager-ben}`.")
    primary: Patterns = Field((), description="Those who are paged, in their order, one a shift.")
    shadow: Patterns = Field((), description="Those who are told as well and need not answer, likewise.")
    hand_over: Annotated[HandOver, BeforeValidator(_hand_over)] = default(
        "mon 10:00", "When the next one takes over: days and a time (weekly), or a time alone (daily)."
    )
    zone: Zone = Field("UTC", description="The time zone of all times here, such as `Europe/Berlin`.")
    since: Annotated[date, BeforeValidator(_day)] = default(
        "2024-01-01", "The first of the order takes over at the first hand-over on this day or after it."
    )
    calendar: SecretAddress | None = Field(
        None,
        description="Where a calendar (iCal, needs the extra `ical`) is that says who is on call; it comes before the order. Kept "
        "as a secret.",
    )
    overrides: Annotated[tuple[Override, ...], BeforeValidator(tuple_of_list)] = Field(
        (), description="Who has swapped with whom: a list, see below."
    )

    @field_validator("primary", "shadow")
    @classmethod
    def _known(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for name in value:
            _must_be_one_of(info.data, name)
        return value

    @field_validator("calendar")
    @classmethod
    def _readable(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and not is_installed():
            wrong(MISSING)
        if value is not None and info.data.get("primary") == ():
            wrong("needs somebody in rota.primary, who is on call when the calendar says nothing")
        return value

    @field_validator("overrides")
    @classmethod
    def _possible(cls, value: tuple[Override, ...], info: ValidationInfo) -> tuple[Override, ...]:
        for override in value:
            _must_be_one_of(info.data, override.person)
        found = overlapping([override.shift(read_zone(info.data.get("zone", "UTC"))) for override in value])
        if found is not None:
            wrong(f"the overrides {found[0] + 1} and {found[1] + 1} of the list overlap, so nobody would know who is on call")
        return value

    def rota(self) -> Rota | None:
        """The same as `alerting` wants it; None without anybody in the order."""
        zone = read_zone(self.zone)
        return (
            None
            if not self.primary
            else Rota(
                people=self.people,
                primary=self.primary,
                shadow=self.shadow,
                hand_over=self.hand_over,
                zone=zone,
                since=self.since,
                overrides=tuple(override.shift(zone) for override in self.overrides),
            )
        )

    def lost_routes(self, known: set[str]) -> Iterator[Finding]:
        """Say of each person whose route there is not."""
        for person, name in self.people.items():
            if name not in known:
                yield Finding(("rota", "people", person), f"there is no route {name} in routes{suggestion(name, known)}")


def _must_be_one_of(data: dict[str, Any], name: str) -> None:
    people = data.get("people")
    if people is not None and name not in people:
        wrong(f"there is nobody called {name} in rota.people{suggestion(name, people)}")
