"""A silent broker is asked; that it is away, and that it is back, is said once each."""

from __future__ import annotations

from daemon.contact import ASK_AFTER, ASK_TIMEOUT, BACKOFF, Backoff, Contact
from daemon.records import SourceEvent


class Clock:
    """Seconds, set by the test."""

    now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_away_and_back_are_each_said_once() -> None:
    """However many attempts fail."""
    events: list[SourceEvent] = []
    contact = Contact(["host:1", "host:2"], events, Clock())
    for _ in range(3):
        contact.silent("connection refused")
    for _ in range(3):
        contact.heard()

    assert [event.kind for event in events] == ["broker_away", "broker_back"]
    assert "host:1, host:2" in events[0].message
    assert "connection refused" in events[0].message


def test_a_silent_broker_is_asked_now_and_then() -> None:
    """Not before it was silent for a while, and then not all the time."""
    clock = Clock()
    contact = Contact(["host:1"], [], clock)
    asked = []
    for _ in range(3):
        asked.append(contact.should_ask())
        clock.now += ASK_AFTER
        asked.append(contact.should_ask())

    assert asked == [False, True, False, True, False, True]


def test_old_news_are_not_fresh() -> None:
    """A process that was stopped for an hour knows nothing of the broker until it hears from it."""
    clock = Clock()
    contact = Contact(["host:1"], [], clock)
    clock.now += 2 * (ASK_AFTER + ASK_TIMEOUT)
    before = contact.is_fresh()
    contact.heard()

    assert (before, contact.is_fresh()) == (False, True)


def test_the_pause_doubles_up_to_a_limit_and_is_short_again_after_a_success() -> None:
    """A broker that is away for a night costs few attempts and is found again soon."""
    first, most = BACKOFF
    backoff = Backoff()
    pauses = []
    for _ in range(30):
        backoff.failed(0.0)
        pauses.append(backoff.left(0.0))
    backoff.worked()
    backoff.failed(0.0)

    assert pauses[:3] == [first, 2 * first, 4 * first]
    assert max(pauses) == pauses[-1] == most
    assert (backoff.left(0.0), backoff.left(1.0)) == (first, 0.0)
