"""What the topics hold already: every record up to the ends as they are now, merged by time, read outside of any group."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from daemon.connection import WireError
from daemon.contact import Contact
from daemon.errors import CannotStart
from daemon.reader import Reader
from daemon.wire import Admin, Consumer

if TYPE_CHECKING:
    from daemon.connection import SourceSettings
    from daemon.records import Partition, Record, SourceEvent

#: Seconds that a read waits for records.
WAIT: Final = 0.5
#: Seconds without a record after which the rest is given up.
PATIENCE: Final = 60.0


class History:
    """The records of some topics.

    Args:
        settings: how to reach the broker, and how to read.
        topics: those to read; the ones in `optional` may be missing.
        since: epoch seconds; begin at the first record of that time in each partition, where the broker can look it up.
        optional: topics that need not exist.

    Raises:
        CannotStart: the broker does not answer, or a topic is missing.
    """

    def __init__(
        self, settings: SourceSettings, topics: Sequence[str], since: float | None, *, optional: frozenset[str] = frozenset()
    ) -> None:
        self.news: list[SourceEvent] = []
        self._ends: dict[Partition, int] = {}
        contact = Contact(settings.bootstrap, self.news, time.monotonic)
        self._reader = Reader(settings, contact, self.news, wall=time.time, monotonic=time.monotonic)
        try:
            self._begin = _begin(settings, _partitions(settings, topics, optional), since)
            self._reader.begin(self._begin)
        except WireError as error:
            raise CannotStart(f"{error}; start the broker, or correct kafka.bootstrap in the settings") from error

    @property
    def total(self) -> int:
        """How many records there are to read, as far as known."""
        return sum(max(0, end - self._begin[partition]) for partition, end in self._ends.items())

    def records(self) -> Iterator[Sequence[Record]]:
        """Give the records in the order of time, in batches.

        Raises:
            CannotStart: nothing came for a minute, though not everything was read.
        """
        merge, came = self._reader.merge, time.monotonic()
        try:
            while not self._done():
                batch = merge.take(time.monotonic())
                if not batch:
                    self._read(came)
                    continue
                came = time.monotonic()
                # What came in since the beginning is left for the next time: a busy topic would never end.
                yield [record for record in batch if record.offset < self._ends[(record.topic, record.partition)]]
        finally:
            self._reader.stop()

    def _read(self, came: float) -> None:
        if time.monotonic() - came > PATIENCE:
            raise CannotStart(f"the broker sent nothing for {PATIENCE:.0f} s, though the topics are not at their ends; try again")
        time.sleep(self._reader.pause())
        self._reader.read(WAIT)
        for partition, lane in self._reader.merge.lanes.items():
            # Some brokers do not tell the end when asked; the answer to a fetch does.
            if lane.end is not None:
                self._ends.setdefault(partition, lane.end)

    def _done(self) -> bool:
        lanes = self._reader.merge.lanes
        return all(
            partition in self._ends and (lane.next_offset >= self._ends[partition] or (lane.at_end and not lane.records))
            for partition, lane in lanes.items()
        )


def _partitions(settings: SourceSettings, topics: Sequence[str], optional: frozenset[str]) -> list[Partition]:
    admin = Admin(settings)
    try:
        there = admin.partitions(topics)
    finally:
        admin.close()
    missing = [topic for topic in topics if topic not in there and topic not in optional]
    if missing:
        raise CannotStart(
            f"there is no topic {' and no topic '.join(missing)} on {', '.join(settings.bootstrap)}; "
            f"correct kafka.topics in the settings"
        )
    return [(topic, number) for topic, numbers in there.items() for number in numbers]


def _begin(settings: SourceSettings, partitions: Sequence[Partition], since: float | None) -> Mapping[Partition, int]:
    consumer = Consumer(settings)
    try:
        begin = consumer.beginning_offsets(partitions)
        if since is None:
            return begin
        ends, found = consumer.end_offsets(partitions), consumer.offsets_since(partitions, round(since * 1000))
    finally:
        consumer.close()
    later = {partition: ends[partition] if at is None else at.offset for partition, at in found.items()}
    return {partition: max(first, later[partition]) for partition, first in begin.items()}
