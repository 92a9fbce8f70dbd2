"""The threads around the lanes. Receivers signal what they got, so nothing here waits for a time to pass."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Queue

import pytest
from structlog.testing import capture_logs

from alerting.carrier import Carrier
from alerting.dispatch import Dispatcher
from alerting.errors import DeliveryError
from alerting.lane import Pace
from alerting.notice import Notice
from alerting.retry import RetryPolicy
from alerting.rollbacks import Tools
from alerting.rollbacks.kafka import KafkaRollback, KafkaRollbackConfig
from alerting.rollbacks.memory import MemoryCommandLog
from tests.doubles.alerting import Inbox, MemoryJournal, an_intent

#: Seconds after which a test that waits for a signal has failed.
PATIENCE = 30.0


class Bench:
    """A dispatcher without pauses, and its surroundings. A notice to `slow` waits until `gate` is open."""

    def __init__(self, limit: int = 1000) -> None:
        self.gate = threading.Event()
        self.arrived: Queue[str] = Queue()
        self.leased = True
        self.hook, self.slow, self.log = Inbox(self._arrive), Inbox(self._wait), Inbox(self._arrive)
        self.commands = MemoryCommandLog()
        executor = KafkaRollback(KafkaRollbackConfig(), Tools(command_log=self.commands))
        routes = {"hook": self.hook, "slow": self.slow, "log": self.log}
        carrier = Carrier(routes, {"kafka": executor}, MemoryJournal(), lambda _: self.leased)
        self.dispatcher = Dispatcher(carrier, Pace(policy=RetryPolicy(first=0.0)), limit)

    def _arrive(self, notice: Notice) -> None:
        self.arrived.put(notice.key)

    def _wait(self, notice: Notice) -> None:
        self.arrived.put(notice.key)
        self.gate.wait(PATIENCE)

    def next(self, count: int) -> list[str]:
        """The keys of the next so many attempts at a notifier."""
        return [self.arrived.get(timeout=PATIENCE) for _ in range(count)]

    def news(self, count: int) -> dict[str, str]:
        """The last status of each of so many intents, as the loop would hear of them in one turn after another."""
        news: dict[str, str] = {}
        while len(news) < count:
            self.gate.wait(0.001)
            news |= {outcome.key: outcome.status for outcome in self.dispatcher.outcomes()}
        return news

    def end(self) -> dict[str, str]:
        """Let everything under way end; key -> last status."""
        self.gate.set()
        assert self.dispatcher.close(PATIENCE)
        return {outcome.key: outcome.status for outcome in self.dispatcher.outcomes()}


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A bench whose threads have ended when the test has."""
    bench = Bench()
    yield bench
    bench.end()


def test_what_is_submitted_is_carried_out(bench: Bench) -> None:
    """Page, journal entry and rollback, each at its destination, and the loop hears of each end once."""
    intents = [an_intent("journal", key="j"), an_intent("rollback", key="r"), an_intent(key="p")]

    assert bench.dispatcher.submit(intents) == []
    assert bench.news(3) == {"j": "done", "r": "done", "p": "done"}
    assert bench.commands.find("loan-approval", "r")
    assert bench.dispatcher.outcomes() == []


def test_a_receiver_that_hangs_holds_up_only_itself(bench: Bench) -> None:
    """Neither the loop nor the other destinations wait for it."""
    bench.dispatcher.submit([an_intent(key="s", destination="slow")])
    bench.next(1)
    bench.dispatcher.submit([an_intent(key="p"), an_intent(key="s2", destination="slow")])

    assert bench.next(1) == ["p"]
    assert bench.dispatcher.pending()["route/slow"] == 2


def test_closing_does_not_wait_for_a_receiver_that_hangs(bench: Bench) -> None:
    """What has not ended stays in the outbox, and the caller is told."""
    bench.dispatcher.submit([an_intent(key="s", destination="slow")])
    bench.next(1)

    assert not bench.dispatcher.close(0.0)


def test_each_destination_keeps_its_order(bench: Bench) -> None:
    """However many there are and however they are submitted."""
    intents = [an_intent(key=f"{number}", destination=("hook", "log")[number % 2]) for number in range(200)]
    for intent in intents:
        bench.dispatcher.submit([intent])
    bench.next(200)
    bench.end()

    assert [int(key) for key in bench.hook.keys] == list(range(0, 200, 2))
    assert sorted(map(int, bench.log.keys)) == list(range(1, 200, 2))


def test_a_failure_is_tried_again_and_told_once(bench: Bench) -> None:
    """Of each intent the loop gets the last news only, so a hanging loop does not pile up news."""
    bench.hook.failures.extend([DeliveryError("503")] * 5)
    bench.dispatcher.submit([an_intent(key="p")])
    bench.next(6)

    assert bench.end() == {"p": "done"}


def test_a_full_destination_gives_back_what_does_not_fit() -> None:
    """The outbox keeps it, and it is submitted again later."""
    bench = Bench(limit=2)
    bench.dispatcher.submit([an_intent(key="0", destination="slow")])
    bench.next(1)
    refused = bench.dispatcher.submit(an_intent(key=f"{number}", destination="slow") for number in range(5))
    bench.end()

    assert [intent.key for intent in refused] == ["2", "3", "4"]


def test_a_lost_lease_is_told(bench: Bench) -> None:
    """Nothing is done, and the loop learns that the intent was let go of."""
    bench.leased = False
    bench.dispatcher.submit([an_intent("rollback", key="r")])
    with capture_logs() as logs:
        news = bench.news(1)

    assert news == {"r": "fenced"}
    assert bench.commands.records == []
    assert all(line["event"] == "delivery_fenced" for line in logs)


def test_a_bug_in_a_notifier_does_not_end_its_thread(bench: Bench) -> None:
    """It is logged by the name of its class, without its text, and the page is tried again."""
    bench.hook.failures.append(KeyError("canary"))
    with capture_logs() as logs:
        bench.dispatcher.submit([an_intent(key="p")])
        bench.next(2)
        statuses = bench.end()

    assert statuses == {"p": "done"}
    assert [line["event"] for line in logs] == ["dispatch_stumbled", "delivery_delayed", "page_delivered"]
    assert "canary" not in repr(logs)


@pytest.mark.parametrize(
    ("failures", "events"),
    [
        ([], ["page_delivered"]),
        ([DeliveryError("503")], ["delivery_delayed", "page_delivered"]),
        ([DeliveryError("403", permanent=True)], ["page_failed"]),
    ],
)
def test_what_became_of_a_page_has_a_stable_name_in_the_log(
    bench: Bench, failures: list[DeliveryError], events: list[str]
) -> None:
    """Dashboards and alerts on the log rely on it."""
    bench.hook.failures.extend(failures)
    with capture_logs() as logs:
        bench.dispatcher.submit([an_intent(key="p")])
        bench.next(1 + len(failures))
        bench.end()

    assert [line["event"] for line in logs] == events
    assert all({"key", "destination", "attempts", "reason"} <= set(line) for line in logs)


def test_stray_destinations_start_no_threads_of_their_own(bench: Bench) -> None:
    """Routes that the settings do not have any more share one queue, and end in the log."""
    bench.dispatcher.submit(an_intent(key=f"{number}", destination=f"gone-{number}") for number in range(5))
    bench.next(5)
    bench.end()

    assert list(bench.dispatcher.pending()) == ["route/log"]
    assert len(bench.log.keys) == 5
