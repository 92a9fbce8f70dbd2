"""What a person does to real daemons on a real broker: an incident is acknowledged and closed, and that outlives a SIGKILL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.__main__ import main
from daemon.errors import NO, OK
from daemon.settings import Kafka
from tests.integration.daemons import Daemon, Player, Traffic, names, wait_for
from tests.servers import Broker

pytestmark = pytest.mark.integration

TOKEN = "canary-token-0123456789"


@pytest.fixture
def running() -> Iterator[list[Daemon]]:
    """Daemons that are killed at the end."""
    daemons: list[Daemon] = []
    yield daemons
    for daemon in daemons:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()


def shown(daemon: Daemon, identity: str, field: str) -> object:
    """A field of an incident, as the API has it."""
    return json.loads(daemon.get(f"/api/v1/incidents/{identity}")[1]).get(field)


@pytest.mark.timeout(300)
def test_what_a_person_was_told_is_done_survives_a_kill(
    broker: Broker, running: list[Daemon], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed right after each answer; a standby refuses, and the token is in no log."""
    monkeypatch.setenv("WATCHKEEPER_HTTP__TOKEN", TOKEN)
    monkeypatch.setenv("WATCHKEEPER_TOKEN", TOKEN)
    kafka, topics = Kafka.model_validate({"bootstrap": [broker.bootstrap]}), names("oncall")
    daemon = Daemon(tmp_path / "one", broker.bootstrap, "oncall", topics, tmp_path / "one" / "state")
    standby = Daemon(tmp_path / "two", broker.bootstrap, "oncall", topics, tmp_path / "two" / "state")
    running += [daemon, standby]
    daemon.start()
    wait_for("the daemon owns the partitions", daemon.owns, 60)
    player = Player(kafka, topics, Traffic(9_000, 4_500), seconds=20.0)
    player.start()
    wait_for("the incident is in the ledger", daemon.incidents, 90)
    (identity,) = [incident["id"] for incident in daemon.incidents()]
    url = ["--url", f"http://127.0.0.1:{daemon.port}"]
    codes = [main(["ack", identity, "--by", "ann", *url])]
    daemon.kill()
    player.join()
    daemon.start()
    wait_for("the daemon is back", daemon.owns, 60)
    wait_for("the acknowledgement is in the ledger", lambda: shown(daemon, identity, "acknowledged_by") == "ann", 30)
    codes.append(main(["silence", "--model", "elec*", "--for", "2h", "--reason", "a backfill", "--by", "ann", *url]))
    codes.append(main(["resolve", identity, "--reason", "a bad retrain", "--verdict", "real", "--by", "ann", *url]))
    daemon.kill()
    daemon.start()
    wait_for("the daemon is back", daemon.owns, 60)
    wait_for("the end is in the ledger", lambda: shown(daemon, identity, "verdict") == "real", 30)
    standby.start()
    wait_for("the standby stands by", lambda: "standing by" in standby.get("/readyz")[1], 60)
    refused = main(["ack", identity, "--url", f"http://127.0.0.1:{standby.port}"])
    said = capsys.readouterr()
    codes.append(main(["silence", "--list", *url]))
    logs = (daemon.directory / "log").read_text() + (standby.directory / "log").read_text()

    assert (codes, refused) == ([OK] * 4, NO)
    assert "This daemon stands by; ask the one that is active." in said.err
    assert "a backfill" in capsys.readouterr().out
    assert TOKEN not in logs
    assert shown(daemon, identity, "resolved_by") in {"ann", None}
