"""The program's entry: parse, call, and turn what came of it into an exit code and one sentence."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import structlog
import typer

from daemon import cli
from daemon.errors import BUG, OK, WatchkeeperError

#: As shells count a program that was ended by SIGINT.
INTERRUPTED: Final = 130

log = structlog.get_logger()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code of the process (see `daemon.errors`).

    Args:
        arguments: the command line without the program's name; default: that of the process.
    """
    try:
        cli.app(arguments, prog_name="watchkeeper")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else OK
    except WatchkeeperError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # the edge of the process: what nobody foresaw leaves with the code that says so
        log.critical("bug", exc_info=error)
        _say(f"watchkeeper has a bug ({type(error).__name__}: {error}); please report it with the traceback above")
        return BUG
    return OK


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)


if __name__ == "__main__":
    sys.exit(main())
