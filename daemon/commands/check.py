"""`watchkeeper check`: every problem of guardrail files, and what this release does not judge yet of the good ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from daemon.errors import NO, OK, InvalidGuardrails, Problem
from daemon.guardrails import Guardrail, load, load_directory, notices


def check(paths: Sequence[Path], explain: Callable[[Guardrail], None] | None = None) -> int:
    """Check files, and directories of them: problems to standard error, a line for each good file to standard output.

    Args:
        paths: the files and directories.
        explain: called with each good file below its line (see `daemon.commands.explaining`).

    Returns:
        `NO` when there is a problem, else `OK`.
    """
    problems: list[Problem] = []
    for path in paths:
        try:
            good = _load(path)
        except InvalidGuardrails as error:
            problems.extend(error.problems)
            continue
        for guardrail in good:
            typer.echo(_line(guardrail))
            for notice in notices(guardrail):
                typer.echo(f"  note: {notice}")
            if explain is not None:
                explain(guardrail)
    for problem in problems:
        typer.echo(problem, err=True)
    return NO if problems else OK


def _load(path: Path) -> list[Guardrail]:
    """Load what the path names; a directory without guardrail files is a problem: its author meant to check something."""
    if not path.is_dir():
        return [load(path)]
    found = list(load_directory(path).values())
    if not found:
        raise InvalidGuardrails([Problem(str(path), 1, 1, "", "there is no guardrail file (*.yaml or *.yml) in this directory")])
    return found


def _line(guardrail: Guardrail) -> str:
    return f"{guardrail.path}: {guardrail.model} version {guardrail.version}, {guardrail.short_digest}"
