"""One destination's queue, step by step, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import pytest
from structlog.testing import capture_logs

from alerting.carrier import Carrier
from alerting.errors import DeliveryError
from alerting.intents import Intent, Outcome, restamped
from alerting.lane import Lane, Pace
from alerting.notice import Notice
from alerting.notifiers import Notifier
from alerting.notifiers.log import LogConfig, LogNotifier
from alerting.retry import RetryPolicy
from alerting.rollbacks import Tools
from alerting.rollbacks.kafka import KafkaRollback, KafkaRollbackConfig
from alerting.rollbacks.memory import MemoryCommandLog
from alerting.routes import RouteTerms
from tests.doubles.alerting import NOON, Inbox, MemoryJournal, Time, a_command, an_intent

BUSY = DeliveryError("503")
REFUSED = DeliveryError("403", permanent=True)
HOUR = 3600.0


class Bench:
    """A lane with everything around it in reach."""

    def __init__(self, limit: int = 100, terms: Mapping[str, RouteTerms] = MappingProxyType({})) -> None:
        self.time = Time()
        self.leases = {1}
        self.hook = Inbox()
        self.log = Inbox()
        self.journal = MemoryJournal()
        self.commands = MemoryCommandLog()
        executor = KafkaRollback(KafkaRollbackConfig(), Tools(command_log=self.commands))
        self.routes: dict[str, Notifier] = {"hook": self.hook, "log": self.log}
        self.lease: Callable[[int], bool] = lambda generation: generation in self.leases
        carrier = Carrier(self.routes, {"kafka": executor}, self.journal, self._ask_lease, terms)
        self.lane = Lane(carrier, Pace(policy=RetryPolicy(), clock=self.time, random=lambda: 0.0), limit)

    def _ask_lease(self, generation: int) -> bool:
        return self.lease(generation)  # as it is at that moment: tests replace it

    def offer(self, *intents: Intent) -> list[bool]:
        """Offer them in order."""
        return [self.lane.offer(intent) for intent in intents]

    def run(self, seconds: float = 0.0) -> list[Outcome]:
        """Step for so much time, going from one due time to the next."""
        until = self.time.now + seconds
        outcomes: list[Outcome] = []
        while (due := self.lane.due()) is not None and due <= until:
            self.time.now = max(self.time.now, due)
            outcomes += self.lane.step()
        self.time.now = max(self.time.now, until)
        return outcomes


def told(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    """(key, status) of each."""
    return [(outcome.key, outcome.status) for outcome in outcomes]


def test_an_idle_lane_has_nothing_due() -> None:
    """And a step of it does nothing."""
    bench = Bench()

    assert (bench.lane.due(), bench.lane.step(), len(bench.lane)) == (None, [], 0)


def test_notices_are_delivered_in_order_and_recorded() -> None:
    """First in, first out; the journal holds the end of each."""
    bench = Bench()
    bench.offer(an_intent(key="a"), an_intent("resolve", key="b"))

    assert told(bench.run()) == [("a", "done"), ("b", "done")]
    assert bench.hook.keys == ["a", "b"]
    assert [record["status"] for record in bench.journal.entries.values()] == ["done", "done"]


def test_a_failure_is_tried_again_after_its_pause() -> None:
    """Not sooner, and with each failure later."""
    bench = Bench()
    bench.hook.failures.extend([BUSY, BUSY])
    bench.offer(an_intent(key="a"))

    assert [(one.status, one.attempts, one.not_before - NOON) for one in bench.run()] == [("retry_later", 1, 0.5)]
    assert told(bench.run(0.49)) == []
    assert [(one.status, one.attempts, one.not_before - NOON) for one in bench.run(0.01)] == [("retry_later", 2, 1.5)]
    assert told(bench.run(1.0)) == [("a", "done")]
    assert bench.hook.keys == ["a"]


def test_a_resolve_never_overtakes_its_page() -> None:
    """While the page waits, so does what came after it."""
    bench = Bench()
    bench.hook.failures.append(DeliveryError("429", retry_after=600))
    bench.offer(an_intent(key="page"), an_intent("resolve", key="resolve"))
    bench.run(599)

    assert bench.hook.keys == []
    bench.run(1)
    assert bench.hook.keys == ["page", "resolve"]


def test_after_an_outage_of_an_hour_every_page_arrives_once_and_in_order() -> None:
    """And the outage cost few attempts, not one for each page that waited."""
    bench = Bench()
    up_at = NOON + HOUR
    attempts: list[str] = []

    def before(notice: Notice) -> None:
        attempts.append(notice.key)
        if bench.time.now < up_at:
            raise BUSY

    bench.hook = Inbox(before)
    bench.routes["hook"] = bench.hook
    keys = [f"page-{number}" for number in range(50)]
    bench.offer(*(an_intent(key=key) for key in keys))
    bench.run(2 * HOUR)

    assert bench.hook.keys == keys
    assert len(attempts) < 100
    assert bench.log.keys == []


def test_what_is_refused_for_good_goes_to_the_log() -> None:
    """At once, recorded as failed with the route that took it; the next one is tried as usual."""
    bench = Bench()
    bench.hook.failures.append(REFUSED)
    bench.offer(an_intent(key="a"), an_intent(key="b"))
    first, second = bench.run()

    assert (first.status, first.permanent, first.fallback, first.detail) == ("failed", True, "log", "refused for good: 403")
    assert (second.key, second.status) == ("b", "done")
    assert (bench.hook.keys, bench.log.keys) == (["b"], ["a"])
    assert bench.journal.entries["action/a"]["fallback"] == "log"


def test_who_stands_in_for_a_route_takes_what_it_refused() -> None:
    """The first that takes it; the log only when nobody else does."""
    for refusing, taken in ((0, "desk"), (1, "chat"), (2, "log")):
        bench = Bench(terms={"hook": RouteTerms(fallbacks=("desk", "gone", "chat", "log"))})
        desk, chat = Inbox(), Inbox()
        bench.routes |= {"desk": desk, "chat": chat}
        bench.hook.failures.append(REFUSED)
        for inbox in (desk, chat)[:refusing]:
            inbox.failures.append(BUSY)
        bench.offer(an_intent(key="a"))
        (outcome,) = bench.run()

        assert (outcome.status, outcome.fallback) == ("failed", taken)
        assert [len(inbox.keys) for inbox in (desk, chat, bench.log)] == [name == taken for name in ("desk", "chat", "log")]


def test_a_page_that_nobody_takes_ends_in_the_log() -> None:
    """When the patience of its kind is over."""
    bench = Bench()
    bench.hook.failures.extend([BUSY] * 1000)
    bench.offer(an_intent(key="a"))
    outcomes = bench.run(7 * HOUR)

    assert (outcomes[-1].status, outcomes[-1].fallback) == ("failed", "log")
    assert bench.log.keys == ["a"]


def test_a_route_that_is_not_there_is_named_and_falls_back() -> None:
    """A settings file that lost a route loses no page."""
    bench = Bench()
    bench.offer(an_intent(destination="gone", key="a"))
    (outcome,) = bench.run()

    assert outcome.detail == "refused for good: there is no route 'gone'; the settings name hook, log"
    assert bench.log.keys == ["a"]


def test_a_body_that_cannot_be_read_is_given_up() -> None:
    """It will never be readable: it must not hold up the others."""
    bench = Bench()
    bench.offer(an_intent(key="a", body={"odd": 1}), an_intent(key="b"))
    first, second = bench.run()

    assert (first.status, first.fallback, second.status) == ("failed", None, "done")
    assert first.detail.startswith("refused for good: a stored Notice cannot be read")


def test_a_rollback_is_sent_once() -> None:
    """The command is in the log with its key."""
    bench = Bench()
    bench.offer(an_intent("rollback", key="r"))

    assert told(bench.run()) == [("r", "done")]
    assert bench.commands.find("loan-approval", "r")


def test_a_rollback_that_was_sent_is_not_sent_again() -> None:
    """The process died between the act and its record: the world says that it was done."""
    bench = Bench()
    KafkaRollback(KafkaRollbackConfig(), Tools(command_log=bench.commands)).execute(a_command("r"))
    bench.offer(an_intent("rollback", key="r"))
    (outcome,) = bench.run()

    assert (outcome.status, outcome.detail, len(bench.commands.records)) == ("done", "was sent before", 1)


def test_a_rollback_past_its_deadline_is_not_sent() -> None:
    """An order of this morning is not carried out in the afternoon."""
    bench = Bench()
    bench.offer(an_intent("rollback", key="r", deadline=NOON - 1))
    (outcome,) = bench.run()

    assert (outcome.status, outcome.fallback, bench.commands.records) == ("failed", None, [])


def test_nothing_is_done_without_the_lease() -> None:
    """All that wait are let go of, in order, and nothing of it is remembered as ended."""
    bench = Bench()
    bench.leases.clear()
    bench.offer(an_intent(key="a"), an_intent(key="b"))

    assert told(bench.run()) == [("a", "fenced"), ("b", "fenced")]
    assert (bench.hook.keys, bench.journal.entries, len(bench.lane)) == ([], {}, 0)

    bench.leases.add(2)
    bench.offer(restamped(an_intent(key="a"), 2), restamped(an_intent(key="b"), 2))
    assert told(bench.run()) == [("a", "done"), ("b", "done")]


def test_the_lease_is_asked_again_after_the_world_was_read() -> None:
    """Reading the topic to its end may take a while: a rollback is not sent on a lease that ran out meanwhile."""
    bench = Bench()
    find = bench.commands.find

    def slow_find(model: str, rollback_key: str) -> bool:
        bench.leases.clear()
        return find(model, rollback_key)

    bench.commands.find = slow_find  # type: ignore[method-assign]  # the slow reading is what is tested
    bench.offer(an_intent("rollback", key="r"))

    assert told(bench.run()) == [("r", "fenced")]
    assert bench.commands.records == []


def test_what_waits_takes_the_generation_of_a_new_assignment() -> None:
    """The same daemon is assigned again: it goes on with what waits, at its place in the queue."""
    bench = Bench()
    bench.hook.failures.append(BUSY)
    bench.offer(an_intent(key="a"), an_intent(key="b"))
    bench.run()
    bench.leases = {2}
    bench.offer(restamped(an_intent(key="a"), 2), restamped(an_intent(key="b"), 2))

    assert told(bench.run(1)) == [("a", "done"), ("b", "done")]


def test_an_assignment_during_the_attempt_is_not_a_loss_of_the_lease() -> None:
    """The attempt began under the old generation; the next step has the new one."""
    bench = Bench()
    bench.offer(an_intent(key="a"))

    def renew(generation: int) -> bool:
        if generation == 1:
            bench.lane.offer(restamped(an_intent(key="a"), 2))
            return False
        return generation == 2

    bench.lease = renew

    assert told(bench.run()) == [("a", "done")]


def test_only_the_record_is_tried_again_when_the_act_succeeded() -> None:
    """A journal that is away makes no second page."""
    bench = Bench()
    bench.journal.failures.extend([BUSY, BUSY, BUSY])
    bench.offer(an_intent(key="a"))
    outcomes = bench.run(60)

    assert [outcome.status for outcome in outcomes] == ["retry_later", "retry_later", "retry_later", "done"]
    assert bench.hook.keys == ["a"]
    assert list(bench.journal.entries) == ["action/a"]


def test_a_record_that_is_refused_for_good_holds_nothing_up() -> None:
    """The act was done: that is said, and the refusal is logged."""
    bench = Bench()
    bench.journal.failures.append(REFUSED)
    bench.offer(an_intent(key="a"))
    with capture_logs() as logs:
        outcomes = bench.run()

    assert told(outcomes) == [("a", "done")]
    assert [line["event"] for line in logs] == ["record_refused"]


def test_a_journal_entry_is_its_own_record() -> None:
    """It is written under its key, and nothing is written about that."""
    bench = Bench()
    intent = an_intent("journal")
    bench.offer(intent)
    bench.run()

    assert bench.journal.entries == {intent.body["key"]: intent.body["record"]}


@pytest.mark.parametrize("times", [1, 3])
def test_a_key_is_taken_once(times: int) -> None:
    """The outbox is submitted again before its clean-up was written: nothing happens twice."""
    bench = Bench()
    for _ in range(times):
        bench.offer(an_intent(key="a"))
        bench.offer(an_intent(key="a"))
        bench.run()

    assert bench.hook.keys == ["a"]


def test_a_full_lane_refuses_until_it_is_empty() -> None:
    """What comes later must not slip in before what was refused."""
    bench = Bench(limit=2)
    bench.hook.failures.append(BUSY)

    assert bench.offer(*(an_intent(key=key) for key in "abc")) == [True, True, False]
    bench.run()
    assert bench.offer(an_intent(key="d")) == [False]
    bench.run(1)
    assert bench.offer(an_intent(key="c"), an_intent(key="d")) == [True, True]
    bench.run()
    assert bench.hook.keys == list("abcd")


def test_a_clock_that_was_set_back_does_not_silence_a_page() -> None:
    """A pause longer than any that the policy gives is none."""
    bench = Bench()
    bench.hook.failures.append(BUSY)
    bench.offer(an_intent(key="a"))
    bench.run()
    bench.time.now -= 30 * 24 * HOUR

    assert told(bench.run()) == [("a", "done")]


@pytest.mark.parametrize("where", ["hook", "journal"])
def test_a_bug_is_waited_out(where: str) -> None:
    """An error that nobody foresaw costs a pause, not the page, and its text is not repeated."""
    bench = Bench()
    bench.offer(an_intent(key="a"))
    error = KeyError("canary")
    (bench.hook if where == "hook" else bench.journal).failures.append(error)  # type: ignore[arg-type]  # a bug is no DeliveryError
    with pytest.raises(KeyError):
        bench.lane.step()
    (outcome,) = bench.lane.stumble(error)

    assert (outcome.status, outcome.detail) == ("retry_later", "a bug in hook: KeyError")
    assert told(bench.run(1)) == [("a", "done")]
    assert bench.hook.keys == ["a"]


def test_a_bug_that_stays_is_given_up() -> None:
    """After the patience of its kind, so that the lane goes on."""
    bench = Bench()
    bench.offer(an_intent(key="a"))
    outcomes = bench.lane.stumble(KeyError())
    bench.time.now += 7 * HOUR
    outcomes += bench.lane.stumble(KeyError())

    assert told(outcomes) == [("a", "retry_later"), ("a", "failed")]
    assert bench.lane.stumble(KeyError()) == []


def test_the_log_route_needs_no_fallback() -> None:
    """The last resort writes a line and is done."""
    bench = Bench()
    bench.routes["log"] = LogNotifier(LogConfig())
    bench.offer(an_intent(destination="log", key="a"))
    with capture_logs() as logs:
        outcomes = bench.run()

    assert told(outcomes) == [("a", "done")]
    assert [(line["event"], line["log_level"]) for line in logs] == [("notice_triggered", "error")]
