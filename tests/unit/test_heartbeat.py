"""The beat to the dead man's switch: sent while events go the whole way, and by nothing less."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import SecretStr
from structlog.testing import capture_logs

from daemon.guardrails import Guardrail, load
from daemon.heartbeat import Beat, Heartbeat, is_well
from daemon.loop import GRACE, Loop
from daemon.memory_source import MemoryBroker, MemorySource
from daemon.telemetry import Telemetry
from tests.doubles.stand import Answer, Stand
from tests.unit.test_loop import GUARDRAIL, T0, Disk, World, fill, make_loop

WITHIN = 300.0


@pytest.fixture
def guardrail(tmp_path: Path) -> Guardrail:
    """The smallest file."""
    path = tmp_path / "loan.yaml"
    path.write_text(GUARDRAIL)
    return load(path)


class Refusing(MemorySource):
    """A member whose commits the broker can refuse, and which can be stuck: records wait, and none come."""

    refuses = False
    stuck = False

    def commit(self, offsets: dict[tuple[str, int], int]) -> bool:  # type: ignore[override]  # a narrower mapping
        """Refuse while told to."""
        return not self.refuses and super().commit(offsets)

    def poll(self, timeout: float) -> list:  # type: ignore[type-arg]  # of records
        """Give nothing while stuck."""
        return [] if self.stuck else super().poll(timeout)


class Night:
    """A loop over a topic, whose turns are a minute apart."""

    def __init__(self, guardrail: Guardrail, rows: int) -> None:
        self.broker = MemoryBroker({"predictions": 2, "labels": 1, "outcomes": 1})
        fill(self.broker, rows, rows)
        self.source = Refusing(self.broker)
        self.loop: Loop = make_loop(self.source, Disk(), guardrail, World())
        self.now = 0.0

    def minutes(self, n: int) -> bool:
        """Turn so often; whether a beat would be sent at the end."""
        for _ in range(n):
            self.now += 60.0
            self.loop.run_once(T0 + self.now, self.now)
        return is_well(self.loop.whole_way, self.now, WITHIN)


@pytest.mark.parametrize(("ago", "well"), [(0.0, True), (WITHIN, True), (WITHIN + 1, False), (float("inf"), False)])
def test_it_beats_while_an_event_went_the_whole_way_lately(ago: float, well: bool) -> None:
    """Up to `within` seconds ago; before the first event it does not."""
    assert is_well(1000.0 - ago, 1000.0, WITHIN) is well


def test_a_night_without_traffic_is_well(guardrail: Guardrail) -> None:
    """All was read, and the broker accepts the commits: the quiet is the world's."""
    night = Night(guardrail, 100)
    assert [night.minutes(2), night.minutes(600)] == [True, True]


def test_a_daemon_that_is_behind_and_reads_on_is_well(guardrail: Guardrail) -> None:
    """It has not caught up, and its events go the whole way."""
    night = Night(guardrail, 5000)
    assert night.minutes(8)
    assert not night.source.caught_up()


def test_a_reader_that_is_stuck_is_not(guardrail: Guardrail) -> None:
    """Its loop turns and its commits are accepted, while records wait that it never gets; it is well once it reads again."""
    night = Night(guardrail, 5000)
    night.minutes(2)
    night.source.stuck = True
    assert [night.minutes(5), night.minutes(1)] == [True, False]
    night.source.stuck = False
    assert night.minutes(1)


def test_a_daemon_whose_commits_are_refused_is_not(guardrail: Guardrail) -> None:
    """Whatever it reads; what it read meanwhile counts with the next commit that is accepted."""
    night = Night(guardrail, 5000)
    night.minutes(2)
    night.source.refuses = True
    assert not night.minutes(6)
    night.source.refuses, night.source.stuck = False, True
    assert night.minutes(1)


def test_a_standby_is_not(guardrail: Guardrail) -> None:
    """A daemon that lost its partitions stops at once when it gives the task up, however lately it was well."""
    night = Night(guardrail, 100)
    assert night.minutes(2)
    night.broker.members.remove(night.source)
    night.source.given = None
    night.now += GRACE
    assert not night.minutes(1)


@pytest.fixture
def switch() -> Iterator[Stand]:
    """A dead man's switch."""
    with Stand() as stand:
        yield stand


def test_a_beat_is_sent_withheld_or_fails_and_its_address_is_never_said(switch: Stand, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal is told once, with the host and the status, whatever the receiver echoes; then beats arrive again."""
    caplog.set_level(logging.DEBUG)
    registry, when = CollectorRegistry(), [0.0]
    url = SecretStr(f"{switch.address}/canary-0123456789?token=canary-word")
    heart = Heartbeat(url, 60.0, WITHIN, lambda: when[0], Telemetry(registry))
    switch.script.extend([None, Answer(404, text="no canary-0123456789 with canary-word"), Answer(404), None])
    with capture_logs() as logs:
        beats: list[Beat] = [heart.beat(now) for now in (10.0, 20.0, 30.0, 40.0, WITHIN + 1)]
        when[0] = WITHIN
        beats.append(heart.beat(WITHIN + 2))
    said = repr(logs) + caplog.text + generate_latest(registry).decode() + repr(vars(heart))

    assert beats == ["sent", "failed", "failed", "sent", "withheld", "sent"]
    assert [log["event"] for log in logs] == [f"heartbeat_{beats[each]}" for each in (0, 1, 3, 4, 5)]
    assert [(each.method, each.path, each.query["token"]) for each in switch.requests] == [
        ("POST", "/canary-0123456789", "canary-word")
    ] * 5
    assert "canary" not in said
    assert 'watchkeeper_heartbeats_total{status="sent"} 3.0' in said


def test_a_receiver_that_hangs_holds_nothing_up(switch: Stand) -> None:
    """The beat has a thread of its own, which ends with the process; a stop does not wait for it."""
    switch.script.append("hang")
    asked = threading.Event()

    def whole_way() -> float:
        asked.set()
        return float("inf")

    heart = Heartbeat(SecretStr(switch.address), 0.001, WITHIN, whole_way, Telemetry(CollectorRegistry()))
    heart.start()
    assert asked.wait(10)
    heart.stop()
