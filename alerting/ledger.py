"""The incidents as one can ask for them: a read model of the journal, in one SQLite file.

The journal is the truth, this is its index. So entries are applied in any order and any number of times (an incident's larger
revision wins, a silence's earlier end), a file that cannot be read is put aside and filled again from the journal, and no other
part of the daemon decides anything from it but which acts are done and what is silenced. One connection behind one lock serves
the loop and the endpoints; the command line reads the same file from its own process.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import structlog

from alerting.errors import InvalidRecord, LedgerUnavailable
from alerting.incidents import Incident, State, from_record
from alerting.silences import Silence
from alerting.silences import from_record as silence_of

log = structlog.get_logger(__name__)

#: Of the tables below. A file of another version is put aside and filled again.
SCHEMA_VERSION: Final = 2

_SCHEMA: Final = f"""
CREATE TABLE incidents (
    id TEXT PRIMARY KEY, model TEXT NOT NULL, state TEXT NOT NULL, opened REAL NOT NULL, revision INTEGER NOT NULL,
    record TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX incidents_by_time ON incidents (opened, id);
CREATE TABLE actions (key TEXT PRIMARY KEY, incident TEXT, at REAL NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX actions_by_incident ON actions (incident, at, key);
CREATE TABLE silences (id TEXT PRIMARY KEY, ends REAL NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {SCHEMA_VERSION};
"""

_PUT_INCIDENT: Final = """
INSERT INTO incidents (id, model, state, opened, revision, record) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET model = excluded.model, state = excluded.state, opened = excluded.opened,
    revision = excluded.revision, record = excluded.record
WHERE excluded.revision > incidents.revision
"""

_PUT_ACTION: Final = "INSERT INTO actions (key, incident, at, record) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"

# A silence is ended sooner, never prolonged: the earlier end is the later word.
_PUT_SILENCE: Final = """
INSERT INTO silences (id, ends, record) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET ends = excluded.ends, record = excluded.record WHERE excluded.ends < silences.ends
"""


class Ledger:
    """The ledger in `path`. `fresh` says that it was made just now: whoever opened it applies the whole journal.

    All methods may be called from any thread. Raises LedgerUnavailable when the file cannot be opened, read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.fresh = not path.exists()
        with _translated(path):
            self._connection = self._open()

    def apply(self, record: Mapping[str, Any]) -> bool:
        """Take up one record of the journal; whether it changed anything. A kind that is not known here is passed over."""
        return self.apply_all([record]) > 0

    def apply_all(self, records: Iterable[Mapping[str, Any]]) -> int:
        """Take up many records in one transaction; returns how many changed anything.

        A record that cannot be read is logged as `journal_record_unreadable` and passed over: one bad record must not hide
        the others.
        """
        with self._lock, _translated(self._path), self._connection:
            return sum(self._put(record) for record in records)

    def incidents(self, *, model: str | None = None, state: State | None = None, limit: int = 100) -> list[Incident]:
        """The latest `limit` incidents, of one model and in one state where given, sorted by (opened, id)."""
        query = (
            "SELECT record FROM incidents WHERE (?1 IS NULL OR model = ?1) AND (?2 IS NULL OR state = ?2) "
            "ORDER BY opened DESC, id DESC LIMIT ?3"
        )
        return [from_record(json.loads(text)) for (text,) in reversed(self._rows(query, model, state, limit))]

    def live(self) -> list[Incident]:
        """All incidents that are not resolved, sorted by (opened, id)."""
        rows = self._rows("SELECT record FROM incidents WHERE state != 'resolved' ORDER BY opened, id")
        return [from_record(json.loads(text)) for (text,) in rows]

    def since(self, at: float) -> list[Incident]:
        """All incidents that are open, or were opened or resolved at `at` (epoch seconds) or later, sorted by (opened, id)."""
        query = (
            "SELECT record FROM incidents WHERE state != 'resolved' OR opened >= ?1 OR json_extract(record, '$.resolved') >= ?1 "
            "ORDER BY opened, id"
        )
        return [from_record(json.loads(text)) for (text,) in self._rows(query, at)]

    def incident(self, identity: str) -> Incident | None:
        """The incident with this id."""
        rows = self._rows("SELECT record FROM incidents WHERE id = ?", identity)
        return from_record(json.loads(rows[0][0])) if rows else None

    def actions(self, incident: str) -> list[dict[str, Any]]:
        """How the acts of one incident ended, as journal records, in the order in which they did."""
        rows = self._rows("SELECT record FROM actions WHERE incident = ? ORDER BY at, key", incident)
        return [json.loads(text) for (text,) in rows]

    def silences(self, since: float = 0.0) -> list[Silence]:
        """All silences that were not over at `since` (epoch seconds), the first to end first."""
        rows = self._rows("SELECT record FROM silences WHERE ends > ? ORDER BY ends, id", since)
        return [silence_of(json.loads(text)) for (text,) in rows]

    def done_keys(self) -> frozenset[str]:
        """The keys of all acts that have ended: none of them is ever acted on again."""
        return frozenset(key for (key,) in self._rows("SELECT key FROM actions"))

    def is_done(self, key: str) -> bool:
        """Whether the act under `key` has ended."""
        return bool(self._rows("SELECT 1 FROM actions WHERE key = ?", key))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, _translated(self._path):
            return self._connection.execute(query, values).fetchall()

    def _put(self, record: Mapping[str, Any]) -> int:
        try:
            if record.get("kind") == "incident":
                return self._put_incident(from_record(record["incident"]), record["incident"])
            if record.get("kind") == "action":
                incident = record["incident"]
                values = (str(record["key"]), incident and str(incident), float(record["at"]), _text(record))
                return self._connection.execute(_PUT_ACTION, values).rowcount
            if record.get("kind") == "silence":
                silence = silence_of(record["silence"])
                return self._connection.execute(_PUT_SILENCE, (silence.id, silence.ends, _text(record["silence"]))).rowcount
        except (InvalidRecord, KeyError, TypeError, ValueError, OverflowError, sqlite3.IntegrityError) as error:
            log.warning("journal_record_unreadable", reason=f"{type(error).__name__}: {error}")
        return 0

    def _put_incident(self, incident: Incident, record: Mapping[str, Any]) -> int:
        values = (incident.id, incident.model, incident.state, incident.opened, incident.revision, _text(record))
        return self._connection.execute(_PUT_INCIDENT, values).rowcount

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection, fault = _readable(self._path, make=self.fresh)
        if connection is None:
            aside = _put_aside(self._path)
            log.error("ledger_put_aside", path=str(self._path), aside=str(aside), reason=fault)
            self.fresh = True
            connection, fault = _readable(self._path, make=True)
        if connection is None:
            raise LedgerUnavailable(f"the ledger {self._path} cannot be made: {fault}")
        return connection


def _readable(path: Path, *, make: bool) -> tuple[sqlite3.Connection | None, str]:
    """A connection to a sound ledger of this version, or None and what is wrong with the file."""
    # Autocommit apart from `with connection`; the lock of the class makes the sharing between threads safe.
    connection = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
    try:
        if make:
            connection.executescript(_SCHEMA)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            fault = f"its version is {version}, this program's {SCHEMA_VERSION}"
        else:
            fault = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if fault == "ok":
            # Readers in other processes never wait for the writer. What a crash loses the journal has.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            return connection, ""
    except sqlite3.OperationalError:
        connection.close()
        raise  # locked, not permitted, disk full: the file itself may be sound
    except sqlite3.DatabaseError as error:
        fault = str(error)
    connection.close()
    return None, fault


def _put_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.unreadable-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        # These belong to the file that was put aside; SQLite would replay them into the new one.
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside


def _text(record: Mapping[str, Any]) -> str:
    # ASCII: a lone surrogate in an event's text has no UTF-8 form, which SQLite wants.
    return json.dumps(record, ensure_ascii=True, separators=(",", ":"))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        advice = "check the disk and the rights, or remove the file: the journal has it all"
        raise LedgerUnavailable(f"the ledger {path} cannot be used: {error}; {advice}") from error
