"""What the daemon writes, and topics read to their end, on a real broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daemon.connection import BrokerAway, Unfit, WireError
from daemon.quarantine import KEPT, DeadLetters
from daemon.records import Record, StoredRecord
from daemon.sink import Sink, TopicReader
from tests.integration.kafka_kit import Kit, Sent, read
from tests.servers import Broker

pytestmark = pytest.mark.integration


@pytest.fixture
def kit(broker: Broker) -> Iterator[Kit]:
    """A corner of the broker for one test."""
    kit = Kit(broker)
    yield kit
    kit.close()


@pytest.fixture
def sink(kit: Kit) -> Iterator[Sink]:
    """A producer."""
    sink = Sink(kit.settings)
    yield sink
    sink.close()


def quarantine(kit: Kit, topic: str) -> DeadLetters:
    """The dead-letter topic."""
    return DeadLetters(lambda: Sink(kit.settings), topic)


def contents(kit: Kit, topic: str) -> list[Record]:
    """Everything in a topic."""
    return list(TopicReader(kit.settings).read_to_end(topic))


def test_what_was_flushed_can_be_read(kit: Kit, sink: Sink) -> None:
    """Key, value, headers and timestamp; a record without a value too."""
    topic = kit.topic("out", 3)
    sink.send(topic, b"a", b"1", [("h", b"x")], 1_700_000_000_000)
    sink.send(topic, b"b", None)
    sink.flush()
    sink.flush()  # with nothing to do

    first, second = sorted(contents(kit, topic), key=lambda record: record.key or b"")
    assert (first.key, first.value, list(first.headers), first.timestamp) == (b"a", b"1", [("h", b"x")], 1_700_000_000_000)
    assert (second.key, second.value) == (b"b", None)


def test_an_empty_topic_has_an_end(kit: Kit) -> None:
    """The journal of a first start: nothing, and no waiting."""
    assert contents(kit, kit.topic("empty", 2)) == []


def test_a_topic_that_is_not_there_is_a_sentence(kit: Kit) -> None:
    """What is missing and what to do about it."""
    with pytest.raises(WireError, match=r"there is no topic nowhere; create it, or set kafka.create_topics: true"):
        contents(kit, "nowhere")


def test_a_long_topic_is_read_in_order_and_may_be_left_early(kit: Kit) -> None:
    """Looking for one key does not have to read to the end."""
    topic = kit.topic("out")
    kit.produce(topic, [b"%d" % number for number in range(20_000)])

    assert [record.value for record in contents(kit, topic)] == [b"%d" % number for number in range(20_000)]
    assert any(record.value == b"7" for record in TopicReader(kit.settings).read_to_end(topic))


def test_a_record_that_does_not_fit_is_told_apart_from_a_broker_that_is_away(kit: Kit) -> None:
    """The first is refused for ever, with the second it is worth trying again; neither takes long."""
    topic = kit.topic("out")
    sink = Sink(kit.settings)
    with pytest.raises(Unfit):
        sink.send(topic, None, b"x" * 2_000_000)
    kit.broker.pause()
    sink.send(topic, None, b"y")
    with pytest.raises(BrokerAway):
        sink.flush(1.0)
    kit.broker.resume()
    sink.close()


def test_a_dead_letter_holds_the_record_and_why(kit: Kit) -> None:
    """As it came, with where it came from in headers of ours."""
    source_topic, dead = kit.topic("events"), kit.topic("dead")
    kit.produce(source_topic, [Sent(b"\xff{", 1_700_000_000_123, b"\x00key", (("trace", b"\xfe"),))])
    (record,) = read(kit.source(source_topic), 1)
    letters = quarantine(kit, dead)
    letters.reject(record, "not_utf8", "the value is not UTF-8 (byte 0)")
    letters.flush()
    letters.close()

    (letter,) = contents(kit, dead)
    assert (letter.key, letter.value, letter.timestamp) == (b"\x00key", b"\xff{", 1_700_000_000_123)
    assert list(letter.headers) == [
        ("trace", b"\xfe"),
        ("watchkeeper.errors.topic", source_topic.encode()),
        ("watchkeeper.errors.partition", b"0"),
        ("watchkeeper.errors.offset", b"0"),
        ("watchkeeper.errors.timestamp", b"1700000000123"),
        ("watchkeeper.errors.stage", b"parse"),
        ("watchkeeper.errors.class", b"not_utf8"),
        ("watchkeeper.errors.message", b"the value is not UTF-8 (byte 0)"),
    ]


@pytest.mark.parametrize(
    ("limit", "value", "timestamp"),
    [("1048588", 10_000_000, 1_700_000_000_000), ("20000", 50_000, 1_700_000_000_000), ("1048588", 20_000, 4_000_000_000_000)],
)
def test_a_letter_that_the_topic_does_not_take_goes_in_its_plain_form(kit: Kit, limit: str, value: int, timestamp: int) -> None:
    """Over the producer's limit, over the topic's, or in the year 2096: cut, without its timestamp, and said so."""
    if not kit.broker.is_apache and value < 1_000_000:
        pytest.skip("the embedded broker takes everything that is sent")
    dead = kit.topic("dead", config={"max.message.bytes": limit})
    letters = quarantine(kit, dead)
    letters.reject(StoredRecord("events", 0, 7, timestamp, b"k", b"x" * value), "too_large", "too large")
    letters.reject(StoredRecord("events", 0, 8, 1_700_000_000_000, b"k", b"{"), "not_json", "not JSON")
    letters.flush()
    letters.close()

    by_offset = {dict(letter.headers)["watchkeeper.errors.offset"]: letter for letter in contents(kit, dead)}
    cut, whole = by_offset[b"7"], by_offset[b"8"]
    assert (len(cut.value or b""), whole.value) == (KEPT, b"{")
    assert dict(cut.headers)["watchkeeper.errors.truncated"] == str(value).encode()
    assert dict(cut.headers)["watchkeeper.errors.timestamp"] == str(timestamp).encode()
