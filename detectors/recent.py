"""The last rows of a version, column by column: for what needs the values themselves and not their shares.

Blocks may be single rows where traffic is slow, and a histogram of one row costs as much as one of five hundred. So blocks wait
until a hundred rows are there; then they are counted once, and stay until three hundred newer ones came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from detectors.base import State
from detectors.rows import Block, Layout, Mask, Numbers

#: Rows that are counted together at least.
TOGETHER: Final = 100
#: Rows that are kept at least, once there were so many.
KEPT: Final = 300


class Recent:
    """Keeps between `KEPT` and some hundred more rows.

    Args:
        layout: Of the blocks to come.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._waiting: list[Block] = []
        self._kept: list[Block] = []

    @property
    def rows(self) -> int:
        """How many rows are kept."""
        return sum(len(block.marks) for block in self._kept)

    def add(self, block: Block) -> Block | None:
        """Take a block; gives those that waited in one as soon as they are a hundred rows."""
        self._waiting.append(block)
        if sum(len(waiting.marks) for waiting in self._waiting) < TOGETHER:
            return None
        joined = _join(self._waiting)
        self._waiting = []
        self._kept.append(joined)
        while self.rows - len(self._kept[0].marks) >= KEPT:
            del self._kept[0]
        return joined

    def all(self) -> Block | None:
        """All rows that are kept in one block; None before there are `KEPT`."""
        if self.rows < KEPT:
            return None
        return self._kept[0] if len(self._kept) == 1 else _join(self._kept)

    def values(self, block: Block, name: str) -> Numbers | Sequence[str | None] | None:
        """What a column of numbers or categories holds in a block; None for another column."""
        place = self._layout.place.get(name)
        if place is None:
            return None
        numbers = len(self._layout.numbers)
        if place < numbers:
            line: Numbers = block.numbers[place]
            return line
        place -= numbers
        return block.texts[place] if place < len(self._layout.categories) else None

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "names": [list(self._layout.numbers), list(self._layout.categories)],
            "waiting": [_block_to_state(block) for block in self._waiting],
            "kept": [_block_to_state(block) for block in self._kept],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object], layout: Layout) -> Recent:
        """Rebuild what `to_state` described; empty if the columns are others now, whose rows are not worth a conversion."""
        s: State = dict(state)
        recent = cls(layout)
        if s["names"] == [list(layout.numbers), list(layout.categories)]:
            recent._waiting = [_block_from_state(block) for block in s["waiting"]]
            recent._kept = [_block_from_state(block) for block in s["kept"]]
        return recent


def _join(blocks: Sequence[Block]) -> Block:
    """One block of several. Which values were strays is no longer asked."""
    if len(blocks) == 1:
        return blocks[0]
    marks = [mark for block in blocks for mark in block.marks]
    texts = [[text for part in column for text in part] for column in zip(*(block.texts for block in blocks), strict=True)]
    places = sorted({place for block in blocks for place in block.foreign})
    foreign = {place: np.concatenate([_mask(block, place) for block in blocks]) for place in places}
    return Block(marks, np.concatenate([block.numbers for block in blocks], axis=1), {}, texts, foreign, {})


def _mask(block: Block, place: int) -> Mask:
    mask = block.foreign.get(place)
    return np.zeros(len(block.marks), dtype=np.bool_) if mask is None else mask


def _block_to_state(block: Block) -> State:
    return {
        "marks": list(block.marks),
        "numbers": [[None if x != x else x for x in line] for line in block.numbers.tolist()],  # noqa: PLR0124  (NaN is no JSON)
        "texts": [list(column) for column in block.texts],
        "foreign": [[place, mask.tolist()] for place, mask in block.foreign.items()],
    }


def _block_from_state(state: State) -> Block:
    rows = len(state["marks"])
    numbers = np.array(state["numbers"], dtype=np.float64).reshape(-1, rows)
    foreign = {place: np.array(mask, dtype=np.bool_) for place, mask in state["foreign"]}
    return Block(state["marks"], numbers, {}, state["texts"], foreign, {})
