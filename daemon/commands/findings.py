"""The report of a backtest for a person's eyes. It shows what the JSON document says, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

_STYLES: Final[Mapping[str, str]] = {"page": "bold red", "ticket": "yellow", "log": "dim", "ok": "green", "breach": "red"}


def print_findings(report: Mapping[str, Any], console: Console) -> None:
    """Print a report (the document of `backtest --json`)."""
    _print_events(report, console)
    incidents = report["incidents"]
    console.print(f"\n[bold]{'no incident' if not incidents else _counted(len(incidents), 'incident')}[/]")
    for incident in incidents:
        console.print(_headline(incident))
        console.print(Padding(_particulars(incident), (0, 0, 1, 2)))
    if report["verdicts"]:
        console.print(_verdicts(report["verdicts"]))


def _print_events(report: Mapping[str, Any], console: Console) -> None:
    guardrails, events = report["guardrails"], report["events"]
    digest = guardrails["digest"][:12]
    console.print(f"[bold]{escape(guardrails['model'])}[/], guardrails version {guardrails['version']} ({digest})")
    table = _pairs()
    read = ", ".join(_counted(events[f"{kind}s"], kind) for kind in ("prediction", "label", "outcome"))
    table.add_row("read", read)
    rejected = events["rejected"]
    if rejected:
        table.add_row("rejected", ", ".join(f"{reason} {count:,}" for reason, count in rejected.items()), style="yellow")
    table.add_row("joined", f"{report['joined']:,}, expired without a label {report['expired']:,}")
    table.add_row("from", f"{report['from'] or 'nothing'} to {report['to'] or 'nothing'}")
    console.print(table)


def _headline(incident: Mapping[str, Any]) -> str:
    severity = incident["severity"]
    scope = " ".join(f"{name} {escape(incident[name])}" for name in ("version", "segment") if incident[name] is not None)
    return f"[{_STYLES[severity]}]{severity}[/] [bold]{incident['cause']}[/] {scope} [dim]{incident['id']}[/]"


def _particulars(incident: Mapping[str, Any]) -> Table:
    table = _pairs()
    table.add_row("reason", escape(incident["reason"]))
    table.add_row("rules", ", ".join(incident["rules"]))
    table.add_row("onset", incident["onset"])
    table.add_row("alarm", f"{incident['opened']}, {_counted(incident['labels_to_alarm'], 'label')} after the onset")
    table.add_row("resolved", incident["resolved"] or "not yet")
    if incident["features"]:
        first = incident["features"][:5]
        moved = (f"{feature['name']} ({feature['what']}, effect {feature['effect']:+.2f})" for feature in first)
        table.add_row("moved", escape(", ".join(moved)))
    for name, heading in (("actions", "action"), ("would", "would")):
        for action in incident.get(name, ()):
            table.add_row(heading, escape(_action(action)))
    return table


def _action(action: Mapping[str, str]) -> str:
    words = [action["kind"].replace("_", " ")]
    words += [f"to version {action['target']}"] if "target" in action else []
    words += [f"to {action['route']}"] if "route" in action else []
    sentence = " ".join(words)
    # The reason of a rollback is that of the incident, which stands above already.
    return f"{sentence}: {action['reason']}" if "reason" in action and action["kind"] != "rollback" else sentence


def _verdicts(verdicts: list[dict[str, Any]]) -> Table:
    table = Table("rule", "version", "segment", "now", title="verdicts, and the share of time in each", title_justify="left")
    for state in ("ok", "unknown", "breach"):
        table.add_column(state, justify="right")
    for verdict in verdicts:
        seconds = verdict["seconds"]
        total = sum(seconds.values())
        state = verdict["state"]
        now = f"[{_STYLES[state]}]{state}[/]" if state in _STYLES else state
        shares = (f"{100 * seconds[name] / total:.1f} %" if total else "-" for name in ("ok", "unknown", "breach"))
        table.add_row(verdict["rule"], escape(verdict["version"]), escape(verdict["segment"] or ""), now, *shares)
    return table


def _pairs() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
