"""The calendar of the rota: fetched now and then, and never needed.

Who is on call must be known when the network is not there, which is when pages happen. So whoever asks gets the shifts that were
read last, in memory; what was read last is kept on the disk for the next start; and where there is nothing yet, the order of the
rota holds. A calendar that cannot be fetched or read changes nothing but a metric and one line in the log.

The thread is its own, so that a server that hangs never holds the loop; the address is a secret and is never said.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from datetime import tzinfo
from typing import TYPE_CHECKING, Final, Literal

import structlog

from alerting.calendar import SIZE_LIMIT, shifts_of
from alerting.errors import DeliveryError, InvalidCalendar
from alerting.post import Call, post
from alerting.rota import Shift

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

    from daemon.telemetry import Telemetry

log = structlog.get_logger()

#: Seconds between two looks at the calendar, and those that one may take.
EVERY: Final = 300.0
TIMEOUT: Final = 30.0
#: Seconds before and after now whose shifts are kept: events are judged a little late, and a weekend may last long.
BEFORE: Final = 86_400.0
AHEAD: Final = 60 * 86_400.0

#: What came of a look; `not_kept`: it was read, and could not be written for the next start.
Look = Literal["read", "failed", "not_kept"]


class CalendarFeed:
    """Knows the shifts of a calendar.

    Args:
        url: where the calendar is.
        people: whose shifts count.
        zone: the clock of days and times that have no zone.
        kept: the file that holds what was read last.
        telemetry: is told when it was read.
    """

    def __init__(self, url: SecretStr, people: Collection[str], zone: tzinfo, kept: Path, telemetry: Telemetry) -> None:
        self._url = url
        self._people = people
        self._zone = zone
        self._kept = kept
        self._telemetry = telemetry
        self._shifts: tuple[Shift, ...] = ()
        self._last: Look | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="calendar", daemon=True)

    def shifts(self) -> tuple[Shift, ...]:
        """What the calendar said last, from a day ago to 60 days ahead; for any thread."""
        return self._shifts

    def start(self) -> None:
        """Take up what was kept, and begin to look."""
        self.resume(time.time())
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a look under way is not waited for."""
        self._stopped.set()

    def resume(self, now: float) -> None:
        """Take up what an earlier run kept, at `now` (epoch seconds). Nothing, or nothing that can be read, is no fault."""
        read_at = now  # never read: it is as old as this try
        try:
            self._shifts = self._read(self._kept.read_bytes(), now)
            read_at = self._kept.stat().st_mtime
        except FileNotFoundError:
            pass
        except (OSError, InvalidCalendar) as error:
            log.warning("calendar_not_resumed", reason=str(error))
        self._telemetry.calendar_read(read_at)

    def look(self, now: float) -> Look:
        """Fetch and read it once, at `now` (epoch seconds). Says in the log when what comes of it changes."""
        done, reason = self._looked(now)
        if done != self._last:
            (log.info if done == "read" else log.warning)(f"calendar_{done}", reason=reason)
        self._last = done
        return done

    def _looked(self, now: float) -> tuple[Look, str]:
        url = self._url.get_secret_value()
        headers = {"User-Agent": "watchkeeper", "Accept": "text/calendar"}
        call = Call(method="GET", url=url, body=b"", headers=headers, timeout=TIMEOUT, limit=SIZE_LIMIT)
        try:
            content = post(call, now=now).text.encode()
            self._shifts = self._read(content, now)
        except (DeliveryError, InvalidCalendar) as failure:
            return "failed", str(failure)
        self._telemetry.calendar_read(now)
        try:
            self._keep(content)
        except OSError as error:
            return "not_kept", f"{self._kept} cannot be written: {error.strerror}"
        return "read", f"shifts in the next 60 days: {len(self._shifts)}"

    def _read(self, content: bytes, now: float) -> tuple[Shift, ...]:
        return shifts_of(content, self._people, self._zone, now - BEFORE, now + AHEAD)

    def _keep(self, content: bytes) -> None:
        # Whole or not at all; its own time says when it was read.
        new = self._kept.with_suffix(".new")
        new.write_bytes(content)
        new.replace(self._kept)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.look(time.time())
            self._stopped.wait(EVERY)
