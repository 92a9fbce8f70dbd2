"""All receivers are down for an hour, then back: every page arrives once, in order, and the loop never waited for one.

The loop, the task, the outbox and the lanes are the daemon's own, on a clock that the test moves; the receivers are the strict
stand-ins, over real HTTP. Only the threads are missing, since a thread cannot be told that an hour has passed: between two turns
of the loop the lanes do what is due. That the real threads do not hold it up either is a test of its own.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

import pytest

from alerting.carrier import Carrier
from alerting.dispatch import Dispatcher
from alerting.intents import Intent, Outcome
from alerting.lane import Lane, Pace
from alerting.retry import NOTICES
from alerting.routes import build_routes, terms_of
from daemon.guardrails import Guardrail
from daemon.lease import Lease
from daemon.loop import Loop
from daemon.memory_source import MemoryBroker, MemorySource
from daemon.store import MemoryStore
from daemon.task import Task
from tests.doubles.alerting import Inbox, MemoryJournal, Time
from tests.doubles.alertmanager import Alertmanager
from tests.doubles.model import a_guardrail
from tests.doubles.pagerduty import PagerDuty
from tests.doubles.receiver import Receiver
from tests.doubles.stand import Answer, Misbehaviour, Stand

if TYPE_CHECKING:
    from alerting.notice import Notice
    from daemon.events import Kind
    from daemon.records import Record

T0: Final = 1_790_000_000.0
HOUR: Final = 3600.0
STEP: Final = 10.0
#: When the receivers go, and when they are back.
DOWN: Final = T0 + 1800
UP: Final = DOWN + HOUR
END: Final = UP + HOUR
TOPICS: Final[dict[str, Kind]] = {"predictions": "prediction", "labels": "label", "outcomes": "outcome"}
MODELS: Final = tuple(f"model-{number}" for number in range(6))
ROUTING_KEY: Final = "r" * 32

#: What a receiver that is down does, one after the other. Those that take long in truth come seldom.
FAULTS: Final[tuple[Answer | Misbehaviour, ...]] = (
    *(Answer(503), "reset", Answer(429, {"Retry-After": "20"}), "garbage", Answer(500)) * 4,
    "hang",
)


def events() -> Iterator[tuple[float, str, dict[str, Any]]]:
    """Time, topic and body of what six models do: one after the other they go bad in the outage, and most get well in it."""
    for place, model in enumerate(MODELS):
        chance = random.Random(place)
        bad_from, bad_to = DOWN + 120 + place * 500, DOWN + 1500 + place * 500
        for number in range(round((END - T0) / 4)):
            at = T0 + number * 4
            wrong = chance.random() < (0.5 if bad_from <= at < bad_to else 0.1)
            yield at, "predictions", {"id": str(number), "model": model, "version": "7", "prediction": int(wrong), "ts": at}
            yield at + 5, "labels", {"id": str(number), "model": model, "label": 0, "ts": at + 5}


def guardrails() -> dict[str, Guardrail]:
    """Each model pages three ways."""
    respond = {"page": ["hook", "pagerduty", "alertmanager"]}
    return {model: a_guardrail(model=model, respond=respond) for model in MODELS}


class Hands:
    """The dispatcher without its threads: what is submitted waits in the lanes until `work` is called."""

    def __init__(self, carrier: Carrier, time: Time) -> None:
        self.submitted: dict[str, Intent] = {}
        self._carrier, self._pace = carrier, Pace(clock=time, random=lambda: 0.5)
        self._lanes: dict[str, Lane] = {}
        self._news: list[Outcome] = []

    def submit(self, intents: Iterable[Intent]) -> list[Intent]:
        """Take them over."""
        for intent in intents:
            name = self._carrier.lane_of(intent)
            if name not in self._lanes:
                self._lanes[name] = Lane(self._carrier, self._pace, 1000, self._carrier.budget_of(name))
            assert self._lanes[name].offer(intent)
            self.submitted[intent.key] = intent
        return []

    def outcomes(self) -> list[Outcome]:
        """Tell what became of them."""
        news, self._news = self._news, []
        return news

    def work(self) -> None:
        """Do all that is due."""
        for lane in self._lanes.values():
            while (due := lane.due()) is not None and due <= self._pace.clock():
                self._news += lane.step()


class NoDeadLetters:
    """There are none."""

    def reject(self, record: Record, reason: str, message: str) -> None:
        """Fail the test."""
        raise AssertionError(f"{record}: {reason}: {message}")

    def flush(self) -> None:
        """Everything is safe."""


class World:
    """Three receivers, the daemon's loop, and the time."""

    def __init__(self, stack: ExitStack) -> None:
        self.time = Time(T0)
        self.hook, self.pagerduty, self.alertmanager = Receiver(), PagerDuty(ROUTING_KEY), Alertmanager()
        self.stands: tuple[Stand, ...] = (self.hook, self.pagerduty, self.alertmanager)
        for stand in self.stands:
            stack.enter_context(stand)
        settings = {
            "hook": {"kind": "webhook", "url": self.hook.url, "timeout": 0.3},
            "pagerduty": {"kind": "pagerduty", "routing_key": ROUTING_KEY, "url": self.pagerduty.address, "timeout": 0.3},
            "alertmanager": {"kind": "alertmanager", "peers": [self.alertmanager.address], "timeout": 0.3},
        }
        self.broker = MemoryBroker(dict.fromkeys(TOPICS, 1))
        self.journal = MemoryJournal()
        lease = Lease(45.0, lambda: self.time.now - T0)
        carrier = Carrier(build_routes(settings), {}, self.journal, lease.holds, terms_of(settings))
        self.hands = Hands(carrier, self.time)
        store, files = MemoryStore(), guardrails()
        source = MemorySource(self.broker, batch=5000)
        self.loop = Loop(
            source, TOPICS, lambda generation: Task(store, files, generation=generation), NoDeadLetters(), self.hands, lease
        )

    def live(self) -> None:
        """Live through it all, step by step."""
        waiting, faults = iter(sorted(events(), key=lambda event: event[0])), cycle(FAULTS)
        following = next(waiting, None)
        while self.time.now < END:
            self.time.now += STEP
            while following is not None and following[0] <= self.time.now:
                at, topic, body = following
                self.broker.produce(topic, json.dumps(body).encode(), at)
                following = next(waiting, None)
            self.turn()
            for stand in self.stands:
                stand.script.clear()
                stand.script.extend(next(faults) for _ in range(3 if DOWN <= self.time.now < UP else 0))
            self.hands.work()

    def turn(self) -> None:
        """Let the loop turn; it reaches the present, and whoever it would wait for is not even asked."""
        before = self.attempts
        for _ in range(3):  # the records, the time, what has become of the notices
            self.loop.run_once(self.time.now, self.time.now - T0)
        assert self.attempts == before
        assert self.loop.task is not None
        assert self.loop.task.clock == self.time.now

    @property
    def attempts(self) -> int:
        """Requests that any receiver has got."""
        return sum(stand.attempts for stand in self.stands)

    def notices(self, route: str) -> list[Intent]:
        """What was decided to be told by a route, in order."""
        return [one for one in self.hands.submitted.values() if one.destination == route and one.kind in NOTICES]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """After the outage."""
    with ExitStack() as stack:
        world = World(stack)
        world.live()
        yield world


def test_in_the_outage_there_was_much_to_tell(world: World) -> None:
    """Every model opened an incident in it, and some of these were over before anybody could be told."""
    pages = [intent for intent in world.notices("hook") if intent.body["event"] == "trigger"]
    in_outage = [intent for intent in world.notices("hook") if DOWN <= intent.created < UP]

    assert sorted(intent.model or "" for intent in pages) == list(MODELS)
    assert all(DOWN <= intent.created < UP for intent in pages)
    assert {intent.kind for intent in in_outage} == {"page", "resolve"}


def test_every_page_arrives_once_and_in_order(world: World) -> None:
    """At each receiver what was decided, nothing else: keys at the webhook, problems and what became of them at the others."""
    expected = {route: [(one.body["dedup_key"], one.body["event"]) for one in world.notices(route)] for route in ROUTES}

    assert [one.body["key"] for one in world.hook.accepted] == [intent.key for intent in world.notices("hook")]
    assert world.hook.events == expected["hook"]
    assert world.pagerduty.events == expected["pagerduty"]
    assert [key for key, _ in world.alertmanager.events] == [key for key, _ in expected["alertmanager"]]
    assert len(world.pagerduty.pages) == len(MODELS)
    assert set(world.pagerduty.alerts.values()) == {"resolved"}
    assert world.alertmanager.firing == []


ROUTES: Final = ("hook", "pagerduty", "alertmanager")


def test_an_outage_costs_few_attempts(world: World) -> None:
    """One a pause for each receiver, however many notices wait; and no body was wrong."""
    for route, stand in zip(ROUTES, world.stands, strict=True):
        assert len(world.notices(route)) < stand.attempts < len(world.notices(route)) + 60
        assert stand.violations == []


def test_nothing_is_left(world: World) -> None:
    """The outbox is empty, and the journal says of each notice that it arrived where it was to."""
    ended = [entry for key, entry in world.journal.entries.items() if key.startswith("action/")]

    assert world.loop.task is not None
    assert world.loop.task.outbox == {}
    assert {(entry["status"], entry["fallback"]) for entry in ended} == {("done", None)}
    assert len(ended) == sum(len(world.notices(route)) for route in ROUTES)


def test_a_receiver_that_hangs_does_not_hold_up_the_loop() -> None:
    """With the real threads: all records are taken in and saved while the first page still hangs; then the pages arrive."""
    gate = threading.Event()

    def hang(_: Notice) -> None:
        assert gate.wait(60)

    inbox, time = Inbox(hang), Time(END)
    lease = Lease(1e9, lambda: 0.0)
    carrier = Carrier(dict.fromkeys(("hook", "log"), inbox), {}, MemoryJournal(), lease.holds)
    dispatcher, broker = Dispatcher(carrier, Pace(clock=time)), MemoryBroker(dict.fromkeys(TOPICS, 1))
    for at, topic, body in sorted(events(), key=lambda event: event[0]):
        if body["model"] == MODELS[0]:
            broker.produce(topic, json.dumps(body).encode(), at)
    file = a_guardrail(model=MODELS[0], respond={"page": ["hook"]})
    loop = Loop(
        MemorySource(broker, batch=100),
        TOPICS,
        lambda generation: Task(MemoryStore(), {MODELS[0]: file}, generation=generation),
        NoDeadLetters(),
        dispatcher,
        lease,
    )
    turns = 0
    while not loop.source.caught_up() or turns < 2:
        loop.run_once(END, float(turns * 2))
        turns += 1
    assert loop.task is not None
    waiting = [intent.key for intent in loop.task.outbox.values() if intent.destination == "hook"]
    assert (inbox.keys, len(waiting)) == ([], 2)

    gate.set()
    while loop.task.outbox:
        loop.run_once(END, float(turns * 2))
        turns += 1
        threading.Event().wait(0.001)
    assert dispatcher.close(30)
    assert inbox.keys == waiting
