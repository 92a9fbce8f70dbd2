"""Reading partitions: one consumer without a group, lanes that merge, and what to do when bytes or offsets are gone.

After any exception the consumer is closed and another made, after a growing pause; the lanes keep what they have. Bytes that
cannot be read are passed over, with their range named. An offset that the broker no longer has is reported before reading goes
on at the first one that it has. A lane that is full is left out of the consumer's assignment until it is half empty again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from daemon.connection import OutOfRange, PollFailed, SourceSettings, WireError
from daemon.contact import Backoff, Contact
from daemon.merge import Merge
from daemon.records import Partition, Record, SourceEvent
from daemon.salvage import Damage, start_of
from daemon.wire import Consumer

#: Seconds that a wait for records lasts while something else may end it (a lane turns idle, a rebalance).
SLICE: Final = 0.1


class Reader:
    """Reads partitions into lanes. Not thread-safe.

    Args:
        settings: how to reach the broker, and how to read.
        contact: told whether the broker answers.
        events: where news go.
        wall: epoch seconds.
        monotonic: seconds that never jump.
    """

    def __init__(
        self,
        settings: SourceSettings,
        contact: Contact,
        events: list[SourceEvent],
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.merge = Merge(settings.max_poll_records, settings.idle_after)
        self._settings = settings
        self._contact = contact
        self._events = events
        self._wall, self._monotonic = wall, monotonic
        self._damage = Damage(settings)
        self._backoff = Backoff()
        self._consumer: Consumer | None = None
        self._held_back: set[Partition] = set()
        self._stalled: set[Partition] = set()

    def begin(self, wanted: Mapping[Partition, int | None]) -> None:
        """Read these partitions from these offsets on, None for the setting `start`.

        Raises:
            WireError: the broker did not answer; nothing has changed.
        """
        consumer = self._connect()
        first, last = consumer.beginning_offsets(wanted), consumer.end_offsets(wanted)
        begin: dict[Partition, int] = {}
        events: list[SourceEvent | None] = []
        for partition, offset in wanted.items():
            if offset is None:
                begin[partition] = last[partition] if self._settings.start == "latest" else first[partition]
                continue
            start, event = start_of(self._settings, partition, offset, first[partition], last[partition])
            begin[partition] = self._damage.behind(partition, start)
            events.append(event)
        self._events += [event for event in events if event is not None]
        self.merge.reset(begin, self._monotonic())
        self._assign(consumer, begin)

    def stop(self) -> None:
        """Read nothing any more, and forget what has not left."""
        self._drop_consumer()
        self.merge.reset({}, self._monotonic())

    def read(self, left: float) -> None:
        """Read once, waiting for at most about `left` seconds; what came is in the lanes."""
        if self._backoff.left(self._monotonic()):
            return
        waits_for_more = any(lane.records for lane in self.merge.lanes.values())
        try:
            consumer = self._consumer or self._resume()
            self._hold_back(consumer)
            self._receive(consumer, consumer.poll(min(left, SLICE) if waits_for_more else left))
            self._look_at_ends(consumer)
        except (PollFailed, OutOfRange) as error:
            self._events.append(SourceEvent("rebuilt", f"reading failed and begins again: {error}", {"reason": str(error)}))
            self._repair(error)
        except WireError as error:
            self._contact.silent(str(error))
            self._retire()

    def pause(self) -> float:
        """Seconds until `read` tries again after a failure."""
        return self._backoff.left(self._monotonic())

    def lag(self) -> dict[Partition, int]:
        """Records that have not left, as of the broker's latest answer about each partition."""
        return {partition: lane.lag for partition, lane in self.merge.lanes.items()}

    def has_all(self) -> bool:
        """Whether all that the broker has, as far as known, has left."""
        lanes = self.merge.lanes.values()
        return bool(lanes) and all(lane.at_end and not lane.records for lane in lanes)

    def _connect(self) -> Consumer:
        """A fresh consumer in place of the last one. Raises BrokerAway, Refused."""
        self._drop_consumer()
        self._consumer = Consumer(self._settings, max_poll_records=self._settings.max_poll_records)
        return self._consumer

    def _resume(self) -> Consumer:
        consumer = self._connect()
        self._assign(consumer, {partition: lane.fetched for partition, lane in self.merge.lanes.items()})
        return consumer

    def _assign(self, consumer: Consumer, begin: Mapping[Partition, int]) -> None:
        self._held_back.clear()
        self._stalled.clear()
        consumer.assign(begin)

    def _drop_consumer(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _receive(self, consumer: Consumer, batches: Mapping[Partition, Sequence[Record]]) -> None:
        if not batches:
            return
        now_ms = int(self._wall() * 1000)
        for partition, records in batches.items():
            self.merge.add(partition, records, now_ms)
            lane = self.merge.lanes[partition]
            behind = self._damage.behind(partition, lane.fetched)
            if behind != lane.fetched:
                consumer.seek(partition, behind)
                lane.fetched = behind
        self._stalled.difference_update(batches)
        self._backoff.worked()
        self._contact.heard()

    def _look_at_ends(self, consumer: Consumer) -> None:
        """Note where each partition ends; tell of those that should send and do not."""
        for partition, lane in self.merge.lanes.items():
            if partition in self._held_back:
                continue
            lane.end = consumer.highwater(partition)
            if lane.end is None or lane.fetched >= lane.end or lane.records:
                lane.at_end = lane.end is not None and lane.fetched >= lane.end
            else:  # the markers of transactions have offsets too, but no records
                position = consumer.position(partition)
                lane.at_end = position is not None and position >= lane.end
        stalled = set(self.merge.stalled(self._monotonic())) - self._stalled
        self._stalled |= stalled
        self._events += [_stalled(*partition) for partition in sorted(stalled)]

    def _hold_back(self, consumer: Consumer) -> None:
        """Leave full lanes out of the fetches, take half-empty ones in again. At least one is always read."""
        back = self._held_back.intersection(self.merge.half_empty())
        full = set(self.merge.full()) - self._held_back
        held_back = (self._held_back | full) - back
        if held_back != self._held_back and len(held_back) < len(self.merge.lanes):
            self._held_back = held_back
            again = {partition: self.merge.lanes[partition].fetched for partition in sorted(back)}
            consumer.assign(again, sorted(self.merge.lanes.keys() - held_back - back))

    def _retire(self) -> None:
        """Close the consumer, never to poll it again; `read` makes another after a pause."""
        self._drop_consumer()
        self._backoff.failed(self._monotonic())

    def _repair(self, error: PollFailed | OutOfRange) -> None:
        """Retire the consumer and see to what it stumbled over."""
        self._retire()
        try:
            if isinstance(error, OutOfRange):
                self._begin_again(error.offsets)
            elif error.unreadable:
                self._pass_over()
        except WireError as silent:
            self._contact.silent(str(silent))  # the next failure repairs it

    def _pass_over(self) -> None:
        """Find which partitions cannot be read where they stand, and go on behind."""
        for partition, lane in self.merge.lanes.items():
            event = self._damage.look(partition, lane.fetched)
            if event is not None:
                self._events.append(event)
                lane.fetched = self._damage.behind(partition, lane.fetched)

    def _begin_again(self, partitions: Iterable[Partition]) -> None:
        """Go on where the broker has records; the retention was faster than we were."""
        consumer = self._connect()
        first, last = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        self._drop_consumer()
        for partition in partitions:
            lane = self.merge.lanes[partition]
            lane.fetched, event = start_of(self._settings, partition, lane.fetched, first[partition], last[partition])
            if event is not None:
                self._events.append(event)


def _stalled(topic: str, number: int) -> SourceEvent:
    message = (
        f"{topic}-{number} has records but sends none; the other partitions go on without it; check its leader and the "
        f"broker's log files"
    )
    return SourceEvent("partition_stalled", message, {"topic": topic, "partition": number})
