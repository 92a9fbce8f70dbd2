"""The source: what Kafka brings, in the order of time, from our own offsets on, whatever the broker does meanwhile.

The life of a `KafkaSource` is inside `poll`: connect, join, wait for `seek`, read, merge. Nothing that happens to the broker or
to the bytes ends it. Only what can never work raises: wrong settings, a missing topic (CannotStart).

Two consumers share the work. The member of the group owns and commits and reads nothing; the reader reads what the member owns,
outside of any group. So records appear only after `seek` was called for the assignment (the caller's own offsets decide, never
the committed ones), a slow reader can hold back single partitions, and unreadable bytes cost no rebalance.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from daemon.connection import PollFailed, SourceSettings, WireError
from daemon.contact import ASK_TIMEOUT, Backoff, Contact
from daemon.reader import SLICE, Reader
from daemon.records import Assignment, Partition, Record, SourceEvent
from daemon.wire import Member

#: Seconds between two looks at the group while it is settled. Heartbeats go out by themselves; this is how soon a rebalance is
#: seen, and so how long a joining standby makes the group wait.
ATTEND_EVERY: Final = 0.2
#: Seconds in a settled group without a partition after which a member is a standby. At the start a member may be given nothing
#: because the metadata has not come yet; that repairs itself a tenth of a second later.
STANDBY_AFTER: Final = 2.0
#: Session timeouts that a rebalance may take before the member begins anew: the client can miss the end of one.
UNSETTLED: Final = 3.0


class KafkaSource:
    """A `Source` over Kafka as a member of the consumer group; see the module.

    Args:
        settings: how to reach the broker, and how to read.
        topics: those to read.
        prepare: run once before the first connection, again while the broker is away; gives events, may raise CannotStart.
        wall: epoch seconds.
        monotonic: seconds that never jump.
        sleep: waits.
    """

    def __init__(
        self,
        settings: SourceSettings,
        topics: Sequence[str],
        prepare: Callable[[], list[SourceEvent]] = list,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.events: list[SourceEvent] = []
        self._settings = settings
        self._topics = list(topics)
        self._prepare: Callable[[], list[SourceEvent]] | None = prepare
        self._monotonic, self._sleep = monotonic, sleep
        self._contact = Contact(settings.bootstrap, self.events, monotonic)
        self._reader = Reader(settings, self._contact, self.events, wall=wall, monotonic=monotonic)
        self._backoff = Backoff()
        self._member: Member | None = None
        self._attended = self._settled = float("-inf")
        self._assignment: Assignment | None = None
        self._unassigned_since = monotonic()
        self._wanted: dict[Partition, int | None] | None = None  # what `seek` asked for and did not get yet

    def poll(self, timeout: float) -> list[Record]:
        """The next records in the order of time, [] when none came within about `timeout` seconds. Raises CannotStart."""
        deadline = self._monotonic() + timeout
        while True:
            before = self._assignment
            self._attend(deadline - self._monotonic())
            if self._assignment != before or self._awaits_seek():
                return []
            records = self._reader.merge.take(self._monotonic())
            if records:
                return records
            self._read(max(0.0, deadline - self._monotonic()))
            if self._monotonic() >= deadline:
                return self._reader.merge.take(self._monotonic())

    def assignment(self) -> Assignment | None:
        """What is owned now, as far as this member can know; only a `commit` proves it."""
        if self._member is None or self._assignment is None or self._member.assignment() != self._assignment:
            return None
        return self._assignment

    def is_standby(self) -> bool:
        """Whether the group is settled and somebody else owns everything."""
        if self._member is None or self._assignment is not None or not self._member.is_settled():
            return False
        return self._monotonic() - self._unassigned_since > STANDBY_AFTER

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Begin at these offsets, the other owned partitions at the setting `start`; once for each assignment."""
        assignment = self.assignment()
        if assignment is not None:
            self._wanted = {partition: offsets.get(partition) for partition in assignment.partitions}
            self._begin()

    def offsets(self) -> dict[Partition, int]:
        """For each owned partition the offset after what was handed out; {} before `seek` has taken effect."""
        return {partition: lane.next_offset for partition, lane in self._reader.merge.lanes.items()}

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Commit; True when the broker accepted it under the generation of `assignment()`.

        Offsets of partitions that are not owned are left out; owned ones that are not in `offsets` are committed as they
        stand, so that a yes is never the answer to an empty question.
        """
        assignment = self.assignment()
        wanted = {partition: offsets.get(partition, offset) for partition, offset in self.offsets().items()}
        if assignment is None or self._member is None or not wanted or self._contact.away:
            return False
        try:
            accepted = self._member.commit(wanted)
        except WireError as error:
            self._contact.silent(str(error))
            return False
        self._contact.heard()
        return accepted and self._member.assignment() == assignment

    def caught_up(self) -> bool:
        """Whether all that the broker has was handed out. Never while nothing is known of the broker."""
        return self._contact.is_fresh() and self._reader.has_all() and self.assignment() is not None

    def lag(self) -> dict[Partition, int]:
        """Records of each owned partition that were not handed out, as of the broker's latest answer about it."""
        return self._reader.lag()

    def close(self) -> None:
        """Leave the group at once, so that a standby need not wait for the session timeout. Commits nothing."""
        self._leave()

    def _attend(self, left: float) -> None:
        """Be a member: connect, join, follow the assignment. Waits for at most about `left` seconds, and only without one."""
        if self._member is None:
            self._connect(max(0.0, left))
        member = self._member
        if member is None:
            return
        now = self._monotonic()
        if self._assignment is not None and member.is_settled() and now - self._attended < ATTEND_EVERY:
            return
        self._attended = now
        try:
            self._join(member, now + max(0.0, left))
            if self._contact.should_ask():
                member.beginning_offsets([(self._topics[0], 0)], ASK_TIMEOUT)
                self._contact.heard()
        except PollFailed as failed:
            self._leave()
            self._backoff.failed(self._monotonic())
            message = f"membership of the group {self._settings.group} failed and begins again: {failed}"
            self.events.append(SourceEvent("rebuilt", message, {"reason": str(failed)}))
        except WireError as error:
            self._contact.silent(str(error))

    def _join(self, member: Member, deadline: float) -> None:
        """Take part in the group until it is settled, or the deadline. Raises PollFailed.

        An answer to a join that comes while nobody is inside `poll` is thrown away by the client, which then asks for another
        rebalance of the whole group. So while one is under way there is nothing here but `poll`.
        """
        member.poll(0.0 if self._assignment is not None else max(0.0, min(SLICE, deadline - self._monotonic())))
        while not member.is_settled() and self._monotonic() < deadline:
            member.poll(SLICE)
        given = member.assignment()
        if given != self._assignment:
            self._forget(given)
            self._contact.heard()
        now = self._monotonic()
        if member.is_settled() or self._contact.away:
            self._settled = now
            self._backoff.worked()
        elif now - self._settled > UNSETTLED * self._settings.session_timeout:
            raise PollFailed("the group does not come to rest", unreadable=False)

    def _connect(self, left: float) -> None:
        """Make the member, or wait a while when that does not work."""
        wait = self._backoff.left(self._monotonic())
        if wait:
            self._sleep(min(wait, left))
            return
        try:
            if self._prepare is not None:
                self.events += self._prepare()
                self._prepare = None
            self._member = Member(self._settings, self._topics)
        except WireError as error:
            self._contact.silent(str(error))
            self._backoff.failed(self._monotonic())
        else:
            self._contact.heard()
            self._settled = self._monotonic()

    def _awaits_seek(self) -> bool:
        return self._assignment is not None and self._wanted is None and not self._reader.merge.lanes

    def _begin(self) -> None:
        """Take up reading where `seek` said; tried again by `poll` when the broker does not answer."""
        if self._wanted is None:
            return
        try:
            self._reader.begin(self._wanted)
        except WireError as error:
            self._contact.silent(str(error))
        else:
            self._wanted = None
            self._contact.heard()

    def _read(self, left: float) -> None:
        """Let the reader read once, or wait a little where it cannot."""
        if self._assignment is None:
            return
        self._begin()
        wait = SLICE if self._wanted is not None else self._reader.pause()
        if wait:
            self._sleep(min(wait, left))
        else:
            self._reader.read(left)

    def _leave(self) -> None:
        member, self._member = self._member, None
        self._forget(None)
        if member is not None:
            member.close()

    def _forget(self, given: Assignment | None) -> None:
        """A new assignment, or none: what waits is read again, from the offsets that `seek` will say."""
        if given is None and self._assignment is not None:
            self._unassigned_since = self._monotonic()
        self._assignment = given
        self._wanted = None
        self._reader.stop()
