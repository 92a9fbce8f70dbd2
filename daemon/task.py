"""A task: all models of some topic partitions, their clock, and the checkpoint that makes their state last.

Events come one at a time in the order of arrival. The clock is the largest arrival time seen; ticks come every 10 s of it, and
all that are due run before the next event, so that silence is seen as a gap too. When all models have been silent for long, ticks
grow rarer with the silence (a hundredth of it apart): a year of it takes a thousand ticks to replay and not three million.
Nothing here reads a clock, a topic or a network: what goes in decides what comes out, live and in `backtest` alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from alerting.intents import Intent, Outcome, restamped
from alerting.intents import from_record as intent_of
from alerting.intents import to_record as record_of
from alerting.notice import Notice
from alerting.notice import to_record as notice_record
from alerting.routing import FALLBACK, Routing
from daemon.brake import BREAKER_WINDOW
from daemon.cases import Context
from daemon.desk import Desk
from daemon.errors import CannotStart
from daemon.events import Event, Label, Prediction
from daemon.join import Join
from daemon.monitor import Monitor
from daemon.response import Response
from daemon.stand_ins import told_instead
from daemon.trail import Trail

if TYPE_CHECKING:
    from alerting.acts import Act, Answer
    from alerting.silences import Silence
    from daemon.guardrails import Guardrail
    from daemon.rules.verdict import State, Verdict
    from daemon.store import Store

#: Seconds of the clock of events between two ticks.
TICK: Final = 10.0
#: While nothing happens to a model, it is judged at every so many ticks only: a long silence must not take long to replay.
IDLE_TICKS: Final = 6
#: Of a silence of all models, the share that may pass between two ticks.
SILENCE_SHARE: Final = 0.01
#: Version of the layout of the store.
LAYOUT: Final = 4

Offsets = dict[tuple[str, int], int]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Watched:
    """One model in the task: its join, its monitor, its response, and for how long each verdict was what."""

    def __init__(self, guardrail: Guardrail, store: Store, limit: int, routing: Routing, recorded: bool) -> None:
        self.guardrail = guardrail
        self.join = Join(store, guardrail.model, limit)
        self.monitor = Monitor(guardrail, self.join)
        self.response = Response(guardrail, self.monitor, routing, recorded)
        self.trail = Trail()
        self.outcomes = 0
        self.changed = False  # an outcome may have changed a verdict
        self.active = True  # something happened since the last tick
        self.dirty = True  # something happened since the last checkpoint
        self.verdicts: list[Verdict] = []
        self.seconds: dict[tuple[str, str, str | None], dict[State, float]] = {}
        self._judged: float | None = None

    def observe(self, event: Event) -> None:
        """Take an event in."""
        self.active = self.dirty = True
        if isinstance(event, Prediction):
            self.monitor.predict(event)
        elif isinstance(event, Label):
            self.monitor.label(event)
        else:
            self.outcomes += 1
            self.changed = self.monitor.outcome(event) or self.changed
        self.trail.passed(event.at, self.monitor.versions)

    def release(self, clock: float) -> bool:
        """Test what reached its age; True when a verdict may have changed since the last time."""
        changed, self.changed = self.changed, False
        return self.monitor.release(clock) or changed

    def step(self, context: Context) -> list[Intent]:
        """Judge, and answer."""
        self._spend(context.now)
        self.verdicts = self.monitor.verdicts(context.now)
        self.dirty = True
        return self.response.step(self.verdicts, context)

    def tick(self, context: Context, number: int) -> list[Intent]:
        """Do what is due at a tick."""
        changed = self.release(context.now)
        known = self.join.pending
        self.join.expire(context.now, self.guardrail.labels.give_up_after)
        if self.join.pending != known:
            self.dirty = True  # the rows are deleted with the next checkpoint: the cursor behind them must be saved with it
        busy = changed or self.active or bool(self.response.cases)
        if not busy and number % IDLE_TICKS:
            return []
        self.active = False
        self.trail.sample(context.now, self.monitor.versions)
        return [*self.response.review.remind(context), *self.step(context)]

    def _spend(self, now: float) -> None:
        """Book the time since the last judgement on the states that it found."""
        if self._judged is not None and now > self._judged:
            for verdict in self.verdicts:
                states = self.seconds.setdefault(
                    (verdict.rule, verdict.version, verdict.segment), {"ok": 0.0, "unknown": 0.0, "breach": 0.0}
                )
                states[verdict.state] += now - self._judged
        self._judged = now if self._judged is None else max(now, self._judged)

    def to_state(self) -> dict[str, Any]:
        """Everything but the join, which keeps itself."""
        return {
            "guardrail": [self.guardrail.version, self.guardrail.digest],
            "monitor": self.monitor.to_state(),
            "response": self.response.to_state(),
            "trail": self.trail.to_state(),
            "outcomes": self.outcomes,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self.monitor.restore(state["monitor"])
        self.response.restore(state["response"])
        self.trail = Trail.from_state(state["trail"])
        self.outcomes = state["outcomes"]
        if list(state["guardrail"]) != [self.guardrail.version, self.guardrail.digest]:
            self.monitor.follow_guardrail()


class Task:
    """All models of the partitions that this process owns.

    Args:
        store: holds the state; on a store with a past the task goes on where its last checkpoint was.
        guardrails: by model.
        routing: whom to tell of what no guardrail file names a route for; the log only where it is not given.
        recorded: the traffic was recorded (`backtest`).
        max_pending: most predictions in the join, over all models.
        generation: of the assignment; intents carry it.
        done: keys of acts that the journal knows to be done, for a task that starts without a store.
        silences: those that the journal knows of, likewise.

    Raises:
        CannotStart: another release wrote the store.
    """

    def __init__(
        self,
        store: Store,
        guardrails: Mapping[str, Guardrail],
        *,
        routing: Routing | None = None,
        recorded: bool = False,
        max_pending: int = 5_000_000,
        generation: int = 0,
        done: frozenset[str] = frozenset(),
        silences: Iterable[Silence] = (),
    ) -> None:
        self.store = store
        self.generation = generation
        self.live = True
        self.clock: float | None = None
        self.offsets: Offsets = {}  # the next one of each partition; whoever hands events in keeps it
        self.unmonitored = 0
        self.outbox: dict[str, Intent] = {}
        self._done = done
        self._numbers: dict[str, int] = {}  # key of an intent -> its place in the outbox
        self._next_number = 0
        self._next_tick = 0.0
        self._last_event = 0.0  # the clock at the last event
        limit = max(max_pending // max(len(guardrails), 1), 1)
        whom = routing or Routing()
        self.models = {name: Watched(guardrail, store, limit, whom, recorded) for name, guardrail in guardrails.items()}
        self.desk = Desk({name: watched.response for name, watched in self.models.items()}, silences)
        self._restore()

    # --- events and time

    def observe(self, event: Event) -> None:
        """Take one event in, after the ticks that are due before it."""
        if self.clock is None or event.at > self.clock:
            self.advance(event.at)
        if self.clock is not None:
            self._last_event = self.clock
            if self._next_tick > self.clock + TICK:  # the silence is over, and with it its rare ticks
                self._next_tick = (self.clock // TICK + 1) * TICK
        watched = self.models.get(event.model)
        if watched is None:
            self.unmonitored += 1
            return
        watched.observe(event)
        if self.clock is not None and watched.release(self.clock):
            self._add(watched.step(self._context(self.clock, watched)))

    def advance(self, clock: float) -> None:
        """Move the clock on, ticks included; a clock never goes back."""
        if self.clock is None:
            self._last_event, self._next_tick = clock, (clock // TICK + 1) * TICK
        elif clock <= self.clock:
            return
        while self._next_tick <= clock:
            now = self.clock = self._next_tick
            self._next_tick = self._tick_after(now)
            number = round(now / TICK)
            for watched in self.models.values():
                self._add(watched.tick(self._context(now, watched), number))
        self.clock = clock

    def _tick_after(self, now: float) -> float:
        pause, idle = (now - self._last_event) * SILENCE_SHARE, IDLE_TICKS * TICK
        return now + TICK if pause < idle else (now + pause) // idle * idle

    def settle(self) -> None:
        """Judge every model at the clock as it stands: what was held back while the task was behind may be done now."""
        for watched in self.models.values():
            if self.clock is not None:
                self._add(watched.step(self._context(self.clock, watched)))

    def _context(self, now: float, watched: Watched | None) -> Context:
        breaking = sum(
            1
            for other in self.models.values()
            if other is not watched and other.response.last_page is not None and now - other.response.last_page < BREAKER_WINDOW
        )
        return Context(now, self.live, breaking, self.generation, self.offsets, self.desk.silences(now))

    # --- persons

    def act(self, act: Act) -> Answer:
        """Carry out what a person wants done, at the clock as it stands. It lasts with the next checkpoint: answer after that."""
        now = act.at if self.clock is None else self.clock

        def context(model: str) -> Context:
            if model:
                self.models[model].dirty = True
            return self._context(now, self.models.get(model))

        answer, intents = self.desk.act(act, context)
        self._add(intents)
        return answer

    # --- the outbox

    def _add(self, intents: Iterable[Intent]) -> None:
        for intent in intents:
            if intent.key in self._done or intent.key in self.outbox:
                continue
            self._numbers[intent.key] = self._next_number
            self._next_number += 1
            self.outbox[intent.key] = intent
            self.store.put(_outbox_key(self._numbers[intent.key]), _encode(record_of(intent)))

    def report(self, key: str, severity: Literal["page", "ticket"], reason: str, routes: Sequence[str]) -> None:
        """Tell people of trouble with the daemon itself, once under each key."""
        now = self.clock or 0.0
        self._add(
            Intent(
                key=f"{key}:{route}",
                kind=severity,
                model=None,
                incident=None,
                destination=route,
                body=notice_record(
                    Notice(
                        key=f"{key}:{route}",
                        dedup_key=key,
                        event="trigger",
                        severity=severity,
                        cause="daemon",
                        reason=reason,
                        at=now,
                    )
                ),
                created=now,
                generation=self.generation,
            )
            for route in routes
        )

    def acted(self, outcomes: Iterable[Outcome]) -> None:
        """Take what the dispatcher reports; what is done or given up leaves the outbox with the next checkpoint."""
        for outcome in outcomes:
            intent = self.outbox.get(outcome.key)
            if intent is None or not outcome.final:
                continue
            del self.outbox[outcome.key]
            self.store.delete(_outbox_key(self._numbers.pop(outcome.key)))
            watched = self.models.get(intent.model or "")
            if watched is not None and (intent.kind == "rollback" or outcome.fallback is not None):
                watched.dirty = True
                context = self._context(self.clock if self.clock is not None else outcome.at, watched)
                self._add(watched.response.acted(outcome.key, outcome, context))
                self._add(told_instead(watched.response, intent, outcome.fallback or FALLBACK, context))

    # --- the checkpoint

    def checkpoint(self) -> None:
        """Write everything since the last one in one atomic batch: joins, monitors, cases, outbox, clock and offsets."""
        for name, watched in self.models.items():
            if watched.dirty:
                watched.join.save()
                self.store.put(b"m\0" + name.encode(), _encode(watched.to_state()))
                watched.dirty = False
        if self.desk.dirty:
            self.store.put(b"p", _encode(self.desk.to_state()))
            self.desk.dirty = False
        self.store.put(
            b"t",
            _encode(
                {
                    "layout": LAYOUT,
                    "clock": self.clock,
                    "next_tick": self._next_tick,
                    "last_event": self._last_event,
                    "offsets": [[topic, partition, offset] for (topic, partition), offset in self.offsets.items()],
                    "unmonitored": self.unmonitored,
                    "next_number": self._next_number,
                }
            ),
        )
        self.store.commit()

    def _restore(self) -> None:
        saved = self.store.get(b"t")
        if saved is None:
            return
        state = _decode(saved)
        if state["layout"] != LAYOUT:
            raise CannotStart(
                f"the store was written by another release of watchkeeper (layout {state['layout']}, this one reads {LAYOUT}): "
                f"run that release, or move the state directory away to start without it"
            )
        self.clock, self._next_tick, self._last_event = state["clock"], state["next_tick"], state["last_event"]
        self.offsets = {(topic, partition): offset for topic, partition, offset in state["offsets"]}
        self.unmonitored, self._next_number = state["unmonitored"], state["next_number"]
        persons = self.store.get(b"p")
        if persons is not None:
            self.desk.restore(_decode(persons))
        for name, watched in self.models.items():
            value = self.store.get(b"m\0" + name.encode())
            if value is not None:
                watched.restore(_decode(value))
        for key, value in self.store.scan(b"o\0"):
            intent = restamped(intent_of(_decode(value)), self.generation)
            if intent.key in self._done:
                self.store.delete(key)
                continue
            self.outbox[intent.key] = intent
            self._numbers[intent.key] = int.from_bytes(key[2:], "big")

    def restamp(self, generation: int) -> None:
        """Go on under another assignment: what is still to be done is done under it."""
        self.generation = generation
        self.outbox = {key: dataclasses.replace(intent, generation=generation) for key, intent in self.outbox.items()}


def _outbox_key(number: int) -> bytes:
    return b"o\0" + number.to_bytes(8, "big")
