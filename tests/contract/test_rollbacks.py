"""What every rollback executor keeps to, over each entry of the table, and what the command log behind `kafka` keeps to.

A new executor adds one line to `WORLDS`: how it is built and how the world that it acts on is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from alerting.errors import DeliveryError
from alerting.rollbacks import EXECUTORS, Executor, Tools
from alerting.rollbacks.command import CommandLog
from alerting.rollbacks.memory import MemoryCommandLog
from alerting.routes import build_executors
from daemon.connection import BrokerAway
from daemon.journal import CommandTopic, Writer
from tests.doubles.alerting import a_command
from tests.doubles.topics import MemoryTopics


@dataclass
class FlakyLog:
    """A command log that fails when told to: before the record is there, or after."""

    log: MemoryCommandLog = field(default_factory=MemoryCommandLog)
    before: bool = False
    after: bool = False

    def send(self, key: str, value: bytes) -> None:
        """Append the record, unless it fails before."""
        if self.before:
            raise DeliveryError("no leader")
        self.log.send(key, value)
        if self.after:
            raise DeliveryError("no acknowledgement")

    def find(self, model: str, rollback_key: str) -> bool:
        """As the log does, unless it fails."""
        if self.before:
            raise DeliveryError("no leader")
        return self.log.find(model, rollback_key)


@dataclass
class World:
    """An executor, the switch that breaks what it acts on, and what it has done there: (model, target, key)."""

    executor: Executor
    flaky: FlakyLog
    done: Callable[[], list[tuple[str, str, str]]]


def kafka_world() -> World:
    """The `kafka` executor over a log in memory."""
    flaky = FlakyLog()
    executor = build_executors({}, Tools(command_log=flaky))["kafka"]

    def done() -> list[tuple[str, str, str]]:
        commands = [json.loads(value) for _, value in flaky.log.records]
        return [(command["model"], command["to"], command["key"]) for command in commands]

    return World(executor, flaky, done)


WORLDS: Mapping[str, Callable[[], World]] = {"kafka": kafka_world}


@pytest.fixture(params=sorted(WORLDS))
def world(request: pytest.FixtureRequest) -> World:
    """Each executor in a world of its own."""
    return WORLDS[request.param]()


def test_the_suite_covers_the_table() -> None:
    """Whoever adds a kind adds it here."""
    assert sorted(WORLDS) == sorted(EXECUTORS)


def test_nothing_is_done_before_it_is(world: World) -> None:
    """A fresh world knows no command."""
    assert not world.executor.already_done(a_command())
    assert world.done() == []


def test_it_acts_and_says_what_it_did(world: World) -> None:
    """The world shows the target, and the sentence names it."""
    told = world.executor.execute(a_command())

    assert world.done() == [("loan-approval", "7", "i:rollback:kafka:0")]
    assert "7" in told


def test_the_world_remembers_what_was_done(world: World) -> None:
    """By key and by model: another rollback is not taken for this one."""
    world.executor.execute(a_command())

    assert world.executor.already_done(a_command())
    assert not world.executor.already_done(a_command(key="another"))
    assert not world.executor.already_done(a_command(model="another"))


def test_a_failure_is_a_delivery_error(world: World) -> None:
    """What cannot be done is said, and may be tried again."""
    world.flaky.before = True
    with pytest.raises(DeliveryError) as caught:
        world.executor.execute(a_command())

    assert (caught.value.permanent, world.done()) == (False, [])


def test_what_cannot_be_known_is_an_error_and_not_a_no(world: World) -> None:
    """A rollback is not sent on a guess."""
    world.flaky.before = True
    with pytest.raises(DeliveryError):
        world.executor.already_done(a_command())


def test_an_unacknowledged_act_is_found_again(world: World) -> None:
    """The answer got lost, the act did not: the next attempt sees it."""
    world.flaky.after = True
    with pytest.raises(DeliveryError):
        world.executor.execute(a_command())

    assert world.executor.already_done(a_command())


class CommandLogContract:
    """What any command log keeps to; the daemon's own over Kafka is held to the same."""

    def make(self) -> CommandLog:
        """A new, empty log."""
        return MemoryCommandLog()

    def test_it_finds_what_was_sent(self) -> None:
        """As soon as `send` has returned."""
        log = self.make()
        log.send("loan-approval", json.dumps(a_command("k").body()).encode())

        assert log.find("loan-approval", "k")

    def test_it_finds_nothing_else(self) -> None:
        """Neither another key nor another model, nor what others wrote."""
        log = self.make()
        log.send("loan-approval", json.dumps(a_command("k").body()).encode())
        log.send("loan-approval", b"\xff")
        log.send("loan-approval", b'{"command": "promote", "key": "p"}')

        assert not log.find("loan-approval", "other")
        assert not log.find("other", "k")
        assert not log.find("loan-approval", "p")


class TestMemoryCommandLog(CommandLogContract):
    """The log in memory."""


class TestCommandTopic(CommandLogContract):
    """The log on a topic, as the daemon has it."""

    def make(self) -> CommandLog:
        """A topic in memory, which another one's records share."""
        topics = MemoryTopics()
        writer = Writer(topics.connect)
        writer.append("incidents", "loan-approval", json.dumps(a_command("other").body()).encode())
        return CommandTopic("commands", writer, topics.read)

    def test_a_command_whose_acknowledgement_was_lost_is_found(self) -> None:
        """The next attempt sees that it was sent."""
        topics = MemoryTopics()
        log = CommandTopic("commands", Writer(topics.connect), topics.read)
        topics.failure, topics.acknowledges = BrokerAway("no answer"), False
        with pytest.raises(DeliveryError):
            log.send("loan-approval", json.dumps(a_command("k").body()).encode())

        assert log.find("loan-approval", "k")
