"""Every error that ends a command, in one place, and the exit codes of the program.

`str(error)` is one clear sentence for a person: what is wrong and what to do. The command line prints that sentence and
leaves with the error's `exit_code`; nobody above needs to know the kinds. A traceback therefore always means a bug.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: Done as asked.
OK: Final = 0
#: The answer is no: an invalid file, a story that did not happen, an incident under `--fail-on`.
NO: Final = 1
#: The command line itself is wrong.
USAGE: Final = 2
#: The daemon cannot start: settings, broker, store.
CANNOT_START: Final = 3
#: An error that nobody foresaw (EX_SOFTWARE).
BUG: Final = 70
#: The watchdog ended a loop that hung (EX_TEMPFAIL: start it again).
WATCHDOG: Final = 75


class WatchkeeperError(Exception):
    """Something that a person has to know; its text is one sentence, its `exit_code` the exit code of the process."""

    exit_code: int = CANNOT_START


class CannotStart(WatchkeeperError):
    """The daemon or a command cannot begin: bad settings, no broker, a locked store."""


class Declined(WatchkeeperError):
    """A daemon that was asked for something says no, and why."""

    exit_code = NO


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a file. `line` and `column` begin at 1; `key` is a path such as `respond.rollback.with`."""

    path: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        """`path:line:column: key: what is wrong`; without the key where the file as a whole is meant."""
        where = f"{self.path}:{self.line}:{self.column}: "
        return f"{where}{self.key}: {self.message}" if self.key else where + self.message


class InvalidGuardrails(WatchkeeperError):
    """Guardrail files with all their problems, one a line, in the order of files and lines."""

    exit_code = NO

    def __init__(self, problems: Iterable[Problem]) -> None:
        """`problems`: at least one; kept sorted."""
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UnreadableFile(WatchkeeperError):
    """A YAML file that could not be read at all; `problems` holds the reason, and the duplicate keys found before it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """`problems`: at least one; kept sorted."""
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))
