"""The merge: records of several partitions in the order of their timestamps, so that a catch-up joins as live traffic does.

Inside a partition the order of offsets is never touched. Across partitions the record with the smallest *key* goes first, where
a record's key is the smallest timestamp of itself and of the records behind it that are here already, and never lies in the
future. So a producer with a wrong clock disturbs its own neighbours a little and can hold nobody up: a record stamped next year
takes the key of the one behind it, a record without a timestamp too.

It works on runs, not on records: each turn everything up to the smallest last key leaves at once, sorted in C (measured: under
0.4 µs a record; a heap costs 2).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Final

from daemon.records import Partition, Record

#: A partition that is behind and sends nothing for this many times `idle_after` is not waited for either: its leader is gone.
STALLED: Final = 15.0
#: A lane is full at so many bytes of values, whatever their number.
FULL_BYTES: Final = 64 << 20


class Lane:
    """The records of one partition that wait to leave."""

    def __init__(self, begin: int, now: float) -> None:
        """`begin`: the first offset to come; `now`: monotonic seconds."""
        self.records: list[Record] = []
        self.keys: list[int] = []
        self.bytes = 0
        #: Offset after the last record that left.
        self.handed = begin
        #: Offset at which to read on: after the last record that came, and after what was passed over behind it.
        self.fetched = begin
        #: Offset after the last record that the broker has, None while that is not known.
        self.end: int | None = None
        #: Since when it has been empty, monotonic seconds.
        self.empty_since = now
        #: Whether the broker has no more either, as far as known.
        self.at_end = False

    def add(self, records: Sequence[Record], now_ms: int) -> None:
        """Append records; `now_ms`: epoch milliseconds."""
        stamps = [record.timestamp for record in records]
        if max(stamps) > now_ms or min(stamps) < 0:
            stamps = [stamp if 0 <= stamp <= now_ms else now_ms for stamp in stamps]
        stamps.reverse()
        keys = list(accumulate(stamps, min))
        keys.reverse()
        self._lower(keys[0])
        self.records.extend(records)
        self.keys.extend(keys)
        self.bytes += _size(records)
        self.fetched = records[-1].offset + 1

    def _lower(self, key: int) -> None:
        """No record that waits may have a key above that of a record behind it."""
        place = len(self.keys) - 1
        while place >= 0 and self.keys[place] > key:
            self.keys[place] = key
            place -= 1

    def take(self, count: int, now: float) -> tuple[list[Record], list[int]]:
        """Remove the first `count` records and their keys."""
        records, keys = self.records[:count], self.keys[:count]
        del self.records[:count], self.keys[:count]
        if records:
            self.handed = records[-1].offset + 1
            self.bytes -= _size(records)
        if not self.records:
            self.empty_since = now
        return records, keys

    @property
    def lag(self) -> int:
        """How many records have not left, as far as known."""
        done = self.end is None or (self.at_end and not self.records)
        return 0 if done else max(0, (self.end or 0) - self.next_offset)

    @property
    def next_offset(self) -> int:
        """Offset after what has left, and after what was passed over behind it."""
        return self.handed if self.records else self.fetched


def _size(records: Iterable[Record]) -> int:
    return sum([len(record.value) for record in records if record.value])


class Merge:
    """Merges lanes. All times monotonic seconds unless said otherwise.

    Args:
        limit: leave at most about so many records at once; a lane of four times as many is full.
        idle_after: an empty lane is waited for until it has been at its end for so long, seconds.
    """

    def __init__(self, limit: int, idle_after: float) -> None:
        self.lanes: dict[Partition, Lane] = {}
        self._limit = limit
        self._idle_after = idle_after

    def reset(self, begin: Mapping[Partition, int], now: float) -> None:
        """Begin anew with these partitions at these offsets; what has not left is forgotten."""
        self.lanes = {partition: Lane(begin[partition], now) for partition in sorted(begin)}

    def add(self, partition: Partition, records: Sequence[Record], now_ms: int) -> None:
        """Append records of a partition, in the order of their offsets; `now_ms`: epoch milliseconds."""
        if records:
            self.lanes[partition].add(records, now_ms)

    def take(self, now: float) -> list[Record]:
        """The records that can leave now, merged."""
        waiting = [lane for lane in self.lanes.values() if lane.records]
        if not waiting or any(self._waited_for(lane, now) for lane in self.lanes.values()):
            return []
        window = max(1, self._limit // len(waiting))
        frontier = min(lane.keys[min(window, len(lane.keys)) - 1] for lane in waiting)
        parts = []
        for lane in waiting:
            count = bisect_right(lane.keys, frontier, 0, min(window, len(lane.keys)))
            if count:
                parts.append(lane.take(count, now))
        if len(parts) == 1:
            return parts[0][0]
        merged = list(chain.from_iterable(records for records, _ in parts))
        keys = chain.from_iterable(keys for _, keys in parts)
        merged.sort(key=lambda _: next(keys))  # the sort is stable and asks for each key once, in order
        return merged

    def full(self) -> list[Partition]:
        """The lanes that should get nothing more for now."""
        return [partition for partition in self.lanes if self._fill(partition) >= 1.0]

    def half_empty(self) -> list[Partition]:
        """The lanes that can take more again."""
        return [partition for partition in self.lanes if self._fill(partition) < 0.5]  # noqa: PLR2004  # half

    def stalled(self, now: float) -> list[Partition]:
        """The lanes that are behind and have sent nothing for so long that they are not waited for any more."""
        patience = STALLED * self._idle_after
        return [
            partition
            for partition, lane in self.lanes.items()
            if not lane.records and not lane.at_end and now - lane.empty_since >= patience
        ]

    def _fill(self, partition: Partition) -> float:
        lane = self.lanes[partition]
        return max(len(lane.records) / (4 * self._limit), lane.bytes / FULL_BYTES)

    def _waited_for(self, lane: Lane, now: float) -> bool:
        if lane.records:
            return False
        patience = self._idle_after if lane.at_end else STALLED * self._idle_after
        return now - lane.empty_since < patience
