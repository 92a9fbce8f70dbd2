"""What every source keeps to, Kafka's and the one in memory: the double is only worth what it has in common with the real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal, Protocol

import pytest

from daemon.memory_source import MemoryBroker, MemorySource
from daemon.records import Partition, Record, Source
from tests.integration.kafka_kit import Kit, Sent, until

#: Epoch milliseconds from which the tests count: an hour ago, so that nothing lies in the future.
T0 = int(time.time() - 3600) * 1000
NONE: Mapping[Partition, int] = {}


class World(Protocol):
    """Two topics, `left` with one partition and `right` with two, and members of one group that read them."""

    left: str
    right: str

    def produce(self, topic: str, *records: tuple[bytes | None, int]) -> None:
        """Append values with their timestamps (milliseconds after T0), all under one key and so in one partition."""

    def member(self, start: Literal["earliest", "latest"] = "earliest") -> Source:
        """Another member of the group."""

    def close(self) -> None:
        """End everything."""


class MemoryWorld:
    """The world in memory."""

    def __init__(self) -> None:
        self.left, self.right = "left", "right"
        self._broker = MemoryBroker({self.left: 1, self.right: 2})

    def produce(self, topic: str, *records: tuple[bytes | None, int]) -> None:
        """Append to partition 0."""
        for value, timestamp in records:
            self._broker.produce(topic, value, (T0 + timestamp) / 1000, key=b"k")

    def member(self, start: Literal["earliest", "latest"] = "earliest") -> Source:
        """Join."""
        return MemorySource(self._broker, start)

    def close(self) -> None:
        """Nothing is left behind."""


class KafkaWorld:
    """The world on a real broker."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.left, self.right = kit.topic("left"), kit.topic("right", 2)

    def produce(self, topic: str, *records: tuple[bytes | None, int]) -> None:
        """Append to the key's partition."""
        self._kit.produce(topic, [Sent(value, T0 + timestamp) for value, timestamp in records])

    def member(self, start: Literal["earliest", "latest"] = "earliest") -> Source:
        """Join."""
        return self._kit.source(self.left, self.right, start=start)

    def close(self) -> None:
        """Leave the group."""
        self._kit.close()


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.integration)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Each kind of world."""
    made: World = MemoryWorld() if request.param == "memory" else KafkaWorld(Kit(request.getfixturevalue("broker")))
    yield made
    made.close()


def owner(world: World, start: Literal["earliest", "latest"] = "earliest") -> Source:
    """A member that has been given the partitions."""
    source = world.member(start)
    until(lambda: source.poll(0.1), lambda: source.assignment() is not None)
    return source


def take(source: Source, count: int) -> list[Record]:
    """Poll until there are `count` records."""
    records: list[Record] = []
    until(lambda: records.extend(source.poll(0.1)), lambda: len(records) >= count)
    return records


def values(records: list[Record]) -> list[bytes | None]:
    """Their values."""
    return [record.value for record in records]


@contextmanager
def polling(source: Source) -> Iterator[None]:
    """Poll in a thread meanwhile, as another process would: a rebalance needs all members at once."""
    stop = threading.Event()

    def turn() -> None:
        while not stop.is_set():
            assert source.poll(0.1) == []

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(turn)
        try:
            yield
        finally:
            stop.set()
        done.result()


def poll_until(source: Source, done: Callable[[], bool]) -> None:
    """Poll, expecting nothing, until something else has happened."""
    until(lambda: source.poll(0.1), done)


def test_the_first_member_owns_every_partition(world: World) -> None:
    """Sorted by topic and number."""
    source = owner(world)

    assignment = source.assignment()
    assert assignment is not None
    assert assignment.partitions == tuple(sorted([(world.left, 0), (world.right, 0), (world.right, 1)]))


def test_nothing_comes_before_seek(world: World) -> None:
    """The caller's own offsets decide, so nothing is read before they are known."""
    world.produce(world.left, (b"a", 0))
    source = owner(world)

    assert [source.poll(0.2) for _ in range(3)] == [[], [], []]
    source.seek(NONE)
    assert values(take(source, 1)) == [b"a"]


def test_partitions_are_merged_by_time(world: World) -> None:
    """Across topics by timestamp, inside a partition by offset."""
    world.produce(world.left, (b"1", 1), (b"4", 4), (b"5", 5))
    world.produce(world.right, (b"2", 2), (b"3", 3), (b"6", 6))
    source = owner(world)
    source.seek(NONE)

    assert values(take(source, 6)) == [b"1", b"2", b"3", b"4", b"5", b"6"]


def test_a_record_comes_as_it_is(world: World) -> None:
    """Topic, offset, timestamp in milliseconds, key and value, without a value too."""
    world.produce(world.left, (b"\xff", 1), (None, 2))
    source = owner(world)
    source.seek(NONE)

    told = [(each.topic, each.partition, each.offset, each.timestamp, each.key, each.value) for each in take(source, 2)]
    assert told == [(world.left, 0, 0, T0 + 1, b"k", b"\xff"), (world.left, 0, 1, T0 + 2, b"k", None)]


def test_own_offsets_decide_and_not_the_committed_ones(world: World) -> None:
    """What was committed is for lag tools: a daemon that lost its store must not skip anything."""
    world.produce(world.left, *[(b"%d" % number, number) for number in range(5)])
    first = owner(world)
    first.seek(NONE)
    take(first, 5)
    committed = first.commit(first.offsets())
    first.close()
    second = owner(world)
    second.seek({(world.left, 0): 3})

    assert committed is True
    assert values(take(second, 2)) == [b"3", b"4"]


def test_offsets_are_those_after_what_was_handed_out(world: World) -> None:
    """Known for every partition, those without records too."""
    world.produce(world.left, (b"a", 1), (b"b", 2))
    source = owner(world)
    source.seek(NONE)
    records = take(source, 2)

    offsets = source.offsets()
    assert len(records) == 2
    assert offsets == {(world.left, 0): 2, (world.right, 0): 0, (world.right, 1): 0}


def test_seek_goes_back_as_well(world: World) -> None:
    """Reading again from an earlier offset hands out the same records again."""
    world.produce(world.left, (b"a", 1), (b"b", 2))
    source = owner(world)
    source.seek(NONE)
    first = take(source, 2)
    source.seek({(world.left, 0): 1})

    assert values(first) == [b"a", b"b"]
    assert values(take(source, 1)) == [b"b"]


def test_without_an_offset_reading_begins_at_the_setting(world: World) -> None:
    """`latest`: what was there before is not read; a known offset is more than the setting."""
    world.produce(world.left, (b"old", 1))
    source = owner(world, "latest")
    source.seek({(world.left, 0): 0})

    assert values(take(source, 1)) == [b"old"]


def test_lag_and_caught_up(world: World) -> None:
    """Behind until everything is handed out, then not; and behind again when more has come."""
    world.produce(world.left, (b"a", 1), (b"b", 2))
    source = owner(world)
    before = source.caught_up()
    source.seek(NONE)
    take(source, 2)
    poll_until(source, source.caught_up)
    done = source.lag()
    world.produce(world.left, (b"c", 3))
    more = take(source, 1)
    poll_until(source, source.caught_up)

    assert before is False
    assert done == {(world.left, 0): 0, (world.right, 0): 0, (world.right, 1): 0}
    assert values(more) == [b"c"]


def test_a_standby_takes_nothing_until_the_owner_leaves(world: World) -> None:
    """Then it owns everything, in a later generation, and begins at its own offsets."""
    world.produce(world.left, (b"a", 1), (b"b", 2))
    first = owner(world)
    generation = getattr(first.assignment(), "generation", -1)
    second = world.member()
    with polling(first):
        poll_until(second, second.is_standby)
    poll_until(first, lambda: first.assignment() is not None)
    while_standby = second.assignment()
    first.close()
    poll_until(second, lambda: second.assignment() is not None)
    second.seek({(world.left, 0): 1})

    assert while_standby is None
    assert getattr(second.assignment(), "generation", -1) > generation
    assert values(take(second, 1)) == [b"b"]


def test_only_the_owner_commits(world: World) -> None:
    """The broker's yes is the proof of ownership: neither a standby nor a member that has left gets one."""
    first = owner(world)
    first.seek(NONE)
    as_owner = first.commit({})
    first.close()
    second = owner(world)
    second.seek(NONE)

    assert (as_owner, first.commit({}), second.commit({})) == (True, False, True)


def test_what_is_not_owned_any_more_is_not_handed_out(world: World) -> None:
    """After leaving there is neither an assignment nor a record."""
    world.produce(world.left, (b"a", 1))
    source = owner(world)
    source.seek(NONE)
    source.close()

    assert source.assignment() is None
    assert source.caught_up() is False
