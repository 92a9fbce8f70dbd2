"""Silences of a receiver become acts, once, and only while this daemon acts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from alerting.acts import Act, Answer
from alerting.notifiers.alertmanager import AlertmanagerConfig, AlertmanagerNotifier
from alerting.notifiers.log import LogConfig, LogNotifier
from daemon.inbox import Inbox, NoAnswer
from daemon.silence_watch import SilenceWatch
from tests.doubles.alerting import NOON, Time, a_notice
from tests.doubles.alertmanager import Alertmanager


class Loop:
    """A loop that answers what is asked, in a thread of its own, as the daemon's does between two events."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.acts: list[Act] = []
        self.busy = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(0.001):
            for asked in self.inbox.take():
                self.acts.append(asked.act)
                asked.tell(NoAnswer("late", "not now") if self.busy else Answer(status="done", text="acknowledged"))

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()


@pytest.fixture
def loop() -> Iterator[Loop]:
    """One that runs."""
    loop = Loop()
    yield loop
    loop.stop()


@pytest.fixture
def peer() -> Iterator[Alertmanager]:
    """A receiver where an alert of ours fires, and is silenced."""
    with Alertmanager(NOON) as peer:
        yield peer
    assert peer.violations == []


def routes(peer: Alertmanager) -> list[object]:
    """One that can be asked, and one that cannot."""
    config = AlertmanagerConfig(peers=(SecretStr(peer.address),), timeout=5)
    subject = AlertmanagerNotifier(config, clock=Time(NOON))
    subject.notify(replace(a_notice(), opened=NOON, at=NOON))
    peer.silence(a_notice().dedup_key, "ana", NOON + 60)
    return [subject, LogNotifier(LogConfig())]


def test_a_silence_is_handed_in_once(peer: Alertmanager, loop: Loop) -> None:
    """It is read again in each round; only while nothing came of it is it handed in again."""
    watch = SilenceWatch(routes(peer), lambda: True, loop.inbox)
    loop.busy = True
    watch.tick()
    loop.busy = False
    for _ in range(3):
        watch.tick()

    assert [act.by for act in loop.acts] == ["ana in Alertmanager"] * 2
    assert len({act.id for act in loop.acts}) == 1


def test_a_standby_asks_nobody(peer: Alertmanager, loop: Loop) -> None:
    """The active daemon does."""
    watch = SilenceWatch(routes(peer), lambda: False, loop.inbox)
    before = peer.attempts
    watch.tick()

    assert (peer.attempts, loop.acts) == (before, [])


def test_a_receiver_that_is_away_is_told_of_once(peer: Alertmanager, loop: Loop) -> None:
    """And once when it is back."""
    watch = SilenceWatch(routes(peer), lambda: True, loop.inbox)
    with capture_logs() as logs:
        peer.away = True
        for _ in range(3):
            watch.tick()
        peer.away = False
        for _ in range(3):
            watch.tick()

    assert [line["event"] for line in logs] == ["silences_not_read", "person_acted", "silences_read"]
