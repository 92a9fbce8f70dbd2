"""The merge: order inside a partition is sacred, order across partitions follows the timestamps."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.merge import FULL_BYTES, STALLED, Merge
from daemon.records import Partition, Record, StoredRecord

NOW_MS = 10**12
IDLE = 2.0
A, B = ("a", 0), ("b", 0)


def records(partition: Partition, *timestamps: int, first: int = 0, value: bytes = b"v") -> list[Record]:
    """Records of one partition with consecutive offsets."""
    return [StoredRecord(*partition, first + place, stamp, None, value) for place, stamp in enumerate(timestamps)]


def merge(*partitions: Partition, limit: int = 1000) -> Merge:
    """A merge of partitions that begin at offset 0, at monotonic time 0."""
    made = Merge(limit, IDLE)
    made.reset(dict.fromkeys(partitions, 0), 0.0)
    return made


def stamps(taken: list[Record]) -> list[int]:
    """The timestamps, in the order of leaving."""
    return [record.timestamp for record in taken]


def test_two_partitions_leave_in_the_order_of_time() -> None:
    """What leaves is sorted, up to the first partition that has no more to say."""
    both = merge(A, B)
    both.add(A, records(A, 1, 4, 6, 9), NOW_MS)
    both.add(B, records(B, 2, 3, 7), NOW_MS)

    assert stamps(both.take(0.0)) == [1, 2, 3, 4, 6, 7]


def test_a_partition_that_is_behind_is_waited_for() -> None:
    """An empty lane that is not at its end holds the others back."""
    both = merge(A, B)
    both.add(A, records(A, 1, 2), NOW_MS)

    assert both.take(IDLE + 0.1) == []


def test_an_idle_partition_is_not_waited_for() -> None:
    """An empty lane at its end is waited for a while and then no longer."""
    both = merge(A, B)
    both.lanes[B].at_end = True
    both.add(A, records(A, 1, 2), NOW_MS)

    assert both.take(IDLE - 0.1) == []
    assert stamps(both.take(IDLE)) == [1, 2]


def test_a_partition_that_woke_up_is_waited_for_again() -> None:
    """The wait begins anew each time a lane has run empty."""
    both = merge(A, B)
    both.lanes[B].at_end = True
    both.add(A, records(A, 1), NOW_MS)
    both.add(B, records(B, 2), NOW_MS)
    both.take(10.0)  # A is empty now, B holds 2
    both.lanes[A].at_end = True

    assert both.take(10.0 + IDLE - 0.1) == []
    assert stamps(both.take(10.0 + IDLE)) == [2]


def test_a_stalled_partition_is_told_and_not_waited_for() -> None:
    """A partition that has records and sends none cannot stop the others for ever."""
    both = merge(A, B)
    both.add(A, records(A, 1), NOW_MS)
    late = STALLED * IDLE

    assert both.stalled(late - 0.1) == []
    assert both.stalled(late) == [B]
    assert stamps(both.take(late)) == [1]


def test_a_record_from_the_future_holds_nobody_up() -> None:
    """A producer whose clock runs a year ahead takes the place of its neighbours."""
    both = merge(A, B)
    both.add(A, records(A, 1, NOW_MS + 10**10, 3), NOW_MS)
    both.add(B, records(B, 2, 4), NOW_MS)

    assert stamps(both.take(0.0)) == [1, 2, NOW_MS + 10**10, 3]


def test_a_record_from_the_future_at_the_end_takes_the_time_of_what_follows() -> None:
    """The key of a record that waits is lowered when an older one comes behind it."""
    both = merge(A, B)
    both.add(A, records(A, 1, NOW_MS + 10**10), NOW_MS)
    both.add(A, records(A, 3, first=2), NOW_MS)
    both.add(B, records(B, 2, 4), NOW_MS)

    assert stamps(both.take(0.0)) == [1, 2, NOW_MS + 10**10, 3]


def test_records_without_a_timestamp_stay_with_their_neighbours() -> None:
    """-1 means that there is none; such a record goes with the one behind it."""
    both = merge(A, B)
    both.add(A, records(A, 5, -1, 6), NOW_MS)
    both.add(B, records(B, 1, 7), NOW_MS)

    assert stamps(both.take(0.0)) == [1, 5, -1, 6]


def test_no_more_leave_at_once_than_the_limit() -> None:
    """A long backlog comes in portions."""
    both = merge(A, B, limit=10)
    both.add(A, records(A, *range(0, 100, 2)), NOW_MS)
    both.add(B, records(B, *range(1, 100, 2)), NOW_MS)

    first = both.take(0.0)

    assert len(first) <= 10
    assert stamps(first) == list(range(len(first)))


def test_offsets_follow_what_has_left() -> None:
    """What waits in a lane does not count as handed out."""
    both = merge(A, B)
    both.add(A, records(A, 1, 5, first=7), NOW_MS)
    both.add(B, records(B, 2), NOW_MS)
    both.take(0.0)

    assert (both.lanes[A].next_offset, both.lanes[B].next_offset) == (8, 1)


def test_what_was_passed_over_counts_when_the_lane_is_empty() -> None:
    """Reading goes on behind an unreadable range only after the records before it have left."""
    one = merge(A)
    one.add(A, records(A, 1, 2), NOW_MS)
    one.lanes[A].fetched = 12

    before = one.lanes[A].next_offset
    one.take(0.0)

    assert (before, one.lanes[A].next_offset) == (0, 12)


@pytest.mark.parametrize(("count", "value"), [(40, b"v"), (2, b"v" * (FULL_BYTES // 2))])
def test_a_lane_is_full_by_number_and_by_bytes(count: int, value: bytes) -> None:
    """Few large values fill a lane as many small ones do; what has left makes room."""
    both = merge(A, B, limit=10)
    both.add(A, records(A, *range(count), value=value), NOW_MS)

    assert both.full() == [A]
    assert both.half_empty() == [B]

    both.add(B, records(B, *range(100)), NOW_MS)
    while both.lanes[A].records:
        both.take(0.0)

    assert A in both.half_empty()


Feed = list[tuple[int, list[int]]]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(-1, 50), min_size=1, max_size=8)), max_size=12), st.integers(1, 9)
)
def test_nothing_is_lost_doubled_or_reordered(feed: Feed, limit: int) -> None:
    """Whatever the timestamps and the portions: every record leaves once, in the order of its partition."""
    partitions = [("t", number) for number in range(3)]
    mill = merge(*partitions, limit=limit)
    sent: dict[Partition, list[int]] = defaultdict(list)
    left: dict[Partition, list[int]] = defaultdict(list)
    taken: list[Record] = []
    for number, times in feed:
        partition = partitions[number]
        mill.add(partition, records(partition, *times, first=len(sent[partition])), 40)
        sent[partition] += range(len(sent[partition]), len(sent[partition]) + len(times))
        taken += mill.take(0.0)
    for lane in mill.lanes.values():
        lane.at_end = True
    clock = 0.0
    while any(lane.records for lane in mill.lanes.values()):
        clock += IDLE
        taken += mill.take(clock)
    for record in taken:
        left[(record.topic, record.partition)].append(record.offset)

    assert left == {partition: offsets for partition, offsets in sent.items() if offsets}


@given(st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=30).map(sorted), min_size=1, max_size=4), st.integers(1, 200))
def test_sorted_partitions_leave_sorted(lanes: list[list[int]], limit: int) -> None:
    """While all sides have data and each is in order, everything that leaves is in order."""
    partitions = [("t", number) for number in range(len(lanes))]
    mill = merge(*partitions, limit=limit)
    for partition, times in zip(partitions, lanes, strict=True):
        mill.add(partition, records(partition, *times), NOW_MS)
    taken: list[Record] = []
    while portion := mill.take(0.0):
        taken += portion

    assert stamps(taken) == sorted(stamps(taken))
    assert len(taken) >= min(len(lane) for lane in lanes)
