"""One attempt of one intent, against the world.

This is the only place that acts. Right before each act it asks for the lease: a daemon that was paused, and whose partitions
another one has taken over since, must let go. Before a rollback it asks the executor whether the command was sent before, and
asks for the lease again afterwards, since that answer may have taken a while.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from alerting import notice
from alerting.errors import DeliveryError, Fenced, InvalidRecord
from alerting.intents import Intent, Outcome
from alerting.journal import Journal, action_entry, entry_of_body
from alerting.notifiers import Notifier
from alerting.rollbacks import Executor
from alerting.rollbacks.command import from_record
from alerting.routes import FALLBACK

log = structlog.get_logger(__name__)


class Carrier:
    """Carries intents to routes, executors and the journal.

    `lease(generation)` says whether the daemon still owns what intents of that generation were decided on; it is called from
    the threads of all destinations and must not block for long. `fallback` names the route for notices that theirs refused;
    when that one fails too, the log takes them.
    """

    def __init__(
        self,
        routes: Mapping[str, Notifier],
        executors: Mapping[str, Executor],
        journal: Journal,
        lease: Callable[[int], bool],
        fallback: str = FALLBACK,
    ) -> None:
        self._routes = routes
        self._executors = executors
        self._journal = journal
        self._lease = lease
        self._fallback = fallback

    def lane_of(self, intent: Intent) -> str:
        """The queue that the intent waits in: one for each destination that exists, so that stray names start no threads."""
        if intent.kind == "journal":
            return "journal"
        if intent.kind == "rollback":
            return f"executor/{intent.destination if intent.destination in self._executors else '?'}"
        return f"route/{intent.destination if intent.destination in self._routes else FALLBACK}"

    def act(self, intent: Intent) -> str:
        """Carry it out once; returns what was done. Raises DeliveryError, and Fenced when it is not this daemon's to do."""
        try:
            if intent.kind == "journal":
                return self._write(intent)
            if intent.kind == "rollback":
                return self._roll_back(intent)
            return self._notify(intent)
        except InvalidRecord as error:
            raise DeliveryError(str(error), permanent=True) from error

    def fall_back(self, intent: Intent) -> str | None:
        """Hand a notice to the fallback route, or the log; returns the name of the one that took it. Raises Fenced."""
        try:
            told = notice.from_record(intent.body)
        except InvalidRecord:
            return None
        for name in dict.fromkeys((self._fallback, FALLBACK)):
            if name == intent.destination or name not in self._routes:
                continue
            self._check_lease(intent)
            try:
                self._routes[name].notify(told)
            except DeliveryError as failure:
                log.warning("fallback_failed", route=name, key=intent.key, reason=str(failure))
            else:
                return name
        return None

    def record(self, intent: Intent, outcome: Outcome) -> None:
        """Write how it ended into the journal; a journal entry is its own record. Raises DeliveryError."""
        if intent.kind != "journal":
            entry = action_entry(intent, outcome)
            self._journal.write(entry.key, entry.record)

    def _notify(self, intent: Intent) -> str:
        notifier = self._routes.get(intent.destination)
        if notifier is None:
            known = ", ".join(sorted(self._routes))
            raise DeliveryError(f"there is no route {intent.destination!r}; the settings name {known}", permanent=True)
        told = notice.from_record(intent.body)
        self._check_lease(intent)
        notifier.notify(told)
        return f"{told.event} delivered by {intent.destination}"

    def _roll_back(self, intent: Intent) -> str:
        executor = self._executors.get(intent.destination)
        if executor is None:
            known = ", ".join(sorted(self._executors))
            raise DeliveryError(f"there is no executor {intent.destination!r}; the settings name {known}", permanent=True)
        command = from_record(intent.body)
        self._check_lease(intent)
        if executor.already_done(command):
            return "was sent before"
        self._check_lease(intent)
        return executor.execute(command)

    def _write(self, intent: Intent) -> str:
        entry = entry_of_body(intent.body)
        self._check_lease(intent)
        self._journal.write(entry.key, entry.record)
        return "written"

    def _check_lease(self, intent: Intent) -> None:
        if not self._lease(intent.generation):
            raise Fenced(f"generation {intent.generation} is no longer the one that acts")
