"""Recording from a real broker: what the topics hold, once, in the order of time, and no longer than they are."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.__main__ import main
from daemon.errors import CANNOT_START, OK
from tests.integration.kafka_kit import Kit, Sent
from tests.scenarios.streams import Arm, Phase, judged, story
from tests.servers import Broker

pytestmark = pytest.mark.integration

STREAM = story(Phase(2_500, (Arm("7", 0.10),)), Phase(500, (Arm("8", 0.40),)))


@pytest.fixture
def kit(broker: Broker) -> Iterator[Kit]:
    """A corner of the broker for one test."""
    kit = Kit(broker)
    yield kit
    kit.close()


def settings(kit: Kit, folder: Path, **topics: str) -> Path:
    """Write a settings file."""
    path = folder / "settings.yaml"
    lines = [f"  topics: {json.dumps(topics)}", f"  bootstrap: [{kit.broker.bootstrap}]", f"  group: {kit.settings.group}"]
    path.write_text("\n".join(["guardrails: guardrails", "state: state", "kafka:", *lines]) + "\n")
    return path


def produced(kit: Kit, partitions: int) -> dict[str, str]:
    """Send the stream to topics of its own; gives their names."""
    topics = {"predictions": kit.topic("predictions", partitions), "labels": kit.topic("labels", partitions)}
    sent: dict[str, list[Sent]] = {"predictions": [], "labels": []}
    for line in STREAM.lines():
        event = json.loads(line)
        at, kind = event.pop("at"), event.pop("type")
        sent[f"{kind}s"].append(Sent(json.dumps(event).encode(), round(at * 1000), event["id"].encode()))
    for name, records in sent.items():
        kit.produce(topics[name], records, batches=7)
    return topics


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_backtest_of_what_was_recorded_finds_what_happened(kit: Kit, partitions: int, tmp_path: Path) -> None:
    """The same incidents, in events that are the same and in the same order of time, from however many partitions."""
    path = settings(kit, tmp_path, **produced(kit, partitions))
    out = tmp_path / "events.jsonl.gz"

    assert main(["record", "--settings", str(path), "--out", str(out)]) == OK
    lines = gzip.decompress(out.read_bytes()).splitlines()
    times = [json.loads(line)["at"] for line in lines]

    assert len(lines) == len(STREAM.lines())
    assert times == sorted(times)
    recorded, told = judged(lines), judged(STREAM.lines())
    assert recorded["events"] == told["events"]
    signatures = [
        [(incident["model"], incident["cause"], incident["version"], incident["severity"]) for incident in report["incidents"]]
        for report in (recorded, told)
    ]
    assert signatures[0] == signatures[1] != []


def test_a_part_of_the_time_of_one_model(kit: Kit, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--since`, `--until` and `--model`; what cannot be a line is counted."""
    topics = {"predictions": kit.topic("predictions"), "labels": kit.topic("labels")}
    label = {"id": "a", "model": "m", "label": 1}
    values = [json.dumps({**label, "id": str(number)}).encode() for number in range(10)]
    sent = [Sent(value, 1_777_636_800_000 + 1_000 * number) for number, value in enumerate(values)]
    sent += [Sent(b"nonsense", 1_777_636_805_000), Sent(json.dumps({**label, "model": "n"}).encode(), 1_777_636_805_000)]
    kit.produce(topics["labels"], sent)
    path, out = settings(kit, tmp_path, **topics), tmp_path / "events.jsonl"
    times = ["--since", "2026-05-01T12:00:03Z", "--until", "1777636807"]

    assert main(["record", "--settings", str(path), "--out", str(out), *times, "--model", "m"]) == OK
    assert [json.loads(line)["id"] for line in out.read_bytes().splitlines()] == ["3", "4", "5", "6", "7"]
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"{out}: 0 predictions, 5 labels, 0 outcomes; left out, since they are no JSON objects: not_json 1"
    )


def test_nothing_there_is_an_empty_file(kit: Kit, tmp_path: Path) -> None:
    """Empty topics end at once."""
    topics = {"predictions": kit.topic("predictions", 2), "labels": kit.topic("labels")}
    path, out = settings(kit, tmp_path, **topics), tmp_path / "events.jsonl"

    assert main(["record", "--settings", str(path), "--out", str(out), "--since", "1h"]) == OK
    assert out.read_bytes() == b""


def test_a_missing_topic_is_named_and_no_file_is_left(kit: Kit, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the outcomes may be missing: not every model has a product metric."""
    path = settings(kit, tmp_path, predictions=kit.topic("predictions"), labels="no-such-labels")
    out = tmp_path / "events.jsonl"

    assert main(["record", "--settings", str(path), "--out", str(out)]) == CANNOT_START
    assert "there is no topic no-such-labels" in capsys.readouterr().err
    assert list(tmp_path.glob("events*")) == []
