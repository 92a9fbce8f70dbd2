"""The daemon as a whole: what it is made of, and its life in three verbs.

`run` starts everything, turns the loop until it is told to stop, and stops everything in the reverse order; a start that fails
half-way stops what it had started by the same stack. Nothing is decided here.
"""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import structlog

from alerting.carrier import Carrier
from alerting.dispatch import Dispatcher
from alerting.errors import DeliveryError
from alerting.keeper import Keeper, firing
from alerting.ledger import Ledger
from alerting.links import links_of
from alerting.rollbacks import Plan, Tools
from alerting.rollbacks.command import from_record as command_of
from alerting.routes import build_executors, build_routes, terms_of
from daemon import __version__
from daemon.adoption import adopt, unknown_destinations
from daemon.calendar_feed import CalendarFeed
from daemon.changes import Door
from daemon.connection import WireError
from daemon.endpoints import Endpoints
from daemon.errors import OK, CannotStart
from daemon.guardrails import Guardrail, load_directory, notices
from daemon.heartbeat import Heartbeat
from daemon.journal import CommandTopic, JournalTopic, Writer, catch_up
from daemon.lease import Lease
from daemon.loop import Loop
from daemon.quarantine import BadEventLimit, DeadLetters
from daemon.reporting import Reporter
from daemon.silence_watch import SilenceWatch
from daemon.sink import Sink, TopicReader
from daemon.source import KafkaSource
from daemon.store import RocksStore, StoreHeld
from daemon.task import Task
from daemon.telemetry import Telemetry
from daemon.topics import Preparation
from daemon.trouble import Trouble
from daemon.views import LiveViews
from daemon.watchdog import Watchdog

if TYPE_CHECKING:
    from daemon.events import Kind
    from daemon.settings import Settings

log = structlog.get_logger()

#: Seconds that acts under way get to finish at a stop.
STOP_WITHIN: Final = 5.0
#: Seconds between two log lines that say the same of a store that is held by another process.
SAY_AGAIN: Final = 60.0


class App:
    """The daemon.

    Args:
        settings: everything that it must know beside the guardrail files.

    Raises:
        InvalidGuardrails: the guardrail directory has problems.
        CannotStart: a route, the ledger or the address of the endpoints cannot be had.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.guardrails = _guardrails(settings)
        self.telemetry = Telemetry()
        self.telemetry.build_info(__version__, version("river"))
        self.ledger = Ledger(settings.state / "ledger.sqlite")
        self._stop = threading.Event()
        self._turned = time.monotonic()
        self._said = float("-inf")
        kafka, topics = settings.kafka, settings.kafka.topics
        self.lease = Lease(kafka.session_timeout, time.monotonic)
        self.reader = TopicReader(kafka)
        self.writers = Writer(lambda: Sink(kafka)), Writer(lambda: Sink(kafka))
        self.links = links_of(settings.http.address, settings.http.token)
        self.notifiers = build_routes(settings.routes)
        self.keeper = Keeper(self.notifiers, self._acts)
        command_log = CommandTopic(topics.commands, self.writers[0], self.reader.read_to_end)
        self.executors = build_executors(settings.executors, Tools(command_log=command_log))
        carrier = Carrier(
            self.notifiers,
            self.executors,
            JournalTopic(topics.incidents, self.writers[1], self.ledger),
            self.lease.holds,
            terms_of(settings.routes),
            self.links,
        )
        self.dispatcher = Dispatcher(carrier)
        self.calendar = _calendar(settings, self.telemetry)
        self.routing = settings.who_is_told() if self.calendar is None else settings.who_is_told(self.calendar.shifts)
        self.trouble = Trouble(self.telemetry, self.routing)
        kinds: dict[str, Kind] = {topics.predictions: "prediction", topics.labels: "label", topics.outcomes: "outcome"}
        give_up_after = max((guardrail.labels.give_up_after for guardrail in self.guardrails.values()), default=0.0)
        self.source = KafkaSource(kafka, list(kinds), Preparation(kafka, give_up_after))
        self.dead_letters = DeadLetters(lambda: Sink(kafka), topics.dead_letters)
        self.limit = BadEventLimit(settings.dead_letters.share, settings.dead_letters.window, settings.dead_letters.least)
        self.loop = Loop(
            self.source,
            kinds,
            self._open_task,
            self.dead_letters,
            self.dispatcher,
            self.lease,
            checkpoint_every=settings.checkpoint_every,
            largest=settings.max_event_bytes,
        )
        self.reporter = Reporter(self.telemetry)

    def run(self) -> int:
        """Start, turn until told to stop, stop; gives the exit code. SIGTERM and SIGINT tell it."""
        with ExitStack() as stack:
            self._start(stack)
            _collect_less()
            while not self._stop.is_set():
                self._turn()
        log.info("stopped")
        return OK

    def _acts(self) -> bool:
        """Whether this daemon owns a task and may act for it; for any thread."""
        task = self.loop.task
        return task is not None and self.lease.holds(task.generation)

    def _plan(self, executor: str, command: Mapping[str, Any]) -> Plan:
        """What an executor would send for a command, without sending it; for any thread. Raises DeliveryError, InvalidRecord."""
        if executor not in self.executors:
            raise DeliveryError(f"there is no executor {executor} in the settings", permanent=True)
        return self.executors[executor].plan(command_of(command))

    def stop(self) -> None:
        """Tell it to stop after this turn; from any thread."""
        self._stop.set()

    def _start(self, stack: ExitStack) -> None:
        """Start what runs beside the loop. The stack ends it in reverse: the loop saves before its hands are taken away."""
        stack.callback(self.ledger.close)
        for writer in self.writers:
            stack.callback(writer.close)
        stack.callback(self.dispatcher.close, STOP_WITHIN)
        if self.calendar is not None:
            self.calendar.start()
            stack.callback(self.calendar.stop)
        self.keeper.start()
        stack.callback(self.keeper.close, STOP_WITHIN)
        views = LiveViews(
            self.ledger,
            self.reporter,
            self.loop,
            progress=lambda: self._turned,
            patience=self.settings.watchdog_after,
            duty=self.routing.duty,
        )
        http = self.settings.http
        door = Door(
            inbox=self.loop.inbox,
            token=http.token,
            plan=self._plan,
            known=views.incident,
            pagerduty=self.settings.inbound.pagerduty.secrets,
            links=self.links,
        )
        endpoints = Endpoints(views, self.telemetry.registry, door, http.host, http.port)
        endpoints.start()
        stack.callback(endpoints.stop)
        watchdog = Watchdog(self.settings.watchdog_after, lambda: self._turned, time.monotonic)
        watchdog.start()
        stack.callback(watchdog.stop)
        self._begin_to_beat(stack)
        silences = SilenceWatch(self.notifiers.values(), self._acts, self.loop.inbox)
        silences.start()
        stack.callback(silences.stop)
        stack.callback(self.dead_letters.close)
        stack.callback(self.source.close)
        stack.callback(lambda: self.loop.stop(time.monotonic()))
        stack.enter_context(_told_by_signals(self._stop))
        log.info("started", version=__version__, models=sorted(self.guardrails), endpoints=endpoints.address)

    def _begin_to_beat(self, stack: ExitStack) -> None:
        beats = self.settings.heartbeat
        if beats.url is not None:
            heartbeat = Heartbeat(beats.url, beats.every, beats.within, lambda: self.loop.whole_way, self.telemetry)
            heartbeat.start()
            stack.callback(heartbeat.stop)

    def _turn(self) -> None:
        wall = time.time()
        try:
            turn = self.loop.run_once(wall, time.monotonic())
        except WireError as error:
            # The dead letters could not be made safe, so nothing was saved; the next turn tries it again.
            log.warning("turn_failed", message=str(error))
            self._stop.wait(1.0)
            return
        finally:
            self._turned = time.monotonic()
        for event in self.source.events:
            self.trouble.noticed(event)
        self.source.events.clear()
        self.telemetry.loop_progress(wall)
        self.reporter.turn(turn)
        complaint = self.limit.add(sum(turn.read.values()), sum(turn.rejected.values()), wall)
        if complaint is not None:
            self.trouble.too_many_bad(wall, complaint)
        if self.loop.task is not None:
            self.trouble.tell(self.loop.task)
            if turn.checkpoint is not None:
                self.reporter.task(self.loop.task, self.source.lag(), wall)
        else:
            self.reporter.nothing()

    def _open_task(self, generation: int) -> Task | None:
        """Make the task of an assignment, or None while another process holds the store."""
        try:
            store = RocksStore(self.settings.state / "task-any")
        except StoreHeld as error:
            if time.monotonic() - self._said > SAY_AGAIN:
                self._said = time.monotonic()
                log.warning("store_not_opened", message=str(error))
            return None
        try:
            new = catch_up(self.ledger, self.reader.read_to_end(self.settings.kafka.topics.incidents))
        except WireError as error:
            # Without the journal nobody knows what is done already: better to wait than to do it twice.
            log.warning("journal_not_read", message=str(error))
            store.close()
            return None
        log.info("journal_read", new=new)
        self.keeper.resume(firing(self.ledger.live(), time.time(), self.links))
        in_force, refused = adopt(store, self.guardrails)
        for sentence in refused:
            log.error("guardrail_refused", message=sentence)
        self.telemetry.guardrail_load(time.time(), success=not refused)
        task = Task(
            store,
            in_force,
            routing=self.routing,
            max_pending=self.settings.max_pending,
            generation=generation,
            done=self.ledger.done_keys(),
            silences=self.ledger.silences(time.time()),
        )
        self.reporter.begin(task)
        return task


def _calendar(settings: Settings, telemetry: Telemetry) -> CalendarFeed | None:
    rota = settings.rota.rota()
    if rota is None or settings.rota.calendar is None:
        return None
    return CalendarFeed(settings.rota.calendar, rota.people, rota.zone, settings.state / "calendar.ics", telemetry)


def _guardrails(settings: Settings) -> Mapping[str, Guardrail]:
    """Load the directory, and say what of it has no effect yet, and what names a route or an executor that is not there."""
    directory = settings.guardrails
    loaded = load_directory(directory)
    if not loaded:
        raise CannotStart(f"there is no guardrail file in {directory}; write one a model, or set `guardrails` to their directory")
    for guardrail in loaded.values():
        for sentence in notices(guardrail):
            log.warning("without_effect", model=guardrail.model, message=sentence)
        for sentence in unknown_destinations(guardrail, settings.ways(), settings.executors):
            log.error("unknown_destination", model=guardrail.model, message=sentence)
    return loaded


def _collect_less() -> None:
    """What was made at the start stays for good, and what events leave behind goes without the collector's help.

    With Python's own thresholds it would look through all predictions that wait for a label again and again, for nothing: a
    fifth of the time of a busy daemon. Cycles that do come are still collected, a little later.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 50)


@contextmanager
def _told_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set the event, and put the handlers of before back at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def tell(number: int, frame: FrameType | None) -> None:
        del frame
        log.info("stopping", signal=signal.Signals(number).name)
        stop.set()

    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
