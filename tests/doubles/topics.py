"""Topics in memory: what a producer appends is there when `flush` returns, and not before."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.connection import WireError
from daemon.records import Record, StoredRecord


class MemoryTopics:
    """Records of topics. `failure` is what the next `flush` or read raises; without `acknowledges` a record is there anyway."""

    def __init__(self) -> None:
        self.records: list[StoredRecord] = []
        self.failure: WireError | None = None
        self.acknowledges = True
        self.connections = 0
        self._buffered: list[StoredRecord] = []

    def connect(self) -> MemoryTopics:
        """Make a producer."""
        self.connections += 1
        return self

    def send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Buffer a record."""
        self._buffered.append(StoredRecord(topic, 0, len(self.records) + len(self._buffered), 0, key, value))

    def flush(self, timeout: float) -> None:
        """Append what was buffered, or fail as told: before it is there, or after."""
        del timeout
        buffered, self._buffered = self._buffered, []
        failure, self.failure = self.failure, None
        if failure is None or not self.acknowledges:
            self.records += buffered
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Forget what was not flushed."""
        self._buffered.clear()

    def read(self, topic: str) -> Iterator[Record]:
        """Read a topic from its beginning to its end."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        yield from [record for record in self.records if record.topic == topic]
