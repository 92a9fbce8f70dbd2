"""What is written down for good: the entries of the journal, which is the truth that every read model is made from.

The journal is a compacted log: under one key only the last entry is sure to stay. So an entry is never a difference but the
whole thing: an incident as it is now, an act as it ended, a silence as it stands. A reader applies them in any order: incidents
carry a revision, an act ends once, and of two records of a silence the earlier end holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from alerting.formats import read_record
from alerting.incidents import Incident, to_record
from alerting.intents import Intent, Outcome
from alerting.silences import Silence
from alerting.silences import to_record as silence_record

#: Version of the entries' shape.
VERSION: Final = 1


class Journal(Protocol):
    """Where entries go. `write` blocks until the entry is durable and raises DeliveryError when it is not."""

    def write(self, key: str, record: Mapping[str, Any]) -> None:
        """Make `record` (plain JSON data) the last entry under `key`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One entry: the key it is kept under, and the record (plain JSON data with `v` and `kind`)."""

    key: str
    record: dict[str, Any]

    def body(self) -> dict[str, Any]:
        """The entry as the body of an intent of kind `journal`."""
        return {"key": self.key, "record": self.record}


def encode(record: Mapping[str, Any]) -> bytes:
    """A record as the bytes of the log: JSON in ASCII, the same bytes for the same record."""
    return json.dumps(record, separators=(",", ":"), sort_keys=True).encode("ascii")


def decode(value: bytes | None) -> dict[str, Any] | None:
    """The record in the bytes of the log; None for a tombstone and for whatever is not a record."""
    try:
        record = json.loads(value or b"null")
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def entry_of_body(body: Mapping[str, Any]) -> JournalEntry:
    """The entry of `JournalEntry.body`. Raises InvalidRecord."""
    return read_record(body, JournalEntry)


def incident_entry(incident: Incident) -> JournalEntry:
    """The incident as it is now, under `incident/<id>`."""
    return JournalEntry(
        key=f"incident/{incident.id}",
        record={"v": VERSION, "kind": "incident", "incident": to_record(incident)},
    )


def silence_entry(silence: Silence) -> JournalEntry:
    """The silence as it stands, under `silence/<id>`."""
    return JournalEntry(
        key=f"silence/{silence.id}",
        record={"v": VERSION, "kind": "silence", "silence": silence_record(silence)},
    )


def action_entry(intent: Intent, outcome: Outcome) -> JournalEntry:
    """How an act ended, under `action/<key of the intent>`: a key that is there is done and is never acted on again."""
    record = {
        "v": VERSION,
        "kind": "action",
        "key": intent.key,
        "action": intent.kind,
        "destination": intent.destination,
        "model": intent.model,
        "incident": intent.incident,
        "status": outcome.status,
        "fallback": outcome.fallback,
        "detail": outcome.detail,
        "attempts": outcome.attempts,
        "at": outcome.at,
    }
    return JournalEntry(key=f"action/{intent.key}", record=record)
