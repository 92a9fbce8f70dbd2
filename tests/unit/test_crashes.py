"""Killed at every step from the decision to its record: no page lost, no second rollback, no incident stuck.

One process is a loop with the real task, lanes and carrier over doubles of the world. A step is a place where a process may die:
before and after each write, call and hand-over. The world outlives the process; what was in memory does not.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alerting.acts import Act, Answer
from alerting.carrier import Carrier
from alerting.intents import Intent, Outcome
from alerting.lane import Lane, Pace
from alerting.ledger import Ledger
from alerting.notice import Notice
from alerting.rollbacks import Tools
from alerting.rollbacks.memory import MemoryCommandLog
from alerting.routes import build_executors
from daemon.guardrails import Guardrail
from daemon.lease import Lease
from daemon.loop import Loop
from daemon.memory_source import MemoryBroker, MemorySource
from daemon.store import MemoryStore
from daemon.task import Task
from tests.doubles.alerting import Inbox, MemoryJournal
from tests.doubles.model import a_guardrail

if TYPE_CHECKING:
    from concurrent.futures import Future

    from daemon.events import Kind
    from daemon.inbox import Reply
    from daemon.records import Partition

T0 = 1_790_000_000.0
TOPICS: dict[str, Kind] = {"predictions": "prediction", "labels": "label", "outcomes": "outcome"}
ROWS = 2_000

#: Where a process may die. The last ones of each pair are after the thing, the first before.
STEPS = (
    "commit", "committed",
    "offsets", "offsets_told",
    "submit", "submitted",
    "call", "called",
    "page", "paged",
    "record", "recorded",
    "hear", "heard",
)  # fmt: skip
#: Which time that it comes there, counted from the first decision on.
TIMES = (1, 2, 3, 5, 8)


class Killed(BaseException):
    """SIGKILL, as far as Python can have it: nobody catches it."""


class Fate:
    """Kills the process when it comes to a step for the `time`th time; counts from the first decision on."""

    def __init__(self, step: str = "", time: int = 0) -> None:
        self.seen: Counter[str] = Counter()
        self.killed = False
        self.hot = False
        self._step, self._time = step, time

    def at(self, step: str) -> None:
        """Come to a step."""
        if not self.hot:
            return
        self.seen[step] += 1
        if not self.killed and (step, self.seen[step]) == (self._step, self._time):
            self.killed = True
            raise Killed


class World:
    """What outlives a process: the broker, the disk, the journal, the commands and the pager."""

    def __init__(self, path: Path, guardrail: Guardrail, fate: Fate) -> None:
        self.broker = MemoryBroker({"predictions": 2, "labels": 1, "outcomes": 1})
        self.guardrail = guardrail
        self.fate = fate
        self.disk: dict[bytes, bytes] = {}
        self.journal = MemoryJournal()
        self.commands = MemoryCommandLog()
        self.pager = Inbox()
        self.lives = 0
        self._path = path
        fill(self.broker)

    def ledger(self) -> Ledger:
        """A ledger that was filled from the journal, as a daemon does before it acts."""
        self.lives += 1
        ledger = Ledger(self._path / f"ledger-{self.lives}.sqlite")
        ledger.apply_all(self.journal.entries.values())
        return ledger


def fill(broker: MemoryBroker) -> None:
    """Version 7 is good, 8 replaces it and is bad, and 7 comes back as if somebody had obeyed; labels after 5 s."""
    chance = random.Random(3)
    for number in range(ROWS):
        at = T0 + number / 2
        version, wrong = ("8", 0.5) if 800 <= number < 950 else ("7", 0.1)
        said = {"id": str(number), "model": "loan", "version": version, "prediction": int(chance.random() < wrong), "ts": at}
        broker.produce("predictions", json.dumps(said).encode(), at, partition=number % 2)
        broker.produce("labels", json.dumps({"id": str(number), "model": "loan", "label": 0, "ts": at + 5}).encode(), at + 5)


class Disk(MemoryStore):
    """The store of one process."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._data = dict(world.disk)

    def commit(self) -> None:
        """Make it last, all of it or nothing."""
        self._world.fate.at("commit")
        self._world.disk = dict(self._data)
        self._world.fate.at("committed")


class Source(MemorySource):
    """A member of the group."""

    def __init__(self, world: World) -> None:
        super().__init__(world.broker, batch=100)
        self._world = world

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Tell the broker, for lag tools."""
        self._world.fate.at("offsets")
        told = super().commit(offsets)
        self._world.fate.at("offsets_told")
        return told


class Journal:
    """The journal, seen by one process."""

    def __init__(self, world: World) -> None:
        self._world = world

    def write(self, key: str, record: Mapping[str, Any]) -> None:
        """Write an entry."""
        self._world.fate.at("record")
        self._world.journal.write(key, record)
        self._world.fate.at("recorded")


class Commands:
    """The commands topic, seen by one process."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, key: str, value: bytes) -> None:
        """Append a command."""
        self._world.fate.at("call")
        self._world.commands.send(key, value)
        self._world.fate.at("called")

    def find(self, model: str, rollback_key: str) -> bool:
        """Look for one."""
        return self._world.commands.find(model, rollback_key)


class Pager(Inbox):
    """The pager, seen by one process."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def notify(self, notice: Notice) -> None:
        """Deliver a notice."""
        self._world.fate.at("page")
        self._world.pager.notify(notice)
        self._world.fate.at("paged")


class Hands:
    """The dispatcher's lanes without its threads: everything that is due is done when the loop asks what came of it."""

    def __init__(self, world: World) -> None:
        self._fate = world.fate
        pager, tools = Pager(world), Tools(command_log=Commands(world))
        self._carrier = Carrier({"pager": pager, "log": Inbox()}, build_executors({}, tools), Journal(world), lambda _: True)
        self._lanes: dict[str, Lane] = {}

    def submit(self, intents: Iterable[Intent]) -> list[Intent]:
        """Take intents over."""
        self._fate.at("submit")
        refused = [intent for intent in intents if not self._lane(intent).offer(intent)]
        self._fate.at("submitted")
        return refused

    def outcomes(self) -> list[Outcome]:
        """Do what is due, and tell."""
        self._fate.at("hear")
        news = [outcome for lane in self._lanes.values() for _ in range(len(lane)) for outcome in lane.step()]
        self._fate.at("heard")
        return news

    def _lane(self, intent: Intent) -> Lane:
        name = self._carrier.lane_of(intent)
        return self._lanes.setdefault(name, Lane(self._carrier, Pace(clock=lambda: T0), 1_000))


class Letters:
    """Nothing is ever bad here."""

    def reject(self, *said: object) -> None:
        """There is none."""
        raise AssertionError(said)

    def flush(self) -> None:
        """Safe at once."""


def process(world: World) -> Loop:
    """Start a process."""
    source = Source(world)
    world.broker.rebalance([source])
    ledger = world.ledger()

    def open_task(generation: int) -> Task:
        return Task(Disk(world), {"loan": world.guardrail}, generation=generation, done=ledger.done_keys())

    return Loop(source, TOPICS, open_task, Letters(), Hands(world), Lease(10.0, lambda: 0.0))


class Person:
    """Acknowledges the first incident that they see in the journal; asks again, under the same id, until they are answered."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self._waits: Future[Reply] | None = None

    def look(self, world: World, loop: Loop) -> None:
        """Ask, unless they wait for an answer of this process."""
        if self._waits is not None and self._waits.done():
            reply = self._waits.result()
            self.answer, self._waits = (reply if isinstance(reply, Answer) else None), None
        incidents = [entry["incident"]["id"] for entry in world.journal.entries.values() if entry["kind"] == "incident"]
        if self.answer is None and self._waits is None and incidents:
            act = Act(id="person-1", kind="acknowledge", by="ann", at=T0, incident=incidents[0])
            self._waits = loop.inbox.put(act)

    def hang_up(self) -> None:
        """The process has died."""
        self._waits = None


def live(path: Path, fate: Fate) -> tuple[World, Person, Task]:
    """Let the story happen, in as many lives as it takes."""
    guardrail = a_guardrail(traffic={"silent_after": "off"}, respond={"rollback": {"with": "kafka"}, "page": ["pager"]})
    world, person = World(path, guardrail, fate), Person()
    loop, monotonic = process(world), 0.0
    for _ in range(80):
        monotonic += 1.5
        try:
            person.look(world, loop)
            clock = T0 if loop.task is None or loop.task.clock is None else loop.task.clock
            loop.run_once(clock + 50.0, monotonic)  # a little behind: a turn's records are 25 s
        except Killed:
            person.hang_up()
            loop = process(world)
        fate.hot = fate.hot or (loop.task is not None and bool(loop.task.outbox or loop.task.models["loan"].response.cases))
    assert loop.task is not None
    return world, person, loop.task


def ended(world: World) -> list[tuple[object, ...]]:
    """The incidents as the journal has them."""
    told = [entry["incident"] for entry in world.journal.entries.values() if entry["kind"] == "incident"]
    return sorted((one["id"], one["cause"], one["state"], one["acknowledged_by"], one["resolved"]) for one in told)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Fate]:
    """The story without a crash."""
    fate = Fate()
    world, person, task = live(tmp_path_factory.mktemp("quiet"), fate)
    assert (task.outbox, person.answer is not None and person.answer.status) == ({}, "done")
    return world, fate


def test_the_story_passes_every_step(quiet: tuple[World, Fate]) -> None:
    """A bad version is paged, rolled back, seen by a person, and over; so every step is one where a crash may come."""
    world, fate = quiet
    events = [notice.event for notice in world.pager.notices]

    assert set(fate.seen) == set(STEPS)
    assert len(world.commands.records) == 1
    assert [state for _, _, state, _, _ in ended(world)] == ["resolved"]
    assert (events[0], "acknowledge" in events, events[-1]) == ("trigger", True, "resolve")


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_loses_no_page_and_does_nothing_twice(quiet: tuple[World, Fate], tmp_path: Path, step: str, time: int) -> None:
    """Killed there, and started again: the same pages, one command, and the incident ends as it would have."""
    expected, passed = quiet
    fate = Fate(step, time)
    world, person, task = live(tmp_path, fate)
    events = Counter(notice.event for notice in world.pager.notices)
    commands = [json.loads(value)["key"] for _, value in world.commands.records]

    assert fate.killed == (passed.seen[step] >= time)
    assert commands == ["rollback:loan:8"]
    assert [one[:4] for one in ended(world)] == [one[:4] for one in ended(expected)]
    assert task.outbox == {}
    assert person.answer is not None
    assert person.answer.status == "done"
    # A notice may come twice under one key, where the answer and not the notice was lost; its receiver can tell.
    assert set(events) == {notice.event for notice in expected.pager.notices}
    assert len(world.pager.notices) - len(set(world.pager.keys)) <= (1 if step in {"paged", "record"} else 0)
    assert [notice.event for notice in world.pager.notices][-1] == "resolve"
