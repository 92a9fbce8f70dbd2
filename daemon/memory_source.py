"""A source in memory: the double that tests and rehearsals use in Kafka's place, held to the same contract.

Topics are lists of records in a `MemoryBroker` that several sources may share, as members of one group: the first one owns
everything until it leaves or is fenced, then the next one does. Nothing here has a thread or a clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.records import Assignment, Partition, Record, SourceEvent, StoredRecord

if TYPE_CHECKING:
    from typing import Literal


@dataclass
class MemoryBroker:
    """Topics with numbered partitions, and one group of members."""

    topics: Mapping[str, int]  # topic -> number of partitions
    logs: dict[Partition, list[StoredRecord]] = field(default_factory=dict)
    committed: dict[Partition, int] = field(default_factory=dict)
    generation: int = 0
    members: list[MemorySource] = field(default_factory=list)

    def produce(self, topic: str, value: bytes | None, timestamp: float, partition: int = 0, key: bytes | None = None) -> None:
        """Append a record; `timestamp` is epoch seconds."""
        log = self.logs.setdefault((topic, partition), [])
        log.append(StoredRecord(topic, partition, len(log), round(timestamp * 1000), key, value))

    def partitions(self) -> tuple[Partition, ...]:
        """Every partition there is, sorted."""
        return tuple(sorted((topic, number) for topic, count in self.topics.items() for number in range(count)))

    def rebalance(self, order: Sequence[MemorySource] | None = None) -> None:
        """Begin a new generation; the first member owns everything."""
        if order is not None:
            self.members = list(order)
        self.generation += 1
        for place, member in enumerate(self.members):
            member.given = Assignment(self.generation, self.partitions()) if place == 0 else None
            member.sought = False


class MemorySource:
    """A member of a `MemoryBroker`'s group.

    Args:
        broker: what to read.
        start: where a partition begins of which no offset is known.
        batch: most records that a poll gives.
    """

    def __init__(self, broker: MemoryBroker, start: Literal["earliest", "latest"] = "earliest", batch: int = 500) -> None:
        self.broker = broker
        self.events: list[SourceEvent] = []
        self.given: Assignment | None = None
        self.sought = False
        self._start = start
        self._batch = batch
        self._next: dict[Partition, int] = {}
        broker.members.append(self)
        broker.rebalance()

    def poll(self, timeout: float) -> list[Record]:
        """Give the next records of all partitions, merged by timestamp; never waits."""
        del timeout
        if self.given is None or not self.sought:
            return []
        logs, batch = self.broker.logs, self._batch
        heads: list[list[Record]] = [[*logs.get(each, [])[offset : offset + batch]] for each, offset in self._next.items()]
        # An order inside a partition is never changed: the merge looks at the heads only, as the one over Kafka does.
        merged = list(heapq.merge(*heads, key=lambda record: record.timestamp))[:batch]
        for record in merged:
            self._next[(record.topic, record.partition)] = record.offset + 1
        return merged

    def assignment(self) -> Assignment | None:
        """Give what is owned now."""
        return self.given

    def is_standby(self) -> bool:
        """Whether another member owns everything."""
        return self.given is None and bool(self.broker.members)

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Begin at these offsets, and elsewhere at `start`."""
        if self.given is None:
            return
        ends = {partition: len(self.broker.logs.get(partition, [])) for partition in self.given.partitions}
        default = dict.fromkeys(ends, 0) if self._start == "earliest" else ends
        self._next = {partition: offsets.get(partition, default[partition]) for partition in self.given.partitions}
        self.sought = True

    def offsets(self) -> dict[Partition, int]:
        """Give the offsets after what was handed out."""
        return dict(self._next) if self.given is not None else {}

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Commit, unless the group has moved on."""
        if self.given is None or self.given.generation != self.broker.generation:
            return False
        self.broker.committed.update(offsets)
        return True

    def caught_up(self) -> bool:
        """Whether everything was handed out."""
        return self.given is not None and self.sought and not any(self.lag().values())

    def lag(self) -> dict[Partition, int]:
        """Give the records not handed out yet."""
        return {partition: len(self.broker.logs.get(partition, [])) - offset for partition, offset in self.offsets().items()}

    def close(self) -> None:
        """Leave; the next member owns everything."""
        self.given = None
        if self in self.broker.members:
            self.broker.members.remove(self)
            self.broker.rebalance()
