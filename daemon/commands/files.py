"""Files that commands read and write: a bar while somebody looks on, and no file that is half of one."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from daemon.errors import CannotStart
from daemon.replay import read_lines

#: Gzip's level: the next one is 2 % smaller and half as fast.
_LEVEL: Final = 6


@contextmanager
def followed(events: Sequence[Path], *, shown: bool = True) -> Iterator[Iterator[bytes]]:
    """Open the lines of the files, with a bar by bytes read where somebody looks on.

    What is no file on disk has no size to measure by. Raises CannotStart, as `read_lines` does.
    """
    if not shown or not sys.stderr.isatty() or not all(path.is_file() for path in events):
        yield read_lines(events)
        return
    columns = (TextColumn("reading events"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=sum(path.stat().st_size for path in events))
        yield read_lines(events, lambda read: progress.advance(bar, read))


@contextmanager
def written(out: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a file that takes its name when it is complete; compressed if the name ends in `.gz`. Raises CannotStart."""
    part = out.with_name(out.name + ".part")
    try:
        with part.open("wb") as raw:
            if out.suffix != ".gz":
                yield raw
            else:
                # Without a name and a time in its header: the same content gives the same bytes.
                with gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed:
                    yield packed
        part.replace(out)
    except OSError as error:
        raise CannotStart(f"{out} cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
