"""What a test may do to a broker, and the process behind it.

A port is chosen once and kept over restarts, since clients remember the address that they were given.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

import pytest

#: Seconds that a broker may take until it listens (Apache Kafka needs 3 to 8 on two idle cores).
START_TIMEOUT = 90.0
#: Seconds that a broker may take to end by itself before it is killed.
STOP_TIMEOUT = 20.0


class ServerFailed(Exception):
    """A server did not start; the text holds the end of its log."""


class Broker(Protocol):
    """A broker under test. A broker that is not ours refuses `stop` and its like by skipping the test."""

    @property
    def name(self) -> str:
        """Kind and version, for the test summary."""

    @property
    def bootstrap(self) -> str:
        """`host:port`."""

    @property
    def is_apache(self) -> bool:
        """Whether everything of Apache Kafka may be expected of it."""

    def segments(self, topic: str, partition: int) -> list[Path]:
        """The segment files of a partition, oldest first."""

    def start(self) -> None:
        """Start again after `stop` or `kill`, with the same address."""

    def stop(self) -> None:
        """End in an orderly way."""

    def kill(self) -> None:
        """End at once, as a crash does."""

    def pause(self) -> None:
        """Stop answering without closing any connection (SIGSTOP)."""

    def resume(self) -> None:
        """Answer again (SIGCONT)."""

    def close(self) -> None:
        """End for good and remove the data."""


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dies_with_parent(command: Sequence[str]) -> list[str]:
    """The command, run so that it is ended when this process is (where `setpriv` exists), even by SIGKILL."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else list(command)


class LocalBroker:
    """A broker process of ours: `command` listens on `port`, writes its log to `directory`/server.log."""

    def __init__(self, name: str, command: Sequence[str], port: int, directory: Path, data: Path | None = None) -> None:
        """`data`: the directory that holds one directory for each partition, None when the broker keeps all in memory."""
        self.name = name
        self.bootstrap = f"127.0.0.1:{port}"
        self.is_apache = data is not None
        self._command = dies_with_parent(command)
        self._port = port
        self._directory = directory
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def segments(self, topic: str, partition: int) -> list[Path]:
        """The segment files of a partition, oldest first."""
        if self._data is None:
            pytest.skip(f"{self.name} keeps no files")
        return sorted((self._data / f"{topic}-{partition}").glob("*.log"))

    def start(self) -> None:
        """Start and wait until the port answers. Raises ServerFailed."""
        if self._process is not None and self._process.poll() is None:
            return
        self._close_log()
        self._log = (self._directory / "server.log").open("ab")
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, cwd=self._directory
        )
        self._wait_until_listening(self._process)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help in time."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End for good and remove everything that the broker wrote."""
        self._end(signal.SIGKILL)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _wait_until_listening(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerFailed(f"{self.name} ended with exit code {process.returncode}:\n{self._log_tail()}")
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1.0).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self._end(signal.SIGKILL)
        raise ServerFailed(f"{self.name} does not listen after {START_TIMEOUT:.0f} s:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        return (self._directory / "server.log").read_text(errors="replace")[-3000:]

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            os.kill(process.pid, signal.SIGCONT)  # a stopped process takes no SIGTERM
            os.kill(process.pid, number)
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._close_log()

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


class ExternalBroker:
    """A broker that somebody else runs (KAFKA_BOOTSTRAP): it is used, never touched."""

    def __init__(self, bootstrap: str) -> None:
        self.name = f"the broker at {bootstrap}"
        self.bootstrap = bootstrap
        self.is_apache = True

    def segments(self, topic: str, partition: int) -> list[Path]:
        """Not ours to look at."""
        pytest.skip(f"{self.name} is not ours: no access to the files of {topic}-{partition}")

    def start(self) -> None:
        """It runs already."""

    def stop(self) -> None:
        """Not ours to stop."""
        pytest.skip(f"{self.name} is not ours to stop")

    def resume(self) -> None:
        """It was never paused."""

    def close(self) -> None:
        """It goes on."""

    kill = stop
    pause = stop
