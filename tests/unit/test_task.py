"""A task: its clock, its ticks, its outbox, and what a crash leaves of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from alerting.intents import Intent, Outcome
from daemon.cases import Context
from daemon.errors import CannotStart
from daemon.events import Outcome as OutcomeEvent
from daemon.guardrails import Guardrail
from daemon.store import MemoryStore
from daemon.task import LAYOUT, TICK, Task, Watched
from tests.doubles.model import T0, a_guardrail, a_label, a_prediction


class Disk:
    """What survives of a store when its process is killed."""

    def __init__(self) -> None:
        self.data: dict[bytes, bytes] = {}

    def open(self) -> Crashing:
        """A store with what was committed."""
        return Crashing(self)


class Crashing(MemoryStore):
    """A store that keeps nothing but what was committed."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk
        self._data = dict(disk.data)

    def commit(self) -> None:
        """Make it last."""
        self._disk.data = dict(self._data)


def a_task(disk: Disk | None = None, *guardrails: Guardrail, **options: Any) -> Task:  # noqa: ANN401  # options of Task
    """A task over some models, on a store of its own or on what is left on a disk."""
    files = guardrails or (a_guardrail(),)
    return Task((disk or Disk()).open(), {each.model: each for each in files}, **options)


def outcome(key: str, status: Any, detail: str = "") -> Outcome:  # noqa: ANN401  # a status
    """News of an intent."""
    return Outcome(key=key, status=status, detail=detail, at=T0)


def test_ticks_that_are_due_come_before_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that silence is judged as silence, and not by what ended it."""
    happened: list[tuple[str, float]] = []

    def tick(watched: Watched, context: Context, number: int) -> list[Intent]:
        del watched
        happened.append(("tick", context.now))
        assert number == context.now / TICK
        return []

    def observe(watched: Watched, event: Any) -> None:  # noqa: ANN401  # an event
        del watched
        happened.append(("event", event.at))

    monkeypatch.setattr(Watched, "tick", tick)
    monkeypatch.setattr(Watched, "observe", observe)
    task = a_task()
    for at in (T0 + 1, T0 + 25, T0 + 30):
        task.observe(a_prediction(at=at))

    assert happened == [
        ("event", T0 + 1),
        ("tick", T0 + 10),
        ("tick", T0 + 20),
        ("event", T0 + 25),
        ("tick", T0 + 30),
        ("event", T0 + 30),
    ]


def test_the_clock_never_goes_back() -> None:
    """An event that comes late arrives at its own time, and the clock stays."""
    task = a_task()
    task.observe(a_prediction(0, T0 + 50))
    task.observe(a_prediction(1, T0 + 20))
    task.advance(T0)

    assert task.clock == T0 + 50
    assert task.models["loan"].join.counts.predictions == 2


def test_events_of_other_models_are_counted_and_nothing_else() -> None:
    """They move the clock all the same: time is everybody's."""
    task = a_task()
    task.observe(a_prediction(at=T0, model="another"))

    assert (task.unmonitored, task.clock, task.models["loan"].join.counts.predictions) == (1, T0, 0)


def test_each_kind_of_event_is_counted_where_it_belongs() -> None:
    """A label meets its prediction, an outcome is counted by itself."""
    task = a_task()
    task.observe(a_prediction(0, T0))
    task.observe(a_label(0, T0 + 5))
    task.observe(OutcomeEvent("loan", "click", 1.0, "7", None, T0 + 6, T0 + 6))
    watched = task.models["loan"]

    assert (watched.join.counts.joined, watched.outcomes) == (1, 1)


def test_after_a_long_silence_every_second_is_booked() -> None:
    """A month without an event: judged seldom, and still all of it is some state's."""
    task = a_task()
    task.observe(a_prediction(0, T0))
    month = 30 * 86_400.0
    task.advance(T0 + month)
    task.settle()
    seconds = task.models["loan"].seconds[("harm", "7", None)]

    assert seconds == {"ok": 0.0, "unknown": pytest.approx(month, abs=TICK), "breach": 0.0}
    assert task.models["loan"].join.pending == 0


def test_ticks_grow_rare_in_a_long_silence_and_are_back_with_the_next_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Years without an event must not take hours to replay; however the clock is moved, the ticks are the same."""

    def ticks(*clocks: float) -> list[float]:
        at: list[float] = []

        def tick(watched: Watched, context: Context, number: int) -> list[Intent]:
            del watched, number
            at.append(context.now)
            return []

        monkeypatch.setattr(Watched, "tick", tick)
        task = a_task()
        task.observe(a_prediction(0, T0))
        for clock in clocks:
            task.advance(clock)
        end = clocks[-1]
        task.observe(a_prediction(1, end + 1))
        task.advance(end + 60)
        return at

    hour, years = 3600.0, 50 * 365 * 86_400.0
    at_once = ticks(T0 + years)
    lags = [after - before for before, after in pairwise(at_once)]

    assert ticks(*(T0 + years * step / 100 for step in range(101))) == at_once
    assert len(at_once) < 5_000
    assert [now for now in at_once if now <= T0 + hour] == [T0 + TICK * (n + 1) for n in range(360)]
    assert all(lag <= max(TICK, 0.011 * (now - T0)) for lag, now in zip(lags, at_once, strict=False))
    assert all(now % TICK == 0 for now in at_once)
    assert lags[-5:] == [TICK] * 5


def test_a_breach_opens_an_incident_whose_intents_are_in_the_outbox() -> None:
    """The page with its route, the journal, each under a key; what is done leaves, what is not stays."""
    task = harmed(a_task(None, a_guardrail(respond={"page": ["pagerduty"]})))
    kinds = {intent.kind: intent for intent in task.outbox.values()}
    page = kinds["page"]
    task.acted([outcome(page.key, "retry_later")])
    waiting = set(task.outbox)
    task.acted([outcome(page.key, "done")])

    assert set(kinds) == {"page", "journal"}
    assert (page.destination, page.model, page.generation) == ("pagerduty", "loan", 0)
    assert (page.key in waiting, page.key in task.outbox) == (True, False)


def test_the_outbox_survives_a_crash_in_its_order() -> None:
    """Under the generation of the new assignment; what the journal knows to be done is not done again."""
    disk = Disk()
    before = harmed(a_task(disk))
    before.checkpoint()
    after = a_task(disk, generation=7)
    first, *others = after.outbox
    again = a_task(disk, generation=7, done=frozenset({first}))

    assert list(after.outbox) == list(before.outbox)
    assert {intent.generation for intent in after.outbox.values()} == {7}
    assert list(again.outbox) == others


def test_what_was_done_before_the_crash_does_not_come_back() -> None:
    """An act that left the outbox left the store with the same checkpoint."""
    disk = Disk()
    task = harmed(a_task(disk))
    task.checkpoint()
    first, *others = task.outbox
    task.acted([outcome(first, "done")])
    uncommitted = list(a_task(disk).outbox)
    task.checkpoint()

    assert uncommitted == [first, *others]
    assert list(a_task(disk).outbox) == others


def test_intents_after_a_crash_never_take_the_place_of_earlier_ones() -> None:
    """The numbers go on, so the order of the outbox is that of the decisions."""
    disk = Disk()
    task = harmed(a_task(disk))
    task.checkpoint()
    task = a_task(disk)
    before = list(task.outbox)
    task.report("daemon:late", "ticket", "something", ["log"])
    task.checkpoint()

    assert list(a_task(disk).outbox) == [*before, "daemon:late:log"]


def test_a_restamped_outbox_belongs_to_the_new_generation() -> None:
    """What is still to be done is done under it."""
    task = harmed(a_task(generation=1))
    task.restamp(2)

    assert task.generation == 2
    assert {intent.generation for intent in task.outbox.values()} == {2}


def test_trouble_with_the_daemon_is_told_once_a_key() -> None:
    """On every route of its severity, without an incident."""
    task = a_task()
    for _ in range(2):
        task.report("daemon:corrupt_range:labels-0", "page", "a range is corrupt", ["pagerduty", "log"])

    assert list(task.outbox) == ["daemon:corrupt_range:labels-0:pagerduty", "daemon:corrupt_range:labels-0:log"]
    assert {(intent.kind, intent.model, intent.incident) for intent in task.outbox.values()} == {("page", None, None)}


def test_an_idle_model_that_forgets_ids_can_be_restored() -> None:
    """Rows that were deleted and the cursor behind them are saved together, also between two judgements."""
    disk = Disk()
    task = a_task(disk)
    task.observe(a_prediction(0, T0))
    task.advance(T0 + 3_600)
    task.checkpoint()
    task.advance(T0 + 3_610)  # the first tick beyond give_up_after
    task.checkpoint()
    after = a_task(disk)
    after.advance(T0 + 3_700)

    assert (after.models["loan"].join.pending, after.models["loan"].join.counts.expired) == (0, 1)


def test_a_restored_task_is_where_the_last_checkpoint_was() -> None:
    """Clock, offsets and counts; what came later is gone and is read again."""
    disk = Disk()
    task = a_task(disk)
    task.observe(a_prediction(0, T0))
    task.observe(a_prediction(1, T0, model="another"))
    task.offsets[("predictions", 0)] = 2
    task.checkpoint()
    task.observe(a_prediction(2, T0 + 30))
    task.offsets[("predictions", 0)] = 3
    after = a_task(disk)

    assert (after.clock, after.offsets, after.unmonitored) == (T0, {("predictions", 0): 2}, 1)
    assert after.models["loan"].join.counts.predictions == 1


def test_a_store_of_another_release_is_refused_in_one_sentence() -> None:
    """Half of it would be read wrongly."""
    disk = Disk()
    task = a_task(disk)
    task.checkpoint()
    disk.data[b"t"] = disk.data[b"t"].replace(b"layout" + bytes([LAYOUT]), b"layout\x63")

    with pytest.raises(CannotStart, match=f"layout 99, this one reads {LAYOUT}"):
        a_task(disk)


def test_pages_of_other_models_are_known_to_each() -> None:
    """The breaker over all models counts them for ten minutes."""
    task = a_task(None, a_guardrail(), a_guardrail(model="churn"))
    harmed(task)
    loan, churn = task.models["loan"], task.models["churn"]
    assert task.clock is not None
    page = loan.response.last_page

    assert page is not None
    assert task._context(page + 599, churn).breaking == 1  # noqa: SLF001  # the context is what a response sees
    assert task._context(page + 600, churn).breaking == 0  # noqa: SLF001  # the same
    assert task._context(page, loan).breaking == 0  # noqa: SLF001  # the same


def harmed(task: Task) -> Task:
    """Let version 7 of loan learn from right predictions, and then be wrong until a page is due."""
    number = 0
    while not any(intent.kind == "page" for intent in task.outbox.values()):
        at = T0 + number
        task.observe(a_prediction(number, at))
        wrong = number % 10 == 0 if number < 600 else number % 2 == 0
        task.observe(a_label(number, at + 5, "1" if wrong else "0"))
        number += 1
        assert number < 2_000
    return task
