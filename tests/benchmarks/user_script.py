"""What a user would write instead: kafka-python, json, one ADWIN a feature, Prometheus gauges, a dictionary for the join.

The yardstick of `make bench`. It has no bound on memory, no state, no late labels and no answer to a bad event; it is here for
its speed.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from kafka import KafkaConsumer  # the one place beside daemon/wire.py: this is not our program but the one that it replaces
from prometheus_client import Counter, Gauge, start_http_server
from river.drift import ADWIN

EVENTS = Counter("script_events_total", "Events read", ["topic"])
MEAN = Gauge("script_feature_mean", "Mean of a feature", ["feature"])
DRIFTS = Counter("script_feature_drifts_total", "Drifts of a feature", ["feature"])
ERROR_RATE = Gauge("script_error_rate", "Rolling error rate", ["version"])


detectors: dict[str, ADWIN] = {}
errors: dict[str, ADWIN] = {}
pending: dict[str, tuple[str, str]] = {}


def on_prediction(event: dict[str, Any]) -> None:
    """Remember it, and feed its features."""
    pending[event["id"]] = (event["version"], str(event["prediction"]))
    for name, value in event["features"].items():
        detector = detectors.setdefault(name, ADWIN()) if name not in detectors else detectors[name]
        detector.update(value)
        MEAN.labels(name).set(detector.estimation)
        if detector.drift_detected:
            DRIFTS.labels(name).inc()


def on_label(event: dict[str, Any]) -> None:
    """Join it, and feed the error."""
    version, prediction = pending.pop(event["id"], ("", ""))
    if version:
        detector = errors.setdefault(version, ADWIN()) if version not in errors else errors[version]
        detector.update(prediction != str(event["label"]))
        ERROR_RATE.labels(version).set(detector.estimation)


def main(bootstrap: str, predictions: str, labels: str, wanted: int, port: int) -> None:
    """Read until `wanted` events are in, and print the seconds from the first to the last."""
    start_http_server(port)
    consumer = KafkaConsumer(predictions, labels, bootstrap_servers=bootstrap, group_id="script", auto_offset_reset="earliest")
    handlers = {predictions: on_prediction, labels: on_label}
    read, began = 0, 0.0
    while read < wanted:
        for batch in consumer.poll(timeout_ms=500).values():
            began = began or time.perf_counter()
            for record in batch:
                handlers[record.topic](json.loads(record.value))
                EVENTS.labels(record.topic).inc()
            read += len(batch)
    sys.stdout.write(f"{time.perf_counter() - began}\n")
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
