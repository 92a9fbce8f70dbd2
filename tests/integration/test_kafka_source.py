"""The source on a real broker: reading, taking over, failing and coming back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.kafka_kit import Kit, Sent, assigned, read, until
from tests.servers import Broker

pytestmark = pytest.mark.integration


@pytest.fixture
def kit(broker: Broker) -> Iterator[Kit]:
    """A corner of the broker for one test."""
    kit = Kit(broker)
    yield kit
    kit.close()


def test_any_bytes_are_read(kit: Kit) -> None:
    """Bytes are handed out as they are: what would kill a deserializer is just another record."""
    topic = kit.topic("events")
    values = [b"\xff\xfe\x00", b"{", b"", None, b"[" * 100_000, b"x" * 10]
    kit.produce(topic, [Sent(value, headers=(("h", b"\xff"),)) for value in values])

    records = read(kit.source(topic), len(values))

    assert [record.value for record in records] == values
    assert records[0].headers == [("h", b"\xff")]
