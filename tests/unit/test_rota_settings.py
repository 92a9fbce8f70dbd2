"""The rota and the escalation in the settings: who is on call when, and every mistake at its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from alerting import calendar
from alerting.facts import Facts
from alerting.rota import Duty, Shift
from daemon.settings import load_settings
from tests.doubles.settings_file import complaints, written

if TYPE_CHECKING:
    from pathlib import Path


ROTA: Final = """\
routes: {pager-ana: {kind: log}, pager-ben: {kind: log}, boss: {kind: pagerduty, routing_key: 0123456789abcdef0123456789abcdef}}
rota:
  people: {ana: pager-ana, ben: pager-ben}
  primary: [ana, ben]
  hand_over: thu 08:00
  zone: Europe/Berlin
  since: 2026-10-01
  overrides:
    - {person: ben, from: "2026-10-01 20:00", to: "2026-10-02 08:00"}
default_route: {page: [on-call]}
escalation:
  - {after: 15m, to: on-call}
  - {after: 1h, to: [boss], models: "fraud-*"}
"""


def test_a_rota_says_who_is_paged(tmp_path: Path) -> None:
    """In the time zone that it names; an override comes before the order, and the escalation after both."""
    routing = load_settings(written(tmp_path, ROTA)).who_is_told()
    noon, night = 1_790_856_000.0, 1_790_892_000.0
    page = Facts(severity="page", model="fraud-eu")

    assert [routing.routes_for(page, at) for at in (noon, night, noon + 7 * 86_400)] == [
        ("pager-ana",),
        ("pager-ben",),
        ("pager-ben",),
    ]
    assert routing.duty(noon) == Duty("ana", None, 1_790_877_600.0)
    assert [routing.escalation(page, noon, waited, 0.0) for waited in (899.0, 900.0, 3600.0)] == [
        None,
        (900.0, ("pager-ana",)),
        (3600.0, ("pager-ana", "boss")),
    ]
    assert routing.escalating == {"boss"}


def test_without_a_rota_nobody_is_on_call(tmp_path: Path) -> None:
    """The name is then no route."""
    path = written(tmp_path, "default_route: {page: [on-call]}\n")

    assert complaints(path) == ["1:23: default_route.page: there is no route on-call in routes"]


def test_every_problem_of_a_rota_has_its_line(tmp_path: Path) -> None:
    """Names, times, and who would be on call twice."""
    path = written(
        tmp_path,
        """\
rota:
  people: {ana: pager, ben: log}
  primary: [ana, bne]
  hand_over: mon
  zone: Europe/Berln
  since: yesterday
  overrides:
    - {person: ben, from: 2026-10-02, to: "2026-10-02 08:00"}
    - {person: ben, from: "2026-10-02 08:00", to: "2026-10-02 08:00"}
escalation:
  - {after: 0s, to: []}
""",
    )

    assert complaints(path) == [
        "3:12: rota.primary: there is nobody called bne in rota.people; did you mean ben?",
        "4:14: rota.hand_over: must be a time, or days and a time, such as 09:00 or mon 10:00, not 'mon'",
        "5:9: rota.zone: there is no time zone 'Europe/Berln' here; write one such as Europe/Berlin or UTC",
        "6:10: rota.since: must be a date such as 2027-06-30, not 'yesterday'",
        "8:27: rota.overrides[0].from: must be a day and a time such as 2026-12-24 10:00, not '2026-10-02'",
        "9:51: rota.overrides[1].to: must be later than `from`",
        "11:13: escalation[0].after: must be longer than nothing",
        "11:21: escalation[0].to: must not be empty",
    ]


def test_a_calendar_needs_somebody_in_the_order_and_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The complaint says what to install, and never the address."""
    rota = ROTA.replace("  zone:", "  calendar: https://calendar.example/canary\n  zone:")
    alone = "rota: {people: {ana: log}, calendar: https://calendar.example/canary}\n"

    assert complaints(written(tmp_path, alone)) == [
        "1:38: rota.calendar: needs somebody in rota.primary, who is on call when the calendar says nothing"
    ]
    assert load_settings(written(tmp_path, rota)).rota.calendar is not None
    monkeypatch.setattr(calendar, "find_spec", lambda name: None)
    assert complaints(written(tmp_path, rota)) == [
        "6:13: rota.calendar: needs the packages that read calendars, an extra: pip install 'watchkeeper[ical]'"
    ]


def test_a_calendar_comes_before_the_order(tmp_path: Path) -> None:
    """And an override before the calendar."""
    noon, night = 1_790_856_000.0, 1_790_892_000.0
    shifts = (Shift(starts=noon - 60, ends=noon + 60, person="ben"), Shift(starts=night, ends=night + 60, person="ana"))
    routing = load_settings(written(tmp_path, ROTA)).who_is_told(lambda: shifts)
    page = Facts(severity="page", model="fraud-eu")

    assert [routing.routes_for(page, at) for at in (noon, noon + 60, night)] == [("pager-ben",), ("pager-ana",), ("pager-ben",)]
    assert routing.duty(noon) == Duty("ben", None, noon + 60)


def test_overrides_do_not_overlap(tmp_path: Path) -> None:
    """Nor does a route take the name that stands for all of them; and people need routes."""
    overlap = ROTA.replace(
        "default_route", '    - {person: ana, from: "2026-10-02 07:59", to: "2026-10-03 08:00"}\ndefault_route'
    )
    lost = ROTA.replace("ana: pager-ana", "ana: pager-anna").replace("boss:", "on-call:").replace("[boss]", "[bos]")

    assert complaints(written(tmp_path, overlap)) == [
        "9:5: rota.overrides: the overrides 1 and 2 of the list overlap, so nobody would know who is on call"
    ]
    assert complaints(written(tmp_path, lost)) == [
        "1:67: routes.on-call: on-call stands for whoever is on call; give the route another name",
        "3:17: rota.people.ana: there is no route pager-anna in routes; did you mean pager-ana?",
        "13:21: escalation[1].to: there is no route bos in routes",
    ]
