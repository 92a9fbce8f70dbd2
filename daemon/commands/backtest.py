"""`watchkeeper backtest`: what the daemon would have found in recorded events, as a table or as one JSON document."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from alerting.incidents import SEVERITIES, Incident
from daemon.backtest import Backtest
from daemon.commands.files import followed
from daemon.commands.findings import print_findings
from daemon.commands.severities import FailOn
from daemon.errors import NO, OK
from daemon.guardrails import load

#: Columns of the table where standard output is no terminal and so has no width of its own.
WIDTH: Final = 140


def backtest(guardrails: Path, events: Sequence[Path], *, as_json: bool, until: float | None, fail_on: FailOn | None) -> int:
    """Judge recorded events.

    Args:
        guardrails: one model's guardrail file.
        events: files of JSON lines, one stream in this order.
        as_json: one document on standard output, and nothing on standard error but logs.
        until: epoch seconds; where the clock goes on to behind the last event.
        fail_on: fail when an incident of this severity, or of a higher one, was found.

    Returns:
        `OK` whatever was found, or `NO` by `fail_on`.

    Raises:
        InvalidGuardrails: the guardrail file has problems.
        CannotStart: an events file cannot be read.
    """
    run = Backtest(load(guardrails))
    with followed(events, shown=not as_json) as lines:
        run.run(lines, until)
    if as_json:
        sys.stdout.write(json.dumps(run.report(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        sys.stdout.flush()  # here, where a reader that has gone away is still dealt with
    else:
        print_findings(run.report(), Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False))
    return NO if fail_on is not None and _reached(run.found(), fail_on) else OK


def _reached(incidents: Sequence[Incident], severity: FailOn) -> bool:
    least = SEVERITIES.index(severity.value)
    return any(SEVERITIES.index(incident.severity) >= least for incident in incidents)
