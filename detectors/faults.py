"""All shares of faults of a version: which columns are watched for what, against which limit, and what was found.

Three groups, because they mean different things: values that are missing, *hard* errors, which break what the guardrail file
declares and need no reference, and *soft* errors, which the profile only never saw. Each detector may cost the same part of the
budget, whether it is there yet or not: so that a column's first fault changes nobody's limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from detectors.base import State
from detectors.columns import Column
from detectors.findings import ColumnFinding, What
from detectors.histograms import MOVED, Bins
from detectors.quality import FAULTS, Declared, Faults, Tally, usual_faults, watched
from detectors.rows import Layout
from detectors.shares import TOLERANCE, Outputs, ShareDetector, limit_of_share

Group = Literal["missing", "hard", "soft"]
GROUPS: Final[tuple[Group, ...]] = get_args(Group)
#: What the kinds of fault of each group are called, in the order of a tally.
_KINDS: Final[Mapping[Group, tuple[What, ...]]] = {"missing": ("missing",), "hard": FAULTS, "soft": FAULTS}
#: Blocks that a detector may miss before it is called stale.
_STALE: Final = 10


@dataclass(frozen=True, slots=True)
class Limit:
    """How many rows of a column may be at fault.

    Attributes:
        limit: The largest harmless share, above 0 and below 1.
        expected: The share that is normal.
    """

    limit: float
    expected: float


def limits_of(declared: Mapping[str, Declared], columns: Mapping[str, Column]) -> dict[Group, dict[str, Limit]]:
    """What each column is held to, by group; one that cannot be broken is left out."""
    names = watched(declared, columns)
    missing = {name: _missing(declared.get(name), columns.get(name)) for name in names}
    soft = {
        name: _soft(columns[name]) for name, kind in names.items() if name in columns and columns[name].kind == kind != "mixed"
    }
    return {
        "missing": {name: limit for name, limit in missing.items() if limit is not None and limit.limit < 1.0},
        "hard": {name: Limit(TOLERANCE, 0.0) for name in names if name in declared},
        "soft": {name: limit for name, limit in soft.items() if limit.limit < 1.0},
    }


def _missing(declared: Declared | None, column: Column | None) -> Limit | None:
    if declared is not None and declared.missing is not None:
        return Limit(declared.missing + TOLERANCE, declared.missing)
    if column is None or column.rows == 0:
        return None
    share = column.missing / column.rows
    return Limit(limit_of_share(share, column.rows), share)


def _soft(column: Column) -> Limit:
    share = usual_faults(column)
    return Limit(limit_of_share(share, column.rows), share)


class FaultWatch:
    """Watches the shares of faults of all columns.

    Args:
        limits: By group and column, see `limits_of`.
        per_second: False alarms a second that all detectors may cost together.

    Attributes:
        blocks: How many were taken.
    """

    def __init__(self, limits: Mapping[Group, Mapping[str, Limit]], per_second: float) -> None:
        self.blocks = 0
        self._per_second = per_second
        self._detectors: dict[Group, dict[str, ShareDetector]] = {group: {} for group in GROUPS}
        self._limits = limits
        self._rate = self._share_of_budget()

    def _share_of_budget(self) -> float:
        return self._per_second / max(1, sum(map(len, self._limits.values())))

    def take(self, layout: Layout, tally: Tally, seconds: float, mark: float) -> None:
        """Take a block.

        Args:
            layout: Of the tally.
            tally: What was at fault.
            seconds: Since the last block.
            mark: Event time of the block's first row.
        """
        self.blocks += 1
        tables: dict[Group, Faults] = {"missing": tally.missing[:, None], "hard": tally.hard, "soft": tally.soft}
        for group, table in tables.items():
            detectors, limits = self._detectors[group], self._limits[group]
            for line in np.flatnonzero(table.any(axis=1)).tolist():
                name = layout.names[line]
                if name in limits and name not in detectors:
                    one = limits[name]
                    detectors[name] = ShareDetector(one.limit, one.expected, table.shape[1], self.blocks)
            for name, detector in detectors.items():
                detector.update(table[layout.place[name]].tolist(), tally.rows, self._rate, seconds, mark)

    def compare(self, layout: Layout, tally: Tally, bins: Bins, outputs: Outputs) -> None:
        """Take the outputs of the same block, by the bins that they are in, and count them into the last while."""
        counts = outputs.count(bins)
        detectors = self._detectors["missing"]
        if detectors:
            lately, none = outputs.lately, [0] * outputs.cells
            for name, detector in detectors.items():
                gone = tally.gone.get(layout.place[name])
                detector.compare(counts, none if gone is None else outputs.count(bins[gone]), lately)
        outputs.add(counts)

    def hold_to(self, limits: Mapping[Group, Mapping[str, Limit]], *, rebinned: bool) -> None:
        """Set all limits anew.

        Args:
            limits: By group and column, see `limits_of`.
            rebinned: Whether the bins of the outputs are others now, so that those counted so far say nothing.
        """
        self._limits = limits
        self._rate = self._share_of_budget()
        for group in GROUPS:
            kept = {name: detector for name, detector in self._detectors[group].items() if name in limits[group]}
            self._detectors[group] = kept
            for name, detector in kept.items():
                detector.hold_to(limits[group][name].limit, limits[group][name].expected)
                if rebinned:
                    detector.forget_outputs()

    def findings(self, group: Group) -> list[ColumnFinding]:
        """What is found in a group now."""
        return [_finding(group, name, detector) for name, detector in self._found(group)]

    def found(self) -> Iterator[tuple[str, ...]]:
        """What is found now, in a form that changes when it matters."""
        for group in GROUPS:
            for name, detector in self._found(group):
                moves = detector.moves() if group == "missing" else None
                yield group, name, "" if moves is None else str(moves >= MOVED)

    def _found(self, group: Group) -> list[tuple[str, ShareDetector]]:
        return [(name, detector) for name, detector in self._detectors[group].items() if detector.found]

    def evidence(self, *groups: Group) -> float:
        """How near the next finding of these groups is, 0 to 1."""
        detectors = (detector for group in groups for detector in self._detectors[group].values())
        return max((detector.evidence(self._rate) for detector in detectors), default=0.0)

    def stale(self) -> list[str]:
        """The columns one of whose detectors missed ten blocks."""
        detectors = (item for group in GROUPS for item in self._detectors[group].items())
        return sorted({name for name, detector in detectors if self.blocks - detector.blocks_to >= _STALE})

    def to_state(self) -> State:
        """Plain data for `restore`."""
        detectors = {group: {name: one.to_state() for name, one in self._detectors[group].items()} for group in GROUPS}
        return {"blocks": self.blocks, "detectors": detectors}

    def restore(self, state: Mapping[str, object]) -> None:
        """Take up what `to_state` gave, of the columns that are still watched; limits that changed are held to."""
        s: State = dict(state)
        self.blocks = s["blocks"]
        for group in GROUPS:
            known = {name: one for name, one in s["detectors"][group].items() if name in self._limits[group]}
            self._detectors[group] = {name: ShareDetector.from_state(one) for name, one in known.items()}
        self.hold_to(self._limits, rebinned=False)


def _finding(group: Group, name: str, detector: ShareDetector) -> ColumnFinding:
    kind = max(range(len(detector.faults)), key=detector.faults.__getitem__)
    return ColumnFinding(
        name=name,
        what=_KINDS[group][kind],
        share=detector.share,
        expected=detector.expected,
        effect=max(0.0, detector.share - detector.limit),
        onset=detector.onset,
        rows=detector.rows,
        hard=group == "hard",
        moves_scores=detector.moves() if group == "missing" else None,
    )
