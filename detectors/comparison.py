"""Rows held against a profile as distributions: which columns moved, and which hold each other's values.

A histogram of one row costs as much as one of five hundred, so that blocks, which are single rows where traffic is slow, are
counted when they are a hundred rows. The last few hundred rows stay: swapped columns need the values themselves, and so does a
comparison of two versions, which asks whether the two see the same traffic at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from detectors.base import State
from detectors.columns import Column
from detectors.findings import OUTPUT, ColumnFinding
from detectors.histograms import Histograms, differ
from detectors.profile import Profile
from detectors.recent import KEPT, Recent
from detectors.rows import Block, Layout
from detectors.shift import DriftWatch
from detectors.swaps import SwapWatch

#: The last rows of one version may cover so many times the span of another's for both to be the same traffic.
LIKE_SPANS: Final = 10.0
#: Of an output, the rows that have one.
_NO_COLUMNS: Final[Mapping[str, Column]] = {}


class Comparison:
    """Follows the distributions of the columns and of the output.

    Args:
        layout: Of the blocks to come.
        profile: What they are held against; None while there is none, when the last rows are kept and no more.
        window: Seconds that a window of drift lasts at least.
    """

    def __init__(self, layout: Layout, profile: Profile | None, window: float) -> None:
        self._layout = layout
        self._histograms = Histograms(layout, _NO_COLUMNS if profile is None else profile.columns)
        output = None if profile is None or profile.output is None or not profile.output.counts else profile.output
        self._recent = Recent(layout)
        self._drift = DriftWatch(dict(zip(self._histograms.names, self._histograms.columns, strict=True)), window)
        # By itself, because a feature may have the name of the output.
        self._output = DriftWatch({} if output is None else {OUTPUT: output}, window)
        self._swaps = SwapWatch()
        self._began: float | None = None
        self._looks = 0  # times that the last rows changed
        self._farthest: tuple[Comparison, int, int, tuple[str, float] | None] | None = None  # asked for more often than that

    def take(self, block: Block, outputs: Sequence[int], began: float, at: float) -> None:
        """Take a block.

        Args:
            block: Its features.
            outputs: Counts of its outputs in the bins of the profile; empty without one.
            began: When its first row came.
            at: When its last one came.
        """
        if outputs:
            self._output.add({OUTPUT: outputs}, began, at, block.marks[0])
        if self._began is None:
            self._began = began
        joined = self._recent.add(block)
        if joined is None:
            return
        self._looks += 1
        began, self._began = self._began, None
        if self._histograms.names:
            counts = self._histograms.count(joined)
            lines = {name: self._histograms.of(counts, line) for line, name in enumerate(self._histograms.names)}
            self._drift.add(lines, began, at, joined.marks[0])
            self._swaps.look(self._recent, self._histograms, len(joined.marks))

    def swapped(self, declared: Mapping[str, object]) -> list[ColumnFinding]:
        """The columns that hold each other's values; those in `declared` break what was declared."""
        return self._swaps.findings(declared)

    def drifted(self) -> list[ColumnFinding]:
        """The columns, and the output, that moved and stayed away."""
        return [*self._drift.findings(), *self._output.findings()]

    def found(self) -> Iterator[tuple[str, ...]]:
        """What is found now, in a form that changes when it matters."""
        for name, swap in self._swaps.swaps.items():
            yield "swapped", name, swap.partner
        for name in self._drift.drifted:
            yield "drifted", name
        for name in self._output.drifted:
            yield "drifted", "", name

    def evidence(self) -> float:
        """How many of the windows that make a drift agree, 0 to 1, for what is nearest to it."""
        return max(self._drift.evidence(), self._output.evidence())

    def farthest(self, other: Comparison, columns: Mapping[str, Column]) -> tuple[str, float] | None:
        """The column in whose last rows the two differ most, of those that differ materially; None where there is none.

        The last rows of a version with a hundredth of the traffic are those of hours, and hours differ from minutes.

        Args:
            other: Of another version.
            columns: Whose bins are counted in.

        Returns:
            Its name, and how far they are apart (corrected PSI).
        """
        known = self._farthest
        if known is None or known[0] is not other or known[1:3] != (self._looks, other._looks):
            known = self._farthest = (other, self._looks, other._looks, self._find_farthest(other, columns))
        return known[3]

    def _find_farthest(self, other: Comparison, columns: Mapping[str, Column]) -> tuple[str, float] | None:
        ours, theirs = self._recent.all(), other._recent.all()
        if ours is None or theirs is None or not _of_like_spans(ours, theirs):
            return None
        found: list[tuple[float, str]] = []
        for name, column in columns.items():
            one, two = self._counts(ours, name, column), other._counts(theirs, name, column)
            if min(sum(one), sum(two)) >= KEPT:
                divergence, least = differ(one, two)
                if divergence >= least:
                    found.append((-divergence, name))
        return (min(found)[1], -min(found)[0]) if found else None

    def _counts(self, block: Block, name: str, column: Column) -> list[int]:
        values = self._recent.values(block, name)
        return [] if values is None else column.counts_of(values)  # type: ignore[arg-type]  # an array is a sequence here

    def to_state(self) -> State:
        """Plain data for `restore`."""
        return {
            "recent": self._recent.to_state(),
            "drift": self._drift.to_state(),
            "output": self._output.to_state(),
            "swaps": self._swaps.to_state(),
            "began": self._began,
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """Take up what `to_state` gave, of the columns that are still followed."""
        s: State = dict(state)
        self._recent = Recent.from_state(s["recent"], self._layout)
        self._drift.restore(s["drift"])
        self._output.restore(s["output"])
        self._swaps = SwapWatch.from_state(s["swaps"])
        self._began = s["began"]


def _of_like_spans(one: Block, other: Block) -> bool:
    """Whether two blocks cover spans of event time that can be compared."""
    spans = sorted(max(block.marks) - min(block.marks) for block in (one, other))
    return spans[1] <= LIKE_SPANS * spans[0]
