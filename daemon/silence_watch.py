"""Hands in what people acknowledge where they were paged, for receivers that do not tell but can be asked.

A thread of its own: a receiver that hangs holds up neither the loop nor the alerts that must be sent again. It asks only while
this daemon acts, so that a standby does not answer for the active one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol, runtime_checkable

import structlog

from alerting.acts import Act
from alerting.errors import DeliveryError
from alerting.inbound_alertmanager import Acknowledged
from daemon.inbox import Inbox, NoAnswer

log = structlog.get_logger()

#: Seconds between two rounds: long beside a request, short beside the minutes in which a second person would be woken.
PERIOD: Final = 15.0
#: Seconds that the loop may take for one act.
PATIENCE: Final = 10.0
#: Acts that are remembered as answered; the inbox would do none of them twice.
REMEMBERED: Final = 1000


@runtime_checkable
class Askable(Protocol):
    """A notifier whose receiver can be asked what people acknowledged there."""

    def acknowledgements(self) -> list[Acknowledged]:
        """What people acknowledged there, in bounded time. Raises DeliveryError."""
        ...


class SilenceWatch:
    """Asks those among `routes` that can be asked. `holds()` says whether this daemon acts."""

    def __init__(self, routes: Iterable[object], holds: Callable[[], bool], inbox: Inbox) -> None:
        self._routes = [route for route in routes if isinstance(route, Askable)]
        self._holds = holds
        self._inbox = inbox
        self._answered: dict[str, None] = {}
        self._failing = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="silences", daemon=True)

    def start(self) -> None:
        """Begin, when there is anybody to ask."""
        if self._routes:
            self._thread.start()

    def stop(self) -> None:
        """Ask no more; a question under way is not waited for."""
        self._stopped.set()

    def tick(self) -> None:
        """One round: ask, and hand in what is new."""
        if not self._holds():
            return
        failure = ""
        for route in self._routes:
            try:
                found = route.acknowledgements()
            except DeliveryError as error:
                failure = str(error)
                continue
            for each in found:
                self._hand_in(each)
        if bool(failure) != self._failing:
            self._failing = bool(failure)
            (log.warning if failure else log.info)("silences_not_read" if failure else "silences_read", reason=failure)

    def _hand_in(self, found: Acknowledged) -> None:
        if found.id in self._answered:
            return
        incident = found.problem.partition(".")[0]
        act = Act(
            id=found.id,
            kind="acknowledge",
            by=found.by,
            at=time.time(),
            reason=found.reason,
            incident=incident,
            problem=found.problem,
        )
        reply = self._inbox.ask(act, PATIENCE)
        if isinstance(reply, NoAnswer):  # handed in again in the next round
            return
        self._answered[act.id] = None
        if len(self._answered) > REMEMBERED:
            del self._answered[next(iter(self._answered))]
        log.info("person_acted", kind=act.kind, by=act.by, status=reply.status, text=reply.text, id=act.id)

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD):
            self.tick()
