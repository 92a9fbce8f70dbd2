"""The join: predictions meet their labels, in event time, bounded in time and in size.

Every id has one entry: its label, once it is there, and the predictions that wait for it. Beside the entries stands a queue of
the predictions in the order of their arrival, which two cursors walk. The first, at age h, hands a prediction on with the label
that it has by then, or without one: so losses leave in the order of prediction, whatever the order of the labels, and a fast
label counts no sooner than a slow one. The second, at `give_up_after`, forgets the id: until then a late duplicate is known as
one.

Both live in the store under keys that are counted up, so that no read ever walks over deleted rows (a seek past a million
tombstones takes RocksDB 150-300 ms).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daemon.events import Label, Prediction
    from daemon.store import Store


class Waiting(msgspec.Struct, array_like=True):
    """A prediction in the join; times are epoch seconds."""

    seq: int
    at: float
    ts: float
    version: str
    stage: str
    prediction: str
    score: float | None
    scores: dict[str, float] | None
    released: bool = False
    segments: list[str] = []  # "region=north"


class Entry(msgspec.Struct, array_like=True):
    """All that is known of an id."""

    label: str | None
    labelled_at: float
    waiting: list[Waiting]


class Joined(msgspec.Struct, frozen=True):
    """A prediction at age h. `label` is None when there is none yet; `delay` is from its arrival to the label's, in seconds."""

    id: str
    prediction: Waiting
    label: str | None
    delay: float


class Counts(msgspec.Struct):
    """What happened to the events of a model, since its first one."""

    predictions: int = 0
    labels: int = 0
    joined: int = 0
    duplicate_predictions: int = 0
    duplicate_labels: int = 0
    label_conflicts: int = 0
    late_labels: int = 0
    orphan_labels: int = 0
    expired: int = 0
    expired_for_room: int = 0


class _Row(msgspec.Struct, array_like=True):
    at: float
    id: str


class _Cursors(msgspec.Struct, array_like=True):
    end: int = 0
    release: int = 0
    expire: int = 0


#: Times of day are doubles: a delay that is always the same scatters by less than this (seconds).
ROUNDING: Final = 1e-3

_encode = msgspec.msgpack.Encoder().encode
_entry = msgspec.msgpack.Decoder(Entry).decode
_row = msgspec.msgpack.Decoder(_Row).decode


class Join:
    """The join of one model over a store.

    Args:
        store: where entries, queue and cursors live; `save` writes them there, the store's commit makes them last.
        model: the model's name, part of every key.
        limit: most rows in the queue; the oldest give way to new ones, and are counted.
    """

    def __init__(self, store: Store, model: str, limit: int = 5_000_000) -> None:
        name = model.encode()
        self._store = store
        self._limit = limit
        self._entry_key = b"e\0" + name + b"\0"
        self._row_key = b"q\0" + name + b"\0"
        self._state_key = b"j\0" + name
        # Entries and rows that changed since the last save, so that one that is touched often is encoded once.
        self._entries: dict[str, Entry] = {}
        self._rows: dict[int, _Row] = {}
        self._head: _Row | None = None  # the next row to mature, so that asking costs no read
        saved = store.get(self._state_key)
        self._cursors, self.counts = (
            msgspec.msgpack.decode(saved, type=tuple[_Cursors, Counts]) if saved else (_Cursors(), Counts())
        )

    @property
    def pending(self) -> int:
        """Rows in the queue: predictions, and labels without one, that are younger than `give_up_after`."""
        return self._cursors.end - self._cursors.expire

    @property
    def waiting(self) -> int:
        """Rows that did not reach age h yet."""
        return self._cursors.end - self._cursors.release

    def predict(self, event: Prediction, segments: Sequence[str] = ()) -> bool:
        """Take a prediction in, with the segments that it belongs to; False when it was there already."""
        entry = self._find(event.id)
        if entry is None:
            entry = Entry(None, 0.0, [])
        elif any(other.version == event.version and other.stage == event.stage for other in entry.waiting):
            self.counts.duplicate_predictions += 1
            return False
        seq = self._append(event.at, event.id)
        entry.waiting.append(
            Waiting(
                seq,
                event.at,
                event.ts,
                event.version,
                event.stage,
                event.prediction,
                event.score,
                event.scores,
                segments=list(segments),
            )
        )
        self._entries[event.id] = entry
        self.counts.predictions += 1
        if entry.label is not None:
            self.counts.joined += 1
        return True

    def label(self, event: Label) -> list[Joined]:
        """Take a label in; gives the predictions that it is the first one of. Those released already are counted, not tested."""
        self.counts.labels += 1
        entry = self._find(event.id)
        if entry is None:
            self._entries[event.id] = Entry(event.label, event.at, [])
            self._append(event.at, event.id)
            return []
        if entry.label is not None:
            if entry.label == event.label:
                self.counts.duplicate_labels += 1
            else:
                self.counts.label_conflicts += 1
            return []
        entry.label, entry.labelled_at = event.label, event.at
        self._entries[event.id] = entry
        self.counts.joined += len(entry.waiting)
        self.counts.late_labels += sum(waiting.released for waiting in entry.waiting)
        return [Joined(event.id, waiting, event.label, max(0.0, event.at - waiting.at)) for waiting in entry.waiting]

    def mature(self, clock: float, age: float) -> Iterator[Joined]:
        """Give the predictions that reached `age` (seconds) at `clock`, in the order of their arrival, each once.

        A label that came later than that is not there yet, whenever this is called: what is tested must not depend on the moments
        at which somebody looked.
        """
        cursors = self._cursors
        while cursors.release < cursors.end:
            if self._head is None:
                self._head = self._read(cursors.release)
            if self._head.at + age >= clock:
                return  # what arrives at this very moment may still be its label
            row, self._head = self._head, None
            yield from self._release(row, age)

    def expire(self, clock: float, give_up_after: float) -> int:
        """Forget the ids that are `give_up_after` seconds old, and the oldest over the limit; gives how many stayed unlabelled.

        Call it after `mature`, with an age that is no greater: a prediction is handed on before it is forgotten. Over the limit
        that cannot be waited for; those predictions leave untested.
        """
        before = self.counts.expired
        cursors = self._cursors
        while cursors.expire < cursors.end:
            over = cursors.end - cursors.expire > self._limit
            row = self._read(cursors.expire)
            if not over and row.at + give_up_after >= clock:
                break
            self._forget(row)
            self.counts.expired_for_room += over
        return self.counts.expired - before

    def save(self) -> None:
        """Put everything that changed into the store."""
        for identity, entry in self._entries.items():
            if entry.waiting or entry.label is not None:
                self._store.put(self._entry_key + identity.encode(), _encode(entry))
        for seq, row in self._rows.items():
            self._store.put(self._row_key + seq.to_bytes(8, "big"), _encode(row))
        self._store.put(self._state_key, _encode((self._cursors, self.counts)))
        self._entries.clear()
        self._rows.clear()

    def _find(self, identity: str) -> Entry | None:
        found = self._entries.get(identity)
        if found is not None:
            return found
        value = self._store.get(self._entry_key + identity.encode())
        return None if value is None else _entry(value)

    def _append(self, at: float, identity: str) -> int:
        seq = self._cursors.end
        self._rows[seq] = _Row(at, identity)
        self._cursors.end = seq + 1
        return seq

    def _read(self, seq: int) -> _Row:
        found = self._rows.get(seq)
        if found is not None:
            return found
        value = self._store.get(self._row_key + seq.to_bytes(8, "big"))
        if value is None:
            raise LookupError(f"the pending table has lost row {seq}: the store is damaged")
        return _row(value)

    def _release(self, row: _Row, age: float) -> Iterator[Joined]:
        seq = self._cursors.release
        self._cursors.release = seq + 1
        entry = self._find(row.id)
        if entry is None:
            return
        for waiting in entry.waiting:
            if waiting.seq != seq:
                continue
            waiting.released = True
            self._entries[row.id] = entry
            delay = max(0.0, entry.labelled_at - waiting.at)
            in_time = entry.label is not None and delay <= age + ROUNDING
            self.counts.late_labels += entry.label is not None and not in_time
            yield Joined(row.id, waiting, entry.label if in_time else None, delay if in_time else 0.0)
            return
        # A label that came before its prediction holds this row: it is there to be forgotten one day, not to be handed on.

    def _forget(self, row: _Row) -> None:
        seq = self._cursors.expire
        self._cursors.expire = seq + 1
        if self._cursors.release <= seq:
            self._cursors.release, self._head = seq + 1, None
        self._rows.pop(seq, None)
        self._store.delete(self._row_key + seq.to_bytes(8, "big"))
        entry = self._find(row.id)
        if entry is None:
            return
        left = [waiting for waiting in entry.waiting if waiting.seq != seq]
        if len(left) < len(entry.waiting):
            self.counts.expired += entry.label is None
        elif not left:
            self.counts.orphan_labels += 1
        if left:
            entry.waiting = left
            self._entries[row.id] = entry
        else:
            self._entries.pop(row.id, None)
            self._store.delete(self._entry_key + row.id.encode())
