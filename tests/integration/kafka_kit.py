"""What the Kafka tests share: settings, topics of their own, a quick way to produce, a way to wait without sleeping."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from daemon.records import Partition, Record, Source, SourceEvent
from daemon.source import KafkaSource
from daemon.wire import Admin, Producer
from tests.servers import Broker

#: Long before this, everything has happened on a slow machine too.
PATIENCE = 60.0


@dataclass(frozen=True)
class KafkaSettings:
    """The group `kafka` of the settings, as the tests need it: short timeouts."""

    bootstrap: tuple[str, ...]
    group: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    session_timeout: float = 6.0  # the least that a broker allows
    heartbeat_interval: float = 0.5
    max_poll_records: int = 500
    start: str = "earliest"
    idle_after: float = 0.5


class Sent(NamedTuple):
    """A record to produce; `timestamp` in epoch milliseconds, None for now."""

    value: bytes | None
    timestamp: int | None = None
    key: bytes | None = b"k"
    headers: tuple[tuple[str, bytes], ...] = ()


class Kit:
    """A test's own corner of the broker."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        name = uuid.uuid4().hex[:12]
        self.settings = KafkaSettings((broker.bootstrap,), f"group-{name}")
        self._name = name
        self._sources: list[KafkaSource] = []

    def topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Make a topic that keeps everything, whatever its timestamps say, unless `config` says otherwise."""
        topic = f"{name}-{self._name}"
        wanted = {"retention.ms": "-1"} | dict(config or {})
        admin = Admin(self.settings)
        try:
            admin.create(topic, partitions, wanted)
        finally:
            admin.close()
        return topic

    def produce(self, topic: str, records: Iterable[Sent | bytes], *, batches: int = 1) -> None:
        """Send records to partition choice by key, in `batches` that are flushed one after the other."""
        producer = Producer(self.settings, max_block=10.0, delivery_timeout=20.0, largest=20_000_000)
        try:
            every = [record if isinstance(record, Sent) else Sent(record) for record in records]
            size = -(-len(every) // batches)
            for start in range(0, len(every), size):
                part = every[start : start + size]
                sent = [producer.send(topic, each.key, each.value, each.headers, each.timestamp) for each in part]
                producer.flush(20.0)
                for each in sent:
                    producer.settle(each)
        finally:
            producer.close()

    def source(
        self, *topics: str, prepare: Callable[[], list[SourceEvent]] = list, start: str = "earliest", max_poll_records: int = 500
    ) -> KafkaSource:
        """A source over the topics in this test's group, closed at the end of the test."""
        source = KafkaSource(replace(self.settings, start=start, max_poll_records=max_poll_records), topics, prepare)
        self._sources.append(source)
        return source

    def close(self) -> None:
        """Close every source."""
        for source in self._sources:
            source.close()


def until(poll: Callable[[], object], done: Callable[[], bool]) -> None:
    """Call `poll`, which takes a while by itself, until `done`; fails after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        poll()


def assigned(source: Source) -> None:
    """Poll until partitions are assigned."""
    until(lambda: source.poll(0.1), lambda: source.assignment() is not None)


def read(source: Source, count: int, offsets: dict[Partition, int] | None = None) -> list[Record]:
    """Join, begin at `offsets` (once for each assignment) and read until there are `count` records."""
    records: list[Record] = []
    begun: list[object] = []

    def turn() -> None:
        assignment = source.assignment()
        if assignment is not None and assignment not in begun:
            begun.append(assignment)
            source.seek({**(offsets or {}), **_after(records)})
        records.extend(source.poll(0.1))

    until(turn, lambda: len(records) >= count)
    return records


def _after(records: Iterable[Record]) -> dict[Partition, int]:
    return {(record.topic, record.partition): record.offset + 1 for record in records}
