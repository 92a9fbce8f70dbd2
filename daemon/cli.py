"""The command line: what can be typed, with its help. What a command does is in `daemon.commands`.

Commands are imported when they are called: `--help` and `check` need neither Kafka nor River, and should not wait for them.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import typer

from daemon import __version__, logs
from daemon.commands.moments import moment
from daemon.commands.severities import FailOn
from daemon.oncall_cli import add_commands

app = typer.Typer(
    name="watchkeeper",
    help="Stands watch over deployed models: tells harm from drift, rolls back what a new version broke, pages when it matters.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # `daemon.__main__` says what went wrong
    context_settings={"help_option_names": ["-h", "--help"]},
)

Settings = Annotated[Path | None, typer.Option("--settings", metavar="FILE", help="The settings file (YAML).")]

_TIME = "RFC 3339, epoch seconds, or how long ago (2h)"


def _when(text: str) -> float:
    """Read a time of the command line. Raises BadParameter."""
    try:
        return moment(text, time.time())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"watchkeeper {__version__}")
        raise typer.Exit


@app.callback()
def _watchkeeper(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    logs.configure()


@app.command(epilog="Example: watchkeeper run --settings /etc/watchkeeper/settings.yaml")
def run(settings: Settings = None) -> None:
    """Run the daemon: read predictions and labels from Kafka, judge, roll back, page."""
    from daemon.commands import run as command  # noqa: PLC0415 - only here Kafka and all the rest are needed

    raise typer.Exit(command.run(settings))


@app.command(
    epilog="Example: watchkeeper check deploy/guardrails/; watchkeeper check loan.yaml --explain --mean 0.10 --per-hour 500"
)
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Guardrail files, or directories of them.")],
    explained: Annotated[
        bool, typer.Option("--explain", help="Print each rule's limit and weight, and the labels that a rise takes.")
    ] = False,
    reference: Annotated[
        Path | None,
        typer.Option("--reference", metavar="FILE", help="Explain by this profile, instead of the one that the file names."),
    ] = None,
    mean: Annotated[
        float | None, typer.Option("--mean", min=0.0, max=1.0, help="Explain by a reference of this mean loss (0..1), assumed.")
    ] = None,
    rises: Annotated[
        list[float] | None,
        typer.Option("--rise", min=1.0, metavar="X", help="Explain a rise to X times the reference; may be given again."),
    ] = None,
    per_hour: Annotated[
        float | None, typer.Option("--per-hour", min=0.001, metavar="N", help="Explain for so many labels an hour.")
    ] = None,
) -> None:
    """Validate guardrail files; every problem with its line and column, exit code 1 if there is one."""
    from daemon.commands import check as command  # noqa: PLC0415 - see the module's text

    if not explained:
        if (reference, mean, rises, per_hour) != (None, None, None, None):
            raise typer.BadParameter("--reference, --mean, --rise and --per-hour go with --explain")
        raise typer.Exit(command.check(paths))
    if reference is not None and mean is not None:
        raise typer.BadParameter("--reference and --mean are two ways to say the same: give one of them")
    if not all(map(math.isfinite, (mean or 0.0, per_hour or 0.0, *(rises or ())))):
        raise typer.BadParameter("--mean, --rise and --per-hour take finite numbers")
    from daemon.commands.explaining import Asked, explain  # noqa: PLC0415 - see the module's text

    asked = Asked(reference=reference, mean=mean, rises=tuple(rises or ()), per_hour=per_hour)
    raise typer.Exit(command.check(paths, lambda guardrail: explain(guardrail, asked)))


@app.command(epilog="Example: watchkeeper backtest --guardrails loan.yaml --events monday.jsonl --events tuesday.jsonl.gz")
def backtest(
    guardrails: Annotated[Path, typer.Option("--guardrails", metavar="FILE", help="The model's guardrail file.")],
    events: Annotated[
        list[Path],
        typer.Option(
            "--events",
            metavar="FILE",
            help="JSON lines in the order of arrival, .gz too; may be given again: the files are one stream in that order.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output instead of a table.")] = False,
    until: Annotated[
        float | None,
        typer.Option("--until", parser=_when, metavar="TIME", help=f"Let the clock go on to then after the last event: {_TIME}."),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option("--fail-on", help="Exit code 1 if there is an incident of this severity or a higher one."),
    ] = None,
) -> None:
    """Judge recorded events as the daemon would have, at full speed; exit code 0 whatever was found."""
    from daemon.commands import backtest as command  # noqa: PLC0415 - see the module's text

    raise typer.Exit(command.backtest(guardrails, events, as_json=as_json, until=until, fail_on=fail_on))


@app.command(epilog="Example: watchkeeper record --settings settings.yaml --since 7d --model loan-approval --out week.jsonl.gz")
def record(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write, compressed if it ends in .gz.")],
    settings: Settings = None,
    since: Annotated[
        float | None,
        typer.Option("--since", parser=_when, metavar="TIME", help=f"Leave out what arrived before: {_TIME}."),
    ] = None,
    until: Annotated[
        float | None,
        typer.Option("--until", parser=_when, metavar="TIME", help=f"Leave out what arrived after: {_TIME}."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only the events of this model.")] = None,
) -> None:
    """Write the events that the topics hold now to a file that backtest reads, in the order of their arrival."""
    from daemon.commands import record as command  # noqa: PLC0415 - see the module's text

    raise typer.Exit(command.record(settings, out, since=since, until=until, model=model))


@app.command(epilog="Example: watchkeeper profile --guardrails loan.yaml --events holdout.csv --output profiles/loan.json")
def profile(
    guardrails: Annotated[Path, typer.Option("--guardrails", metavar="FILE", help="The model's guardrail file.")],
    events: Annotated[
        list[Path],
        typer.Option(
            "--events", metavar="FILE", help="JSON lines as for backtest, or CSV whose first line names the columns; .gz too."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The file to write; without it, standard output.")
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", metavar="NAME", help="JSON lines: only events of this version.")
    ] = None,
    prediction: Annotated[
        str, typer.Option("--prediction", metavar="NAME", help="CSV: the column of predictions.")
    ] = "prediction",
    score: Annotated[str, typer.Option("--score", metavar="NAME", help="CSV: the column of scores.")] = "score",
    label: Annotated[str, typer.Option("--label", metavar="NAME", help="CSV: the column of labels.")] = "label",
    leave_out: Annotated[
        list[str], typer.Option("--leave-out", metavar="NAME", help="What is no feature; may be given again.")
    ] = ["id", "ts"],  # noqa: B006 - typer makes a list of its own of it, and shows it in the help
) -> None:
    """Make a reference profile (for reference.profile) from recorded events, or from held-out rows of the training set."""
    from daemon.commands import profile as command  # noqa: PLC0415 - see the module's text
    from daemon.tables import Columns  # noqa: PLC0415 - see the module's text

    columns = Columns(prediction, score, label, frozenset(leave_out))
    raise typer.Exit(command.profile(guardrails, events, output, version=version, columns=columns))


@app.command(epilog="Example: watchkeeper demo --keep")
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards, for a look around.")] = False,
) -> None:
    """Tell the whole story on an embedded broker, in a minute: a bad version, the alarm, the rollback, the page."""
    from daemon.demo import run_demo  # noqa: PLC0415 - see the module's text

    raise typer.Exit(run_demo(keep=keep))


add_commands(app)
