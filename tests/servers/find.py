"""Which broker the tests run on: the one named by KAFKA_BOOTSTRAP, else Apache Kafka, else the embedded one.

With CI=true only Apache Kafka will do: a run that silently tested something smaller would look just as green.
WATCHKEEPER_TEST_BROKER=apache or =embedded asks for one of the two.
"""

from __future__ import annotations

import os

import pytest

from tests.servers import apache, embedded
from tests.servers.broker import Broker, ExternalBroker


def choose() -> Broker:
    """A running broker. Skips the tests that need one where none can be had, and fails instead with CI=true."""
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP")
    if bootstrap:
        return ExternalBroker(bootstrap)
    required = os.environ.get("CI", "").lower() in {"1", "true"}
    wanted = os.environ.get("WATCHKEEPER_TEST_BROKER", "apache" if required else "")
    lacking = apache.missing() if wanted != "embedded" else "WATCHKEEPER_TEST_BROKER asks for the embedded broker"
    if lacking is None:
        return apache.start()
    if required:
        pytest.fail(f"CI=true requires Apache Kafka, but {lacking}", pytrace=False)
    if wanted == "apache" or embedded.missing():
        pytest.skip(f"no broker to test on: {lacking}; {embedded.missing() or 'Apache Kafka was asked for'}")
    return embedded.start()
