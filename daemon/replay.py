"""Recorded events: files of JSON lines as one stream, in the order of arrival.

Each line is an event with a `type`, and with an `at`, its arrival (epoch seconds or RFC 3339). Without one it arrived at its
`ts`, and without that at the same moment as the line before it. Two more fields are all that a line has beyond what is on the
topics, so the same parser reads both.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import IO, TYPE_CHECKING, Final, cast, get_args

import msgspec

from daemon.errors import CannotStart
from daemon.events import Event, Kind, Rejected, decode, parse, parse_time

if TYPE_CHECKING:
    from pathlib import Path

#: Longer lines are refused by the parser anyway; reading stops here so that a file without line ends cannot fill the memory.
LONGEST_LINE: Final = 16 << 20
#: Lines between two words about the progress.
PROGRESS_EVERY: Final = 4_096


class _Head(msgspec.Struct):
    type: str
    at: str | float | None = None
    ts: str | float | None = None


_heads: Final = msgspec.json.Decoder(_Head)
_KINDS: Final = frozenset(get_args(Kind))


def parse_line(line: bytes, clock: float | None) -> Event:
    """Parse one line; `clock` is the arrival of the line before it, epoch seconds.

    Raises:
        Rejected: the line breaks the contract.
    """
    head = decode(_heads, line)
    if head.type not in _KINDS:
        raise Rejected("unknown_type", f"type {head.type[:40]!r} is none of prediction, label, outcome")
    said = head.ts if head.at is None else head.at
    arrival = clock if said is None else parse_time(said)
    if arrival is None:
        raise Rejected("bad_time", "the first line has neither `at` nor `ts`")
    return parse(cast("Kind", head.type), line, arrival, LONGEST_LINE)


def read_lines(paths: Sequence[Path], progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Give the lines of the files, one after the other, empty lines left out.

    Args:
        paths: files of JSON lines; those that end in `.gz` are decompressed.
        progress: told how many bytes of the files on disk were read since the last call.

    Raises:
        CannotStart: a file cannot be read, or its compression is damaged.
    """
    for path in paths:
        try:
            with path.open("rb") as raw, closing(gzip.open(raw) if path.suffix == ".gz" else raw) as file:
                lines = (line for line in iter(partial(file.readline, LONGEST_LINE), b"") if not line.isspace())
                yield from lines if progress is None else _followed(lines, raw, progress)
        except (OSError, EOFError, zlib.error) as error:
            raise CannotStart(f"the events file {path} cannot be read: {error}") from error


def _followed(lines: Iterator[bytes], raw: IO[bytes], progress: Callable[[int], None]) -> Iterator[bytes]:
    """Give the lines, and tell of the bytes of the file below them."""
    told = 0
    for number, line in enumerate(lines):
        if number % PROGRESS_EVERY == 0:
            at = raw.tell()
            progress(at - told)
            told = at
        yield line
    progress(raw.tell() - told)
