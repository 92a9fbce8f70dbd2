"""Nothing lost, nothing twice: random failures and crashes at every step, on a clock of the test's own.

The process is the lanes; what survives a crash is the outbox, the journal, the log of commands, and what receivers got. A crash
can hit before an act, after it, and after its record, and takes with it whatever was in memory. After each the lanes are
built anew from the outbox, as the daemon does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.carrier import Carrier
from alerting.errors import DeliveryError
from alerting.intents import Intent, Kind, restamped
from alerting.lane import Lane, Pace
from alerting.notice import Notice
from alerting.periods import Rate
from alerting.retry import NOTICES, RetryPolicy
from alerting.rollbacks import Tools
from alerting.rollbacks.kafka import KafkaRollback, KafkaRollbackConfig
from alerting.rollbacks.memory import MemoryCommandLog
from alerting.routes import RouteTerms
from tests.doubles.alerting import NOON, Time, an_intent

Fate = Literal["works", "busy", "refused", "busy_after", "crash_before", "crash_after", "lease_lost"]

FATES: tuple[Fate, ...] = ("works", "busy", "refused", "busy_after", "crash_before", "crash_after", "lease_lost")

SCRIPTS = st.lists(st.sampled_from(FATES), max_size=40)

PLANS = st.lists(
    st.tuples(st.sampled_from(["page", "resolve", "rollback", "journal"]), st.sampled_from(["hook", "desk"])),
    min_size=1,
    max_size=8,
)

BUDGETS = st.sampled_from([None, Rate(1, 600.0), Rate(2, 3600.0)])


class Crash(BaseException):
    """The process is gone. No handler in the code under test may see to it that it is not."""


@dataclass
class Surroundings:
    """All that survives a crash, and the fates that wait for the next calls to it."""

    fates: list[Fate]
    at_most: Rate | None = None
    time: Time = field(default_factory=Time)
    generation: int = 1
    got: dict[str, list[str]] = field(default_factory=lambda: {"hook": [], "desk": [], "log": []})
    commands: MemoryCommandLog = field(default_factory=MemoryCommandLog)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)

    def fate(self) -> Fate:
        """What happens to this call."""
        fate = self.fates.pop() if self.fates else "works"
        if fate == "lease_lost":
            self.generation += 1
            return "works"
        if fate == "crash_before":
            raise Crash
        if fate == "busy":
            raise DeliveryError("503")
        if fate == "refused":
            raise DeliveryError("403", permanent=True)
        return fate

    def end(self, fate: Fate) -> None:
        """What happens after the call has had its effect."""
        if fate == "crash_after":
            raise Crash
        if fate == "busy_after":
            raise DeliveryError("no answer")


@dataclass
class Receiver:
    """A receiver of notices."""

    Config: ClassVar[type[Any]] = object
    name: str
    world: Surroundings

    def notify(self, notice: Notice) -> None:
        """Take it, as fate has it; the log always does."""
        fate: Fate = "works" if self.name == "log" else self.world.fate()
        self.world.got[self.name] += [told["key"] for told in notice.notices] or [notice.key]
        self.world.end(fate)


@dataclass
class Commands:
    """The log of commands, as fate has it."""

    world: Surroundings

    def send(self, key: str, value: bytes) -> None:
        """Append, and answer or not."""
        fate = self.world.fate()
        self.world.commands.send(key, value)
        self.world.end(fate)

    def find(self, model: str, rollback_key: str) -> bool:
        """Look it up, and answer or not."""
        fate = self.world.fate()
        self.world.end(fate)
        return self.world.commands.find(model, rollback_key)


@dataclass
class Journal:
    """The journal, as fate has it."""

    world: Surroundings

    def write(self, key: str, record: Mapping[str, Any]) -> None:
        """Keep it, and answer or not."""
        fate = self.world.fate()
        self.world.entries[key] = dict(record)
        self.world.end(fate)


class Process:
    """The lanes of one life of the daemon."""

    def __init__(self, world: Surroundings) -> None:
        self._world = world
        executor = KafkaRollback(KafkaRollbackConfig(), Tools(command_log=Commands(world)))
        routes = {name: Receiver(name, world) for name in world.got}
        terms = dict.fromkeys(("hook", "desk"), RouteTerms(at_most=world.at_most))
        self._carrier = Carrier(
            routes, {"kafka": executor}, Journal(world), lambda generation: generation == world.generation, terms
        )
        self._pace = Pace(policy=RetryPolicy(), clock=world.time, random=lambda: 0.0)
        self._lanes: dict[str, Lane] = {}

    def turn(self, outbox: dict[str, Intent]) -> None:
        """One turn of the loop: submit the outbox, let the lanes work, take what ended out of the outbox."""
        for intent in list(outbox.values()):
            name = self._carrier.lane_of(intent)
            lane = Lane(self._carrier, self._pace, 100, self._carrier.budget_of(name))
            assert self._lanes.setdefault(name, lane).offer(restamped(intent, self._world.generation))
        for lane in self._lanes.values():
            for outcome in lane.step():
                if outcome.final:
                    del outbox[outcome.key]
                    self._world.ended[outcome.key] = outcome.status


def live(world: Surroundings, outbox: dict[str, Intent]) -> None:
    """Live and die until the outbox is empty; time goes on by more than any pause at each turn."""
    process = Process(world)
    for _ in range(1000):
        if not outbox:
            return
        world.time.now += 301
        try:
            process.turn(outbox)
        except Crash:
            process = Process(world)
    raise AssertionError(f"still in the outbox: {list(outbox)}")


def planned(plan: list[tuple[str, str]]) -> dict[str, Intent]:
    """An outbox: numbered intents in the order of their decision."""
    kinds: list[tuple[Kind, str]] = [(kind, destination) for kind, destination in plan]  # type: ignore[misc]  # of the strategy
    intents = [
        an_intent(kind, key=f"{number}", destination=destination if kind in NOTICES else "", created=NOON)
        for number, (kind, destination) in enumerate(kinds)
    ]
    return {intent.key: intent for intent in intents}


@settings(max_examples=400)
@given(PLANS, SCRIPTS, BUDGETS)
def test_no_intent_is_lost_and_no_rollback_sent_twice(
    plan: list[tuple[str, str]], fates: list[Fate], at_most: Rate | None
) -> None:
    """Whatever fails, is held, and whenever the process dies: every intent ends, notices reach someone, a rollback goes once."""
    world, outbox = Surroundings(fates, at_most), planned(plan)
    intents = dict(outbox)
    live(world, outbox)

    received = {key for keys in world.got.values() for key in keys}
    assert received == {intent.key for intent in intents.values() if intent.kind in NOTICES}
    sent = Counter(value for _, value in world.commands.records)
    assert set(sent.values()) <= {1}
    assert set(world.ended) == set(intents)
    for key in (key for key, status in world.ended.items() if status == "done"):
        intent = intents[key]
        if intent.kind == "rollback":
            assert world.commands.find("loan-approval", key)
        elif intent.kind == "journal":
            assert world.entries[intent.body["key"]] == intent.body["record"]
        else:
            assert key in world.got[intent.destination]


@settings(max_examples=400)
@given(PLANS, SCRIPTS)
def test_each_receiver_sees_each_notice_first_in_the_order_of_decision(plan: list[tuple[str, str]], fates: list[Fate]) -> None:
    """A repeated notice may come late; a first one never overtakes an earlier one."""
    world, outbox = Surroundings(fates), planned(plan)
    live(world, outbox)

    for name in ("hook", "desk"):
        firsts = list(dict.fromkeys(map(int, world.got[name])))
        assert firsts == sorted(firsts)


@settings(max_examples=400)
@given(PLANS, SCRIPTS, BUDGETS)
def test_without_crashes_and_lost_answers_nothing_comes_twice(
    plan: list[tuple[str, str]], fates: list[Fate], at_most: Rate | None
) -> None:
    """Retries, lost leases and digests alone repeat nothing."""
    quiet: list[Fate] = [fate for fate in fates if fate in {"works", "busy", "refused", "lease_lost"}]
    world, outbox = Surroundings(quiet, at_most), planned(plan)
    live(world, outbox)

    received = Counter(key for keys in world.got.values() for key in keys)
    assert set(received.values()) <= {1}
