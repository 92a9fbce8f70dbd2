"""The right to act: for how long this process may believe that the partitions are still its own.

A process that was stopped (a paused container, a laptop lid) and goes on does not know that its session ended and another
member acts in its place. The broker's yes to a commit under a generation proves that the group had not moved on when the commit
was *sent*; nobody else can be given the partitions before the session timeout from then. So the dispatcher acts only within
that time, on a clock that goes on while a process is stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

#: Of the session timeout: the rest is for an act that has begun.
SHARE: Final = 0.7


class Lease:
    """Renewed by the loop, read by the dispatcher's threads.

    Args:
        session_timeout: of the consumer group, seconds.
        clock: monotonic seconds.
    """

    def __init__(self, session_timeout: float, clock: Callable[[], float]) -> None:
        self._seconds = SHARE * session_timeout
        self._clock = clock
        self._held: tuple[int, float] = (-1, 0.0)  # generation and end, swapped as one: the dispatcher reads without a lock

    def renew(self, generation: int, sent: float) -> None:
        """Note that the broker accepted a commit under the generation; `sent` is when it was sent."""
        self._held = generation, sent + self._seconds

    def end(self) -> None:
        """Give the right up."""
        self._held = -1, 0.0

    def holds(self, generation: int) -> bool:
        """Whether acts of this generation may be done now."""
        held, until = self._held
        return held == generation and self._clock() < until
