"""The quarantine: what cannot be taken in goes, as it came, to the dead-letter topic; and there is a limit to that.

A dead letter is safe before the offsets behind it are saved: the loop calls `flush` before each checkpoint, and a failure there
means that nothing is saved. A letter that is unfit for the topic (too large, a timestamp it does not take) goes in a plain form,
with what was cut off said in its headers. When too many events are bad, the producer is broken, not the events: then a person
must know, instead of a topic that fills in silence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from daemon.connection import Unfit, WireError
from daemon.records import Record

#: Prefix of our headers; their tails are those of Kafka Connect.
PREFIX: Final = "watchkeeper.errors."
#: Bytes of values that wait at most; what comes beyond is kept in its plain form only.
WAITING_BYTES: Final = 32 << 20
#: Bytes that the plain form keeps of a value, of a key, and of all headers (else none of them).
KEPT: Final = 10_000
#: Characters kept of a message, which may quote the event.
MESSAGE: Final = 500


class Sends(Protocol):
    """A sink."""

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        timestamp: int | None = None,
    ) -> None:
        """Buffer a record. Raises WireError."""

    def outcomes(self, timeout: float) -> list[Unfit | None]:
        """What became of each record since the last call. Raises BrokerAway."""

    def close(self) -> None:
        """End it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A record for the dead-letter topic."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int | None
    alone: bool = False  # to be sent by itself: it was in a batch that was refused, for the sake of one of its letters
    plain: bool = False

    @classmethod
    def of(cls, record: Record, reason: str, message: str, stage: str) -> Letter:
        """The letter of a bad record, complete."""
        told = {
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "timestamp": str(record.timestamp),
            "stage": stage,
            "class": reason,
            "message": message[:MESSAGE],
        }
        ours = tuple((PREFIX + name, text.encode("utf-8", "replace")) for name, text in told.items())
        # A header without a value can be read but not sent; nor can a record with neither key nor value.
        theirs = tuple((name, value if value is not None else b"") for name, value in record.headers)
        value = b"" if record.value is None and record.key is None else record.value
        return cls(record.key, value, theirs + ours, record.timestamp if record.timestamp >= 0 else None)

    def as_plain(self) -> Letter:
        """The same, small and without its timestamp: what is cut off is said in the headers."""
        size = len(self.value or b"")
        ours = tuple(header for header in self.headers if header[0].startswith(PREFIX))
        fits = sum(len(name) + len(value) for name, value in self.headers) <= KEPT
        cut = (PREFIX + "truncated", str(size).encode())
        return replace(
            self,
            key=self.key[:KEPT] if self.key is not None else None,
            value=self.value[:KEPT] if self.value is not None else None,
            headers=(*(self.headers if fits else ours), cut),
            timestamp=None,
            alone=True,
            plain=True,
        )

    def after_refusal(self) -> Letter:
        """What to try next when the broker refused the batch that this letter was in."""
        return self.as_plain() if self.alone else replace(self, alone=True)


class DeadLetters:
    """The dead-letter topic.

    Args:
        connect: makes a sink; called when the first bad event comes, and after each failure.
        topic: where they go.
    """

    def __init__(self, connect: Callable[[], Sends], topic: str) -> None:
        self._connect = connect
        self._topic = topic
        self._sink: Sends | None = None
        self._waiting: list[Letter] = []
        self._bytes = 0

    def reject(self, record: Record, reason: str, message: str, stage: str = "parse") -> None:
        """Hand over a bad record; it is kept until `flush` has made it safe. Never fails, never blocks."""
        letter = Letter.of(record, reason, message, stage)
        if self._bytes > WAITING_BYTES:
            letter = letter.as_plain()
        self._bytes += len(letter.value or b"")
        self._waiting.append(letter)

    def flush(self, timeout: float = 30.0) -> None:
        """Send everything that waits, and wait until it is safe.

        Raises:
            WireError: it is not; what is not safe still waits for the next call.
        """
        while self._waiting:
            group = [letter for letter in self._waiting if not letter.alone] or self._waiting[:1]
            again = self._deliver(group, timeout)
            done = set(map(id, group))
            self._waiting = [letter for letter in self._waiting if id(letter) not in done] + again
        self._bytes = 0

    def close(self) -> None:
        """End the sink."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def _deliver(self, letters: Sequence[Letter], timeout: float) -> list[Letter]:
        """Send letters; gives what to send in place of those that were refused.

        Raises:
            WireError: it is not known which of them are safe, or even the plain form of one was refused.
        """
        again: list[Letter] = []
        sent: list[Letter] = []
        try:
            if self._sink is None:
                self._sink = self._connect()
            for letter in letters:
                try:
                    self._sink.send(self._topic, letter.key, letter.value, letter.headers, letter.timestamp)
                except Unfit:
                    if letter.plain:
                        raise
                    again.append(letter.as_plain())
                else:
                    sent.append(letter)
            for letter, unfit in zip(sent, self._sink.outcomes(timeout), strict=True):
                if unfit is not None:
                    self.close()  # a producer that was refused once refuses everything that follows
                    if letter.plain:
                        raise unfit
                    again.append(letter.after_refusal())
        except WireError:
            self.close()
            raise
        return again


class BadEventLimit:
    """Says when too many of the events of late are bad, once for each window.

    Args:
        share: of the events in the window.
        window: seconds.
        least: events in the window below which nothing is said.
    """

    def __init__(self, share: float, window: float, least: int) -> None:
        self._share = share
        self._window = window
        self._least = least
        self._batches: deque[tuple[float, int, int]] = deque()
        self._events = 0
        self._bad = 0
        self._said = float("-inf")

    def add(self, events: int, bad: int, now: float) -> str | None:
        """Note a batch of events, so many of them bad; gives a sentence when that is too many (`now` in seconds)."""
        if events:
            self._batches.append((now, events, bad))
            self._events += events
            self._bad += bad
        while self._batches and self._batches[0][0] <= now - self._window:
            _, old_events, old_bad = self._batches.popleft()
            self._events -= old_events
            self._bad -= old_bad
        over = self._events >= self._least and self._bad > self._share * self._events
        if not over or now - self._said < self._window:
            return None
        self._said = now
        return (
            f"{self._bad} of the last {self._events} events could not be taken in ({100 * self._bad / self._events:.1f} %, "
            f"at most {100 * self._share:.3g} % are usual): look into the dead-letter topic, the producer is broken"
        )
