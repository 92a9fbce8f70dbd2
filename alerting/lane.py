"""The queue of one destination, and the step that takes its first intent further.

Order is kept by the simplest means: only the first intent is ever tried, so a resolve cannot overtake its page, and one
receiver's outage costs one attempt a pause however many notices wait. The intent leaves the queue when its end is in the journal,
not before: when the act succeeded and the record did not, only the record is tried again.

A lane has no thread. `step` does the blocking work outside its lock, so `offer` never waits for a receiver.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import random as uniform
from time import time
from typing import Final

import structlog

from alerting.carrier import Carrier
from alerting.errors import DeliveryError, Fenced
from alerting.intents import Intent, Outcome, Status
from alerting.retry import RetryAt, RetryPolicy, Step, TakeFallback, next_step, pause

log = structlog.get_logger(__name__)


#: Ended keys that are remembered, so that an outbox submitted before its clean-up was written does nothing twice.
REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When things are tried: the policy, the clock (epoch seconds) and the chance in the jitter (uniform in [0, 1))."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Callable[[], float] = time
    random: Callable[[], float] = uniform


@dataclass(slots=True)
class _Progress:
    """How far the first intent has come: first failed attempt, and its end while that is not in the journal yet."""

    key: str = ""
    since: float | None = None
    end: Outcome | None = None


class Lane:
    """Intents of one destination, in order, at most `limit` of them."""

    def __init__(self, carrier: Carrier, pace: Pace, limit: int) -> None:
        self._carrier = carrier
        self._pace = pace
        self._limit = limit
        self._lock = threading.Lock()
        self._queue: dict[str, Intent] = {}
        self._progress = _Progress()
        self._overflowed = False
        self._ended: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._queue)

    def offer(self, intent: Intent) -> bool:
        """Take it in at the end; when its key waits already, note its newer generation; when it has ended, nothing.

        False when the lane is full.
        A lane that refused one refuses all until it is empty: what comes later must not slip in before what was refused.
        """
        with self._lock:
            if intent.key in self._ended:
                return True
            known = self._queue.get(intent.key)
            if known is not None:
                self._queue[intent.key] = replace(known, generation=max(known.generation, intent.generation))
                return True
            self._overflowed = bool(self._queue) and (self._overflowed or len(self._queue) >= self._limit)
            if not self._overflowed:
                self._queue[intent.key] = intent
            return not self._overflowed

    def due(self) -> float | None:
        """When the first intent may be tried (epoch seconds); None when there is none."""
        head = self._head()
        if head is None:
            return None
        now = self._pace.clock()
        # A pause longer than any that the policy gives means that the clock was set back: it must not silence a page.
        return head.not_before if head.not_before - now <= self._pace.policy.longest_pause else now

    def step(self) -> list[Outcome]:
        """Try the first intent if it is due. Returns what became of it: nothing when there was nothing to do.

        When the lease is gone all that wait are let go of, and told as fenced: were only the first one, the second might be
        carried out before it once the lease is back.
        """
        head, due = self._head(), self.due()
        if head is None or due is None or due > self._pace.clock():
            return []
        if self._progress.key != head.key:
            self._progress = _Progress(head.key)
        try:
            if self._progress.end is None:
                attempted = self._attempt(head)
                if isinstance(attempted, RetryAt):
                    return [self._wait(head, attempted)]
                self._progress.end = attempted
            return [self._record(head, self._progress.end)]
        except Fenced as error:
            return self._let_go(head, str(error))

    def stumble(self, error: Exception) -> list[Outcome]:
        """A step ended in an error that nobody foresaw, a bug: the first intent waits, and is given up when patience ends."""
        head = self._head()
        if head is None:
            return []
        # The name of its class only: the text may quote what it choked on.
        failure = DeliveryError(f"a bug in {head.destination}: {type(error).__name__}")
        step = self._next_step(head, failure)
        if isinstance(step, RetryAt):
            return [self._wait(head, step)]
        return [self._finish(head, self._progress.end or self._outcome(head, "failed", step.reason, permanent=True))]

    def _attempt(self, head: Intent) -> Outcome | RetryAt:
        """Act, or when that failed for good, take the fallback. Returns the end, or when to try again. Raises Fenced."""
        try:
            if head.deadline is not None and self._pace.clock() > head.deadline:
                raise DeliveryError("its deadline had passed before it could be tried", permanent=True)
            return self._outcome(head, "done", self._carrier.act(head))
        except DeliveryError as failure:
            step = self._next_step(head, failure)
        if isinstance(step, RetryAt):
            return step
        fallback = self._carrier.fall_back(head) if isinstance(step, TakeFallback) else None
        return replace(self._outcome(head, "failed", step.reason, permanent=True), fallback=fallback)

    def _record(self, head: Intent, end: Outcome) -> Outcome:
        refusal = ""
        try:
            self._carrier.record(head, end)
        except DeliveryError as failure:
            if not failure.permanent:
                seconds = pause(self._pace.policy, head.attempts, failure.retry_after, self._pace.random())
                return self._wait(head, RetryAt(self._pace.clock() + seconds, f"{end.status}, not yet recorded: {failure}"))
            refusal = str(failure)
        if refusal:
            log.error("record_refused", key=head.key, status=end.status, reason=refusal)
        return self._finish(head, end)

    def _next_step(self, head: Intent, failure: DeliveryError) -> Step:
        now = self._pace.clock()
        if self._progress.since is None:
            self._progress.since = now
        return next_step(self._pace.policy, head, failure, now=now, since=self._progress.since, random=self._pace.random())

    def _wait(self, head: Intent, step: RetryAt) -> Outcome:
        with self._lock:
            # As it is now: its generation may have been renewed meanwhile.
            waiting = replace(self._queue[head.key], attempts=head.attempts + 1, not_before=step.at)
            self._queue[head.key] = waiting
        return replace(self._outcome(head, "retry_later", step.reason), not_before=step.at)

    def _let_go(self, head: Intent, reason: str) -> list[Outcome]:
        with self._lock:
            if self._queue[head.key].generation != head.generation:
                return []  # assigned to this daemon again while it was being tried: the next step has the newer generation
            waiting = list(self._queue.values())
            self._queue.clear()
        self._progress = _Progress()
        return [self._outcome(intent, "fenced", reason) for intent in waiting]

    def _finish(self, head: Intent, end: Outcome) -> Outcome:
        with self._lock:
            del self._queue[head.key]
            self._ended[head.key] = None
            if len(self._ended) > REMEMBERED:
                del self._ended[next(iter(self._ended))]
        self._progress = _Progress()
        return end

    def _head(self) -> Intent | None:
        with self._lock:
            return next(iter(self._queue.values()), None)

    def _outcome(self, intent: Intent, status: Status, detail: str, *, permanent: bool = False) -> Outcome:
        return Outcome(
            key=intent.key,
            status=status,
            detail=detail,
            at=self._pace.clock(),
            permanent=permanent,
            kind=intent.kind,
            destination=intent.destination,
            attempts=intent.attempts + 1,
        )
