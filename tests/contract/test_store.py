"""What every store keeps to; the one in memory is trusted because it passes what RocksDB passes."""

from __future__ import annotations

import random
import resource
from typing import TYPE_CHECKING

import pytest

from daemon.errors import CannotStart
from daemon.store import MemoryStore, RocksStore, Store, StoreFailed, StoreHeld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["memory", "rocks"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each implementation in turn."""
    store: Store = MemoryStore() if request.param == "memory" else RocksStore(tmp_path / "store")
    yield store
    store.close()


def test_changes_are_visible_before_and_after_the_commit(store: Store) -> None:
    """A read sees what was put and deleted, committed or not."""
    store.put(b"a", b"1")
    store.put(b"b", b"2")
    before = store.get(b"a"), store.get(b"b"), store.get(b"c")
    store.commit()
    store.delete(b"a")
    after = store.get(b"a"), store.get(b"b")

    assert before == (b"1", b"2", None)
    assert after == (None, b"2")


def test_a_scan_gives_a_prefix_in_key_order_with_uncommitted_changes(store: Store) -> None:
    """Committed and new keys come merged; deleted ones do not come."""
    for key in (b"p1", b"p3", b"q1"):
        store.put(key, key)
    store.commit()
    store.put(b"p2", b"p2")
    store.delete(b"p3")

    assert list(store.scan(b"p")) == [(b"p1", b"p1"), (b"p2", b"p2")]


def test_deleting_what_is_not_there_is_nothing(store: Store) -> None:
    """The outbox deletes by key without looking first."""
    store.delete(b"never")
    store.commit()

    assert store.get(b"never") is None


def test_only_what_was_committed_comes_back(tmp_path: Path) -> None:
    """A crash between two checkpoints leaves the state of the first one."""
    first = RocksStore(tmp_path)
    first.put(b"a", b"1")
    first.commit()
    first.put(b"a", b"2")
    first.put(b"b", b"2")
    first.close()

    second = RocksStore(tmp_path)

    assert (second.get(b"a"), second.get(b"b")) == (b"1", None)
    second.close()


def test_a_store_that_is_held_says_what_to_do(tmp_path: Path) -> None:
    """One sentence, with the directory in it."""
    first = RocksStore(tmp_path)

    with pytest.raises(CannotStart, match=f"{tmp_path} is held by another process; stop that daemon"):
        RocksStore(tmp_path)

    first.close()


def test_a_scan_leaves_the_store_free_to_be_closed(tmp_path: Path) -> None:
    """A live iterator would keep the lock: the next owner could not take over."""
    first = RocksStore(tmp_path)
    first.put(b"a", b"1")
    assert list(first.scan(b"a")) == [(b"a", b"1")]
    first.close()

    RocksStore(tmp_path).close()


def test_a_state_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """The sentence names the directory and the setting."""
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotStart, match="set `state`"):
        RocksStore(tmp_path / "file")


def test_a_damaged_store_is_not_taken_for_one_that_is_held(tmp_path: Path) -> None:
    """Whatever the directory is called: waiting would not help, and no other member could take over."""
    directory = tmp_path / "lock"
    RocksStore(directory).close()
    (directory / "CURRENT").write_text("nonsense")

    with pytest.raises(CannotStart, match=r"cannot be opened: .*; move the directory away to start without it") as caught:
        RocksStore(directory)

    assert not isinstance(caught.value, StoreHeld)


def test_a_disk_that_takes_nothing_more_ends_in_a_sentence(tmp_path: Path) -> None:
    """And nothing of the batch is there afterwards."""
    store = RocksStore(tmp_path)
    store.put(b"a", b"1")
    store.commit()
    store.put(b"b", random.Random(1).randbytes(2_000_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StoreFailed, match=r"cannot be written: .*; see to the disk and start again"):
            store.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    store.close()
    again = RocksStore(tmp_path)

    assert (again.get(b"a"), again.get(b"b")) == (b"1", None)
    again.close()
