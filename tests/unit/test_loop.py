"""The loop: what a crash, a rebalance and a lapse of the lease leave behind."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.intents import Intent, Outcome
from daemon.connection import BrokerAway
from daemon.guardrails import Guardrail, load
from daemon.lease import Lease
from daemon.loop import GRACE, Loop
from daemon.memory_source import MemoryBroker, MemorySource
from daemon.store import MemoryStore
from daemon.task import Task

if TYPE_CHECKING:
    from daemon.events import Kind
    from daemon.records import Record

T0 = 1_790_000_000.0
TOPICS: dict[str, Kind] = {"predictions": "prediction", "labels": "label", "outcomes": "outcome"}
GUARDRAIL = """
guardrails: v1
model: loan
version: 1
owner: team-credit
runbook: https://wiki.example/loan
task: binary
positive: "1"
labels: {expected_within: 60s}
reference: {events: 300}
respond: {rollback: {with: kafka}}
"""


@pytest.fixture(scope="module")
def guardrail(tmp_path_factory: pytest.TempPathFactory) -> Guardrail:
    """The smallest file with a rollback."""
    path: Path = tmp_path_factory.mktemp("guardrails") / "loan.yaml"
    path.write_text(GUARDRAIL)
    return load(path)


class Disk:
    """A store whose committed content outlives the process that wrote it."""

    def __init__(self) -> None:
        self.data: dict[bytes, bytes] = {}
        self.held = False

    def open(self) -> DiskStore:
        """Open it, as a new process would: what was not committed is gone."""
        return DiskStore(self)


class DiskStore(MemoryStore):
    """The view of one process on a `Disk`."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk
        self._data = dict(disk.data)

    def commit(self) -> None:
        """Make it last."""
        self._disk.data = dict(self._data)


class World:
    """Who carries intents out, what came of it, and where bad events went."""

    def __init__(self) -> None:
        self.sent: list[Intent] = []
        self.news: list[Outcome] = []
        self.letters: list[str] = []

    def submit(self, intents: Iterable[Intent]) -> list[Intent]:
        """Do everything at once."""
        for intent in intents:
            self.sent.append(intent)
            self.news.append(Outcome(key=intent.key, status="done", detail="", at=0.0, kind=intent.kind))
        return []

    def outcomes(self) -> list[Outcome]:
        """Report it."""
        news, self.news = self.news, []
        return news

    def reject(self, record: Record, reason: str, message: str) -> None:
        """Keep the reason."""
        del record, message
        self.letters.append(reason)

    def flush(self) -> None:
        """Everything is safe at once."""


def fill(broker: MemoryBroker, rows: int, bad_from: int, seed: int = 1) -> None:
    """Produce predictions two a second, wrong 15 % of the time, from `bad_from` on by version 8 and 45 %; labels after 5 s."""
    chance = random.Random(seed)
    for number in range(rows):
        at = T0 + number / 2
        version, wrong = ("7", 0.15) if number < bad_from else ("8", 0.45)
        answer = chance.random() < wrong
        prediction = {"id": str(number), "model": "loan", "version": version, "prediction": int(answer), "ts": at}
        broker.produce("predictions", json.dumps(prediction).encode(), at, partition=number % 2)
        broker.produce("labels", json.dumps({"id": str(number), "model": "loan", "label": 0, "ts": at + 5}).encode(), at + 5)


def make_loop(source: MemorySource, disk: Disk, guardrail: Guardrail, world: World) -> Loop:
    """Make the loop of one process."""

    def open_task(generation: int) -> Task:
        done = frozenset(intent.key for intent in world.sent)
        return Task(disk.open(), {"loan": guardrail}, generation=generation, done=done)

    return Loop(source, TOPICS, open_task, world, world, Lease(10.0, lambda: 0.0))


def keys(world: World, kind: str) -> list[str]:
    """Give the keys of the intents of a kind, in the order in which they were carried out."""
    return [intent.key for intent in world.sent if intent.kind == kind]


def triggers(world: World) -> list[str]:
    """Give the keys of the pages that are not just news of an earlier one, each once."""
    return sorted({intent.key for intent in world.sent if intent.kind == "page" and intent.body["event"] == "trigger"})


def undisturbed(guardrail: Guardrail) -> tuple[World, Task]:
    """Run without a crash."""
    broker = MemoryBroker({"predictions": 2, "labels": 1, "outcomes": 1})
    fill(broker, 1500, 800)
    world = World()
    loop = make_loop(MemorySource(broker), Disk(), guardrail, world)
    for turn in range(40):
        loop.run_once(T0 + 740.0, float(turn))
    assert loop.task is not None
    return world, loop.task


@pytest.fixture(scope="module")
def quiet(guardrail: Guardrail) -> tuple[World, Task]:
    """The undisturbed run, once."""
    return undisturbed(guardrail)


def test_a_bad_version_is_rolled_back_once_and_paged_once(quiet: tuple[World, Task]) -> None:
    """The whole way from records to intents."""
    world, task = quiet

    assert keys(world, "rollback") == ["rollback:loan:8"]
    assert len(triggers(world)) == 1
    assert task.models["loan"].join.counts.joined == 1500


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=12), st.integers(50, 400))
def test_crashes_and_takeovers_change_nothing(
    guardrail: Guardrail, quiet: tuple[World, Task], crashes: list[tuple[int, bool]], batch: int
) -> None:
    """Killed after any number of turns, by the same process or another one: each event counts once, each act is done once."""
    expected, whole = quiet
    broker = MemoryBroker({"predictions": 2, "labels": 1, "outcomes": 1})
    fill(broker, 1500, 800)
    disk, world = Disk(), World()
    monotonic, loop = 0.0, make_loop(MemorySource(broker, batch=batch), disk, guardrail, world)
    for turns, saves in [*crashes, (3000 // batch + 10, True)]:
        source = MemorySource(broker, batch=batch)
        broker.rebalance([source])
        loop = make_loop(source, disk, guardrail, world)
        for _ in range(turns):
            monotonic += 1.5 if saves else 0.1  # without a save everything since the last one is read again
            loop.run_once(T0 + 740.0, monotonic)

    assert loop.task is not None
    counts, wanted = loop.task.models["loan"].join.counts, whole.models["loan"].join.counts
    assert (counts.predictions, counts.joined) == (wanted.predictions, wanted.joined)
    assert keys(world, "rollback") == keys(expected, "rollback")
    assert triggers(world) == triggers(expected)


def test_bad_events_go_to_the_dead_letters_and_the_rest_goes_on(guardrail: Guardrail) -> None:
    """Garbage between good events costs only itself."""
    broker = MemoryBroker({"predictions": 2, "labels": 1, "outcomes": 1})
    broker.produce("predictions", b"{", T0)
    broker.produce("predictions", None, T0 + 1)
    fill(broker, 10, 10)
    world = World()
    loop = make_loop(MemorySource(broker), Disk(), guardrail, world)
    turn = loop.run_once(T0 + 60, 1.0)

    assert world.letters == ["not_json", "empty"]
    assert loop.task is not None
    assert loop.task.models["loan"].join.counts.predictions == 10
    assert dict(turn.rejected) == {"not_json": 1, "empty": 1}


class NoLetters(World):
    """A world whose dead-letter topic takes nothing until it is mended."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = True

    def flush(self) -> None:
        """Fail like a broker that is away."""
        if self.broken:
            raise BrokerAway("no answer from the dead-letter topic")


def test_while_dead_letters_are_not_safe_nothing_more_is_read_and_nothing_saved(guardrail: Guardrail) -> None:
    """What waits is bounded, and what was read is saved as soon as the letters are safe."""
    broker = MemoryBroker({"predictions": 2, "labels": 1, "outcomes": 1})
    disk, world = Disk(), NoLetters()
    world.broken = False
    loop = make_loop(MemorySource(broker), disk, guardrail, world)
    loop.run_once(T0, 1.0)
    saved, world.broken = dict(disk.data), True
    for turn in range(2, 6):
        broker.produce("predictions", b"{", T0)
        with pytest.raises(BrokerAway):
            loop.run_once(T0, 2.0 * turn)
    meanwhile = dict(disk.data), len(world.letters)
    world.broken = False
    loop.run_once(T0, 20.0)

    assert meanwhile == (saved, 1)
    assert len(world.letters) == 4
    assert disk.data != saved


def test_a_stop_while_dead_letters_are_not_safe_ends_without_saving(guardrail: Guardrail) -> None:
    """The store keeps the last checkpoint, and the next start reads again what came after it."""
    broker = MemoryBroker({"predictions": 2, "labels": 1, "outcomes": 1})
    disk, world = Disk(), NoLetters()
    world.broken = False
    loop = make_loop(MemorySource(broker), disk, guardrail, world)
    loop.run_once(T0, 1.0)
    saved, world.broken = dict(disk.data), True
    broker.produce("predictions", b"{", T0)
    loop.run_once(T0, 1.5)
    loop.stop(2.0)

    assert loop.task is None
    assert world.letters == ["not_json"]
    assert disk.data == saved


def test_a_producer_whose_clock_runs_ahead_does_not_move_ours(guardrail: Guardrail) -> None:
    """A record from next year arrives now."""
    broker = MemoryBroker({"predictions": 2, "labels": 1, "outcomes": 1})
    broker.produce("predictions", b'{"id":"a","model":"loan","version":"7","prediction":1}', T0 + 365 * 86400)
    loop = make_loop(MemorySource(broker), Disk(), guardrail, World())
    loop.run_once(T0, 1.0)

    assert loop.task is not None
    assert loop.task.clock == T0


def test_a_standby_that_joins_does_not_make_the_owner_close_its_store(guardrail: Guardrail) -> None:
    """A short time without an assignment is a rebalance; a long one means that another member owns the partitions."""
    broker = MemoryBroker({"predictions": 2, "labels": 1, "outcomes": 1})
    fill(broker, 10, 10)
    source = MemorySource(broker)
    loop = make_loop(source, Disk(), guardrail, World())
    loop.run_once(T0 + 60, 1.0)
    task = loop.task
    source.given = None
    loop.run_once(T0 + 60, 1.5)
    kept = loop.task is task
    broker.rebalance()
    loop.run_once(T0 + 60, 2.0)
    again = loop.task is task and task is not None and task.generation == broker.generation
    source.given = None
    loop.run_once(T0 + 60, 2.1 + GRACE)

    assert (kept, again, loop.task) == (True, True, None)


def test_nothing_is_submitted_while_the_broker_does_not_confirm_the_ownership(guardrail: Guardrail) -> None:
    """A fenced member decides, saves and acts not at all."""
    broker = MemoryBroker({"predictions": 2, "labels": 1, "outcomes": 1})
    fill(broker, 1500, 800)
    world = World()
    loop = make_loop(MemorySource(broker), Disk(), guardrail, world)
    loop.run_once(T0 + 740, 0.0)
    broker.generation += 1  # the group moved on and this member does not know it yet
    for turn in range(1, 40):
        loop.run_once(T0 + 740.0, float(turn))

    assert loop.task is not None
    assert "rollback:loan:8" in loop.task.outbox
    assert world.sent == []
