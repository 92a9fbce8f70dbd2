"""What a rollback is, whoever carries it out: one command under one key.

An executor is asked `already_done` before every act. The process may die between the act and its record; on the next
start the intent is still there, and only the world can say whether the act was. Whatever the answer cannot be had from, is
an error, never a no.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from alerting.formats import read_record, rfc3339, write_record


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackCommand:
    """Take `model` from version `blamed` back to version `target`. `at` is epoch seconds; `key` is the intent's."""

    model: str
    blamed: str
    target: str
    key: str
    incident: str
    reason: str
    guardrail_version: int
    guardrail_digest: str
    at: float

    def body(self) -> dict[str, Any]:
        """The record on the commands topic, field for field as the contract has it."""
        return {
            "command": "rollback",
            "model": self.model,
            "from": self.blamed,
            "to": self.target,
            "key": self.key,
            "incident": self.incident,
            "reason": self.reason,
            "guardrails": {"version": self.guardrail_version, "digest": self.guardrail_digest},
            "at": rfc3339(self.at),
        }


class ExecutorConfig(BaseModel):
    """What all executors of the settings have in common. Their errors never show a value: it may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CommandLog(Protocol):
    """The log that serving systems read commands from. Both methods block, in bounded time, and raise DeliveryError."""

    def send(self, key: str, value: bytes) -> None:
        """Append a record; returns once it is acknowledged by all replicas that count."""
        ...

    def find(self, model: str, rollback_key: str) -> bool:
        """Whether a rollback command of `model` under this key is in the log, read to its end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What executors need of the daemon, handed in where they are built."""

    command_log: CommandLog


class Executor(Protocol):
    """A way to the serving system."""

    Config: ClassVar[type[Any]]

    def execute(self, command: RollbackCommand) -> str:
        """Send it, in bounded time; returns what was done, for the journal. Raises DeliveryError."""
        ...

    def already_done(self, command: RollbackCommand) -> bool:
        """Whether the command under this key has been sent before. Raises DeliveryError when that cannot be known."""
        ...


def to_record(command: RollbackCommand) -> dict[str, Any]:
    """The command as plain JSON data: the body of its intent."""
    return write_record(command)


def from_record(record: Mapping[str, Any]) -> RollbackCommand:
    """The command of `to_record`. Raises InvalidRecord."""
    return read_record(record, RollbackCommand)
