"""Whatever an integration test did to the broker, the next one finds it running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Broker


@pytest.fixture(autouse=True)
def _broker_goes_on(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "broker" in request.fixturenames:
        broker: Broker = request.getfixturevalue("broker")
        broker.resume()
        broker.start()
