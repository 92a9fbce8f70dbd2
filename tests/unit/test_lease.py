"""The lease: who was stopped for too long must not act."""

from __future__ import annotations

from daemon.lease import Lease


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def test_a_lease_holds_for_its_generation_until_a_share_of_the_session_timeout() -> None:
    """Counted from the moment at which the proof was asked for, not from the answer."""
    clock = Clock()
    lease = Lease(10.0, clock)
    before = lease.holds(3)
    lease.renew(3, clock.now)
    clock.now = 106.9
    within = lease.holds(3), lease.holds(4)
    clock.now = 107.1
    after = lease.holds(3)

    assert (before, within, after) == (False, (True, False), False)


def test_a_lease_that_was_given_up_does_not_hold() -> None:
    """A released task's intents stay undone."""
    clock = Clock()
    lease = Lease(10.0, clock)
    lease.renew(3, clock.now)
    lease.end()

    assert not lease.holds(3)
