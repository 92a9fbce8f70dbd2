"""Ways to the serving system. A kind is one module, its config model on top and its class below, and one line in this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alerting.rollbacks.command import CommandLog, Executor, RollbackCommand, Tools
from alerting.rollbacks.kafka import KafkaRollback

#: `kind` in the settings -> class; each is built with an instance of its `Config` and the `Tools`.
EXECUTORS: Final[Mapping[str, type[Any]]] = {
    "kafka": KafkaRollback,
}

__all__ = ["EXECUTORS", "CommandLog", "Executor", "RollbackCommand", "Tools"]
