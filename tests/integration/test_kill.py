"""What a crash may cost: nothing. Daemons are killed, by the signal that cannot be caught, while they watch real traffic."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.settings import Kafka
from daemon.sink import TopicReader
from daemon.wire import Admin
from tests.integration.daemons import Daemon, Player, Traffic, names, wait_for
from tests.servers import Broker

pytestmark = pytest.mark.integration

PARTITIONS = {"predictions": 3, "labels": 3, "outcomes": 1}


@pytest.fixture
def running() -> Iterator[list[Daemon]]:
    """Daemons that a test starts; whatever still runs at its end is killed."""
    daemons: list[Daemon] = []
    yield daemons
    for daemon in daemons:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()


def make_topics(kafka: Kafka, topics: dict[str, str]) -> None:
    """Make the topics that are read, with several partitions."""
    admin = Admin(kafka)
    for name, count in PARTITIONS.items():
        admin.create(topics[name], count, {})
    admin.close()


def commands(kafka: Kafka, topics: dict[str, str]) -> list[bytes | None]:
    """Read the commands topic."""
    return [record.key for record in TopicReader(kafka).read_to_end(topics["commands"])]


def backtests(daemon: Daemon, directory: Path) -> list[bytes]:
    """Record what the topics hold, and judge it twice; gives what each run printed."""
    settings, events = daemon.directory / "settings.yaml", directory / "recorded.jsonl.gz"
    guardrail = daemon.directory / "guardrails" / "model.yaml"
    run = [sys.executable, "-m", "daemon"]
    subprocess.run([*run, "record", "--settings", str(settings), "--out", str(events)], check=True, timeout=120)
    command = [*run, "backtest", "--guardrails", str(guardrail), "--events", str(events), "--json"]
    return [subprocess.run(command, check=True, capture_output=True, timeout=120).stdout for _ in range(2)]


def await_end(daemon: Daemon, predictions: int, seconds: float) -> None:
    """Wait until a daemon has everything and waits for more."""
    wait_for(
        f"{predictions} predictions are in the join, of {daemon.metric('watchkeeper_predictions_pending')}",
        lambda: (
            daemon.metric("watchkeeper_predictions_pending") >= predictions and 0 <= daemon.metric("watchkeeper_lag_seconds") < 2
        ),
        seconds,
    )


@pytest.mark.timeout(420)
def test_a_daemon_that_is_killed_again_and_again_counts_everything_once(
    broker: Broker, running: list[Daemon], tmp_path: Path
) -> None:
    """40,000 predictions, at least ten SIGKILLs: each label counts once, incidents as in a quiet run, one command goes out."""
    kafka = Kafka.model_validate({"bootstrap": [broker.bootstrap]})
    topics = names("kill")
    make_topics(kafka, topics)
    traffic = Traffic(40_000, 24_000)
    player = Player(kafka, topics, traffic, seconds=100.0)
    killed = Daemon(tmp_path / "killed", broker.bootstrap, "killed", topics, tmp_path / "killed" / "state")
    running.append(killed)
    player.start()
    chance = random.Random()
    kills = 0
    while player.is_alive() or kills < 10:
        killed.start()
        wait_for("the daemon owns the partitions", killed.owns, 60)
        player.join(chance.uniform(0.1, 3.0))
        killed.kill()
        kills += 1
    killed.start()
    await_end(killed, traffic.count, 90)
    wait_for("the incident is in the ledger", killed.incidents, 30)
    stopped = killed.stop()

    quiet_topics = topics | {name: f"quiet.{name}" for name in ("dead_letters", "commands", "incidents")}
    quiet = Daemon(tmp_path / "quiet", broker.bootstrap, "quiet", quiet_topics, tmp_path / "quiet" / "state")
    running.append(quiet)
    quiet.start()
    await_end(quiet, traffic.count, 90)
    wait_for("the incident is in the ledger", quiet.incidents, 30)
    quiet.stop()

    first, second = backtests(quiet, tmp_path)
    judged = json.loads(first)
    counts, expected = killed.counts(), quiet.counts()
    assert kills >= 10
    assert stopped == 0
    assert (counts.predictions, counts.joined) == (traffic.count, traffic.count)
    assert (counts.duplicate_predictions, counts.duplicate_labels, counts.label_conflicts) == (0, 0, 0)
    assert (expected.predictions, expected.joined) == (traffic.count, traffic.count)
    assert killed.found() == quiet.found() == {("electricity", "new_version", "8", "page")}
    assert commands(kafka, topics) == [b"electricity"]
    assert first == second
    assert judged["joined"] == traffic.count
    same = {(found["model"], found["cause"], found["version"], found["severity"]) for found in judged["incidents"]}
    assert same == quiet.found()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("shared", [False, True], ids=["with a store of its own", "with the same store"])
def test_a_standby_that_takes_over_does_nothing_twice(
    broker: Broker, running: list[Daemon], tmp_path: Path, shared: bool
) -> None:
    """The owner is killed after it rolled back; the standby counts all once, finds the same and sends no second command."""
    kafka = Kafka.model_validate({"bootstrap": [broker.bootstrap]})
    group = f"standby-{shared}"
    topics = names(group)
    make_topics(kafka, topics)
    traffic = Traffic(9_000, 4_500)
    player = Player(kafka, topics, traffic, seconds=25.0)
    owner = Daemon(tmp_path / "owner", broker.bootstrap, group, topics, tmp_path / "state")
    standby = Daemon(tmp_path / "standby", broker.bootstrap, group, topics, tmp_path / ("state" if shared else "state-2"))
    running += [owner, standby]
    owner.start()
    wait_for("the owner owns the partitions", owner.owns, 60)
    standby.start()
    wait_for("the standby stands by", lambda: standby.get("/readyz")[0] == 200, 60)
    owned = owner.owns(), standby.owns()
    player.start()
    wait_for("the owner sent the command", lambda: commands(kafka, topics), 90)
    owner.kill()
    wait_for("the standby owns the partitions", standby.owns, 60)
    player.join(60)
    await_end(standby, traffic.count, 60)
    wait_for("the incident is in the ledger", standby.incidents, 30)
    standby.stop()

    counts = standby.counts()
    assert owned == (True, False)
    assert (counts.predictions, counts.joined) == (traffic.count, traffic.count)
    assert standby.found() == {("electricity", "new_version", "8", "page")}
    assert commands(kafka, topics) == [b"electricity"]
