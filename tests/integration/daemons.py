"""Daemons as processes of their own, and the traffic that they watch."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alerting.incidents import Incident
from alerting.ledger import Ledger
from daemon.connection import Connection
from daemon.demo import market, models
from daemon.guardrails import load
from daemon.join import Counts
from daemon.sink import Sink
from daemon.store import RocksStore
from daemon.task import Task
from tests.servers.broker import free_port

MODEL = "electricity"
GUARDRAIL = f"""
guardrails: v1
model: {MODEL}
version: 1
owner: team-market
runbook: https://wiki.example/electricity
task: binary
positive: "true"
labels: {{expected_within: 5s}}
reference: {{events: 2000}}
respond: {{rollback: {{with: kafka}}}}
"""
TOPICS = ("predictions", "labels", "outcomes", "dead_letters", "commands", "incidents")


@dataclass
class Daemon:
    """One daemon: its directory, and its process while it runs."""

    directory: Path
    bootstrap: str
    group: str
    topics: Mapping[str, str]
    state: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its log goes on in one file."""
        self.directory.mkdir(parents=True, exist_ok=True)
        guardrails = self.directory / "guardrails"
        guardrails.mkdir(exist_ok=True)
        (guardrails / "model.yaml").write_text(GUARDRAIL)
        settings = self.directory / "settings.yaml"
        kafka = {
            "bootstrap": [self.bootstrap],
            "group": self.group,
            "create_topics": True,
            "session_timeout": "6s",
            "heartbeat_interval": "1s",
            "topics": dict(self.topics),
        }
        settings.write_text(
            json.dumps({"kafka": kafka, "guardrails": str(guardrails), "state": str(self.state), "http": {"port": self.port}})
        )
        with (self.directory / "log").open("ab") as log:
            command = [sys.executable, "-m", "daemon", "run", "--settings", str(settings)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def get(self, path: str) -> tuple[int, str]:
        """Ask its endpoints; (0, "") while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """Give the sum of a metric's series; -1 while nobody answers."""
        status, page = self.get("/metrics")
        values = [float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith((name + "{", name + " "))]
        return sum(values) if status == 200 else -1.0

    def owns(self) -> bool:
        """Whether it owns the partitions."""
        status, said = self.get("/readyz")
        return status == 200 and "assigned" in said

    def incidents(self) -> list[dict[str, Any]]:
        """Give the incidents as its API has them."""
        status, said = self.get("/api/v1/incidents")
        return list(json.loads(said)["incidents"]) if status == 200 else []

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def counts(self) -> Counts:
        """Read the counts of its join from its store; it must not run."""
        store = RocksStore(self.state / "task-any")
        try:
            return Task(store, {MODEL: load(self.directory / "guardrails" / "model.yaml")}).models[MODEL].join.counts
        finally:
            store.close()

    def found(self) -> set[tuple[str, str, str | None, str]]:
        """Give what makes incidents the same: (model, cause, version, severity)."""
        ledger = Ledger(self.state / "ledger.sqlite")
        try:
            incidents: list[Incident] = ledger.incidents()
        finally:
            ledger.close()
        return {(incident.model, incident.cause, incident.version, incident.severity) for incident in incidents}


def names(prefix: str) -> dict[str, str]:
    """Give topics of this prefix."""
    return {name: f"{prefix}.{name}" for name in TOPICS}


def wait_for(what: str, condition: Callable[[], object], seconds: float) -> None:
    """Wait for a condition; fails with what did not happen."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"this did not happen in {seconds:.0f} s: {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Traffic:
    """Electricity predictions and their labels: version 7 first, the bad retrain from `bad_from` on.

    Rows are drawn at random with a fixed seed; labels come one to three seconds after their predictions.
    """

    count: int
    bad_from: int
    seed: int = 7

    def events(self, began: float, seconds: float) -> Iterator[tuple[float, str, bytes]]:
        """Give (time, kind, value), ordered by time, spread over so many seconds."""
        world = market.load()
        trained = {version: models.train(world, late) for version, late in models.VERSIONS.items()}
        chance = random.Random(self.seed)
        events: list[tuple[float, str, bytes]] = []
        for number, row in zip(range(self.count), world.draw(self.seed), strict=False):
            at = began + seconds * number / self.count
            version = models.GOOD if number < self.bad_from else models.BAD
            score = trained[version].score(row.features)
            prediction = {
                "id": f"{number:06d}", "model": MODEL, "version": version, "ts": at,
                "prediction": score >= models.THRESHOLD, "score": score, "features": row.features,
            }  # fmt: skip
            events.append((at, "predictions", json.dumps(prediction).encode()))
            labelled = at + chance.uniform(1.0, 3.0)
            label = {"id": prediction["id"], "model": MODEL, "label": row.rises, "ts": labelled}
            events.append((labelled, "labels", json.dumps(label).encode()))
        yield from sorted(events, key=lambda event: event[0])


class Player(threading.Thread):
    """Publishes traffic at its own times."""

    def __init__(self, connection: Connection, topics: Mapping[str, str], traffic: Traffic, seconds: float) -> None:
        super().__init__(name="player", daemon=True)
        self._connection = connection
        self._topics = topics
        self._began = time.time() + 1.0
        self._events = list(traffic.events(self._began, seconds))

    def run(self) -> None:
        """Publish everything, then end."""
        sink = Sink(self._connection)
        for number, (at, kind, value) in enumerate(self._events):
            ahead = at - time.time()
            if ahead > 0.02:
                time.sleep(ahead)
            sink.send(self._topics[kind], str(number % 97).encode(), value, timestamp=round(at * 1000))
            if number % 500 == 0:
                sink.flush()
        sink.flush()
        sink.close()
