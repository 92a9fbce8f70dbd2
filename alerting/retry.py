"""What to do after a failed attempt: a decision without a clock, a thread or a die.

`next_step` takes the intent, the failure, the time and one random number and answers with what comes next, and why. A temporary
failure is tried again with exponentially growing pauses and jitter (without it, all daemons that a receiver's outage has
stopped come back in the same second), never sooner than the receiver asked for. Patience ends: a page that could not be
delivered takes the fallback route, a rollback that could not be sent is given up, because an order that arrives hours late does
harm of its own. The journal is never given up for a temporary failure: it is the truth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from alerting.errors import DeliveryError
from alerting.intents import Intent, Kind

#: Seconds from the first failed attempt to the last one. A page outlives an outage of its receiver of some hours. A rollback
#: without a deadline of its own gets the default of `confirm_within`: after that a person has been called anyway.
PATIENCE: Final[Mapping[Kind, float]] = MappingProxyType(
    {"page": 6 * 3600.0, "ticket": 24 * 3600.0, "resolve": 24 * 3600.0, "rollback": 600.0, "journal": math.inf}
)

#: The kinds that a person reads: these have a fallback route.
NOTICES: Final[frozenset[Kind]] = frozenset({"page", "ticket", "resolve"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The pauses, in seconds: `first`, doubled at each failure up to `longest`.

    A `Retry-After` is honoured up to `longest_asked`: no receiver may silence a page for a day.
    """

    first: float = 1.0
    longest: float = 300.0
    longest_asked: float = 3600.0
    patience: Mapping[Kind, float] = field(default_factory=lambda: PATIENCE)

    @property
    def longest_pause(self) -> float:
        """No pause is longer than this, whoever asked for it."""
        return max(self.longest, self.longest_asked)


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again, not before `at` (epoch seconds)."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class TakeFallback:
    """Stop trying here and hand the notice to the fallback route."""

    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Stop trying; nothing else can carry it."""

    reason: str


Step = RetryAt | TakeFallback | GiveUp


def next_step(policy: RetryPolicy, intent: Intent, failure: DeliveryError, *, now: float, since: float, random: float) -> Step:
    """What comes after `failure`, the failed attempt number `intent.attempts` + 1.

    `since` is the time of its first failed attempt, `now` the present (epoch seconds), `random` uniform in [0, 1).
    """
    if failure.permanent:
        return _stop(intent, f"refused for good: {failure}")
    at = now + pause(policy, intent.attempts, failure.retry_after, random)
    if intent.deadline is not None and at > intent.deadline:
        return _stop(intent, f"its deadline comes before the next attempt: {failure}")
    if at - since > policy.patience[intent.kind]:
        return _stop(intent, f"still failing after {intent.attempts + 1} attempts: {failure}")
    return RetryAt(at, str(failure))


def pause(policy: RetryPolicy, failures: int, retry_after: float | None, random: float) -> float:
    """Seconds to wait after `failures` earlier failures and one more: half of the full pause, and up to all of it by chance."""
    # Past 2**32 the cap has long been reached; a larger exponent would overflow.
    full = min(policy.longest, policy.first * 2.0 ** min(failures, 32))
    jittered = full * (0.5 + 0.5 * random)
    asked = 0.0 if retry_after is None else min(retry_after, policy.longest_asked)
    return max(jittered, asked)


def _stop(intent: Intent, reason: str) -> TakeFallback | GiveUp:
    return TakeFallback(reason) if intent.kind in NOTICES else GiveUp(reason)
