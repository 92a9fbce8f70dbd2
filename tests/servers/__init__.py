"""Brokers for the integration tests: Apache Kafka by Maven's coordinates, the embedded one, or one that already runs.

The tests say what they need of a broker through `Broker`; which one it is decides `find.choose`. Every process started here
listens on 127.0.0.1 only, is ended by its own id, and dies with its parent.
"""

from __future__ import annotations

from tests.servers.broker import Broker, ExternalBroker, LocalBroker, ServerFailed
from tests.servers.find import choose

__all__ = ["Broker", "ExternalBroker", "LocalBroker", "ServerFailed", "choose"]
