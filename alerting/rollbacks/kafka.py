"""The executor that always exists: a command record on a topic, which the serving system obeys.

The topic is its own memory: a command that was acknowledged can be found there, so `already_done` needs no other store. The
daemon hands the topic in as a `CommandLog`; Kafka itself is not known here.
"""

from __future__ import annotations

import json
from typing import ClassVar, Literal

from alerting.rollbacks.command import ExecutorConfig, NoArgs, Plan, RollbackCommand, Sending, Tools


class KafkaRollbackConfig(ExecutorConfig):
    """`{kind: kafka}`: the topic is `kafka.topics.commands` of the settings."""

    kind: Literal["kafka"] = "kafka"


class KafkaRollback:
    """Appends the command, keyed by the model, so that the commands of one model keep their order."""

    Config: ClassVar = KafkaRollbackConfig
    Args: ClassVar = NoArgs

    def __init__(self, config: KafkaRollbackConfig, tools: Tools) -> None:
        self.config = config
        self._log = tools.command_log

    def plan(self, command: RollbackCommand) -> Plan:
        """The record; the topic cannot say what serves."""
        to = f"the commands topic, key {command.model}"
        found = f"whoever reads the topic takes {command.model} from {command.blamed} to {command.target}"
        return Plan(found=found, sendings=(Sending(method="APPEND", to=to, body=json.dumps(command.body())),))

    def execute(self, command: RollbackCommand) -> str:
        """Append it and wait for the acknowledgement. Raises DeliveryError."""
        self._log.send(command.model, json.dumps(command.body()).encode("ascii"))
        return f"command to take {command.model} from {command.blamed} to {command.target} acknowledged"

    def already_done(self, command: RollbackCommand) -> bool:
        """Whether the topic holds it. Raises DeliveryError."""
        return self._log.find(command.model, command.key)


def key_of_command(value: bytes | None) -> str | None:
    """The key of the rollback command in a record's value; None for whatever else others wrote to the topic."""
    try:
        command = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(command, dict) or command.get("command") != "rollback":
        return None
    key = command.get("key")
    return key if isinstance(key, str) else None
