"""The store: what must not be lost, and the one moment at which it is saved.

A task keeps everything that a checkpoint means (pending predictions, monitor states, offsets of the topics, the outbox) in one
key-value store. Changes gather in memory, are visible to reads at once, and reach the disk in a single atomic write batch:
after a crash the state and the offsets are those of the same event. RocksDB carries the real one (flat at 350,000 writes/s
where SQLite fell to 60,000 within three million rows); the one in memory is for `backtest` and passes the same contract suite.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from rocksdict import BlockBasedOptions, Cache, Options, Rdict, WriteBatch, WriteOptions

from daemon.errors import CannotStart, WatchkeeperError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CACHE_BYTES: Final = 64 << 20
_WRITE_BUFFER_BYTES: Final = 32 << 20


class StoreHeld(CannotStart):
    """Another process has the store open: it may let go of it."""


class StoreFailed(WatchkeeperError):
    """The disk does not take what must not be lost: without it nothing may be decided."""


class Store(Protocol):
    """Bytes to bytes, with changes that are kept together until `commit`."""

    def get(self, key: bytes) -> bytes | None:
        """Read a value, uncommitted changes included."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value; it is on disk after the next `commit`."""

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Give the pairs whose key starts with `prefix`, in the order of the keys, uncommitted changes included."""

    def commit(self) -> None:
        """Write all changes since the last commit, all or none."""

    def close(self) -> None:
        """Release the store; changes that were not committed are gone."""


class MemoryStore:
    """A store that ends with the process."""

    def __init__(self) -> None:
        self._data: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """Read a value."""
        return self._data.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value."""
        self._data[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        self._data.pop(key, None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Give the pairs whose key starts with `prefix`, in the order of the keys."""
        yield from sorted((key, value) for key, value in self._data.items() if key.startswith(prefix))

    def commit(self) -> None:
        """Do nothing: there is nothing to survive."""

    def close(self) -> None:
        """Do nothing: the memory goes with the object."""


class RocksStore:
    """A store in a directory, for one process at a time.

    Raises:
        StoreHeld: another process has the directory open.
        CannotStart: it cannot be used, or what is in it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._changes: dict[bytes, bytes | None] = {}
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStart(
                f"the state directory {path} cannot be used: {error.strerror}; set `state` to one that can be written"
            ) from error
        with _rocksdb(self._not_opened):
            self._db = Rdict(str(path), _options())
        sync = WriteOptions()
        sync.sync = True  # without it a power cut could bring back intents that were already acted upon
        self._db.set_write_options(sync)

    def get(self, key: bytes) -> bytes | None:
        """Read a value, uncommitted changes included."""
        if key in self._changes:
            return self._changes[key]
        value: bytes | None = self._db.get(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value; it is on disk after the next `commit`."""
        self._changes[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        self._changes[key] = None

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Give the pairs whose key starts with `prefix`, in the order of the keys, uncommitted changes included."""
        pairs: dict[bytes, bytes | None] = {}
        cursor = self._db.iter()
        cursor.seek(prefix)
        while cursor.valid() and cursor.key().startswith(prefix):
            pairs[cursor.key()] = cursor.value()
            cursor.next()
        del cursor  # a live iterator keeps RocksDB's lock after `close`
        pairs.update((key, value) for key, value in self._changes.items() if key.startswith(prefix))
        yield from ((key, value) for key, value in sorted(pairs.items()) if value is not None)

    def commit(self) -> None:
        """Write all changes since the last commit in one synchronous batch. Raises StoreFailed; then none of them is there."""
        batch = WriteBatch(raw_mode=True)
        for key, value in self._changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        with _rocksdb(self._not_written):
            self._db.write(batch)
        self._changes.clear()

    def close(self) -> None:
        """Release the directory."""
        self._changes.clear()
        # A disk that failed fails here once more; whatever was committed is safe without it.
        with suppress(StoreFailed), _rocksdb(self._not_written):
            self._db.close()

    def _not_opened(self, message: str) -> CannotStart:
        if "lock" in message.replace(str(self.path), "").lower():
            return StoreHeld(
                f"the store {self.path} is held by another process; stop that daemon, or give this one another `state` directory"
            )
        return CannotStart(
            f"the store {self.path} cannot be opened: {message}; move the directory away to start without it "
            f"(the journal keeps what was done)"
        )

    def _not_written(self, message: str) -> StoreFailed:
        return StoreFailed(
            f"the store {self.path} cannot be written: {message}; see to the disk and start again: "
            f"what was not saved is read from the topics once more"
        )


def _options() -> Options:
    options = Options(raw_mode=True)
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_keep_log_file_num(2)
    blocks = BlockBasedOptions()
    blocks.set_bloom_filter(10, block_based=False)  # most looked-up ids are new ones: the filter spares their reads
    blocks.set_block_cache(Cache(_CACHE_BYTES))
    options.set_block_based_table_factory(blocks)
    return options


@contextmanager
def _rocksdb(refusal: Callable[[str], WatchkeeperError]) -> Iterator[None]:
    """Do one thing with RocksDB; what it says when that fails is told as the error that `refusal` makes of it."""
    try:
        yield
    except Exception as error:  # rocksdict raises a bare Exception for everything that RocksDB reports
        raise refusal(str(error)) from error
