"""`watchkeeper check --explain`: what a guardrail file comes to, as two tables."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from daemon.errors import CannotStart
from daemon.explain import (
    ALIKE,
    CANARIES,
    PER_HOUR,
    RISES,
    Basis,
    Plan,
    RiseLine,
    assumed,
    basis_of,
    full_level_after,
    rises,
    rules,
)
from daemon.guardrails import Guardrail
from detectors.budget import HIGHEST_LEVEL
from detectors.profile import ProfileError, load_profile
from detectors.trial import REPLACEMENT_LABELS

#: Columns where standard output is no terminal and so has no width of its own.
WIDTH: Final = 140
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants explained.

    Attributes:
        reference: A profile, instead of the one that the guardrail file names.
        mean: The reference's mean loss, where there is no profile.
        rises: Multiples of the reference; nothing: those that `daemon.explain` takes.
        per_hour: Labels an hour; None: the profile's own pace.
    """

    reference: Path | None = None
    mean: float | None = None
    rises: Sequence[float] = ()
    per_hour: float | None = None


def explain(guardrail: Guardrail, asked: Asked) -> None:
    """Print what the file comes to, to standard output.

    Raises:
        CannotStart: the profile cannot be read.
    """
    basis = _basis(guardrail, asked)
    plan = None if basis is None else Plan(guardrail, basis)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    for line in _head(guardrail, plan):
        console.print(f"  {escape(line)}", soft_wrap=True)
    console.print(_rules(guardrail, plan))
    if plan is None:
        return
    if plan.basis.sample.too_dependent:
        console.print("  [yellow]the losses hang together over so long that nothing can be judged against this reference[/]")
        return
    console.print(_rises(plan, asked.rises or RISES))
    for line in _foot(guardrail, plan):
        console.print(f"  {escape(line)}", style="dim", soft_wrap=True)


def _basis(guardrail: Guardrail, asked: Asked) -> Basis | None:
    if asked.mean is not None:
        return assumed(asked.mean, guardrail, asked.per_hour)
    named = guardrail.reference.profile
    path = asked.reference
    if path is None and named is not None and guardrail.path is not None:
        path = guardrail.path.parent / named
    if path is None or (asked.reference is None and not path.exists()):
        return None
    try:
        return basis_of(load_profile(path), guardrail, asked.per_hour)
    except ProfileError as error:
        raise CannotStart(str(error)) from None


def _head(guardrail: Guardrail, plan: Plan | None) -> Iterator[str]:
    yield f"budget: {guardrail.false_pages} false pages of the whole model"
    if plan is None:
        yield (
            "no losses to go by: name a profile that has some (reference.profile, or --reference FILE), or say the mean loss "
            "that you expect (--mean 0.10)"
        )
        return
    basis = plan.basis
    yield f"reference: mean loss {basis.sample.mean:.4g} ({basis.source})"
    yield f"harm begins at {plan.limit:.4g}: {plan.why}"
    pace = "assumed; say --per-hour N" if basis.per_hour is None else "the pace of the profile or of --per-hour"
    yield f"labels: {basis.pace:,.4g} an hour ({pace})"


def _rules(guardrail: Guardrail, plan: Plan | None) -> Table:
    table = Table("rule", "severity", title="rules", title_justify="left")
    table.add_column("breach", overflow="fold")
    table.add_column("weight", justify="right")
    table.add_column("false alarms", justify="right")
    for line in rules(guardrail, plan):
        weight = "-" if line.weight is None else f"1/{1.0 / line.weight:g}"
        every = "none proven" if line.every is None else f"1 in {_duration(line.every)}"
        off = line.severity == "off"
        table.add_row(escape(line.rule), line.severity, escape(line.limit), weight, every, style="dim" if off else None)
    return table


def _rises(plan: Plan, asked: Sequence[float]) -> Table:
    """The rises as rows; only the tests that are at work as columns."""
    guardrail = plan.guardrail
    table = Table("rise", title="labels until the alarm, on average", title_justify="left")
    table.add_column("mean loss", justify="right")
    harm, version = guardrail.severity_of("harm") != "off", guardrail.severity_of("version") != "off"
    headings = ["harm", "ln(1/c)/KL"] if harm else []
    headings += [f"segment, 1 of {ALIKE}"] if harm and guardrail.segments else []
    headings += [*(f"canary, {100 * share:g} %" for share in CANARIES), "replacement"] if version else []
    for heading in headings:
        table.add_column(heading, justify="right")
    for line in rises(plan, asked):
        cells = [_cell(line.harm, plan), _labels(line.textbook)] if harm else []
        cells += [_cell(line.segment, plan, 1.0 / ALIKE)] if harm and guardrail.segments else []
        cells += [*(_cell(labels, plan) for labels in line.canaries), _replacement(line, plan)] if version else []
        table.add_row(f"to {line.rise:g} x", f"{line.mean:.4g}", *cells)
    return table


def _cell(labels: float, plan: Plan, share: float = 1.0) -> str:
    """Labels, and where their pace is known the time that they take; `share` of all labels are of this test."""
    text, pace = _labels(labels), plan.basis.per_hour
    return text if pace is None or math.isinf(labels) else f"{text}\n{_duration(labels / (pace * share) * _HOUR)}"


def _replacement(line: RiseLine, plan: Plan) -> str:
    if math.isfinite(line.replacement) and line.replacement > REPLACEMENT_LABELS:
        return f"over {REPLACEMENT_LABELS:,}"
    return _cell(line.replacement, plan)


def _labels(labels: float) -> str:
    return "never" if math.isinf(labels) else f"{labels:,.0f}"


def _foot(guardrail: Guardrail, plan: Plan) -> Iterator[str]:
    yield "never: the rise is within that limit. A single delay scatters about its mean by half."
    yield "A segment's labels are its own, a canary's those of both arms."
    least = plan.least_visible
    found = f"a mean loss of {least:.4g} or more" if math.isfinite(least) else "nothing, however large"
    yield f"Within a day's labels harm finds {found}."
    after = _duration(full_level_after(guardrail))
    yield f"Newer versions are tested at level {HIGHEST_LEVEL:g}, and at less within {after} of the last test of that kind."
    if plan.basis.per_hour is None:
        yield f"At other paces than {PER_HOUR:,.0f} labels an hour harm takes more or less: ten times as many add a sixth."


def _duration(seconds: float) -> str:
    """Two digits that a person can use."""
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= size:
            count = seconds / size
            return f"{count:,.1f} {unit}".replace(".0 ", " ") if count < 10 else f"{count:,.0f} {unit}"  # noqa: PLR2004  (two digits)
    return f"{seconds:.0f} s"
