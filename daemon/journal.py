"""The two topics that the daemon writes for good: the journal of what happened, and the commands that serving systems obey.

Both are written by the dispatcher's threads and read to their end: the journal when a task is opened, so that a daemon without
a store knows what is done, the commands before a rollback is sent a second time. A failed write is tried again by the
dispatcher.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import structlog

from alerting import journal
from alerting.errors import DeliveryError, LedgerUnavailable
from alerting.ledger import Ledger
from alerting.rollbacks.kafka import key_of_command
from daemon.connection import Refused, WireError
from daemon.records import Record

log = structlog.get_logger()


class Appends(Protocol):
    """A producer: what is sent is safe when `flush` returns."""

    def send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Buffer a record."""

    def flush(self, timeout: float) -> None:
        """Wait until everything sent is acknowledged. Raises WireError."""

    def close(self) -> None:
        """End it."""


class Writer:
    """Appends one record at a time and waits for it; makes its producer anew after a failure. For any thread.

    Args:
        connect: makes a producer.
        timeout: seconds that a record may take.
    """

    def __init__(self, connect: Callable[[], Appends], timeout: float = 15.0) -> None:
        self._connect = connect
        self._timeout = timeout
        self._producer: Appends | None = None
        self._lock = threading.Lock()

    def append(self, topic: str, key: str, value: bytes) -> None:
        """Append a record and wait until it is safe. Raises DeliveryError."""
        with self._lock:
            try:
                if self._producer is None:
                    self._producer = self._connect()
                self._producer.send(topic, key.encode(), value)
                self._producer.flush(self._timeout)
            except WireError as error:
                self._drop()
                raise DeliveryError(f"topic {topic}: {error}", permanent=isinstance(error, Refused)) from error

    def close(self) -> None:
        """End the producer."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()


class JournalTopic:
    """The journal, and the ledger that is read from it.

    Args:
        topic: its name.
        writer: appends to it.
        ledger: applied to with every entry, so that the endpoints show what the journal has.
    """

    def __init__(self, topic: str, writer: Writer, ledger: Ledger) -> None:
        self._topic = topic
        self._writer = writer
        self._ledger = ledger

    def write(self, key: str, record: Mapping[str, Any]) -> None:
        """Append an entry. Raises DeliveryError."""
        self._writer.append(self._topic, key, journal.encode(record))
        try:
            self._ledger.apply(record)
        except LedgerUnavailable as error:
            # The topic has it: a page must not wait for the disk that only its index is on.
            log.warning("ledger_not_written", message=str(error))


def catch_up(ledger: Ledger, records: Iterator[Record]) -> int:
    """Apply the whole journal to the ledger; gives how many entries were new."""
    decoded = (journal.decode(record.value) for record in records)
    return ledger.apply_all(record for record in decoded if record is not None)


class CommandTopic:
    """The commands topic as the executor `kafka` wants it.

    Args:
        topic: its name.
        writer: appends to it.
        read: reads the topic from its beginning to its end. Raises WireError.
    """

    def __init__(self, topic: str, writer: Writer, read: Callable[[str], Iterator[Record]]) -> None:
        self._topic = topic
        self._writer = writer
        self._read = read

    def send(self, key: str, value: bytes) -> None:
        """Append a command. Raises DeliveryError."""
        self._writer.append(self._topic, key, value)

    def find(self, model: str, rollback_key: str) -> bool:
        """Whether the command is there already. Raises DeliveryError when the topic cannot be read."""
        wanted = model.encode()
        try:
            return any(
                record.key == wanted and key_of_command(record.value) == rollback_key for record in self._read(self._topic)
            )
        except WireError as error:
            raise DeliveryError(f"topic {self._topic}: {error}", permanent=False) from error
