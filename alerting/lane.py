"""The queue of one destination, and the step that takes its first intent further.

Order is kept by the simplest means: only the first intent is ever tried, so a resolve cannot overtake its page, and one
receiver's outage costs one attempt a pause however many notices wait. The intent leaves the queue when its end is in the journal,
not before: when the act succeeded and the record did not, only the record is tried again.

A route with a budget may hold notices, and then send several as one digest (see `digest`). What is under way stays so until it
has ended, so that a digest that is tried again is the same one; held notices are in the outbox meanwhile, as all that waits.

A lane has no thread. `step` does the blocking work outside its lock, so `offer` never waits for a receiver.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from random import random as uniform
from time import time
from typing import Final

import structlog

from alerting.carrier import Carrier
from alerting.digest import Budget, choose
from alerting.errors import DeliveryError, Fenced
from alerting.intents import Intent, Outcome, Status
from alerting.periods import Rate
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
    """What is under way, by keys in order: its first failed attempt, and the ends that are not in the journal yet."""

    keys: tuple[str, ...] = ()
    since: float | None = None
    ends: dict[str, Outcome] = field(default_factory=dict)


class Lane:
    """Intents of one destination, in order, at most `limit` of them; `at_most` is what it may be sent, None for all."""

    def __init__(self, carrier: Carrier, pace: Pace, limit: int, at_most: Rate | None = None) -> None:
        self._carrier = carrier
        self._pace = pace
        self._limit = limit
        self._budget = None if at_most is None else Budget(at_most)
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
        """When there is something to try (epoch seconds); None when nothing waits."""
        now = self._pace.clock()
        batch = self._batch(now)
        if not batch:
            return None if self._budget is None or not self._queue else self._budget.opens(now)
        # A pause longer than any that the policy gives means that the clock was set back: it must not silence a page.
        return batch[0].not_before if batch[0].not_before - now <= self._pace.policy.longest_pause else now

    def step(self) -> list[Outcome]:
        """Try what is first if it is due. Returns what became of it: nothing when there was nothing to do.

        When the lease is gone all that wait are let go of, and told as fenced: were only the first one, the second might be
        carried out before it once the lease is back.
        """
        now, due = self._pace.clock(), self.due()
        batch = self._batch(now)
        if not batch or due is None or due > now:
            return []
        self._progress.keys = tuple(intent.key for intent in batch)
        try:
            if not self._progress.ends:
                attempted = self._attempt(batch)
                if isinstance(attempted, RetryAt):
                    return [self._wait(batch[0], attempted)]
                self._progress.ends = {end.key: end for end in attempted}
            return [self._record(batch[0], self._progress.ends[batch[0].key])]
        except Fenced as error:
            return self._let_go(batch[0], str(error))

    def stumble(self, error: Exception) -> list[Outcome]:
        """A step ended in an error that nobody foresaw, a bug: the first intent waits, and is given up when patience ends."""
        batch = self._batch(self._pace.clock())
        if not batch:
            return []
        head = batch[0]
        # The name of its class only: the text may quote what it choked on.
        failure = DeliveryError(f"a bug in {head.destination}: {type(error).__name__}")
        step = self._next_step(head, failure)
        if isinstance(step, RetryAt):
            return [self._wait(head, step)]
        given_up = self._outcome(head, "failed", step.reason, permanent=True)
        return [self._finish(head, self._progress.ends.get(head.key, given_up))]

    def _batch(self, now: float) -> tuple[Intent, ...]:
        """What is under way, or else what is to be tried next; nothing when all that waits is held."""
        with self._lock:
            if self._progress.keys:
                return tuple(self._queue[key] for key in self._progress.keys)
            if self._budget is None:
                return tuple(islice(self._queue.values(), 1))
            return choose(list(self._queue.values()), self._budget.room(now))

    def _attempt(self, batch: tuple[Intent, ...]) -> list[Outcome] | RetryAt:
        """Act, or when that failed for good, take the fallback. Returns the ends, or when to try again. Raises Fenced."""
        head, now = batch[0], self._pace.clock()
        try:
            if head.deadline is not None and now > head.deadline:
                raise DeliveryError("its deadline had passed before it could be tried", permanent=True)
            detail = self._carrier.act(head) if len(batch) == 1 else self._carrier.act_together(batch, now)
        except DeliveryError as failure:
            step = self._next_step(head, failure)
        else:
            if self._budget is not None:
                self._budget.spend(batch, now)
            return [self._outcome(intent, "done", detail) for intent in batch]
        if isinstance(step, RetryAt):
            return step
        ends = [self._outcome(intent, "failed", step.reason, permanent=True) for intent in batch]
        if isinstance(step, TakeFallback):
            ends = [replace(end, fallback=self._carrier.fall_back(intent)) for end, intent in zip(ends, batch, strict=True)]
        return ends

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
        self._progress.keys = self._progress.keys[1:]
        if not self._progress.keys:
            self._progress = _Progress()
        return end

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
