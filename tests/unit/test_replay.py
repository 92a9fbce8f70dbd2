"""Recorded events: which moment a line arrived at, and which files cannot be read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import CannotStart
from daemon.events import Prediction, Rejected
from daemon.replay import PROGRESS_EVERY, parse_line, read_lines
from tests.doubles.model import T0

NOON = "2026-09-21T14:13:20Z"  # T0


def line(**fields: Any) -> bytes:  # noqa: ANN401  # any field of a line
    """A prediction as a line."""
    return json.dumps({"type": "prediction", "id": "a", "model": "loan", "version": "7", "prediction": 1, **fields}).encode()


@pytest.mark.parametrize(
    ("fields", "clock", "at", "ts"),
    [
        ({"at": T0 + 5, "ts": T0}, T0 - 9, T0 + 5, T0),
        ({"at": NOON}, None, T0, T0),
        ({"ts": NOON}, T0 + 100, T0, T0),
        ({}, T0 + 100, T0 + 100, T0 + 100),
        ({"at": None, "ts": None}, T0, T0, T0),
    ],
    ids=["its at", "its at as text", "without one its ts", "without both the line before it", "null is none"],
)
def test_a_line_arrived_at(fields: dict[str, Any], clock: float | None, at: float, ts: float) -> None:
    """`at`, else `ts`, else when the line before it did; the time of an event without one is its arrival."""
    event = parse_line(line(**fields), clock)

    assert isinstance(event, Prediction)
    assert (event.at, event.ts) == (at, ts)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (line(), "bad_time"),
        (line(at="yesterday"), "bad_time"),
        (line(at=T0 * 1000), "milliseconds"),
        (line(at=T0, ts=T0 + 7200), "future"),
        (line(type="click", at=T0), "unknown_type"),
        (b'{"id": "a"}', "missing_field"),
        (b"{", "not_json"),
        (b"[1]", "not_an_object"),
        (line(at=T0, version=None), "missing_field"),
    ],
)
def test_a_bad_line_is_refused_with_its_reason(said: bytes, reason: str) -> None:
    """By the same list as an event from a topic; the first line must have a time of its own."""
    with pytest.raises(Rejected) as caught:
        parse_line(said, None)

    assert caught.value.reason == reason


def test_files_are_one_stream_in_the_order_given(tmp_path: Path) -> None:
    """Compressed or not, with or without a line end at the end; empty lines are none."""
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    plain.write_bytes(b"1\n\n  \n2")
    packed.write_bytes(gzip.compress(b"3\n4\n"))

    assert [each.strip() for each in read_lines([packed, plain])] == [b"3", b"4", b"1", b"2"]


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz"])
def test_progress_adds_up_to_the_size_of_the_files(tmp_path: Path, name: str) -> None:
    """In bytes on disk, so that a bar ends where it should."""
    path, told = tmp_path / name, list[int]()
    content = b"x\n" * (PROGRESS_EVERY + 1)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    lines = sum(1 for _ in read_lines([path, path], told.append))

    assert lines == 2 * (PROGRESS_EVERY + 1)
    assert sum(told) == 2 * path.stat().st_size


@pytest.mark.parametrize("cut", [5, 40], ids=["in its head", "in its body"])
def test_a_damaged_compressed_file_is_one_sentence(tmp_path: Path, cut: int) -> None:
    """Whatever the decompressor finds, a person reads which file it was."""
    path = tmp_path / "events.jsonl.gz"
    whole = gzip.compress(bytes(range(256)) * 50, mtime=0)
    path.write_bytes(whole[:cut])
    with pytest.raises(CannotStart, match=r"the events file .*events\.jsonl\.gz cannot be read"):
        list(read_lines([path]))
    path.write_bytes(whole[:cut] + b"\xff" * 20 + whole[cut + 20 :])
    with pytest.raises(CannotStart, match="cannot be read"):
        list(read_lines([path]))


def test_a_file_that_is_not_compressed_is_no_gz(tmp_path: Path) -> None:
    """Its name said so."""
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(line(at=T0))

    with pytest.raises(CannotStart, match="cannot be read"):
        list(read_lines([path]))


@pytest.mark.parametrize("name", ["nothing.jsonl", "."])
def test_a_missing_file_and_a_directory_are_one_sentence(tmp_path: Path, name: str) -> None:
    """With the path in it."""
    with pytest.raises(CannotStart, match=f"the events file {tmp_path}"):
        list(read_lines([tmp_path / name]))
