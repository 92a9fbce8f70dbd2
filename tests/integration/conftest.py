"""Whatever an integration test did to the broker, the next one finds it running, and none of its sockets."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Broker


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """kafka-python leaves the socket of a failed attempt to connect to the garbage collector, which warns of it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning"))


@pytest.fixture(autouse=True)
def _broker_goes_on(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "broker" in request.fixturenames:
        broker: Broker = request.getfixturevalue("broker")
        broker.resume()
        broker.start()
    gc.collect()  # here, where the warning above is expected, and not in whatever test comes next
