"""Filling topics, and the bare loop that nothing on this client can be faster than."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition  # measured here without our layer over it


def make_topics(bootstrap: str, prefix: str) -> None:
    """Make the input topics of a run, each with one partition."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics(
        {f"{prefix}-{name}": {"num_partitions": 1, "replication_factor": 1} for name in ("predictions", "labels", "outcomes")}
    )
    admin.close()


def produce(bootstrap: str, records: Iterable[tuple[str, bytes, float]]) -> None:
    """Send (topic, value, epoch seconds), and wait until all are there."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, batch_size=1 << 18, enable_idempotence=True)
    futures = [producer.send(topic, value, timestamp_ms=round(at * 1000)) for topic, value, at in records]
    producer.flush(120)
    for future in futures:
        future.get(0)
    producer.close(10)


def read_bare(bootstrap: str, topics: Sequence[str], wanted: int) -> float:
    """Poll and count; gives the seconds from the first record to the last."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, max_poll_records=5000
    )
    consumer.assign([TopicPartition(topic, 0) for topic in topics])
    read, began = 0, 0.0
    while read < wanted:
        batches = consumer.poll(500)
        if batches:
            began = began or time.perf_counter()
            read += sum(len(batch) for batch in batches.values())
    seconds = time.perf_counter() - began
    consumer.close()
    return seconds
