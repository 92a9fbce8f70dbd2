"""What every rollback executor keeps to, over each entry of the table, and what the command log behind `kafka` keeps to.

A new executor adds one line to `WORLDS`: how it is built and how the world that it acts on is read.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import get_args

import pytest
from structlog.testing import capture_logs

from alerting.errors import DeliveryError
from alerting.rollbacks import EXECUTORS, RollbackCommand
from alerting.rollbacks.command import CommandLog
from alerting.rollbacks.memory import MemoryCommandLog
from daemon.connection import BrokerAway
from daemon.journal import CommandTopic, Writer
from tests.doubles.alerting import a_command
from tests.doubles.stand import Answer, Late, Misbehaviour, Stand
from tests.doubles.topics import MemoryTopics
from tests.doubles.worlds import CANARY, WORLDS, World

REMOTE = sorted(set(WORLDS) - {"kafka"})

#: What a request may meet: nothing was done, or it was and the answer got lost.
FAULTS = (Answer(503), "reset", Late("reset"), Late(Answer(502)))


@pytest.fixture
def world(kind: str) -> Iterator[World]:
    """Each executor in a world of its own; nothing that it was sent may break what its documents say."""
    with WORLDS[kind]() as world:
        yield world
    assert world.stand is None or world.stand.violations == []


def the_command(world: World, key: str = "i:rollback:kafka:0", model: str = "loan-approval") -> RollbackCommand:
    """The command to go from 8 to 7, with what this kind needs to know of the model."""
    return a_command(key, args=world.args, model=model)


def stand_of(world: World) -> Stand:
    """The server that it speaks to."""
    assert world.stand is not None
    return world.stand


def attempt(world: World) -> DeliveryError | None:
    """One attempt, as the carrier makes it; the failure if it failed."""
    command = the_command(world)
    try:
        if not world.executor.already_done(command):
            world.executor.execute(command)
    except DeliveryError as failure:
        return failure
    return None


def test_the_suite_covers_the_table() -> None:
    """Whoever adds a kind adds it here."""
    assert {name.partition(":")[0] for name in WORLDS} == set(EXECUTORS)


@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_nothing_is_done_before_it_is(kind: str, world: World) -> None:
    """A fresh world knows no command."""
    assert not world.executor.already_done(the_command(world))
    assert (world.moved(), world.sent()) == ([], [])


@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_it_acts_and_says_what_it_did(kind: str, world: World) -> None:
    """The world shows the target, and the sentence names it."""
    told = world.executor.execute(the_command(world))

    assert world.moved() == [("loan-approval", "7")]
    assert "7" in told


@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_a_rehearsal_shows_what_would_be_sent_and_sends_nothing(kind: str, world: World) -> None:
    """To the byte, and without what is secret in it."""
    plan = world.executor.plan(the_command(world))
    assert (world.moved(), world.sent()) == ([], [])

    world.executor.execute(the_command(world))
    assert [sending.body for sending in plan.sendings] == world.sent()
    assert CANARY not in plan.found + "".join(sending.text() for sending in plan.sendings)


@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_the_world_remembers_what_was_done(kind: str, world: World) -> None:
    """By key and by model: another rollback is not taken for this one."""
    world.executor.execute(the_command(world))

    assert world.executor.already_done(the_command(world))
    assert not world.executor.already_done(the_command(world, key="another"))


@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_a_failure_is_a_delivery_error(kind: str, world: World) -> None:
    """What cannot be done is said, and may be tried again."""
    world.switch.away = True
    with pytest.raises(DeliveryError) as caught:
        world.executor.execute(the_command(world))

    assert (caught.value.permanent, world.moved()) == (False, [])


@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_what_cannot_be_known_is_an_error_and_not_a_no(kind: str, world: World) -> None:
    """A rollback is not sent on a guess."""
    world.switch.away = True
    with pytest.raises(DeliveryError):
        world.executor.already_done(the_command(world))


@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_an_unacknowledged_act_is_found_again(kind: str, world: World) -> None:
    """Each answer to a change got lost, the change did not: attempts go on until it is done, and it is done once."""
    world.switch.lossy = True
    failures = [attempt(world) for _ in range(4)]

    assert failures[0] is not None
    assert failures[-1] is None
    assert world.executor.already_done(the_command(world))
    assert world.moved() == [("loan-approval", "7")]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("kind", REMOTE)
def test_whichever_request_fails_it_is_done_once(kind: str, fault: Answer | Misbehaviour | Late) -> None:
    """Each request of an attempt in turn meets the fault; the attempts after it end with one act, however far the first came."""
    with WORLDS[kind]() as untroubled:
        attempt(untroubled)
        requests = stand_of(untroubled).attempts
    ends = []
    for number in range(requests):
        with WORLDS[kind]() as world:
            stand_of(world).script.extend([*[None] * number, fault])
            failures = [attempt(world), attempt(world)]
            ends.append((failures[1], world.moved(), stand_of(world).violations))

    assert ends == [(None, [("loan-approval", "7")], [])] * requests


@pytest.mark.parametrize("kind", REMOTE)
def test_somebody_who_was_faster_is_left_alone(kind: str, world: World) -> None:
    """The world is at another version than the command says: nothing is done, for good, and a person is told why."""
    assert world.meddle is not None
    world.meddle()
    for act in (world.executor.plan, world.executor.execute):
        with pytest.raises(DeliveryError, match=r"9.*nothing was done") as caught:
            act(the_command(world))
        assert caught.value.permanent

    assert (world.moved(), world.sent()) == ([], [])


@pytest.mark.parametrize("kind", REMOTE)
def test_what_is_so_already_is_not_done_again(kind: str, world: World) -> None:
    """Another key, the same world: there is nothing to send."""
    world.executor.execute(the_command(world))
    before = list(world.sent())

    assert world.executor.plan(the_command(world, key="another")).sendings == ()
    assert "already" in world.executor.execute(the_command(world, key="another"))
    assert world.sent() == before


@pytest.mark.parametrize("status", [307, 400, 401, 403, 410])
@pytest.mark.parametrize("kind", REMOTE)
def test_a_refusal_is_permanent(kind: str, status: int, world: World) -> None:
    """The same request would be refused again; a redirect is not followed."""
    stand_of(world).script.append(Answer(status, {"Location": "/elsewhere"}))
    with pytest.raises(DeliveryError, match=str(status)) as caught:
        world.executor.execute(the_command(world))

    assert (caught.value.permanent, world.moved()) == (True, [])


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
@pytest.mark.parametrize("kind", REMOTE)
def test_trouble_of_the_server_is_temporary(kind: str, status: int, world: World) -> None:
    """It is tried again, after the pause that it asks for."""
    stand_of(world).script.append(Answer(status, {"Retry-After": "7"}))
    with pytest.raises(DeliveryError) as caught:
        world.executor.execute(the_command(world))

    assert (caught.value.permanent, caught.value.retry_after) == (False, 7.0)


@pytest.mark.parametrize("behaviour", sorted(get_args(Misbehaviour)))
@pytest.mark.parametrize("kind", REMOTE)
def test_no_server_holds_it_up(kind: str, behaviour: Misbehaviour, world: World) -> None:
    """Hanging, resetting, dripping, flooding: an error in bounded time, to be tried again."""
    stand_of(world).script.append(behaviour)
    with pytest.raises(DeliveryError) as caught:
        world.executor.execute(the_command(world))

    assert not caught.value.permanent


@pytest.mark.parametrize("behaviour", [None, Answer(400, text=CANARY), "garbage", Answer(200, text="<html>")])
@pytest.mark.parametrize("kind", REMOTE)
def test_no_secret_leaves_but_in_the_request(
    kind: str, behaviour: Answer | Misbehaviour | None, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in our log or a library's, not in an error or its cause, not in what it says or is."""
    caplog.set_level(logging.DEBUG)
    stand_of(world).script.append(behaviour)
    texts = [repr(world.executor), repr(vars(world.executor))]
    with capture_logs() as logs:
        try:
            texts.append(world.executor.execute(the_command(world)))
        except DeliveryError as error:
            texts += [repr(error), repr(error.__cause__)]

    assert CANARY not in " ".join([*texts, repr(logs), caplog.text])


@pytest.mark.parametrize("kind", sorted(EXECUTORS))
def test_args_that_it_does_not_know_are_refused(kind: str) -> None:
    """Where a kind takes what it does not know, that is what it is for."""
    assert kind == "webhook" or EXECUTORS[kind].Args.model_config["extra"] == "forbid"


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
