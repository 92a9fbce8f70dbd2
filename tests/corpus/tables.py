"""The tables: what was measured, as a person reads it, on a terminal and in `README.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Final

from tests.corpus.baselines import BASELINES
from tests.corpus.faults import Fault
from tests.corpus.results import DAEMON, Page, Result
from tests.corpus.score import Judged, Score, Share, judge, rollbacks, score, share
from tests.corpus.table import FAULTS, ROLLBACKS

Table = tuple[str, Sequence[str], list[list[str]]]

#: What the issue asks for.
RECALL: Final = 0.95
PRECISION: Final = 0.95
CAUSE: Final = 0.90

_ROLLBACK_KINDS: Final = frozenset(fault.name for fault, _ in ROLLBACKS)


def tables(results: Sequence[Result]) -> Iterator[Table]:
    """Give every table that these results can fill."""
    faults = [result for result in results if result.fault not in _ROLLBACK_KINDS]
    reported = [result for result in faults if not result.tuned]
    if reported:
        yield _summary("What was held out", reported)
        yield _methods("The same against the baselines", reported)
    if len(reported) < len(faults):
        yield _summary("What may have been looked at", [result for result in faults if result.tuned])
    if faults:
        yield _worlds(faults)
        yield _kinds("Faults that page", [fault for fault in FAULTS if not fault.quiet], faults)
        yield _kinds("Faults that do not", [fault for fault in FAULTS if fault.quiet], faults)
    if len(faults) < len(results):
        yield _no_rollbacks([result for result in results if result.fault in _ROLLBACK_KINDS])


def _reach(value: Share, wanted: float) -> str:
    return "-" if not value.of else "yes" if value.value >= wanted else "no"


def _summary(title: str, results: Sequence[Result]) -> Table:
    found, judged = score(results), [judge(result) for result in results]
    right = [one for one in judged if one.result.kind.rollback and one.result.detectable]
    wrong = [one for one in judged if not one.result.kind.rollback]
    sent = [one for one in judged if rollbacks(one.result)]
    pages, quiet = found.quiet
    hard = [one for one in judged if one.result.harmful and not one.result.detectable]
    rows = [
        ["recall of harmful, detectable faults", str(found.recall), f">= {RECALL}", _reach(found.recall, RECALL)],
        ["recall of faults that the loss does not show", str(found.rules), "", ""],
        ["precision of pages", str(found.precision), f">= {PRECISION}", _reach(found.precision, PRECISION)],
        ["one page a fault", str(found.once), f">= {PRECISION}", _reach(found.once, PRECISION)],
        ["pages where none is right", f"{pages} in {quiet} streams", "0", "yes" if not pages else "no"],
        ["pages where a fault of another kind did no harm", "{} in {} streams".format(*found.harmless), "", ""],
        ["right cause, at the end", str(found.cause), f">= {CAUSE}", _reach(found.cause, CAUSE)],
        ["right columns or segment named", str(found.named), "", ""],
        ["right rollbacks, of those sent", str(_right(sent)), f">= {CAUSE}", _reach(_right(sent), CAUSE)],
        ["rollbacks sent, of those that would be right", str(share(right, lambda one: bool(rollbacks(one.result)))), "", ""],
        ["rollbacks sent where none is right", f"{sum(bool(rollbacks(one.result)) for one in wrong)} in {len(wrong)}", "", ""],
        ["tickets where a ticket is right", str(share(_with(judged, "ticket"), _ticketed)), "", ""],
        ["tickets where nothing is right", str(share(_with(judged, "nothing"), _ticketed)), "", ""],
        ["median labels from the change to the page", _number(found.labels), "", ""],
        ["median hours from the end to the resolution", _number(found.reset), "", ""],
        ["ended faults whose page stayed open", str(found.unreset), "", ""],
        ["harmful, with too few labels: paged all the same", str(share(hard, lambda one: one.found)), "", ""],
    ]
    return f"{title} ({len(results)} streams)", ("measure", "measured", "reach", "reached"), rows


def _with(judged: Sequence[Judged], answer: str) -> list[Judged]:
    return [one for one in judged if one.result.kind.answer == answer and one.result.quiet]


def _ticketed(one: Judged) -> bool:
    return bool(one.result.tickets)


def _right(sent: Sequence[Judged]) -> Share:
    return share(sent, lambda one: one.result.kind.rollback)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _methods(title: str, results: Sequence[Result]) -> Table:
    scores: Mapping[str, Score] = {method: score(results, method) for method in (DAEMON, *BASELINES)}
    rows = [
        [
            method,
            str(found.recall),
            str(found.precision),
            f"{found.quiet[0]} in {found.quiet[1]}",
            _number(found.labels),
            _number(found.reset),
            f"{1.0 - found.once.value:.2f}" if found.once.of else "-",
        ]
        for method, found in scores.items()
    ]
    return title, ("method", "recall", "precision", "pages where none is right", "labels", "reset, h", "more than one page"), rows


def _worlds(results: Sequence[Result]) -> Table:
    rows = []
    for world in dict.fromkeys(result.world for result in results):
        for tuned in (False, True):
            mine = [result for result in results if result.world == world and result.tuned == tuned]
            if mine:
                found = score(mine)
                name = f"{world} (tuned on)" if tuned else world
                quiet = f"{found.quiet[0]} in {found.quiet[1]}"
                rows.append([name, str(len(mine)), str(found.recall), str(found.precision), quiet, str(found.cause)])
    return "By world", ("world", "streams", "recall", "precision", "pages where none is right", "right cause"), rows


def _kinds(title: str, kinds: Sequence[Fault], results: Sequence[Result]) -> Table:
    heads = (
        *("fault", "said by", "right", "streams", "harmful", "detectable"),
        *("paged", "false", "cause", "again", "labels", "reset, h", "tickets"),
    )
    rows = []
    for fault in kinds:
        mine = [judge(result) for result in results if result.fault == fault.name]
        if mine:
            rows.append([fault.name, fault.said_by, _answer(fault), *_row(mine)])
    return title, heads, rows


def _answer(fault: Fault) -> str:
    words = "/".join(fault.causes) if fault.causes else fault.answer
    return f"{fault.answer}: {words}" + (", rollback" if fault.rollback else "") if fault.causes else words


def _row(mine: Sequence[Judged]) -> list[str]:
    found = [one for one in mine if one.found]
    owed = [one for one in mine if one.result.owed]
    labels = [one.first.labels for one in found if one.first is not None and one.result.detectable]
    resets = [one.reset / 3600.0 for one in found if one.reset is not None]
    return [
        str(len(mine)),
        str(sum(one.result.harmful for one in mine)),
        str(sum(one.result.detectable for one in mine)),
        f"{sum(one.found for one in owed)}/{len(owed)}",
        str(sum(len(one.false) for one in mine)),
        f"{sum(one.cause_right for one in found)}/{len(found)}",
        str(sum(len(one.again) for one in mine)),
        _number(median(labels) if labels else None),
        _number(median(resets) if resets else None),
        str(sum(bool(one.result.tickets) for one in mine)),
    ]


def _no_rollbacks(results: Sequence[Result]) -> Table:
    rows = []
    for fault, _ in ROLLBACKS:
        mine = [judge(result) for result in results if result.fault == fault.name]
        if mine:
            sent = sum(bool(rollbacks(one.result)) for one in mine)
            found, owed = [one for one in mine if one.found], [one for one in mine if one.result.owed]
            pages = f"{sum(one.found for one in owed)}/{len(owed)}"
            cause = f"{sum(one.cause_right for one in found)}/{len(found)}"
            rows.append([fault.what, str(len(mine)), str(sent), pages, cause, str(sum(len(one.false) for one in mine))])
    total = sum(int(row[2]) for row in rows)
    rows.append(["all", str(len(results)), str(total), "", "", ""])
    return (
        "Streams in which every rollback is wrong",
        ("stream", "streams", "rollbacks", "paged where owed", "right cause", "false pages"),
        rows,
    )


# --- misses -----------------------------------------------------------------------------------------------------------------


def misses(results: Sequence[Result]) -> Iterator[str]:
    """Tell each stream that was answered wrongly: what was right, what came, and the reasons that the incidents gave."""
    for result in results:
        judged = judge(result)
        wrong = list(_wrong(judged))
        if not wrong:
            continue
        yield f"{result.key} (strength {result.level}): {'; '.join(wrong)}"
        yield f"    right: {_answer(result.kind)}{'' if result.kind.causes else ' (no cause)'}; {_truth(result)}"
        for page in result.pages[DAEMON]:
            yield f"    page    {_told(page, result)}"
        for page in result.tickets:
            yield f"    ticket  {_told(page, result)}"


def _wrong(judged: Judged) -> Iterator[str]:
    result = judged.result
    if judged.missed:
        yield "missed"
    if judged.false:
        yield f"{len(judged.false)} false"
    if judged.again:
        yield f"{len(judged.again)} again"
    if judged.found and not judged.cause_right:
        yield "wrong cause"
    if judged.named is False:
        yield "not named"
    if judged.never_reset:
        yield "not resolved"
    sent = bool(rollbacks(result))
    if sent and not result.kind.rollback:
        yield "wrong rollback"
    if not sent and result.kind.rollback and judged.found and result.detectable:
        yield "no rollback"
    if result.kind.answer == "nothing" and result.tickets:
        yield "a ticket"


def _truth(result: Result) -> str:
    needed = "no number" if result.needed is None else f"{result.needed:.0f}"
    return f"true mean {result.mean:.4f}, limit {result.limit:.4f}, {result.labels} labels, {needed} needed"


def _told(page: Page, result: Result) -> str:
    when = f"{(page.opened - result.start) / 3600:+.2f} h, {page.labels} labels"
    ended = "open" if page.resolved is None else f"resolved {(page.resolved - result.start) / 3600:+.2f} h"
    sent = f", rollback to {', '.join(page.rollbacks)}" if page.rollbacks else ""
    where = f" {page.segment}" if page.segment else ""
    return f"{page.cause} of {page.version}{where} [{when}; {ended}{sent}] {page.reason} {list(page.columns)[:4] or ''}"


def markdown(table: Table) -> str:
    """Write a table for `README.md`."""
    title, heads, rows = table
    lines = [f"### {title}", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, ""])


def stamp() -> str:
    """Give the day of a run."""
    return datetime.now(tz=UTC).date().isoformat()
