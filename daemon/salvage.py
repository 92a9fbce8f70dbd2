"""What to do when a partition cannot be read where it should be: find where it reads on, and what lies between.

A consumer gets whole batches, so every offset inside a damaged one fails alike; the first offset behind it reads on. It is found
by doubling and halving, each try with a consumer of its own, since none may be polled again after a failure. Reading once more
without the checksum tells which records lie in the range. Their bytes are not to be trusted.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from daemon.connection import BrokerAway, Connection, OutOfRange, PollFailed
from daemon.records import Partition, Record, SourceEvent
from daemon.wire import Consumer

#: Seconds for one try. A broker whose own file is damaged may know where a partition ends and send nothing of it.
PATIENCE: Final = 3.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading at one offset. `base`: where the batch begins that could not be read, if the client said so."""

    readable: bool
    in_range: bool = True
    base: int | None = None


def first_readable(first: int, end: int, read: Callable[[int], Reading]) -> int:
    """The first offset after the unreadable batch in which `first` lies; `end`, the end of the partition, at the latest.

    Args:
        first: an offset that cannot be read.
        end: the offset after the last record.
        read: tries an offset.
    """
    base = read(first).base

    def same_batch(offset: int) -> bool:
        # Another damaged batch, with good ones before it, is not our range: they would be lost.
        reading = read(offset)
        return not reading.readable and base == reading.base

    bad, step = first, 1
    while bad + step < end and same_batch(bad + step):
        bad, step = bad + step, 2 * step
    good = min(bad + step, end)
    while good - bad > 1:
        middle = (bad + good) // 2
        if same_batch(middle):
            bad = middle
        else:
            good = middle
    return good


def try_offset(connection: Connection, partition: Partition, offset: int) -> Reading:
    """Read one record at an offset with a consumer of its own. Raises BrokerAway, Refused."""
    with _reader(connection, {partition: offset}) as consumer:
        deadline = time.monotonic() + PATIENCE
        highwater: int | None = None
        try:
            while time.monotonic() < deadline:
                if consumer.poll(0.2, 1):
                    return Reading(readable=True)
                highwater = consumer.highwater(partition)
                if highwater is not None and highwater <= offset:
                    return Reading(readable=True, in_range=highwater == offset)
                position = consumer.position(partition)
                if highwater is not None and position is not None and position >= highwater:
                    return Reading(readable=True)  # nothing but markers from here to the end
        except OutOfRange:
            return Reading(readable=True, in_range=False)
        except PollFailed as failed:
            if failed.unreadable:
                return Reading(readable=False, base=failed.base)
            raise BrokerAway(str(failed)) from failed
    if highwater is None:
        raise BrokerAway(f"{partition[0]}-{partition[1]} does not answer")
    return Reading(readable=True)  # as far as we are concerned: there is nothing to pass over, only a broker to be mended


def end_of_unreadable(connection: Connection, partition: Partition, first: int) -> int | None:
    """Where the partition reads on when it cannot be read at `first`; None when it can. Raises BrokerAway, Refused."""
    if try_offset(connection, partition, first).readable:
        return None
    with _reader(connection, {partition: first}) as consumer:
        # The embedded broker tells too small an end here; it keeps nothing on disk that could rot.
        end = max(consumer.end_offsets([partition])[partition], first + 1)
    return first_readable(first, end, lambda offset: try_offset(connection, partition, offset))


def read_unchecked(connection: Connection, partition: Partition, first: int, end: int) -> list[Record]:
    """What can be read from `first` to before `end` with the checksum ignored; [] when the format is damaged too."""
    records: list[Record] = []
    with _reader(connection, {partition: first}, check_crcs=False) as consumer:
        deadline = time.monotonic() + PATIENCE
        position: int | None = first
        with contextlib.suppress(PollFailed, OutOfRange):
            while time.monotonic() < deadline and (position is None or position < end):
                for batch in consumer.poll(0.2).values():
                    records += [record for record in batch if record.offset < end]
                position = consumer.position(partition)
    return records


class Damage:
    """The unreadable ranges that were met, so that each is looked into and told once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._behind: dict[Partition, dict[int, int]] = {}  # first unreadable offset -> first readable one behind it

    def behind(self, partition: Partition, offset: int) -> int:
        """Where to read instead of at `offset`: there, unless it lies in a range that was met."""
        for first, behind in self._behind.get(partition, {}).items():
            if first <= offset < behind:
                return behind
        return offset

    def look(self, partition: Partition, offset: int) -> SourceEvent | None:
        """Find out whether the partition can be read at `offset`; what to tell if not. Raises BrokerAway, Refused."""
        behind = end_of_unreadable(self._connection, partition, offset)
        if behind is None:
            return None
        self._behind.setdefault(partition, {})[offset] = behind
        damaged = tuple(read_unchecked(self._connection, partition, offset, behind))
        topic, number = partition
        return SourceEvent(
            "corrupt_range",
            f"{topic}-{number} cannot be read at offsets {offset} to {behind - 1} and is read on behind them: up to "
            f"{behind - offset} events are lost to every verdict; check the broker's disks, and who writes header names that "
            f"are not UTF-8",
            {"topic": topic, "partition": number, "first": offset, "last": behind - 1, "records": len(damaged)},
            damaged,
        )


def start_of(connection: Connection, partition: Partition, wanted: int, first: int, last: int) -> tuple[int, SourceEvent | None]:
    """Where to begin when reading should go on at `wanted` and the broker says that it holds `first` to before `last`.

    Returns:
        `wanted` if the broker has it, else `first` with what to tell: deleted events are gone whatever we do, and behind the end
        of a topic that was made anew nothing would ever be read.

    Raises:
        WireError: the broker does not answer.
    """
    # A broker may tell too small an end (the embedded one does), so what lies behind it is tried first.
    if first <= wanted and (wanted <= last or try_offset(connection, partition, wanted).in_range):
        return wanted, None
    topic, number = partition
    lost = f"{first - wanted} events were deleted before they were read" if wanted < first else "the topic was made anew"
    return first, SourceEvent(
        "offset_out_of_range",
        f"{topic}-{number} holds offsets {first} to {last} and not {wanted}, where reading was to go on: {lost}; "
        f"it goes on at {first}; give the topic a longer retention",
        {"topic": topic, "partition": number, "wanted": wanted, "first": first, "last": last},
    )


@contextlib.contextmanager
def _reader(connection: Connection, offsets: dict[Partition, int], *, check_crcs: bool = True) -> Iterator[Consumer]:
    consumer = Consumer(connection, check_crcs=check_crcs)
    try:
        consumer.assign(offsets)
        yield consumer
    finally:
        consumer.close()
