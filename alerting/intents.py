"""What the daemon has decided to do and not yet done.

An intent is written to the outbox in the same batch as the decision behind it, so a crash can lose neither without the other.
Its `key` is stable: it names the act, not the attempt. The key is what receivers deduplicate on, what the journal
remembers, and what keeps a rollback from being sent twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from alerting.formats import read_record, write_record

Kind = Literal["page", "ticket", "resolve", "rollback", "journal"]
Status = Literal["done", "failed", "retry_later", "fenced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One act to be carried out at least once (a rollback: at most once) under a stable key.

    `destination` is the name of a route (page, ticket, resolve), of an executor (rollback), or `journal`. `body` is plain JSON:
    a `notice.Notice`, a `rollbacks.RollbackCommand` or a `journal.JournalEntry` as record. `created`, `not_before` and `deadline`
    are epoch seconds of the dispatcher's clock (`created`: of the clock of events). Past its `deadline` an intent is not acted on
    any more. `generation` is that of the assignment that it was written under.
    """

    key: str
    kind: Kind
    model: str | None
    incident: str | None
    destination: str
    body: dict[str, Any]
    created: float
    generation: int
    attempts: int = 0
    not_before: float = 0.0
    deadline: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one attempt of one intent.

    `done`: it arrived. `failed`: it never will; `fallback` names the route that took it instead, if any. `retry_later`: attempt
    number `attempts` failed, the next is at `not_before`; the dispatcher keeps it. `fenced`: the lease of its generation is
    gone, the dispatcher has let go of it and nothing was done. The loop removes `done` and `failed` from the outbox.
    """

    key: str
    status: Status
    detail: str
    at: float
    permanent: bool = False
    kind: Kind = "page"
    destination: str = ""
    attempts: int = 0
    not_before: float = 0.0
    fallback: str | None = None

    @property
    def final(self) -> bool:
        """Whether the intent may leave the outbox."""
        return self.status in {"done", "failed"}


def key_of(incident: str, kind: str, destination: str, number: int = 0) -> str:
    """The stable key of the `number`th act of this kind of one incident at one destination."""
    return f"{incident}:{kind}:{destination}:{number}"


def restamped(intent: Intent, generation: int) -> Intent:
    """The intent under the generation of a new assignment: what a daemon does with its own outbox when it is assigned again."""
    return dataclasses.replace(intent, generation=generation)


def to_record(intent: Intent) -> dict[str, Any]:
    """The intent as plain JSON data, for the outbox."""
    return write_record(intent)


def from_record(record: Mapping[str, Any]) -> Intent:
    """The intent of `to_record`. Raises InvalidRecord."""
    return read_record(record, Intent)
