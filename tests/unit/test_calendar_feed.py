"""The calendar of the rota: read while it is there, remembered while it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from structlog.testing import capture_logs

from daemon.calendar_feed import CalendarFeed
from daemon.telemetry import Telemetry
from tests.doubles.stand import Answer, Request, Stand

#: 2026-03-02T12:00:00Z.
NOON = 1_772_452_800.0
SECRET = "calendar-0f3a9c"  # a canary
SHIFT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//y//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20260101T000000Z
DTSTART:20260302T100000Z
DTEND:20260302T180000Z
SUMMARY:On call: Ana
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


class Calendars(Stand):
    """A server of calendars."""

    text = SHIFT

    def serve(self, request: Request) -> Answer:
        """Give the one there is, to whoever knows its address."""
        return Answer(200, {"Content-Type": "text/calendar"}, self.text) if SECRET in request.path else Answer(404)


@pytest.fixture
def calendars() -> Iterator[Calendars]:
    """One that runs."""
    with Calendars() as stand:
        yield stand


def a_feed(calendars: Calendars, directory: Path) -> tuple[CalendarFeed, CollectorRegistry]:
    """One of a daemon with this state directory, and what its metrics say."""
    registry = CollectorRegistry()
    address = SecretStr(f"{calendars.address}/{SECRET}/basic.ics")
    return CalendarFeed(address, ["ana", "ben"], ZoneInfo("UTC"), directory / "calendar.ics", Telemetry(registry)), registry


def people(feed: CalendarFeed) -> list[str]:
    """Who has shifts."""
    return [shift.person for shift in feed.shifts()]


def test_what_it_says_holds_until_it_says_something_else(calendars: Calendars, tmp_path: Path) -> None:
    """A server that is away, or answers with something else, changes nothing but one line in the log."""
    feed, registry = a_feed(calendars, tmp_path)
    with capture_logs() as logs:
        feed.look(NOON)
        assert people(feed) == ["ana"]
        calendars.away = True
        for _ in range(3):
            feed.look(NOON + 600)
        calendars.away = False
        calendars.text = "<html>Please log in</html>"
        feed.look(NOON + 900)
        assert people(feed) == ["ana"]
        calendars.text = SHIFT.replace("Ana", "Ben")
        feed.look(NOON + 1200)

    assert people(feed) == ["ben"]
    assert [line["event"] for line in logs] == ["calendar_read", "calendar_failed", "calendar_read"]
    assert registry.get_sample_value("watchkeeper_calendar_last_success_timestamp_seconds") == NOON + 1200
    assert SECRET not in str(logs)


def test_a_restart_without_network_knows_what_was_read_last(calendars: Calendars, tmp_path: Path) -> None:
    """And one without anything kept begins with nothing: the order of the rota holds."""
    first, _ = a_feed(calendars, tmp_path)
    first.resume(NOON)
    assert people(first) == []
    first.look(NOON)
    calendars.away = True
    second, _ = a_feed(calendars, tmp_path)
    second.resume(NOON + 60)
    second.look(NOON + 60)

    assert people(second) == ["ana"]


def test_what_was_kept_and_cannot_be_read_is_no_reason_not_to_start(calendars: Calendars, tmp_path: Path) -> None:
    """It is said, and the next look mends it."""
    (tmp_path / "calendar.ics").write_text("rubbish")
    feed, _ = a_feed(calendars, tmp_path)
    with capture_logs() as logs:
        feed.resume(NOON)
        feed.look(NOON)

    assert [line["event"] for line in logs] == ["calendar_not_resumed", "calendar_read"]
    assert people(feed) == ["ana"]
    assert (tmp_path / "calendar.ics").read_text() == SHIFT.replace("\r\n", "\n")
