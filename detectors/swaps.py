"""Columns that hold each other's values: two that were swapped, or several after a table's header moved.

A swapped column looks like drift; what tells it is that each of the columns now looks as *another of them* used to. So only
columns that moved are compared, each with the profile of every other, and those are named whose values went round in a circle.
That the two used to differ need not be asked: a column that moved away from its own profile and is near another's shows it.

Two columns of the same two values each are never called swapped: when one becomes rarer and the other more frequent, that is as
likely a change of the traffic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from detectors.base import State
from detectors.columns import Column
from detectors.divergence import corrected_psi
from detectors.findings import ColumnFinding
from detectors.histograms import ALIKE, Counts, Histograms, differ
from detectors.recent import KEPT, Recent
from detectors.rows import Block, Numbers

#: Columns compared with each other at most; those that moved farthest.
_MOST: Final = 50
#: Share of the rows that need a value in a column.
_PRESENT: Final = 2 / 3
#: Rows in which a swap is not found any more until it is over.
_OVER: Final = 3 * KEPT
_TWO: Final = 2

Values = Numbers | Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Swap:
    """A column that holds another's values.

    Attributes:
        partner: Whose values it holds.
        divergence: From its own profile (corrected PSI).
        onset: Event time of the first row of the swap, an estimate.
        rows: Rows since it was found, and those in which it was found.
        unseen: Rows since it was last seen.
    """

    partner: str
    divergence: float
    onset: float
    rows: int
    unseen: int = 0


class SwapWatch:
    """Looks for swapped columns in the last rows."""

    def __init__(self) -> None:
        self.swaps: dict[str, Swap] = {}
        self._wait = 0

    def look(self, recent: Recent, histograms: Histograms, new: int) -> None:
        """Look at the rows that are kept.

        Args:
            recent: Those rows.
            histograms: Of the profile.
            new: Rows that came since the last look.
        """
        self._wait -= new
        if self._wait > 0:
            return
        block = recent.all()
        if block is None:
            return
        moved = _moved(histograms, histograms.count(block), len(block.marks))
        # Each pair costs some microseconds: with many of them the looks are as many rows apart, so that a row costs no more.
        self._wait = len(moved) ** 2 if len(moved) > _TWO else 0
        values = {name: column for name in moved if (column := recent.values(block, name)) is not None}
        columns = {name: histograms.columns[histograms.names.index(name)] for name in values}
        self._note(_circles(_nearest(values, columns)), moved, block, new, {n: (columns[n], values[n]) for n in values})

    def _note(
        self,
        found: Mapping[str, str],
        moved: Mapping[str, float],
        block: Block,
        new: int,
        columns: Mapping[str, tuple[Column, Values]],
    ) -> None:
        seen = {name: replace(swap, rows=swap.rows + new, unseen=swap.unseen + new) for name, swap in self.swaps.items()}
        self.swaps = {name: swap for name, swap in seen.items() if swap.unseen < _OVER or name in found}
        onset = _onset(block.marks, [columns[name] for name in found]) if found.keys() - self.swaps.keys() else 0.0
        for name, partner in found.items():
            known = self.swaps.get(name)
            if known is not None and known.partner == partner:
                self.swaps[name] = replace(known, divergence=moved[name], unseen=0)
            else:
                rows = sum(mark >= onset for mark in block.marks)
                self.swaps[name] = Swap(partner, moved[name], onset, rows)

    def findings(self, declared: Mapping[str, object]) -> list[ColumnFinding]:
        """What is swapped now."""
        return [
            ColumnFinding(
                name=name,
                what="swapped",
                share=swap.divergence,
                expected=0.0,
                effect=swap.divergence,
                onset=swap.onset,
                rows=swap.rows,
                hard=name in declared,
                partner=swap.partner,
            )
            for name, swap in self.swaps.items()
        ]

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {"wait": self._wait, "swaps": {name: asdict(swap) for name, swap in self.swaps.items()}}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> SwapWatch:
        """Rebuild what `to_state` described."""
        s: State = dict(state)
        watch = cls()
        watch._wait = s["wait"]
        watch.swaps = {name: Swap(**swap) for name, swap in s["swaps"].items()}
        return watch


def _moved(histograms: Histograms, counts: Counts, rows: int) -> dict[str, float]:
    """The columns that moved away from their own profile, farthest first, with how far."""
    found = {}
    for line, (name, column) in enumerate(zip(histograms.names, histograms.columns, strict=True)):
        now = histograms.of(counts, line)
        if sum(now) >= _PRESENT * rows:
            divergence, least = differ(column.counts, now)
            if divergence >= least:
                found[name] = divergence
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_MOST])


def _nearest(values: Mapping[str, Values], columns: Mapping[str, Column]) -> dict[str, str]:
    """For each column the other one whose profile its values match best, if any is matched."""
    nearest = {}
    for name, now in values.items():
        rivals = {
            other: divergence
            for other, column in columns.items()
            if other != name and column.kind == columns[name].kind and not _alike(columns[name], column)
            for divergence in [_distance(column, now)]
            if divergence < ALIKE
        }
        if rivals:
            nearest[name] = min(rivals, key=lambda other: (rivals[other], other))
    return nearest


def _distance(column: Column, values: Values) -> float:
    counts = column.counts_of(values)  # type: ignore[arg-type]  # an array is a sequence to NumPy, which is all that is done with it
    return corrected_psi(column.counts, counts) if sum(counts) >= _PRESENT * len(values) else math.inf


def _alike(one: Column, other: Column) -> bool:
    """Whether both have the same two values and no others."""
    if one.kind == "category":
        return len(one.categories) <= _TWO and set(one.categories) == set(other.categories)
    return max(len(one.counts), len(other.counts)) <= _TWO and (one.minimum, one.maximum) == (other.minimum, other.maximum)


def _circles(nearest: Mapping[str, str]) -> dict[str, str]:
    """The columns whose values went round: from each, by way of whose values it holds, one comes back to it."""
    found = {}
    for name in nearest:
        at: str | None = nearest[name]
        for _ in range(len(nearest)):
            if at is None or at == name:
                break
            at = nearest.get(at)
        if at == name:
            found[name] = nearest[name]
    return found


def _onset(marks: Sequence[float], columns: Sequence[tuple[Column, Values]]) -> float:
    """The mark of the row from which on the rows look most like the swap, by the likelihood of the bins before and after."""
    gains = [0.0] * len(marks)
    for column, values in columns:
        counts = column.counts_of(values)  # type: ignore[arg-type]  # as above
        usual, now, cells = sum(column.counts), sum(counts), len(counts)
        gain = [
            math.log((after + 0.5) / (now + 0.5 * cells)) - math.log((before + 0.5) / (usual + 0.5 * cells))
            for before, after in zip(column.counts, counts, strict=True)
        ]
        for row, value in enumerate(values):
            cell = column.bin_of(float(value) if isinstance(value, float) else value)
            gains[row] += 0.0 if cell is None else gain[cell]
    best, total, first = 0.0, 0.0, len(marks) - 1
    for row in range(len(marks) - 1, -1, -1):
        total += gains[row]
        if total > best:
            best, first = total, row
    return marks[first]
