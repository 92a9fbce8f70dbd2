"""What a rollback is, whoever carries it out: one command under one key.

An executor is asked `already_done` before every act. The process may die between the act and its record; on the next
start the intent is still there, and only the world can say whether the act was. Whatever the answer cannot be had from, is
an error, never a no.

Then it reads the world and makes a `Plan`: what it found, and what it would send. It acts only where the world is as the command
says, the blamed version serving and the target to be had; where somebody was faster it does nothing and says so. `execute`
sends what `plan` gave and looks again; a rehearsal prints the plan and sends nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from alerting.errors import DeliveryError
from alerting.formats import read_record, rfc3339, write_record

#: Seconds between two looks at a world that is to change.
LOOK_EVERY: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackCommand:
    """Take `model` from version `blamed` back to version `target`. `at` is epoch seconds; `key` is the intent's.

    `args` are those of the guardrail file (`respond.rollback.args`): what this kind of executor needs to know of the model.
    """

    model: str
    blamed: str
    target: str
    key: str
    incident: str
    reason: str
    guardrail_version: int
    guardrail_digest: str
    at: float
    args: dict[str, Any] = field(default_factory=dict)

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


class Args(BaseModel):
    """What a guardrail file tells an executor of its model."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class NoArgs(Args):
    """Nothing."""


A = TypeVar("A", bound=Args)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One thing that is sent, as it may be shown: addresses and headers without what is secret in them, the body exactly.

    `method` is that of HTTP, or `APPEND` for a record.
    """

    method: str
    to: str
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """The way a request is usually printed."""
        head = [f"{self.method} {self.to}", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\n".join([*head, "", self.body] if self.body else head)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was found, in a sentence without its full stop, and what is to be sent for it; nothing when it is so already."""

    found: str
    sendings: tuple[Sending, ...] = ()


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
    """What executors need of the daemon, handed in where they are built.

    `clock` gives epoch seconds; `nap` waits for so many seconds between two looks at a world that is to change.
    """

    command_log: CommandLog
    clock: Callable[[], float] = time.time
    nap: Callable[[float], None] = time.sleep


class Executor(Protocol):
    """A way to the serving system."""

    Config: ClassVar[type[Any]]
    Args: ClassVar[type[Any]]

    def plan(self, command: RollbackCommand) -> Plan:
        """What `execute` would send now, read from the world, without sending it. Raises DeliveryError as `execute` does."""
        ...

    def execute(self, command: RollbackCommand) -> str:
        """Send it, in bounded time; returns what was done, for the journal. Raises DeliveryError."""
        ...

    def already_done(self, command: RollbackCommand) -> bool:
        """Whether the command under this key has been sent before. Raises DeliveryError when that cannot be known."""
        ...


def args_of(kind: type[A], command: RollbackCommand) -> A:
    """The args of a command as the executor knows them. Raises DeliveryError, permanent, with every problem."""
    problems = problems_of(kind, command.args)
    if problems:
        raise DeliveryError("; ".join(problems), permanent=True)
    return kind.model_validate(command.args)


def problems_of(kind: type[Args], args: Mapping[str, Any]) -> list[str]:
    """What is wrong with the args of a guardrail file, a sentence each: `respond.rollback.args.<key>: what is wrong`."""
    try:
        kind.model_validate(args)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        return [
            ".".join(("respond.rollback.args", *map(str, each["loc"]))) + f": {each['msg'].removeprefix('Value error, ')}"
            for each in found
        ]
    return []


def until(look: Callable[[], str | None], tools: Tools, seconds: float, otherwise: str) -> str:
    """Look until the world shows it (`look` then gives a sentence), for about `seconds` and at least once.

    Raises DeliveryError, a temporary one with `otherwise`, when it does not show it in time.
    """
    end = tools.clock() + seconds
    while (told := look()) is None:
        if tools.clock() >= end:
            raise DeliveryError(otherwise)
        tools.nap(LOOK_EVERY)
    return told


def to_record(command: RollbackCommand) -> dict[str, Any]:
    """The command as plain JSON data: the body of its intent."""
    return write_record(command)


def from_record(record: Mapping[str, Any]) -> RollbackCommand:
    """The command of `to_record`. Raises InvalidRecord."""
    return read_record(record, RollbackCommand)
