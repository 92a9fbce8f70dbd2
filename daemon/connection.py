# ruff: noqa: D102 - the properties of a shape are told in the docstring of its class
"""What the wire needs of the settings, and how it fails. Apart from the wire, so that nobody imports Kafka to catch an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from daemon.records import Partition


class Connection(Protocol):
    """The settings needed to reach a cluster (the group `kafka` of the settings file)."""

    @property
    def bootstrap(self) -> Sequence[str]: ...
    @property
    def security_protocol(self) -> str: ...
    @property
    def sasl_mechanism(self) -> str | None: ...
    @property
    def sasl_username(self) -> str | None: ...
    @property
    def sasl_password(self) -> SecretStr | None: ...
    @property
    def ssl_cafile(self) -> Path | str | None: ...
    @property
    def ssl_certfile(self) -> Path | str | None: ...
    @property
    def ssl_keyfile(self) -> Path | str | None: ...


class Membership(Connection, Protocol):
    """The settings needed to be a member of a consumer group; times in seconds."""

    @property
    def group(self) -> str: ...
    @property
    def session_timeout(self) -> float: ...
    @property
    def heartbeat_interval(self) -> float: ...
    @property
    def max_poll_records(self) -> int: ...


class SourceSettings(Membership, Protocol):
    """The settings of the source; times in seconds."""

    @property
    def start(self) -> str: ...
    @property
    def idle_after(self) -> float: ...


class WireError(Exception):
    """The broker or the client could not do what was asked; the text is one sentence."""


class BrokerAway(WireError):
    """No answer in time, or no connection."""


class Refused(WireError):
    """The broker answered, and the answer was no."""


class Unfit(Refused):
    """This record is refused as it is, now and later: too large, a timestamp that the topic does not take."""


class OutOfRange(WireError):
    """`poll` wanted offsets that the broker does not have; `offsets` are those it wanted. The consumer is done for."""

    def __init__(self, offsets: Mapping[Partition, int]) -> None:
        super().__init__(f"offsets out of range: {dict(offsets)}")
        self.offsets = {(topic, partition): offset for (topic, partition), offset in offsets.items()}


class PollFailed(WireError):
    """`poll` raised something; the consumer is done for.

    `unreadable`: the bytes of a partition are to blame (checksum, format, or an error of the broker's when it read its own
    file), not the way to it. `base`: the offset at which the unreadable batch begins, where the client tells it.
    """

    def __init__(self, message: str, *, unreadable: bool, base: int | None = None) -> None:
        super().__init__(message)
        self.unreadable = unreadable
        self.base = base
