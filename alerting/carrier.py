"""One attempt of one intent, against the world.

This is the only place that acts. Right before each act it asks for the lease: a daemon that was paused, and whose partitions
another one has taken over since, must let go. Before a rollback it asks the executor whether the command was sent before, and
asks for the lease again afterwards, since that answer may have taken a while. Several notices may go as one digest; each of
them ends and is recorded by itself. A notice gets its links here, on its way out, so that no record of it has them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import structlog

from alerting import digest, notice
from alerting.errors import DeliveryError, Fenced, InvalidRecord
from alerting.intents import Intent, Outcome
from alerting.journal import Journal, action_entry, entry_of_body
from alerting.links import NO_LINKS, Links
from alerting.notice import Notice
from alerting.notifiers import Notifier
from alerting.periods import Rate
from alerting.rollbacks import Executor
from alerting.rollbacks.command import from_record
from alerting.routes import RouteTerms
from alerting.routing import FALLBACK

log = structlog.get_logger(__name__)


class Carrier:
    """Carries intents to routes, executors and the journal.

    `lease(generation)` says whether the daemon still owns what intents of that generation were decided on; it is called from
    the threads of all destinations and must not block for long. `terms` say who takes what a route refused, and how much a route
    may be sent; of a route without any the log takes it, and it is sent all. `clock` gives epoch seconds, from which links count.
    """

    def __init__(
        self,
        routes: Mapping[str, Notifier],
        executors: Mapping[str, Executor],
        journal: Journal,
        lease: Callable[[int], bool],
        terms: Mapping[str, RouteTerms] = MappingProxyType({}),
        links: Links = NO_LINKS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._routes = routes
        self._executors = executors
        self._journal = journal
        self._lease = lease
        self._terms = terms
        self._links = links
        self._clock = clock

    def lane_of(self, intent: Intent) -> str:
        """The queue that the intent waits in: one for each destination that exists, so that stray names start no threads."""
        if intent.kind == "journal":
            return "journal"
        if intent.kind == "rollback":
            return f"executor/{intent.destination if intent.destination in self._executors else '?'}"
        return f"route/{intent.destination if intent.destination in self._routes else FALLBACK}"

    def budget_of(self, lane: str) -> Rate | None:
        """What the route behind this queue may be sent; None when there is no bound, or no route."""
        return self._terms.get(lane.removeprefix("route/"), RouteTerms()).at_most if lane.startswith("route/") else None

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

    def act_together(self, intents: Sequence[Intent], now: float) -> str:
        """Tell of several notices to one route in one digest, as of `now` (epoch seconds). Raises as `act` does."""
        name = intents[0].destination
        notifier = self._route(name)
        terms = self._terms.get(name, RouteTerms())
        told = digest.digest_of(
            {intent.key: _read(intent) for intent in intents}, key=digest.key_of(intents), at=now, rate=terms.at_most
        )
        self._check_lease(*intents)
        notifier.notify(told)
        return f"{len(intents)} in one digest delivered by {name}"

    def fall_back(self, intent: Intent) -> str | None:
        """Hand a notice to who stands in for its route, the log last; returns the name of the one that took it. Raises Fenced."""
        told = _read(intent)
        if told is None:
            return None
        for name in self._terms.get(intent.destination, RouteTerms()).fallbacks:
            if name == intent.destination or name not in self._routes:
                continue
            self._check_lease(intent)
            try:
                self._routes[name].notify(self._links.onto(told, self._clock()))
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
        notifier = self._route(intent.destination)
        told = notice.from_record(intent.body)
        self._check_lease(intent)
        notifier.notify(self._links.onto(told, self._clock()))
        return f"{told.event} delivered by {intent.destination}"

    def _route(self, name: str) -> Notifier:
        notifier = self._routes.get(name)
        if notifier is None:
            known = ", ".join(sorted(self._routes))
            raise DeliveryError(f"there is no route {name!r}; the settings name {known}", permanent=True)
        return notifier

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

    def _check_lease(self, *intents: Intent) -> None:
        for generation in {intent.generation for intent in intents}:
            if not self._lease(generation):
                raise Fenced(f"generation {generation} is no longer the one that acts")


def _read(intent: Intent) -> Notice | None:
    try:
        return notice.from_record(intent.body)
    except InvalidRecord:
        return None
