"""The commands of a person on call, as they are typed. They ask the daemon's API; what they do is in `daemon.commands.oncall`."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands.moments import moment

if TYPE_CHECKING:
    from daemon.commands.client import Client

Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="Where the daemon listens; default $WATCHKEEPER_URL or this machine.")
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="A file with the daemon's token; default $WATCHKEEPER_TOKEN.")
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who you are; default your login name.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Identity = Annotated[str, typer.Argument(metavar="ID", help="The id of an incident.")]


class State(StrEnum):
    """States of incidents."""

    open = "open"
    acknowledged = "acknowledged"
    mitigated = "mitigated"
    resolved = "resolved"


class Verdict(StrEnum):
    """What an incident was."""

    real = "real"
    false_alarm = "false_alarm"
    duplicate = "duplicate"


def add_commands(app: typer.Typer) -> None:
    """Add them."""
    app.command(epilog="Example: watchkeeper incidents --model loan-approval")(incidents)
    app.command(epilog="Example: watchkeeper show 3fa9c2d41b07")(show)
    app.command(epilog="Example: watchkeeper ack 3fa9c2d41b07")(ack)
    app.command(epilog='Example: watchkeeper resolve 3fa9c2d41b07 --reason "a marketing campaign" --verdict false_alarm')(resolve)
    app.command(epilog='Example: watchkeeper silence --model loan-approval --for 2h --reason "backfill of the labels"')(silence)
    app.command(epilog="Example: watchkeeper rollback 3fa9c2d41b07 --dry-run")(rollback)
    app.command(epilog="Example: watchkeeper report --last 7d")(report)


def _client(url: str | None, token_file: Path | None = None) -> Client:
    from daemon.commands.client import Client  # noqa: PLC0415 - `--help` need not wait for an HTTP client

    return Client(url, token_file)


def _by(by: str | None) -> str:
    from daemon.commands.client import name_of_user  # noqa: PLC0415 - see above

    return by or name_of_user()


def _ago(text: str) -> float:
    """Read how long ago, or since when. Raises BadParameter."""
    try:
        return moment(text, time.time())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def incidents(
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only those of this model.")] = None,
    state: Annotated[State | None, typer.Option("--state", help="Only those in this state.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List the incidents that are not resolved, the most urgent first; with --state resolved those that are, the newest first."""
    from daemon.commands import oncall as command  # noqa: PLC0415 - see above

    raise typer.Exit(command.incidents(_client(url), model=model, state=state and state.value, as_json=as_json))


def show(identity: Identity, as_json: Json = False, url: Url = None) -> None:
    """Show one incident: the numbers, what moved, what was done, its timeline."""
    from daemon.commands import oncall as command  # noqa: PLC0415 - see above

    raise typer.Exit(command.show(_client(url), identity, as_json=as_json))


def ack(
    identity: Identity,
    by: By = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="A note for the timeline.")] = None,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Acknowledge an incident: you have seen it, and nobody else need be woken up."""
    from daemon.commands import oncall as command  # noqa: PLC0415 - see above

    raise typer.Exit(command.acknowledge(_client(url, token_file), identity, _by(by), reason))


def resolve(
    identity: Identity,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What it was, and what was done.")],
    verdict: Annotated[
        Verdict | None, typer.Option("--verdict", help="Whether it was one; feeds the precision of rules.")
    ] = None,
    by: By = None,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Resolve an incident on your word; or, with --verdict, say what one was that is over already."""
    from daemon.commands import oncall as command  # noqa: PLC0415 - see above

    raise typer.Exit(command.resolve(_client(url, token_file), identity, _by(by), reason, verdict and verdict.value))


def silence(  # noqa: PLR0913 - a parameter for each option
    *,
    seconds: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="How long, at most 31d: 30m, 2h, 7d.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why.")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="GLOB", help="Which models; * for all.")] = None,
    cause: Annotated[str | None, typer.Option("--cause", metavar="GLOB", help="Which causes.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", metavar="GLOB", help="Whose models.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the silences that are not over.")] = False,
    end: Annotated[str | None, typer.Option("--end", metavar="SILENCE", help="End this one sooner.")] = None,
    by: By = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Mute pages and tickets for a while; incidents open, and rollbacks are made, all the same."""
    from daemon.commands import oncall as command  # noqa: PLC0415 - see above

    client = _client(url, token_file)
    if listed:
        raise typer.Exit(command.silences(client, as_json=as_json))
    if end is not None:
        raise typer.Exit(command.unsilence(client, end, _by(by)))
    if seconds is None or reason is None:
        raise typer.BadParameter("say how long (--for 2h) and why (--reason TEXT)")
    if model is None and cause is None and owner is None:
        raise typer.BadParameter("say what: --model, --cause or --owner; --model '*' is everything")
    about = {"model": model, "cause": cause, "owner": owner}
    raise typer.Exit(command.silence(client, _by(by), reason, seconds, about))


def rollback(
    identity: Annotated[str | None, typer.Argument(metavar="[ID]", help="The incident whose rollback waits for you.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be sent, as the world is now.")] = False,
    clear: Annotated[
        tuple[str, str] | None,
        typer.Option("--clear", metavar="MODEL VERSION", help="Let this version, rolled back before, be rolled back again."),
    ] = None,
    by: By = None,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Approve a rollback: the situation is looked at again, and then it is sent."""
    from daemon.commands import oncall as command  # noqa: PLC0415 - see above

    if (identity is None) == (clear is None) or (clear is not None and dry_run):
        raise typer.BadParameter("name an incident (with --dry-run, if you like), or --clear MODEL VERSION")
    client = _client(url, token_file)
    if clear is not None:
        raise typer.Exit(command.clear(client, *clear, _by(by)))
    if dry_run:
        raise typer.Exit(command.rehearse(client, identity or ""))
    raise typer.Exit(command.rollback(client, identity or "", _by(by)))


def report(
    last: Annotated[
        float, typer.Option("--last", parser=_ago, metavar="TIME", help="Since when: 8h, 7d, or RFC 3339.", show_default="7d")
    ] = "7d",  # type: ignore[assignment]  # the parser makes a number of it
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Print the shift report: what fired, what was done, how long it took, what is open, which rule cries wolf."""
    from daemon.commands import oncall as command  # noqa: PLC0415 - see above

    raise typer.Exit(command.report(_client(url), last, as_json=as_json))
