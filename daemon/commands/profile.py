"""`watchkeeper profile`: what is normal, from recorded events or from a table, as a file for `reference.profile`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import typer

from daemon.commands.files import followed, written
from daemon.errors import OK, CannotStart
from daemon.guardrails import Guardrail, load
from daemon.profiling import EventProfile
from daemon.tables import Columns, TableProfile
from detectors.profile import Column, Profile

#: Names in a remark at most.
_NAMES: Final = 5


def profile(
    guardrails: Path, events: Sequence[Path], output: Path | None, *, version: str | None = None, columns: Columns | None = None
) -> int:
    """Make a profile.

    Args:
        guardrails: the model's guardrail file.
        events: files of JSON lines as `backtest` reads them, or tables; which they are, their first character tells.
        output: the file to write, compressed if it ends in `.gz`; None: standard output.
        version: JSON lines: only the events of this version.
        columns: which columns of a table are what; of JSON lines only `leave_out` is used.

    Raises:
        InvalidGuardrails: the guardrail file has problems.
        CannotStart: a file cannot be read or written, or there is nothing in it to make a profile of.
    """
    guardrail = load(guardrails)
    if output is None:
        made, notes = _made(guardrail, events, version, columns or Columns())
        sys.stdout.write(document(made))
        sys.stdout.flush()  # here, where a reader that has gone away is still dealt with
    else:
        with written(output) as file:
            made, notes = _made(guardrail, events, version, columns or Columns())
            file.write(document(made).encode())
    typer.echo(f"{output or 'profile'}: {summary(made)}", err=True)
    for note in [*notes, *remarks(made, guardrail)]:
        typer.echo(f"  note: {note}", err=True)
    return OK


def _made(guardrail: Guardrail, events: Sequence[Path], version: str | None, columns: Columns) -> tuple[Profile, list[str]]:
    table = TableProfile(guardrail, columns)
    stream = EventProfile(guardrail, version, columns.leave_out)
    tables = 0
    for number, path in enumerate(events):
        with followed([path]) as lines:
            first = next(lines, b"").removeprefix(b"\xef\xbb\xbf")  # the mark that spreadsheets put first
            is_table = _is_table(path, first, version)
            tables += is_table
            if tables not in {0, number + 1}:
                raise CannotStart("some of the files are tables and some are JSON lines; a profile is made of either")
            if is_table:
                table.run(path, chain([first], lines))
            else:
                stream.run(chain([first], lines))
    made = table if tables else stream
    return made.profile(), made.notes()


def _is_table(path: Path, first: bytes, version: str | None) -> bool:
    """Tell a table from JSON lines by its first line. Raises CannotStart for what is neither."""
    match first.lstrip()[:1]:
        case b"":
            raise CannotStart(f"the events file {path} is empty")
        case b"{":
            return False
        case b"[":
            raise CannotStart(f"{path} is one JSON array; write one object a line")
        case _ if version is not None:
            raise CannotStart(f"{path} is a table, which has no versions: leave --version out")
    return True


def document(made: Profile) -> str:
    """Give the file: JSON with a line for each column, so that two profiles can be compared line by line."""
    state = made.to_state()
    columns = ",\n".join(f"  {_json(name)}: {_json(column)}" for name, column in state.pop("columns").items())
    rest = "".join(f" {_json(key)}: {_json(value)},\n" for key, value in state.items())
    return f'{{\n{rest} "columns": {{\n{columns}\n }}\n}}\n'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def summary(made: Profile) -> str:
    """Give a profile in a line."""
    kinds = [column.kind for column in made.columns.values()]
    what = {"number": "numbers", "category": "categories", "mixed": "mixed"}
    columns = ", ".join(f"{kinds.count(kind)} {word}" for kind, word in what.items() if kind in kinds) or "none"
    losses = "" if made.loss is None else f"; mean loss {made.loss.mean:.4g} of {made.loss.n:,} labels"
    return f"profile {made.digest} of {made.rows:,} rows, columns: {columns}{losses}"


def remarks(made: Profile, guardrail: Guardrail) -> Iterator[str]:
    """Give what is odd about a profile, a sentence each."""
    many = [name for name, column in made.columns.items() if _has_many(column)]
    if many:
        yield f"most texts of {_names(many)} are rare: if it is an id or a time, leave it out with --leave-out"
    mixed = [name for name, column in made.columns.items() if column.kind == "mixed"]
    if mixed:
        yield f"numbers and texts are mixed in {_names(mixed)}: say the type under `features`, or only missing values are watched"
    lacking = [name for name in guardrail.features if name not in made.columns]
    if lacking:
        yield f"the guardrail file has features that were not found here: {_names(lacking)}"
    if made.loss is None:
        yield "there are no losses in it: what is normal of those will be learned from live traffic"
    elif made.loss.n < guardrail.reference.events:
        yield f"the limit will be wide: {made.loss.n:,} losses, where the guardrail file asks for {guardrail.reference.events:,}"


def _has_many(column: Column) -> bool:
    return column.kind == "category" and column.counts[-1] > column.present / 2


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
