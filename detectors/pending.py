"""The rows of an open block, as they came: what a minute brings, or five hundred rows.

A block closes by the time of its rows and by their number, never by how the stream was cut into batches or by a clock, so that
the same stream gives the same findings after any restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from detectors.base import State
from detectors.columns import LONGEST_TEXT, clean, cut
from detectors.rows import Row, bounded

#: Seconds that a block lasts.
SECONDS: Final = 60.0
#: Rows of a block at most.
ROWS: Final = 500


class Pending:
    """Collects rows.

    Attributes:
        rows: The features of each, as `bounded` gives them.
        outputs: What the model said to each.
        marks: Event time of each.
        began: When the first one came.
        at: When the last one came.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.outputs: list[object] = []
        self.marks: list[float] = []
        self.began = 0.0
        self.at = 0.0

    def due(self, at: float) -> bool:
        """Whether a row that comes now belongs to the next block."""
        return bool(self.marks) and at - self.began >= SECONDS

    @property
    def full(self) -> bool:
        """Whether no more rows fit in."""
        return len(self.marks) >= ROWS

    def add(self, features: Row, output: float | str | None, mark: float, at: float, watched: Sequence[str]) -> None:
        """Take a row; of one that is too long the watched columns are kept first."""
        if not self.marks:
            self.began = at
        self.at = max(at, self.at) if self.marks else at
        self.rows.append(bounded(features, watched))
        self.outputs.append(cut(output) if type(output) is str and len(output) > LONGEST_TEXT else output)
        self.marks.append(mark)

    def to_state(self) -> State:
        """Plain data for `from_state`. Names, the same in most rows, are written once; what is not there is left out."""
        shapes: dict[tuple[str, ...], int] = {}
        rows = []
        for row in self.rows:
            cells = {name: cell for name, value in row.items() if (cell := clean(value)) is not None}
            rows.append([shapes.setdefault(tuple(cells), len(shapes)), *cells.values()])
        return {
            "shapes": [list(names) for names in shapes],
            "rows": rows,
            "outputs": [clean(output) for output in self.outputs],
            "marks": list(self.marks),
            "began": self.began,
            "at": self.at,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Pending:
        """Rebuild what `to_state` described."""
        s: State = dict(state)
        pending = cls()
        pending.rows = [dict(zip(s["shapes"][shape], cells, strict=True)) for shape, *cells in s["rows"]]
        pending.outputs, pending.marks = list(s["outputs"]), list(s["marks"])
        pending.began, pending.at = s["began"], s["at"]
        return pending
