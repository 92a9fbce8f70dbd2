"""The loop: one turn takes records in, moves the clock, and saves.

A turn reads aloud: follow the assignment, poll, observe, let wall time move the clock when there is no lag, take what the
dispatcher did, and, when it is time, the checkpoint, whose order is what makes a crash harmless:

1. bad events are safe in the dead-letter topic,
2. one write batch holds the state, the offsets and the outbox,
3. the offsets go to Kafka, for lag tools, and because the broker's yes proves that the partitions are still ours,
4. the dispatcher learns of the new intents, and persons the answers to what they did.

A crash before 2 repeats the events since the last checkpoint on the state of that checkpoint; a crash after it repeats nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from daemon.connection import WireError
from daemon.events import Kind, Rejected, arrival_of, parse
from daemon.inbox import Asked, Inbox, NoAnswer

if TYPE_CHECKING:
    from alerting.acts import Answer
    from alerting.intents import Intent, Outcome
    from daemon.lease import Lease
    from daemon.records import Record, Source
    from daemon.task import Task

log = structlog.get_logger()

#: Seconds that a poll waits for records: also how soon a stop or a standby's turn is noticed.
POLL: Final = 0.5
#: A checkpoint comes at the latest after so many events, so that what is not saved yet stays small.
EVENTS_PER_CHECKPOINT: Final = 20_000
#: Without an assignment for so long (seconds) the store is given up for the next owner. A member that joins takes everything from
#: the owner for 0.01 to 0.3 s and gives it back: for that nobody closes a store.
GRACE: Final = 5.0
#: Behind by no more than this (seconds of event time), what is decided is still true of the world.
NEARLY_LIVE: Final = 60.0


class DeadLetters(Protocol):
    """Where bad events go."""

    def reject(self, record: Record, reason: str, message: str) -> None:
        """Hand over a bad record."""

    def flush(self) -> None:
        """Wait until all of them are safe; raises when they are not."""


class Hands(Protocol):
    """Who carries intents out."""

    def submit(self, intents: Iterable[Intent]) -> list[Intent]:
        """Take new intents, never blocking; gives those that did not fit, to be submitted again."""

    def outcomes(self) -> list[Outcome]:
        """Give the last news of each intent since the last call."""


@dataclass
class Turn:
    """What one turn did, for whoever listens."""

    read: Counter[str] = field(default_factory=Counter)  # records by topic
    rejected: Counter[str] = field(default_factory=Counter)  # bad ones by reason
    outcomes: list[Outcome] = field(default_factory=list)  # what the dispatcher told
    checkpoint: float | None = None  # the seconds that it took, if there was one


class Loop:
    """Takes records from a source to a task.

    Args:
        source: where records come from.
        topics: topic -> what its records are.
        open_task: makes the task of an assignment on its store, or None while it cannot (another process holds the store).
        dead_letters: where bad events go.
        hands: carries intents out.
        lease: renewed each time the broker accepted a commit: the right to act.
        checkpoint_every: seconds.

    `inbox` takes the acts of persons, from any thread. `whole_way` is the monotonic time of the last commit that the broker
    accepted and that covered an event, or left none unread; minus infinity without a task.
    """

    def __init__(
        self,
        source: Source,
        topics: Mapping[str, Kind],
        open_task: Callable[[int], Task | None],
        dead_letters: DeadLetters,
        hands: Hands,
        lease: Lease,
        *,
        checkpoint_every: float = 1.0,
        largest: int = 1_000_000,
    ) -> None:
        self.source = source
        self.task: Task | None = None
        self.dead_letters = dead_letters
        self.hands = hands
        self._topics = topics
        self._open_task = open_task
        self.lease = lease
        self._every = checkpoint_every
        self._largest = largest
        self.inbox = Inbox()
        self._answers: list[tuple[Asked, Answer]] = []  # told when they are saved
        self._submitted: set[str] = set()
        self._events = 0
        self._uncommitted = 0  # events of checkpoints that the broker has accepted no commit for
        self.whole_way = float("-inf")
        self._saved = 0.0
        self.waits_for = "the first assignment"
        self._unsafe = False
        self._owned = 0.0  # monotonic time at which the assignment was last seen
        self._tried = 0.0

    @property
    def stands_by(self) -> bool:
        """Whether another member owns the partitions, as far as the source knows."""
        return self.task is None and self.source.is_standby()

    def run_once(self, wall: float, monotonic: float) -> Turn:
        """Do one turn; `wall` is epoch seconds, `monotonic` a clock that never jumps."""
        turn = Turn()
        if self._unsafe:
            # Dead letters wait that the broker did not take: reading on would only pile up more of them.
            self.dead_letters.flush()
            self._unsafe = False
        self._follow_assignment(monotonic, turn)
        records = self.source.poll(POLL)
        task = self.task
        if task is None:
            self._turn_away()
        if task is None or self.source.assignment() is None:
            return turn
        for record in records:
            self._take(task, record, wall, turn)
        self._events += len(records)
        self._follow_time(task, wall, idle=not records)
        self._hear(task, turn)
        self._answers += [(asked, task.act(asked.act)) for asked in self.inbox.take()]
        due = monotonic - self._saved >= self._every or bool(self._answers)
        if due or self._events >= EVENTS_PER_CHECKPOINT or task.outbox.keys() - self._submitted:
            turn.checkpoint = self.checkpoint(task, monotonic)
        return turn

    def _follow_time(self, task: Task, wall: float, *, idle: bool) -> None:
        """Let wall time move the clock while there is no lag, and do at the end of a lag what was held back in it."""
        caught_up = self.source.caught_up()
        live = caught_up or (task.clock is not None and wall - task.clock < NEARLY_LIVE)
        if live and not task.live:
            task.live = True
            task.settle()
        task.live = live
        if caught_up and idle and task.clock is not None:
            task.advance(wall)

    def _take(self, task: Task, record: Record, wall: float, turn: Turn) -> None:
        turn.read[record.topic] += 1
        task.offsets[(record.topic, record.partition)] = record.offset + 1
        try:
            event = parse(self._topics[record.topic], record.value, arrival_of(record.timestamp, wall), self._largest)
        except Rejected as rejected:
            turn.rejected[rejected.reason] += 1
            self.dead_letters.reject(record, rejected.reason, str(rejected))
        else:
            task.observe(event)

    def checkpoint(self, task: Task, monotonic: float) -> float:
        """Save; see the module's text for the order. Gives the seconds that it took."""
        began = time.perf_counter()
        self._unsafe = True
        self.dead_letters.flush()
        self._unsafe = False
        task.checkpoint()
        self._uncommitted += self._events
        self._saved, self._events = monotonic, 0
        if self.source.commit(task.offsets):
            self.lease.renew(task.generation, monotonic)
            # Only what is not under way already: an intent that ended a moment ago must not be done again.
            new = [intent for key, intent in task.outbox.items() if key not in self._submitted]
            refused = {intent.key for intent in self.hands.submit(new)}
            self._submitted = task.outbox.keys() - refused
            answers, self._answers = self._answers, []
            for asked, answer in answers:
                asked.tell(answer)
            if self._uncommitted or self.source.caught_up():
                self._uncommitted, self.whole_way = 0, monotonic
        return time.perf_counter() - began

    def _hear(self, task: Task, turn: Turn) -> None:
        """Take what the dispatcher did; what it let go of, because the lease had run out, is submitted again."""
        outcomes = self.hands.outcomes()
        turn.outcomes += outcomes
        task.acted(outcomes)
        self._submitted -= {outcome.key for outcome in outcomes if outcome.status == "fenced"}

    def _follow_assignment(self, monotonic: float, turn: Turn) -> None:
        assignment = self.source.assignment()
        if assignment is None:
            if self.task is not None and monotonic - self._owned > GRACE:
                self.release()
            return
        self._owned = monotonic
        if self.task is not None and self.task.generation == assignment.generation:
            return
        if self.task is None:
            if monotonic - self._tried < 1.0:
                return
            self._tried = monotonic
            self.task = self._open_task(assignment.generation)
            if self.task is None:
                self.waits_for = "the store or the journal; see the log"
                return
            self.task.live = False  # until it is known how far behind it is
            log.info("assigned", generation=assignment.generation, partitions=len(assignment.partitions))
        else:
            self._hear(self.task, turn)
            self.task.restamp(assignment.generation)
            log.info("assigned_again", generation=assignment.generation)
        self._submitted = set()
        self.source.seek(self.task.offsets)
        self.checkpoint(self.task, monotonic)

    def _turn_away(self) -> None:
        """Tell persons why nothing can be done here; another daemon may do it."""
        if self.stands_by:
            self.inbox.refuse(NoAnswer("standby", "this daemon stands by; ask the one that is active"))
        else:
            self.inbox.refuse(
                NoAnswer("starting", f"this daemon does not act yet, it waits for {self.waits_for}; ask again soon")
            )

    def release(self) -> None:
        """Give the task up: another member owns its partitions, or the daemon stops. What was not saved is read again later."""
        if self.task is None:
            return
        self.lease.end()
        for asked, _ in self._answers:
            asked.tell(NoAnswer("unsaved", "this daemon has just lost its partitions, and it may not have been done; ask again"))
        self._answers = []
        self.task.store.close()
        self.task = None
        self._uncommitted, self.whole_way = 0, float("-inf")
        self._submitted = set()
        log.info("released")

    def stop(self, monotonic: float) -> None:
        """Save what was done, if the partitions are still ours, and give the task up."""
        if self.task is not None and self.source.assignment() is not None:
            try:
                self.checkpoint(self.task, monotonic)
            except WireError as error:
                log.warning("not_saved", message=f"{error}; what came since the last checkpoint is read again at the next start")
        self.release()
        self.inbox.refuse(NoAnswer("starting", "this daemon is being stopped; ask the one that takes over"))
