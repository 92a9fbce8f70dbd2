# ruff: noqa: D102 - the properties of a shape are told in the docstring of its class
"""What moves between the source and the loop: records, assignments, source events. Plain data; knows no Kafka.

A record is handed out in the form in which the client library made it: at 100,000 records a second one more object for each
would cost a tenth of the budget. So `Record` is a shape, not a class; `StoredRecord` is the one to make where none exists yet.
Times of records are epoch **milliseconds**, as Kafka has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

#: (topic, partition).
Partition = tuple[str, int]

SourceEventKind = Literal[
    "broker_away",
    "broker_back",
    "rebuilt",
    "corrupt_range",
    "offset_out_of_range",
    "partition_stalled",
    "missing_topic",
    "topic_created",
    "retention_too_short",
]


class Record(Protocol):
    """One record of a partition. `timestamp` is in epoch milliseconds, -1 when the record has none."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class StoredRecord(NamedTuple):
    """A record that does not come from a broker: of a file, of a test."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """The partitions that this member owns, sorted, and the generation of the group in which it was given them.

    A generation never comes twice while the group lives: what was decided in one may be done in that one only.
    """

    generation: int
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """Something that the source noticed and a person may have to know; `message` is one sentence that says what to do.

    `damaged`, of a `corrupt_range` only: what could be read of the passed-over records with the checksum ignored. Their bytes
    are not to be trusted; they can be put in quarantine.
    """

    kind: SourceEventKind
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    damaged: tuple[Record, ...] = ()


class Source(Protocol):
    """Where records come from. Not thread-safe: one thread polls, commits and closes."""

    @property
    def events(self) -> list[SourceEvent]:
        """What was noticed since the caller last emptied the list."""

    def poll(self, timeout: float) -> list[Record]:
        """The next records, merged by event time over the partitions; [] when none came within `timeout` seconds.

        Nothing comes while nothing is assigned, nor after an assignment until `seek` was called for it.
        """

    def assignment(self) -> Assignment | None:
        """What is owned now; None for a standby, before the first assignment and between two."""

    def is_standby(self) -> bool:
        """Whether the group is settled and somebody else owns everything."""

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Begin at these offsets; called once after each new assignment.

        A partition that is not in the map begins at the setting `start`.
        """

    def offsets(self) -> dict[Partition, int]:
        """For each owned partition the offset after the last record that `poll` has handed out."""

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Tell the broker how far we are; True when it accepted that under the generation of `assignment()`."""

    def caught_up(self) -> bool:
        """Whether everything that the broker has was handed out."""

    def lag(self) -> dict[Partition, int]:
        """Records of each owned partition not handed out yet, as far as known."""

    def close(self) -> None:
        """Leave at once; what was not committed stays uncommitted."""
