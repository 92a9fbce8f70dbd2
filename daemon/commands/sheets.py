"""The queue, an incident and the shift report for a person's eyes. Each shows what its JSON says, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alerting.formats import rfc3339
from alerting.notice import duration

_STYLES: Final[Mapping[str, str]] = {"page": "bold red", "ticket": "yellow", "log": "dim"}


def print_incidents(found: Sequence[Mapping[str, Any]], now: float, console: Console) -> None:
    """Print incidents in the order in which they come; `now` is epoch seconds."""
    if not found:
        console.print("no incident")
        return
    table = Table("id", "severity", "state", "model", "cause", "what", "age", "traffic", "reason", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[-1].overflow = "fold"
    for one in found:
        what = " ".join(escape(str(one[name])) for name in ("version", "segment") if one[name] is not None)
        share = "" if one["traffic"] is None else f"{100 * one['traffic']:.0f} %"
        by = f" by {escape(one['acknowledged_by'])}" if one["acknowledged_by"] else ""
        observed = " (observed)" if one["observe"] else ""
        table.add_row(
            one["id"],
            f"[{_STYLES[one['severity']]}]{one['severity']}[/]{observed}",
            one["state"] + by,
            escape(one["model"]),
            one["cause"],
            what,
            duration((one["resolved"] or now) - one["opened"]),
            share,
            escape(one["reason"]),
        )
    console.print(table)


def print_incident(one: Mapping[str, Any], console: Console) -> None:
    """Print one incident with all that is known of it."""
    scope = " ".join(f"{name} {escape(str(one[name]))}" for name in ("version", "segment") if one[name] is not None)
    console.print(f"[{_STYLES[one['severity']]}]{one['severity']}[/] [bold]{escape(one['model'])}[/] {one['cause']} {scope}")
    table = _pairs()
    table.add_row("incident", f"{one['id']}, {one['state']}")
    table.add_row("reason", escape(one["reason"]))
    table.add_row("rules", ", ".join(one["rules"]))
    table.add_row("onset", rfc3339(one["onset"]))
    table.add_row("alarm", f"{rfc3339(one['opened'])}, {one['labels_to_alarm']:,} labels after the onset")
    if one["numbers"]:
        numbers = (f"{name} {'unknown' if value is None else f'{value:.4g}'}" for name, value in one["numbers"].items())
        table.add_row("numbers", escape(", ".join(numbers)))
    if one["features"]:
        moved = (f"{feature['name']} ({feature['what']})" for feature in one["features"][:5])
        table.add_row("moved", escape(", ".join(moved)))
    for heading, text in (("look at", ", ".join(one["examples"][:5])), ("why", one["why"]), ("runbook", one["runbook"])):
        if text:
            table.add_row(heading, escape(text))
    table.add_row("owner", escape(one["owner"]))
    table.add_row("judged by", f"guardrail version {one['guardrail_version']} ({one['guardrail_digest']})")
    if one["verdict"]:
        table.add_row("it was", f"{one['verdict'].replace('_', ' ')}, says {escape(one['judged_by'] or 'somebody')}")
    console.print(table)
    timeline = _pairs()
    for entry in one["timeline"]:
        timeline.add_row(rfc3339(entry["at"]), f"[bold]{entry['what'].replace('_', ' ')}[/] {escape(entry['detail'])}")
    console.print("\n[bold]timeline[/]")
    console.print(timeline)


def print_report(found: Mapping[str, Any], console: Console) -> None:
    """Print a shift report."""
    fired = found["fired"]
    console.print(f"[bold]{found['from']} to {found['to']}[/]")
    table = _pairs()
    table.add_row("fired", f"{fired['incidents']} incidents{_listed(fired['severities'])}{_listed(fired['causes'])}")
    table.add_row("done", _list(found["done"]) or "nothing")
    for what, heading in (("acknowledge", "to acknowledge"), ("mitigate", "to mitigate"), ("resolve", "to resolve")):
        table.add_row(heading, _took(found["took"][what]))
    if found["unseen"]:
        table.add_row("unseen", f"{found['unseen']} pages that nobody acknowledged", style="yellow")
    console.print(table)
    console.print(f"\n[bold]open: {len(found['open'])}[/]")
    for one in found["open"]:
        console.print(
            f"  {one['id']} {one['severity']} {escape(one['model'])} {one['cause']} {one['state']}: {escape(one['reason'])}"
        )
    rules = Table("rule", "incidents", "real", "false alarm", "duplicate", "precision", box=None, pad_edge=False)
    for each in found["rules"]:
        ratio = "not judged" if each["precision"] is None else f"{100 * each['precision']:.0f} %"
        counts = (str(each[name]) for name in ("incidents", "real", "false_alarm", "duplicate"))
        rules.add_row(escape(each["rule"]), *counts, ratio)
    if found["rules"]:
        console.print("\n[bold]rules[/]")
        console.print(rules)
    demote = found["demote"]
    console.print(f"\nto demote: {'no rule' if demote is None else escape(demote['why'])}")


def _took(times: Mapping[str, Any]) -> str:
    if not times["incidents"]:
        return "none"
    return f"median {duration(times['median'])}, longest {duration(times['longest'])} ({times['incidents']} incidents)"


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())


def _listed(counts: Mapping[str, int]) -> str:
    return f"; {escape(_list(counts))}" if counts else ""


def _pairs() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table
