"""Acts that wait for the loop: answered after the checkpoint that holds them, and never left without an answer."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future

import pytest

from alerting.acts import Act, Answer
from alerting.intents import Intent, Outcome
from daemon.connection import BrokerAway
from daemon.inbox import Inbox, NoAnswer, Reply
from daemon.lease import Lease
from daemon.loop import GRACE, Loop
from daemon.memory_source import MemoryBroker, MemorySource
from daemon.store import MemoryStore
from daemon.task import Task
from tests.doubles.model import T0, a_guardrail


def an_act(identity: str = "a") -> Act:
    """A silence, which needs no incident."""
    return Act(id=identity, kind="silence", by="ann", at=T0, reason="backfill", model="loan", until=T0 + 60)


def test_acts_are_taken_in_order_and_told() -> None:
    """Each future ends with its own answer."""
    inbox = Inbox()
    futures = [inbox.put(an_act(name)) for name in "abc"]
    for asked in inbox.take():
        asked.tell(Answer(status="done", text=asked.act.id))

    assert [getattr(future.result(0), "text", None) for future in futures] == ["a", "b", "c"]
    assert inbox.take() == []


def test_a_full_inbox_answers_at_once() -> None:
    """It holds nobody up, and keeps what it has."""
    inbox = Inbox(limit=1)
    first, second = inbox.put(an_act("a")), inbox.put(an_act("b"))

    assert second.result(0) == NoAnswer("full", "1 requests wait already; ask again in a moment")
    assert (first.done(), len(inbox)) == (False, 1)


def test_what_nobody_waits_for_any_more_is_not_done() -> None:
    """A time-out before it was begun takes it back."""
    inbox = Inbox()
    reply = inbox.ask(an_act(), 0.0)

    assert (isinstance(reply, NoAnswer) and reply.why, inbox.take()) == ("late", [])


class Hands:
    """Dead letters and a dispatcher that have nothing to do; `broken` letters are not safe."""

    def __init__(self) -> None:
        self.broken = False

    def submit(self, intents: Iterable[Intent]) -> list[Intent]:
        """Take them."""
        return list(intents)[:0]

    def outcomes(self) -> list[Outcome]:
        """Tell nothing."""
        return []

    def reject(self, *said: object) -> None:
        """Take it."""

    def flush(self) -> None:
        """Fail like a broker that is away."""
        if self.broken:
            raise BrokerAway("no answer")


class Stage:
    """A loop over doubles."""

    def __init__(self) -> None:
        self.broker = MemoryBroker({"predictions": 1, "labels": 1, "outcomes": 1})
        self.source, self.hands, self.store = MemorySource(self.broker), Hands(), MemoryStore()
        self.opens = True
        self.loop = Loop(self.source, {}, self._open, self.hands, self.hands, Lease(10.0, lambda: 0.0))

    def _open(self, generation: int) -> Task | None:
        return Task(self.store, {"loan": a_guardrail()}, generation=generation) if self.opens else None

    def put(self) -> Future[Reply]:
        """Hand an act in."""
        return self.loop.inbox.put(an_act())


def why(future: Future[Reply]) -> str:
    """The reason for which there is no answer."""
    reply = future.result(0)
    assert isinstance(reply, NoAnswer)
    return reply.why


def test_an_act_is_answered_by_the_turn_that_saved_it() -> None:
    """Without waiting for the next checkpoint that is due."""
    stage = Stage()
    stage.loop.run_once(T0, 1.0)
    future = stage.put()
    turn = stage.loop.run_once(T0, 1.1)
    answer = future.result(0)

    assert isinstance(answer, Answer)
    assert (answer.status, turn.checkpoint is not None, stage.store.get(b"p") is not None) == ("done", True, True)


def test_while_nothing_can_be_saved_nothing_is_answered() -> None:
    """Then it is, once."""
    stage = Stage()
    stage.loop.run_once(T0, 1.0)
    future = stage.put()
    stage.hands.broken = True
    for turn in (1.1, 1.2):
        with pytest.raises(BrokerAway):
            stage.loop.run_once(T0, turn)
    meanwhile, stage.hands.broken = future.done(), False
    stage.loop.run_once(T0, 1.3)

    assert (meanwhile, getattr(future.result(0), "status", None)) == (False, "done")


def test_a_member_that_may_be_fenced_promises_nothing() -> None:
    """The broker's yes to a commit comes first; when the partitions are lost the asker is told to ask again."""
    stage = Stage()
    stage.loop.run_once(T0, 1.0)
    stage.broker.generation += 1  # the group moved on and this member does not know it yet
    future = stage.put()
    stage.loop.run_once(T0, 1.1)
    meanwhile = future.done()
    stage.source.given = None
    stage.loop.run_once(T0, 1.2 + GRACE)

    assert (meanwhile, why(future)) == (False, "unsaved")


def test_a_standby_says_that_it_stands_by() -> None:
    """Another member owns the partitions."""
    stage = Stage()
    other = MemorySource(stage.broker)
    stage.broker.rebalance([other, stage.source])
    future = stage.put()
    stage.loop.run_once(T0, 1.0)

    assert why(future) == "standby"


def test_a_daemon_that_does_not_act_yet_says_what_it_waits_for() -> None:
    """Another process holds its store."""
    stage = Stage()
    stage.opens = False
    future = stage.put()
    stage.loop.run_once(T0, 5.0)
    reply = future.result(0)

    assert isinstance(reply, NoAnswer)
    assert (reply.why, "waits for the store" in reply.text) == ("starting", True)


def test_a_daemon_that_stops_leaves_nobody_waiting() -> None:
    """What came after the last turn was not done."""
    stage = Stage()
    stage.loop.run_once(T0, 1.0)
    future = stage.put()
    stage.loop.stop(2.0)

    assert why(future) == "starting"
