"""The source on a real broker: bytes of any kind, lanes of any length, and brokers that come and go."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from daemon.records import Record, SourceEvent
from daemon.source import KafkaSource
from daemon.wire import Consumer
from tests.integration.kafka_kit import Kit, Sent, assigned, read, until
from tests.servers import Broker

pytestmark = pytest.mark.integration

#: Epoch milliseconds an hour ago.
T0 = int(time.time() - 3600) * 1000


@pytest.fixture
def kit(broker: Broker) -> Iterator[Kit]:
    """A corner of the broker for one test."""
    kit = Kit(broker)
    yield kit
    kit.close()


def numbers(first: int, last: int) -> list[bytes]:
    """Values that say their own number."""
    return [b"%d" % number for number in range(first, last)]


def values(records: list[Record]) -> list[bytes | None]:
    """Their values."""
    return [record.value for record in records]


def of_kind(source: KafkaSource, kind: str) -> list[SourceEvent]:
    """What the source noticed of one kind."""
    return [event for event in source.events if event.kind == kind]


def test_any_bytes_are_read(kit: Kit) -> None:
    """Bytes are handed out as they are: what would make a deserializer hang is just another record."""
    topic = kit.topic("events")
    sent = [b"\xff\xfe\x00", b"{", b"", None, b"[" * 100_000, b"x" * 10]
    kit.produce(topic, [Sent(value, headers=(("h", b"\xff"),)) for value in sent])

    records = read(kit.source(topic), len(sent))

    assert values(records) == sent
    assert list(records[0].headers) == [("h", b"\xff")]


def test_a_value_of_ten_megabytes_is_read_and_so_is_what_follows(kit: Kit) -> None:
    """A record larger than every fetch limit does not stop its partition."""
    topic = kit.topic("events", config={"max.message.bytes": "20000000"})
    kit.produce(topic, [b"a", b"x" * 10_000_000, b"b"], batches=3)

    records = read(kit.source(topic), 3)

    assert [len(record.value or b"") for record in records] == [1, 10_000_000, 1]


def test_a_long_backlog_is_merged_with_a_short_one(kit: Kit) -> None:
    """A lane that runs ahead is held back and comes again: nothing is lost, and the order is that of time."""
    left, right = kit.topic("left"), kit.topic("right", 2)
    kit.produce(left, [Sent(b"l" * 300, T0 + 10 * number) for number in range(3000)])
    kit.produce(right, [Sent(b"r", T0 + 20_000 + number, key=b"%d" % number) for number in range(3000)])
    source = kit.source(left, right, max_poll_records=50)

    records = read(source, 6000)

    times = [record.timestamp for record in records]
    assert times == sorted(times)
    assert len({(record.topic, record.partition, record.offset) for record in records}) == 6000


def test_an_idle_topic_does_not_hold_up_a_busy_one(kit: Kit) -> None:
    """A topic without a single record is waited for only as long as the setting says."""
    busy, idle = kit.topic("busy"), kit.topic("idle")
    kit.produce(busy, numbers(0, 10))

    assert values(read(kit.source(busy, idle), 10)) == numbers(0, 10)


def test_a_broker_that_is_away_at_the_start_is_waited_for(kit: Kit) -> None:
    """One sentence says that it is away and what to do, another that it is back; then everything is read."""
    topic = kit.topic("events")
    kit.broker.stop()
    source = kit.source(topic)
    until(lambda: source.poll(0.1), lambda: bool(source.events))
    for _ in range(5):
        assert source.poll(0.1) == []
    away = [event.kind for event in source.events]
    kit.broker.start()
    again = kit if kit.broker.is_apache else Kit(kit.broker)
    if kit.broker.is_apache:
        kit.produce(topic, numbers(0, 3))
        assert values(read(source, 3)) == numbers(0, 3)
    else:  # it forgot the topic with everything else
        until(lambda: source.poll(0.1), lambda: bool(of_kind(source, "broker_back")))
        again.close()

    assert away == ["broker_away"]
    assert kit.broker.bootstrap in source.events[0].message
    assert [event.kind for event in source.events] == ["broker_away", "broker_back"]


def test_nothing_is_lost_when_the_broker_crashes_and_comes_back(kit: Kit) -> None:
    """The source goes on where it was, as the same member or a new one."""
    if not kit.broker.is_apache:
        pytest.skip("the embedded broker forgets everything")
    topic = kit.topic("events")
    kit.produce(topic, numbers(0, 10))
    source = kit.source(topic)
    records = read(source, 10)
    kit.broker.kill()
    until(lambda: source.poll(0.5), lambda: bool(of_kind(source, "broker_away")))
    caught_up = source.caught_up()
    kit.broker.start()
    kit.produce(topic, numbers(10, 20))
    begun = [source.assignment()]

    def turn() -> None:
        assignment = source.assignment()
        if assignment is not None and assignment not in begun:
            begun.append(assignment)
            source.seek({(topic, 0): len(records)})
        records.extend(source.poll(0.1))

    until(turn, lambda: len(records) >= 20)

    assert values(records) == numbers(0, 20)
    assert caught_up is False
    assert len(of_kind(source, "broker_away")) == 1


def test_a_broker_that_hangs_gives_no_proof_of_ownership(kit: Kit) -> None:
    """A commit without an answer is a no, within seconds, and is not tried again while the broker is known to be away."""
    topic = kit.topic("events")
    kit.produce(topic, numbers(0, 3))
    source = kit.source(topic)
    read(source, 3)
    before = source.commit({})
    kit.broker.pause()
    started = time.monotonic()
    during = [source.commit({}) for _ in range(20)]
    took = time.monotonic() - started
    kit.broker.resume()
    until(lambda: source.poll(0.1), lambda: bool(of_kind(source, "broker_back")))

    assert before is True
    assert during == [False] * 20
    assert took < 20.0


def test_records_that_the_retention_took_are_reported_and_reading_goes_on(kit: Kit) -> None:
    """Behind our own offset there is a hole: it is said how large, and the first record after it is read."""
    if not kit.broker.is_apache:
        pytest.skip("the embedded broker has no retention")
    topic = kit.topic("events", config={"retention.ms": "1000"})
    kit.produce(topic, [Sent(value, T0) for value in numbers(0, 10)])
    source = kit.source(topic)
    assigned(source)
    source.seek({(topic, 0): 3})  # nothing is fetched before the next poll
    probe = Consumer(kit.settings)
    until(lambda: time.sleep(0.1), lambda: probe.beginning_offsets([(topic, 0)])[(topic, 0)] == 10)
    probe.close()
    kit.produce(topic, numbers(10, 12))
    records: list[Record] = []
    until(lambda: records.extend(source.poll(0.1)), lambda: len(records) >= 2)

    (event,) = of_kind(source, "offset_out_of_range")
    assert values(records) == numbers(10, 12)
    assert (event.details["wanted"], event.details["first"]) == (3, 10)
    assert "7 events were deleted before they were read" in event.message


def test_an_offset_behind_the_end_is_reported_and_reading_begins_anew(kit: Kit) -> None:
    """The topic was made anew under our feet: behind its end nothing would ever be read."""
    topic = kit.topic("events")
    kit.produce(topic, numbers(0, 3))
    source = kit.source(topic)
    records = read(source, 3, {(topic, 0): 1000})

    (event,) = of_kind(source, "offset_out_of_range")
    assert values(records) == numbers(0, 3)
    assert (event.details["wanted"], event.details["first"]) == (1000, 0)


def test_the_end_of_the_topic_is_not_out_of_range(kit: Kit) -> None:
    """An own offset at the very end is where the next record comes, on every kind of broker."""
    topic = kit.topic("events")
    kit.produce(topic, numbers(0, 10))
    source = kit.source(topic)
    assigned(source)
    source.seek({(topic, 0): 10})
    kit.produce(topic, numbers(10, 11))
    records: list[Record] = []
    until(lambda: records.extend(source.poll(0.1)), lambda: bool(records))

    assert values(records) == numbers(10, 11)
    assert source.events == []


def test_a_topic_that_is_made_later_is_read_then(kit: Kit) -> None:
    """A missing topic holds up nothing; what a name stands for is looked up again now and then."""
    there = kit.topic("there")
    kit.produce(there, numbers(0, 3))
    source = kit.source(there, "not-" + there)

    assert values(read(source, 3)) == numbers(0, 3)
