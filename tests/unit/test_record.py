"""Recording: a record becomes a line that backtest reads as the daemon read the record."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from daemon.commands.record import Lines
from daemon.events import Event, Kind, parse
from daemon.records import Record, StoredRecord
from daemon.replay import parse_line

KINDS: dict[str, Kind] = {"predictions": "prediction", "labels": "label", "outcomes": "outcome"}
NOW = 1_777_640_000.0
AT = 1_777_636_800.5
PREDICTION = {"id": "a", "model": "m", "version": 7, "prediction": True, "features": {"x": 1.0, "y": None}}
LABEL = {"id": "a", "model": "m", "label": 1.0, "ts": "2026-05-01T12:00:00Z"}
OUTCOME = {"model": "m", "name": "click", "value": 0.5}


def record(topic: str, value: bytes | None, at: float = AT) -> Record:
    """Make a record; `at` is epoch seconds, below 0 for none."""
    return StoredRecord(topic, 0, 0, round(at * 1000) if at >= 0 else -1, None, value)


def lines(since: float | None = None, until: float | None = None, model: str | None = None) -> Lines:
    """Make what turns records into lines."""
    return Lines(KINDS, since=since, until=until, model=model, largest=1_000)


def parsed(line: bytes) -> Event:
    """Read a line back."""
    return parse_line(line, None)


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        ("predictions", json.dumps(PREDICTION).encode()),
        ("labels", json.dumps(LABEL).encode()),
        ("outcomes", json.dumps(OUTCOME).encode()),
        ("predictions", json.dumps({**PREDICTION, "type": "label", "at": 5, "note": "its own"}).encode()),
        ("predictions", json.dumps(PREDICTION, indent=2).encode()),
        ("predictions", b'{"id": "\\u00e9\\ud83d\\ude00", "model": "m", "version": "7", "prediction": 1, "score": NaN}'),
        (
            "predictions",
            '{"id": "é", "model": "m", "version": "7", "prediction": 1, "features": {"x": 1e999, "y": -Infinity}}'.encode(),
        ),
    ],
    ids=["prediction", "label", "outcome", "fields named as ours", "several lines", "NaN", "infinities"],
)
def test_a_line_is_the_event_that_the_daemon_read(topic: str, value: bytes) -> None:
    """With its kind and its arrival; on one line, whatever was in it."""
    (line,) = lines().of([record(topic, value)], NOW)

    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert parsed(line) == parse(KINDS[topic], value, AT)


def test_what_is_no_object_is_counted_by_reason_and_left_out() -> None:
    """As the daemon would have refused it."""
    written = lines()
    values = [None, b"", b"{", b"[1]", b"7", b"\xff\xfe{}", b"[" * 900, b'{"x": "' + b"x" * 1_000 + b'"}']
    values.append(json.dumps(LABEL).encode())

    assert len(list(written.of([record("labels", value) for value in values], NOW))) == 1
    assert written.left_out.total() == len(values) - 1
    assert written.left_out == Counter({"empty": 2, "not_json": 2, "not_an_object": 2, "not_utf8": 1, "too_large": 1})
    assert str(written) == (
        "0 predictions, 1 labels, 0 outcomes; left out, since they are no JSON objects: "
        "empty 2, not_an_object 2, not_json 2, not_utf8 1, too_large 1"
    )


def test_a_bad_event_is_recorded_as_it_was() -> None:
    """Backtest counts it by its reason, as the daemon did."""
    (line,) = lines().of([record("labels", b'{"id": 1}')], NOW)

    assert json.loads(line) == {"id": 1, "type": "label", "at": AT}


def test_arrivals_that_cannot_be_are_now() -> None:
    """A record without a timestamp, and one from the future, arrived when they were read."""
    value = json.dumps(LABEL).encode()
    recorded = lines().of([record("labels", value, -1), record("labels", value, NOW + 86_400)], NOW)

    assert [json.loads(line)["at"] for line in recorded] == [NOW, NOW]


def test_only_the_time_and_the_model_asked_for() -> None:
    """Both ends of the time belong to it."""
    value, other = json.dumps(LABEL).encode(), json.dumps({**LABEL, "model": "another"}).encode()
    written = lines(since=AT, until=AT + 2, model="m")
    records = [record("labels", value, AT + seconds) for seconds in (-1, 0, 1, 2, 3)] + [record("labels", other)]

    assert [json.loads(line)["at"] - AT for line in written.of(records, NOW)] == [0, 1, 2]
    assert written.left_out == Counter()
