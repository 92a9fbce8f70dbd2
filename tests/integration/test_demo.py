"""The demo as a user runs it: the whole story, an impatient user, and a daemon that dies on stage."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.demo.traffic import MODEL
from daemon.demo.world import STEPS
from tests.servers import embedded

pytestmark = pytest.mark.integration

#: Seconds that the story may take, the end of its processes included.
PATIENCE = 100


class Demo:
    """`watchkeeper demo` in a process of its own, with its temporary files below a directory of ours."""

    def __init__(self, directory: Path) -> None:
        self.output: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "demo"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": str(directory), "PYTHONUNBUFFERED": "1"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._said = threading.Condition()
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._said:
                self.output.append(line.rstrip("\n"))
                self._said.notify_all()

    def wait_for(self, words: str) -> None:
        """Wait until a line holds these words."""
        with self._said:
            assert self._said.wait_for(lambda: any(words in line for line in self.output), PATIENCE), self.output

    def wait(self) -> int:
        """Wait for its end; gives the exit code."""
        code = self._process.wait(PATIENCE)
        self._reader.join()
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def children(self) -> dict[str, int]:
        """The processes that it started, by what they are."""
        kinds = {"tansu": "broker", "daemon.demo.serving": "server", "--settings": "daemon"}
        pids = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        lines = {int(pid): Path(f"/proc/{pid}/cmdline").read_text() for pid in pids}
        return {kind: pid for pid, line in lines.items() for word, kind in kinds.items() if word in line}

    @property
    def steps(self) -> list[str]:
        """The names of the steps that have happened."""
        found = (re.match(r" *[\d.]+ s  (\w[\w ]*): ", line) for line in self.output)
        return [match[1] for match in found if match is not None]

    @property
    def ports(self) -> list[int]:
        """The ports that it said it listens on."""
        return [int(port) for line in self.output[:5] for port in re.findall(r"127\.0\.0\.1:(\d+)", line)]

    def page(self, path: str) -> str:
        """What the page says of something."""
        address = next(line.removeprefix("page: ") for line in self.output if line.startswith("page: "))
        with urllib.request.urlopen(address + path, timeout=PATIENCE) as answer:  # noqa: S310  # the loopback
            return str(answer.read().decode())

    def end(self) -> None:
        """End it if it still runs, its children with it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE)
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[[], Demo]]:
    """Starts the demo; skips where its broker cannot be had, and fails instead with CI=true."""
    lacking = embedded.missing()
    if lacking is not None and os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"CI=true requires the demo's broker, but {lacking}", pytrace=False)
    if lacking is not None:
        pytest.skip(lacking)
    started: list[Demo] = []

    def start() -> Demo:
        started.append(Demo(tmp_path))
        return started[-1]

    yield start
    for each in started:
        each.end()


def answers(port: int) -> bool:
    """Whether somebody listens on a port of the loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def test_the_whole_story_happens(demo: Callable[[], Demo], tmp_path: Path) -> None:
    """Every step is seen from the outside, on the page too, the exit code is 0, and nothing is left behind."""
    telling = demo()
    telling.wait_for("alarm: ")
    page = telling.page(f"models/{MODEL}")

    assert ("version 8 is worse than version 7" in page, "onset" in page) == (True, True)
    assert (telling.wait(), telling.output[-1].split(",")[0]) == (0, "All 11 steps happened"), telling.output
    assert telling.steps == [step.name for step in STEPS]
    assert [answers(port) for port in telling.ports] == [False] * len(telling.ports)
    assert list(tmp_path.iterdir()) == []


def test_an_impatient_user_leaves_nothing_running(demo: Callable[[], Demo]) -> None:
    """A demo that is told to stop ends its broker, its server and its daemon, and says so as shells expect it."""
    telling = demo()
    telling.wait_for("watching: ")
    pids = telling.children()
    telling.signal(signal.SIGTERM)

    assert telling.wait() == 130
    assert sorted(pids) == ["broker", "daemon", "server"]
    assert [Path(f"/proc/{pid}").exists() for pid in pids.values()] == [False] * 3


def test_a_daemon_that_dies_fails_the_story(demo: Callable[[], Demo]) -> None:
    """The exit code is 1, and the last lines say who ended and where its log is."""
    telling = demo()
    telling.wait_for("serving: ")
    os.kill(telling.children()["daemon"], signal.SIGKILL)

    assert telling.wait() == 1
    ending = "\n".join(telling.output)
    assert "The story did not happen. The daemon ended with exit code -9; the end of " in ending
    log = re.search(r"the end of (\S+):", ending)
    assert log is not None
    assert Path(log[1]).name == "daemon.log"
    assert Path(log[1]).exists()
