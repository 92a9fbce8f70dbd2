"""Bits that rot on the broker's disk: named, passed over, never looped on."""

from __future__ import annotations

from collections.abc import Iterator

import crc32c
import pytest

from daemon.records import Record
from daemon.sink import TopicReader
from daemon.source import KafkaSource
from tests.integration.kafka_kit import Kit, Sent, read
from tests.servers import Broker

pytestmark = pytest.mark.integration


@pytest.fixture
def kit(broker: Broker) -> Iterator[Kit]:
    """A corner of a broker whose files we can reach."""
    kit = Kit(broker)
    kit.broker.segments("none", 0)  # skips where there are no files
    yield kit
    kit.close()


def log(kit: Kit) -> str:
    """A topic with five batches of ten records: 0-9, 10-19, 20-29, 30-39, 40-49."""
    topic = kit.topic("events")
    kit.produce(topic, [b"<%02d>" % number for number in range(50)], batches=5)
    return topic


def damage(kit: Kit, topic: str, *numbers: int) -> None:
    """Flip one bit in the values with these numbers."""
    (segment,) = kit.broker.segments(topic, 0)
    for number in numbers:
        place = segment.read_bytes().index(b"<%02d>" % number)
        with segment.open("r+b") as file:
            file.seek(place)
            file.write(b"=")  # 0x3c becomes 0x3d


def offsets(records: list[Record]) -> list[int]:
    """Their offsets."""
    return [record.offset for record in records]


def ranges(source: KafkaSource) -> list[tuple[int, int]]:
    """The unreadable ranges that the source told of."""
    return [(event.details["first"], event.details["last"]) for event in source.events if event.kind == "corrupt_range"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_damaged_batch_is_named_and_passed_over(kit: Kit, restart: bool) -> None:
    """Everything before and behind it is read; whether the broker was running when the bit flipped does not matter."""
    topic = log(kit)
    if restart:
        kit.broker.stop()
    damage(kit, topic, 13)
    kit.broker.start()
    source = kit.source(topic)

    records = read(source, 40)

    (event,) = [event for event in source.events if event.kind == "corrupt_range"]
    assert offsets(records) == [*range(10), *range(20, 50)]
    assert ranges(source) == [(10, 19)]
    assert f"{topic}-0 cannot be read at offsets 10 to 19" in event.message
    assert [record.value for record in event.damaged] == [b"=13>" if n == 13 else b"<%02d>" % n for n in range(10, 20)]


def test_two_damaged_batches_cost_what_is_in_them_and_no_more(kit: Kit) -> None:
    """The good batch between them is read."""
    topic = log(kit)
    damage(kit, topic, 3, 25)
    source = kit.source(topic)

    records = read(source, 30)

    assert offsets(records) == [*range(10, 20), *range(30, 50)]
    assert ranges(source) == [(0, 9), (20, 29)]


def test_the_last_batch_damaged_and_then_more(kit: Kit) -> None:
    """At the end of the log there is nothing behind it yet; what comes later is read, and the offsets are past the damage."""
    topic = log(kit)
    damage(kit, topic, 49)
    source = kit.source(topic)
    before = read(source, 40)
    kit.produce(topic, [b"later"])
    after: list[Record] = []
    while not after:
        after = source.poll(0.1)

    assert offsets(before + after) == [*range(40), 50]
    assert ranges(source) == [(40, 49)]
    assert source.offsets() == {(topic, 0): 51}


def test_our_own_offset_inside_a_damaged_batch(kit: Kit) -> None:
    """A consumer gets whole batches, so that every offset in one fails alike: the range begins where we stand."""
    topic = log(kit)
    damage(kit, topic, 13)
    source = kit.source(topic)

    records = read(source, 30, {(topic, 0): 15})

    assert offsets(records) == list(range(20, 50))
    assert ranges(source) == [(15, 19)]


def test_another_partition_does_not_notice(kit: Kit) -> None:
    """The damage of one partition costs the others no record and the group no rebalance."""
    topic, other = log(kit), kit.topic("other")
    kit.produce(other, [Sent(b"%d" % number) for number in range(20)])
    damage(kit, topic, 13)
    source = kit.source(topic, other)

    records = read(source, 60)

    assignment = source.assignment()
    assert [record.offset for record in records if record.topic == other] == list(range(20))
    assert assignment is not None
    assert assignment.generation == 1


def test_a_header_that_no_client_can_decode_is_passed_over(kit: Kit) -> None:
    """Header names are bytes on the wire; one that is not UTF-8 kills the client's decoder with its checksum in order."""
    topic = kit.topic("events")
    kit.produce(topic, [Sent(b"%d" % number, headers=(("name", b"x"),)) for number in range(30)], batches=3)
    (segment,) = kit.broker.segments(topic, 0)
    log = bytearray(segment.read_bytes())
    first = 12 + int.from_bytes(log[8:12], "big")  # where the second batch begins
    end = first + 12 + int.from_bytes(log[first + 8 : first + 12], "big")
    log[log.index(b"name", first)] = 0xFF
    log[first + 17 : first + 21] = crc32c.crc32c(bytes(log[first + 21 : end])).to_bytes(4, "big")
    with segment.open("r+b") as file:
        file.write(log)
    source = kit.source(topic)

    records = read(source, 20)

    assert offsets(records) == [*range(10), *range(20, 30)]
    assert ranges(source) == [(10, 19)]


def test_a_file_that_the_broker_itself_cannot_read_stops_only_its_partition(kit: Kit) -> None:
    """With the length of a batch damaged nothing comes any more: it is said, and the other partitions go on."""
    topic, other = log(kit), kit.topic("other")
    (segment,) = kit.broker.segments(topic, 0)
    data = segment.read_bytes()
    second = 12 + int.from_bytes(data[8:12], "big")
    with segment.open("r+b") as file:
        file.seek(second + 8)
        file.write(b"\x40")  # a gigabyte
    kit.produce(other, [b"a"])
    source = kit.source(topic, other)

    records = read(source, 11)

    assert sorted(offsets(records)) == sorted([*range(10), 0])
    assert [event.kind for event in source.events] == ["partition_stalled"]
    assert f"{topic}-0 has records but sends none" in source.events[0].message
    assert source.caught_up() is False


def test_a_journal_is_read_around_its_damage(kit: Kit) -> None:
    """Better a journal with a hole than a daemon that never starts again."""
    topic = log(kit)
    damage(kit, topic, 13, 31)

    records = list(TopicReader(kit.settings).read_to_end(topic))

    assert offsets(records) == [*range(10), *range(20, 30), *range(40, 50)]
