"""The sink: what the daemon writes to Kafka, and topics that are read from their beginning to their end.

Nothing is forgotten between `send` and `flush`: the fate of every record is asked for, because a producer that loses its
connection fails the records in flight without raising anything at anybody.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from typing import Final

import structlog

from daemon.connection import BrokerAway, Connection, PollFailed, Unfit, WireError
from daemon.records import Partition, Record
from daemon.salvage import Damage
from daemon.wire import Admin, Consumer, Producer

log = structlog.get_logger()

#: Seconds that `send` may wait for the metadata of a topic, and that a record may take.
MAX_BLOCK: Final = 5.0
DELIVERY: Final = 15.0
#: Seconds without any progress after which the reading of a topic is given up.
PATIENCE: Final = 30.0
#: Unreadable ranges that the reading of one topic passes over; more than these and the topic is a ruin.
RANGES: Final = 10


class Sink:
    """A producer whose records are all accounted for. Not thread-safe.

    After an error make another one, after an Unfit too: kafka-python 3.0.12 fails whatever follows a refused batch like it.
    """

    def __init__(self, connection: Connection) -> None:
        """Connect. Raises BrokerAway, Refused."""
        self._producer = Producer(connection, max_block=MAX_BLOCK, delivery_timeout=DELIVERY)
        self._sent: list[object] = []

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        timestamp: int | None = None,
    ) -> None:
        """Buffer a record; `timestamp` in epoch milliseconds. Raises WireError."""
        self._sent.append(self._producer.send(topic, key, value, headers, timestamp))

    def flush(self, timeout: float = DELIVERY) -> None:
        """Wait until everything sent since the last call is safe. Raises WireError for the first record that is not."""
        for unfit in self.outcomes(timeout):
            if unfit is not None:
                raise unfit

    def outcomes(self, timeout: float = DELIVERY) -> list[Unfit | None]:
        """What became of each record sent since the last call: safe (None), or unfit to be sent at all.

        Raises:
            WireError: the fate of at least one is not known, or the producer is broken; send all of them again by another one.
        """
        sent, self._sent = self._sent, []
        if sent:
            self._producer.flush(timeout)
        return [self._outcome(record) for record in sent]

    def close(self) -> None:
        """End it; what was not flushed may be lost."""
        self._producer.close()

    def _outcome(self, record: object) -> Unfit | None:
        try:
            self._producer.settle(record)
        except Unfit as unfit:
            return unfit
        return None


class TopicReader:
    """Reads whole topics, outside of any group, for any thread: each call has a consumer of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read_to_end(self, topic: str) -> Iterator[Record]:
        """The records of a topic from its beginning to its end, those of one partition in their order.

        A range that cannot be read is passed over and logged: better a journal with a hole than none.

        Raises:
            WireError: the topic is not there, or the broker does not answer.
        """
        partitions = self._partitions(topic)
        consumer = Consumer(self._connection, max_poll_records=5000)
        try:
            offsets = consumer.beginning_offsets(partitions)
        finally:
            consumer.close()
        damage = Damage(self._connection)
        for _ in range(RANGES):
            unreadable = yield from self._read(offsets)
            if not unreadable:
                return
            for partition in partitions:
                event = damage.look(partition, offsets[partition])
                if event is not None:
                    log.error("corrupt_range", message=event.message, **event.details)
                offsets[partition] = damage.behind(partition, offsets[partition])
        raise WireError(f"topic {topic} has more than {RANGES} ranges that cannot be read; check the disks of the broker")

    def _partitions(self, topic: str) -> list[Partition]:
        admin = Admin(self._connection)
        try:
            numbers = admin.partitions([topic]).get(topic, [])
        finally:
            admin.close()
        if not numbers:
            raise WireError(f"there is no topic {topic}; create it, or set kafka.create_topics: true")
        return [(topic, number) for number in numbers]

    def _read(self, offsets: dict[Partition, int]) -> Generator[Record, None, bool]:
        """Read from `offsets`, which move along, to the end, or to bytes that cannot be read: True then."""
        consumer = Consumer(self._connection, max_poll_records=5000)
        try:
            consumer.assign(offsets)
            until = time.monotonic() + PATIENCE
            # Some brokers do not tell the end when asked; the answer to a fetch does.
            while not all(_at_end(consumer, partition) for partition in offsets):
                if time.monotonic() > until:
                    topic, _ = next(iter(offsets))
                    raise BrokerAway(f"topic {topic} sends nothing for {PATIENCE:.0f} s and is not at its end")
                for partition, records in consumer.poll(0.2).items():
                    yield from records
                    offsets[partition] = records[-1].offset + 1
                    until = time.monotonic() + PATIENCE
        except PollFailed as failed:
            if not failed.unreadable:
                raise
            return True
        finally:
            consumer.close()
        return False


def _at_end(consumer: Consumer, partition: Partition) -> bool:
    end, position = consumer.highwater(partition), consumer.position(partition)
    return end is not None and position is not None and position >= end
