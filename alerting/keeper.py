"""The thread that tells again what some receivers forget (see `alerts`), and the question whether it may.

What it sends again are pages of the daemon that acts. A daemon that another one has replaced must fall silent, or its copy of a
firing alert would go on contradicting the other's end of it: so each round asks for the lease first, and the day that it is
gone everything is forgotten. A daemon that takes over is told what fires by `resume`, since what was delivered before is in no
outbox any more.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol, runtime_checkable

import structlog

from alerting.incidents import Incident
from alerting.links import NO_LINKS, Links
from alerting.notice import Notice, notice_of
from alerting.notifiers import Notifier

log = structlog.get_logger(__name__)

#: Seconds between two rounds; what is due in each is decided by the notifier.
PERIOD: Final = 1.0


@runtime_checkable
class Resender(Protocol):
    """A notifier whose receiver forgets. Its methods may be called from any thread; only `resend` may take long."""

    def resend(self, now: float) -> float | None:
        """Send again what is due at `now` (epoch seconds), in bounded time; returns when it is due next. Raises nothing."""
        ...

    def resume(self, notices: Sequence[Notice]) -> None:
        """Know these problems, and no others."""
        ...

    def forget(self) -> None:
        """Know none."""
        ...


class Keeper:
    """Runs the resenders among `routes`. `holds()` says whether this daemon acts; `clock` gives epoch seconds."""

    def __init__(self, routes: Mapping[str, Notifier], holds: Callable[[], bool], clock: Callable[[], float] = time.time) -> None:
        self._resenders = {name: route for name, route in routes.items() if isinstance(route, Resender)}
        self._holds = holds
        self._clock = clock
        self._acted = False
        self._lock = threading.Lock()
        self._closing = threading.Event()
        # Daemonic: a receiver that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Start the thread, when there is anything to do for it."""
        if self._resenders:
            self._thread.start()

    def close(self, timeout: float) -> None:
        """End after the round that is under way, or after `timeout` seconds."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def resume(self, notices: Mapping[str, Sequence[Notice]]) -> None:
        """Know what fires, by name of the route; at an assignment, before anything is sent under it. Never blocks for long."""
        with self._lock:
            self._acted = False  # what is known now is kept until the lease comes, and from then on while it lasts
            for name, resender in self._resenders.items():
                resender.resume(notices.get(name, ()))

    def tick(self, now: float) -> None:
        """One round at `now` (epoch seconds): send again what is due, or forget all when the lease has gone."""
        with self._lock:
            holds, acted = self._holds(), self._acted
            self._acted = holds
            if acted and not holds:
                for resender in self._resenders.values():
                    resender.forget()
        if holds:
            for resender in self._resenders.values():
                resender.resend(now)

    def _run(self) -> None:
        while not self._closing.wait(PERIOD):
            try:
                self.tick(self._clock())
            except Exception as error:  # noqa: BLE001  # the thread's edge: a bug in one round must not let all alerts lapse
                where = traceback.extract_tb(error.__traceback__)[-1]
                # Neither its text nor the stack's values: both may hold a secret.
                log.error("keeper_stumbled", error=type(error).__name__, at=f"{where.name}:{where.lineno}")  # noqa: TRY400


def firing(incidents: Iterable[Incident], now: float, links: Links = NO_LINKS) -> dict[str, list[Notice]]:
    """What the routes were told of incidents that are not over, as notices of `now`: what `Keeper.resume` wants."""
    told: dict[str, list[Notice]] = {}
    for incident in incidents:
        if not incident.live:
            continue
        routes = {action.route: action.key for action in incident.actions if action.kind in {"page", "ticket"}}
        for route, key in routes.items():
            if route is not None:
                notice = notice_of(incident, event="trigger", key=key or incident.id, at=now)
                told.setdefault(route, []).append(replace(notice, url=links.page(incident.id)))
    return told
