"""The source: what Kafka brings, in the order of time, from our own offsets on, whatever the broker does meanwhile.

The life of a `KafkaSource` is inside `poll`: connect, join, wait for `seek`, read, merge. Nothing that happens to the broker or
to the bytes ends it. After any exception the consumer is closed and another made, after a growing pause; bytes that cannot be
read are passed over, with their range named; an offset that the broker no longer has is reported before the source goes on at
the first one that it has. Only what can never work raises: wrong settings, a missing topic (CannotStart).

Records appear only after `seek` was called for the assignment: the caller's own offsets decide, never the committed ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from daemon.connection import OutOfRange, PollFailed, SourceSettings, WireError
from daemon.contact import ASK_TIMEOUT, Backoff, Contact
from daemon.merge import Merge
from daemon.records import Assignment, Partition, Record, SourceEvent
from daemon.salvage import Damage, start_of
from daemon.wire import GroupConsumer

#: Seconds that one wait inside `poll` lasts while something else than records may end it (a rebalance, an idle lane).
SLICE: Final = 0.1
#: Seconds in a settled group without a partition after which a member is a standby. At the start a member may be given nothing
#: because the metadata has not come yet; that repairs itself a tenth of a second later.
STANDBY_AFTER: Final = 2.0


class KafkaSource:
    """A `Source` over Kafka as a member of the consumer group; see the module.

    Args:
        settings: how to reach the broker, and how to read.
        topics: those to read.
        prepare: run once before the first connection, again while the broker is away; gives events, may raise CannotStart.
        wall: epoch seconds.
        monotonic: seconds that never jump.
        sleep: waits.
    """

    def __init__(
        self,
        settings: SourceSettings,
        topics: Sequence[str],
        prepare: Callable[[], list[SourceEvent]] = list,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.events: list[SourceEvent] = []
        self._settings = settings
        self._topics = list(topics)
        self._prepare: Callable[[], list[SourceEvent]] | None = prepare
        self._wall, self._monotonic, self._sleep = wall, monotonic, sleep
        self._contact = Contact(settings.bootstrap, self.events, monotonic)
        self._damage = Damage(settings)
        self._merge = Merge(settings.max_poll_records, settings.idle_after)
        self._paused: set[Partition] = set()
        self._stalled: set[Partition] = set()
        self._consumer: GroupConsumer | None = None
        self._assignment: Assignment | None = None
        self._unassigned_since = monotonic()
        self._wanted: dict[Partition, int | None] | None = None  # what `seek` asked for and did not get yet
        self._backoff = Backoff()

    def poll(self, timeout: float) -> list[Record]:
        """The next records in the order of time, [] when none came within about `timeout` seconds. Raises CannotStart."""
        deadline = self._monotonic() + timeout
        while True:
            records = self._merge.take(self._monotonic())
            if records:
                return records
            self._advance(max(0.0, deadline - self._monotonic()))
            if self._monotonic() >= deadline:
                return self._merge.take(self._monotonic())

    def assignment(self) -> Assignment | None:
        """What is owned now, as far as this member can know; only a `commit` proves it."""
        if self._consumer is None or self._assignment is None or self._consumer.assignment() != self._assignment:
            return None
        return self._assignment

    def is_standby(self) -> bool:
        """Whether the group is settled and somebody else owns everything."""
        if self._consumer is None or self._assignment is not None or not self._consumer.is_settled():
            return False
        return self._monotonic() - self._unassigned_since > STANDBY_AFTER

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Begin at these offsets, the other owned partitions at the setting `start`; once for each assignment."""
        assignment = self.assignment()
        if assignment is not None:
            self._wanted = {partition: offsets.get(partition) for partition in assignment.partitions}
            self._begin()

    def offsets(self) -> dict[Partition, int]:
        """For each owned partition the offset after what was handed out; {} before `seek` has taken effect."""
        return {partition: lane.next_offset for partition, lane in self._merge.lanes.items()}

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Commit; True when the broker accepted it under the generation of `assignment()`.

        Offsets of partitions that are not owned are left out; owned ones that are not in `offsets` are committed as they
        stand, so that a yes is never the answer to an empty question.
        """
        assignment = self.assignment()
        wanted = {partition: offsets.get(partition, offset) for partition, offset in self.offsets().items()}
        if assignment is None or self._consumer is None or not wanted or self._contact.away:
            return False
        try:
            accepted = self._consumer.commit(wanted)
        except WireError as error:
            self._contact.silent(str(error))
            return False
        self._contact.heard()
        return accepted and self._consumer.assignment() == assignment

    def caught_up(self) -> bool:
        """Whether all that the broker has was handed out. Never while nothing is known of the broker."""
        lanes = self._merge.lanes.values()
        if not lanes or self.assignment() is None or not self._contact.is_fresh():
            return False
        return all(lane.at_end and not lane.records for lane in lanes)

    def lag(self) -> dict[Partition, int]:
        """Records of each owned partition that were not handed out, as of the broker's latest answer about it."""
        consumer = self._consumer
        if consumer is None or self.assignment() is None:
            return {}
        lags = {}
        for partition, lane in self._merge.lanes.items():
            done = lane.at_end and not lane.records
            lags[partition] = 0 if done else max(0, (consumer.highwater(partition) or 0) - lane.next_offset)
        return lags

    def close(self) -> None:
        """Leave the group at once, so that a standby need not wait for the session timeout. Commits nothing."""
        self._drop_consumer()

    def _advance(self, left: float) -> None:
        """Do the next thing on the way to records, for at most about `left` seconds."""
        consumer = self._connect(left)
        if consumer is None:
            return
        waits_for_more = self._assignment is None or any(lane.records for lane in self._merge.lanes.values())
        try:
            self._receive(consumer.poll(min(left, SLICE) if waits_for_more else left))
            self._follow(consumer)
            self._hold_back(consumer)
            if self._contact.should_ask():
                consumer.beginning_offsets([(self._topics[0], 0)], ASK_TIMEOUT)
                self._contact.heard()
        except PollFailed as failed:
            self._rebuild(failed, look=failed.unreadable)
        except OutOfRange as error:
            self._rebuild(error)
        except WireError as error:
            self._contact.silent(str(error))

    def _connect(self, left: float) -> GroupConsumer | None:
        """The consumer, made if need be; None while that does not work, after waiting a while."""
        if self._consumer is not None:
            return self._consumer
        wait = self._backoff.left(self._monotonic())
        if wait:
            self._sleep(min(wait, left))
            return None
        try:
            if self._prepare is not None:
                self.events += self._prepare()
                self._prepare = None
            self._consumer = GroupConsumer(self._settings, self._topics)
        except WireError as error:
            self._contact.silent(str(error))
            self._backoff.failed(self._monotonic())
            return None
        self._contact.heard()
        return self._consumer

    def _receive(self, batches: Mapping[Partition, Sequence[Record]]) -> None:
        if not batches or self._consumer is None:
            return
        now_ms = int(self._wall() * 1000)
        for partition, records in batches.items():
            lane = self._merge.lanes.get(partition)
            if lane is None:
                continue  # of a partition that was taken from us in the same call
            self._merge.add(partition, records, now_ms)
            behind = self._damage.behind(partition, lane.fetched)
            if behind != lane.fetched:
                self._consumer.seek(partition, behind)
                lane.pass_over(behind)
        self._stalled.difference_update(batches)
        self._backoff.worked()
        self._contact.heard()

    def _follow(self, consumer: GroupConsumer) -> None:
        """Follow the assignment, and where each lane stands."""
        given = consumer.assignment()
        if given != self._assignment:
            self._forget(given)
            self._contact.heard()
        elif self._wanted is not None:
            self._begin()
        for partition, lane in self._merge.lanes.items():
            if not lane.records:
                lane.at_end = _is_at_end(consumer, partition, lane.fetched)
        stalled = set(self._merge.stalled(self._monotonic())) - self._stalled
        self._stalled |= stalled
        self.events += [_stalled(*partition) for partition in sorted(stalled)]

    def _hold_back(self, consumer: GroupConsumer) -> None:
        """Pause the lanes that are full, resume those that are half empty; the others go on."""
        full = set(self._merge.full()) - self._paused
        if full:
            self._paused |= full
            self._receive(consumer.pause(full))
        ready = self._paused.intersection(self._merge.half_empty())
        if ready:
            self._paused -= ready
            consumer.resume(ready)

    def _begin(self) -> None:
        """Take up reading where `seek` said; tried again by `poll` when the broker does not answer."""
        consumer, wanted = self._consumer, self._wanted
        if consumer is None or wanted is None:
            return
        begin: dict[Partition, int] = {}
        events: list[SourceEvent | None] = []
        try:
            first, last = consumer.beginning_offsets(wanted), consumer.end_offsets(wanted)
            for partition, offset in wanted.items():
                if offset is None:
                    begin[partition] = last[partition] if self._settings.start == "latest" else first[partition]
                    continue
                start, event = start_of(self._settings, partition, offset, first[partition], last[partition])
                begin[partition] = self._damage.behind(partition, start)
                events.append(event)
        except WireError as error:
            self._contact.silent(str(error))
            return
        self.events += [event for event in events if event is not None]
        self._contact.heard()
        self._wanted = None
        for partition, offset in begin.items():
            consumer.seek(partition, offset)
        consumer.resume(begin)
        self._merge.reset(begin, self._monotonic())

    def _rebuild(self, error: WireError, *, look: bool = False) -> None:
        """Close the consumer, never to poll it again, and connect anew after a pause; `look` for bytes that cannot be read."""
        suspects = [(partition, lane.fetched) for partition, lane in self._merge.lanes.items()]
        self._drop_consumer()
        self._backoff.failed(self._monotonic())
        message = f"reading {', '.join(self._topics)} failed and begins again from our own offsets: {error}"
        self.events.append(SourceEvent("rebuilt", message, {"reason": str(error)}))
        try:
            found = [self._damage.look(partition, offset) for partition, offset in suspects if look]
        except WireError as silent:
            self._contact.silent(str(silent))  # the next failure looks again
        else:
            self.events += [event for event in found if event is not None]

    def _drop_consumer(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._forget(None)
        if consumer is not None:
            consumer.close()

    def _forget(self, given: Assignment | None) -> None:
        """A new assignment, or none: what waits is read again, from the offsets that `seek` will say."""
        if given is None and self._assignment is not None:
            self._unassigned_since = self._monotonic()
        self._assignment = given
        self._wanted = None
        self._paused.clear()
        self._stalled.clear()
        self._merge.reset({}, self._monotonic())


def _stalled(topic: str, number: int) -> SourceEvent:
    message = f"{topic}-{number} has records but sends none; the other partitions go on without it; check its leader"
    return SourceEvent("partition_stalled", message, {"topic": topic, "partition": number})


def _is_at_end(consumer: GroupConsumer, partition: Partition, fetched: int) -> bool:
    """Whether the broker has nothing behind `fetched`, as far as known. Raises WireError."""
    highwater = consumer.highwater(partition)
    if highwater is None:
        return False
    if fetched >= highwater:
        return True
    position = consumer.position(partition)  # markers of transactions have offsets too, but no records
    return position is not None and position >= highwater
