"""What a person on call does by the daemon's API: `incidents`, `show`, `ack`, `resolve`, `silence`, `rollback`, `report`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import typer
from rich.console import Console

from daemon.commands.client import Client, part
from daemon.commands.sheets import print_incident, print_incidents, print_report
from daemon.errors import NO, OK

#: Columns of a table where standard output is no terminal and so has no width of its own.
WIDTH: Final = 140
#: Incidents that are listed at most.
LISTED: Final = 200


def incidents(client: Client, *, model: str | None, state: str | None, as_json: bool) -> int:
    """List what is open, the most urgent first; or with `resolved`, what is over, the newest first."""
    order = "newest" if state == "resolved" else "priority"
    found = client.get("/api/v1/incidents", model=model, state=state, order=order, limit=LISTED)
    _note(client)
    if as_json:
        return _print_json(found)
    print_incidents(found["incidents"], time.time(), _console())
    return OK


def show(client: Client, identity: str, *, as_json: bool) -> int:
    """Show one incident with its timeline."""
    found = client.get(f"/api/v1/incidents/{part(identity)}")
    _note(client)
    if as_json:
        return _print_json(found)
    print_incident(found, _console())
    return OK


def acknowledge(client: Client, identity: str, by: str, reason: str | None) -> int:
    """Say that somebody has seen it."""
    return _say(client.post(f"/api/v1/incidents/{part(identity)}/acknowledge", by=by, reason=reason))


def resolve(client: Client, identity: str, by: str, reason: str, verdict: str | None) -> int:
    """Close it, or judge one that is over."""
    return _say(client.post(f"/api/v1/incidents/{part(identity)}/resolve", by=by, reason=reason, verdict=verdict))


def silence(client: Client, by: str, reason: str, seconds: str, about: Mapping[str, str | None]) -> int:
    """Mute pages and tickets for a while, such as `2h`."""
    return _say(client.post("/api/v1/silences", by=by, reason=reason, **{"for": seconds}, **about))


def silences(client: Client, *, as_json: bool) -> int:
    """List the silences that are not over."""
    found = client.get("/api/v1/silences")
    _note(client)
    if as_json:
        return _print_json(found)
    for each in found["silences"]:
        about = " ".join(f"{name}={each[name]}" for name in ("model", "cause", "owner") if each[name] != "*") or "everything"
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(each["ends"]))
        typer.echo(f"{each['id']}  {about}  until {ends}  by {each['author']}: {each['reason']}")
    if not found["silences"]:
        typer.echo("no silence")
    return OK


def unsilence(client: Client, identity: str, by: str) -> int:
    """End a silence sooner."""
    return _say(client.delete(f"/api/v1/silences/{part(identity)}", by=by))


def rollback(client: Client, identity: str, by: str) -> int:
    """Approve the rollback of an incident."""
    return _say(client.post(f"/api/v1/incidents/{part(identity)}/rollback", by=by))


def rehearse(client: Client, identity: str) -> int:
    """Print what a rollback would send, exactly but for its secrets; exit code 1 when it would not be sent now."""
    plan = client.get(f"/api/v1/incidents/{part(identity)}/rollback", secret=True)
    typer.echo(plan["text"])
    if plan["found"] is not None:
        typer.echo(plan["found"])
    for sending in plan["sendings"]:
        head = [f"{sending['method']} {sending['to']}", *(f"{name}: {value}" for name, value in sending["headers"].items())]
        typer.echo("\n" + "\n".join([*head, "", sending["body"]] if sending["body"] else head))
    if plan["found"] is not None and not plan["sendings"]:
        typer.echo("nothing would be sent")
    return OK if plan["may"] else NO


def clear(client: Client, model: str, version: str, by: str) -> int:
    """Let a version that was rolled back be rolled back again."""
    return _say(client.post(f"/api/v1/models/{part(model)}/versions/{part(version)}/clear", by=by))


def report(client: Client, since: float, *, as_json: bool) -> int:
    """Print the shift report from then to now."""
    found = client.get("/api/v1/report", since=since, until=time.time())
    _note(client)
    if as_json:
        return _print_json(found)
    print_report(found, _console())
    return OK


def _say(answer: Mapping[str, Any]) -> int:
    typer.echo(answer["text"])
    return OK


def _note(client: Client) -> None:
    """Say where what follows may be old: a standby knows what was in the journal when it last read it."""
    reason = client.standing()
    if reason is not None:
        typer.echo(f"note: this may be old, the daemon that was asked does not act: {reason}", err=True)


def _print_json(document: Mapping[str, Any]) -> int:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()  # here, where a reader that has gone away is still dealt with
    return OK


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
