"""What is found on the inputs of a version, as plain frozen data: one finding a column and kind of fault.

Everything that measures inputs speaks in these terms, and whoever judges them reads nothing else. A finding says how large it
is, since when, on how many rows, and how sure its kind is: *declared* faults break what a person wrote down, all others only
differ from what was seen before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

What = Literal["missing", "wrong_type", "out_of_bounds", "unknown_category", "swapped", "drifted"]

#: The name of the model's output (score, number or class) among the columns.
OUTPUT: Final = "output"
#: Findings of a group that a report holds at most.
MOST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFinding:
    """One fault of one column.

    Attributes:
        name: Of the column; `OUTPUT` for what the model says.
        what: The fault; of several in one column the most frequent.
        share: Of the rows since the onset, 0 to 1; of a drifted or swapped column its divergence from the profile (PSI).
        expected: The share that is normal; 0 for a divergence.
        effect: For ranking: how far the share is over its limit, or the divergence.
        onset: Event time of the row at which it began, epoch seconds; an estimate.
        rows: Rows since then.
        hard: Whether it breaks what the guardrail file declares.
        moves_scores: How far apart the outputs of rows with and without the value are (corrected PSI); None while there are too
            few of either.
        partner: Of a swapped column, the one whose values it holds now.
        slow: Whether a drift came gradually.
    """

    name: str
    what: What
    share: float
    expected: float
    effect: float
    onset: float
    rows: int
    hard: bool
    moves_scores: float | None = None
    partner: str | None = None
    slow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InputReport:
    """Everything found on the inputs of one version now.

    Attributes:
        rows: Rows seen, ever.
        learned: Rows that its own profile was learned from so far.
        needed: Rows that it takes.
        last: When the last row came, epoch seconds of `at`; 0 before the first.
        judged: Whether there is a profile, so that missing values, soft errors, swaps and drift are looked for at all.
        hard: Declared types, bounds or categories that are broken, largest effect first, as all of these.
        soft: Inferred ones.
        missing: Values that are not there.
        swapped: Columns that hold another's values.
        drifted: Columns, and the output, whose distribution moved and stayed away.
        evidence: How near the next finding is, 0 to 1, for "records", "missing" and "drift".
        errors: Values that broke what is declared, ever, by kind.
        stale: Columns that no detector was updated with for ten blocks although rows came.
        appeared: Columns that the profile does not know.
    """

    rows: int
    learned: int
    needed: int
    last: float
    judged: bool
    hard: tuple[ColumnFinding, ...]
    soft: tuple[ColumnFinding, ...]
    missing: tuple[ColumnFinding, ...]
    swapped: tuple[ColumnFinding, ...]
    drifted: tuple[ColumnFinding, ...]
    evidence: Mapping[str, float]
    errors: Mapping[str, int]
    stale: tuple[str, ...]
    appeared: tuple[str, ...]


def ranked(findings: list[ColumnFinding]) -> tuple[ColumnFinding, ...]:
    """The largest ones, largest first; ties by name."""
    return tuple(sorted(findings, key=lambda finding: (-finding.effect, finding.name))[:MOST])
