"""The threads that carry out what the outbox holds.

One thread a destination, started when its first intent comes: a receiver that hangs holds up its own notices, never those of
another, and the loop not at all, since `submit` and `outcomes` only touch memory. The outbox in the store stays the truth.
What is in memory here may be lost at any moment; the loop submits the outbox again and nothing happens twice that must not.

The contract with the loop, in its order:
1. decide, and write the intents in the batch of the checkpoint;
2. `submit(outbox, in the order it was written)`; what is returned did not fit and is submitted again at the next checkpoint;
3. `outcomes()`: of each intent the last news. `done` and `failed` leave the outbox in the next batch. `retry_later` needs
   nothing. `fenced` stays in the outbox: after a new assignment it is submitted again, `intents.restamped`.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterable
from time import monotonic
from typing import Final

import structlog

from alerting.carrier import Carrier
from alerting.intents import Intent, Outcome
from alerting.lane import Lane, Pace

log = structlog.get_logger(__name__)

#: Seconds that an idle thread waits at most: a clock that was set is noticed by then.
LONGEST_NAP: Final = 30.0

#: Outcome and kind -> the name of its log line.
EVENTS: Final = {
    ("done", "page"): "page_delivered",
    ("done", "ticket"): "ticket_delivered",
    ("done", "resolve"): "resolve_delivered",
    ("done", "rollback"): "rollback_sent",
    ("failed", "page"): "page_failed",
    ("failed", "ticket"): "ticket_failed",
    ("failed", "resolve"): "resolve_failed",
    ("failed", "rollback"): "rollback_failed",
    ("failed", "journal"): "journal_failed",
}


class Dispatcher:
    """Carries intents out on threads of its own, at most `limit` waiting for each destination."""

    def __init__(self, carrier: Carrier, pace: Pace | None = None, limit: int = 1000) -> None:
        self._carrier = carrier
        self._pace = Pace() if pace is None else pace
        self._limit = limit
        self._lanes: dict[str, tuple[Lane, threading.Event, threading.Thread]] = {}
        self._lock = threading.Lock()
        self._news: dict[str, Outcome] = {}
        self._closing = threading.Event()

    def submit(self, intents: Iterable[Intent]) -> list[Intent]:
        """Take over what is not taken already; never blocks. Returns what did not fit, to be submitted again."""
        refused: list[Intent] = []
        for intent in intents:
            lane, wake, _ = self._lane(self._carrier.lane_of(intent))
            if lane.offer(intent):
                wake.set()
            else:
                refused.append(intent)
        return refused

    def outcomes(self) -> list[Outcome]:
        """The last news of each intent since the last call."""
        with self._lock:
            news, self._news = self._news, {}
        return list(news.values())

    def pending(self) -> dict[str, int]:
        """How many intents wait for each destination that has had any."""
        return {name: len(lane) for name, (lane, _, _) in list(self._lanes.items())}

    def close(self, timeout: float) -> bool:
        """Stop after the attempts that are under way; whether they ended within `timeout` seconds. The outbox keeps the rest."""
        self._closing.set()
        running = [(wake, thread) for _, wake, thread in list(self._lanes.values())]
        for wake, _ in running:
            wake.set()
        until = monotonic() + timeout
        for _, thread in running:
            thread.join(max(0.0, until - monotonic()))
        return not any(thread.is_alive() for _, thread in running)

    def _lane(self, name: str) -> tuple[Lane, threading.Event, threading.Thread]:
        if name not in self._lanes:
            lane = Lane(self._carrier, self._pace, self._limit, self._carrier.budget_of(name))
            wake = threading.Event()
            # Daemonic: a receiver that hangs must not keep the process from ending.
            thread = threading.Thread(target=self._run, args=(lane, wake), name=f"dispatch {name}", daemon=True)
            self._lanes[name] = (lane, wake, thread)
            thread.start()
        return self._lanes[name]

    def _run(self, lane: Lane, wake: threading.Event) -> None:
        while not self._closing.is_set():
            due = lane.due()
            nap = LONGEST_NAP if due is None else min(LONGEST_NAP, due - self._pace.clock())
            if nap > 0:
                wake.wait(nap)
                wake.clear()
                continue
            for outcome in self._step(lane):
                self._tell(outcome)

    def _step(self, lane: Lane) -> list[Outcome]:
        try:
            return lane.step()
        except Exception as error:  # noqa: BLE001  # the thread's edge: a bug in one notifier must not end all pages to it
            where = traceback.extract_tb(error.__traceback__)[-1]
            # Neither its text nor the stack's values: both may hold a secret.
            log.error("dispatch_stumbled", error=type(error).__name__, at=f"{where.name}:{where.lineno}")  # noqa: TRY400
            return lane.stumble(error)

    def _tell(self, outcome: Outcome) -> None:
        with self._lock:
            self._news.pop(outcome.key, None)
            self._news[outcome.key] = outcome
        self._log(outcome)

    def _log(self, outcome: Outcome) -> None:
        about = {"key": outcome.key, "destination": outcome.destination, "attempts": outcome.attempts, "reason": outcome.detail}
        if outcome.status == "retry_later":
            log.warning("delivery_delayed", kind=outcome.kind, not_before=outcome.not_before, **about)
        elif outcome.status == "fenced":
            log.warning("delivery_fenced", kind=outcome.kind, **about)
        elif outcome.status == "failed":
            log.error(EVENTS[outcome.status, outcome.kind], fallback=outcome.fallback, **about)
        elif outcome.kind != "journal":
            log.info(EVENTS[outcome.status, outcome.kind], **about)
