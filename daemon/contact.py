"""Whether the broker is there, and when to try again.

A client that waits looks the same with and without a broker, so a silent broker is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from daemon.records import SourceEvent

#: Seconds without any answer after which the broker is asked whether it is there.
ASK_AFTER: Final = 5.0
#: Seconds that it may take to say so.
ASK_TIMEOUT: Final = 2.0

#: Seconds between two attempts after a failure: the first pause, and the longest.
BACKOFF: Final = (0.25, 10.0)


class Backoff:
    """How long to wait before the next attempt; doubles with each failure. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = float("-inf")

    def failed(self, now: float) -> None:
        """Note a failure."""
        first, most = BACKOFF
        self._until = now + min(most, first * 2**self._failures)
        self._failures = min(self._failures + 1, 10)

    def worked(self) -> None:
        """Note a success: the next pause is short again."""
        self._failures = 0

    def left(self, now: float) -> float:
        """Seconds until the next attempt, at least 0."""
        return max(0.0, self._until - now)


class Contact:
    """When the broker was heard last; tells once that it is away, and once that it is back.

    Args:
        bootstrap: its addresses, for the sentence.
        events: where the news go.
        clock: monotonic seconds.
    """

    def __init__(self, bootstrap: Sequence[str], events: list[SourceEvent], clock: Callable[[], float]) -> None:
        self.away = False
        self._where = ", ".join(bootstrap)
        self._events = events
        self._clock = clock
        self._heard = self._asked = clock()

    def heard(self) -> None:
        """Note an answer."""
        self._heard = self._clock()
        if self.away:
            self.away = False
            self._events.append(SourceEvent("broker_back", f"the broker at {self._where} answers again"))

    def silent(self, reason: str) -> None:
        """Note that an answer did not come."""
        if not self.away:
            self.away = True
            message = f"no answer from the broker at {self._where}: {reason}; start it, or correct `kafka` in the settings"
            self._events.append(SourceEvent("broker_away", message, {"reason": reason}))

    def is_fresh(self) -> bool:
        """Whether what is known of the broker is about now."""
        return not self.away and self._clock() - self._heard < 2 * (ASK_AFTER + ASK_TIMEOUT)

    def should_ask(self) -> bool:
        """Whether it is time to ask; a yes counts as asked."""
        now = self._clock()
        if now - max(self._heard, self._asked) < ASK_AFTER:
            return False
        self._asked = now
        return True
