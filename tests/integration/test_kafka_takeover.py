"""One member is active, the others stand by; what happens when the active one leaves, dies, or is only stopped for a while."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.kafka_kit import PATIENCE, Kit
from tests.servers import Broker
from tests.servers.broker import dies_with_parent

pytestmark = pytest.mark.integration

#: Seconds of the session timeout, of the group's own rounds, and of a slow machine.
TAKEOVER = 6.0 + 20.0

State = dict[str, Any]


class Member:
    """A member process, and everything that it has said."""

    def __init__(self, kit: Kit, topic: str) -> None:
        command = [sys.executable, "-m", "tests.integration.kafka_member", kit.broker.bootstrap, kit.settings.group, topic]
        self.said: list[State] = []
        self._process = subprocess.Popen(dies_with_parent(command), stdout=subprocess.PIPE)
        self._listener = threading.Thread(target=self._listen)
        self._changed = threading.Condition()
        self._listener.start()

    def wait(self, done: Callable[[State], bool], since: int = 0, seconds: float = PATIENCE) -> State:
        """The first thing said (of those after the first `since`) for which `done` holds."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for state in self.said[since:]:
                    if done(state):
                        return state
                left = deadline - time.monotonic()
                assert left > 0, f"it was not said in time: {self.said}"
                self._changed.wait(left)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self._process.pid, number)

    def end(self) -> None:
        """Kill it, stopped or not."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._listener.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.said.append(json.loads(line))
                self._changed.notify_all()


def owns(state: State) -> bool:
    """The broker has accepted a commit of this member."""
    return state["accepted"] is True


def stands_by(state: State) -> bool:
    """Somebody else owns everything."""
    return state["standby"] is True


@pytest.fixture
def pair(broker: Broker) -> Iterator[tuple[Member, Member]]:
    """An active member and a standby."""
    kit = Kit(broker)
    topic = kit.topic("events")
    active = Member(kit, topic)
    members = [active]
    try:
        alone = active.wait(owns)["generation"]
        standby = Member(kit, topic)
        members.append(standby)
        standby.wait(stands_by)
        active.wait(lambda state: owns(state) and state["generation"] > alone)
        yield active, standby
    finally:
        for member in members:
            member.end()
        kit.close()


def test_a_standby_takes_nothing_by_joining(pair: tuple[Member, Member]) -> None:
    """The active member loses everything for a moment and gets it back; the standby never owned anything."""
    active, standby = pair

    assert owns(active.said[-1])
    assert [state for state in standby.said if state["generation"] is not None] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_standby_takes_over(pair: tuple[Member, Member], number: signal.Signals) -> None:
    """After an orderly end, and after a sudden one as soon as the session timeout has passed."""
    active, standby = pair
    before = active.said[-1]["generation"]
    active.signal(number)

    assert standby.wait(owns, seconds=TAKEOVER)["generation"] > before


def test_a_member_that_was_stopped_is_fenced_and_takes_nothing_back(pair: tuple[Member, Member]) -> None:
    """It goes on believing that it owns everything; the broker's no to its commit says otherwise, and it becomes the standby."""
    active, standby = pair
    active.signal(signal.SIGSTOP)
    taken = standby.wait(owns, seconds=TAKEOVER)
    count = len(active.said)
    active.signal(signal.SIGCONT)
    active.wait(stands_by, since=count)

    believed = [state for state in active.said[count:] if state["generation"] is not None]
    assert [state for state in believed if owns(state)] == []
    assert taken["generation"] > active.said[count - 1]["generation"]
    standby.wait(owns, since=len(standby.said) - 1)
