"""What the inputs of a version look like when all is well: its profile, learned from live traffic or made from a file.

Like a reference it is learned once and then frozen. It is learned from a sample, because a histogram of ten bins gains nothing
from a millionth row: one row of each stretch of equal length, and the stretches double when there are too many. Which row of a
stretch it is follows from a hash of the stretch's number. Every n-th row would be simpler and wrong: where producers take turns,
every second row is the same producer's.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from detectors.base import State, checked
from detectors.columns import LARGEST, Cell, Column, Kind, clean, cut, text_of
from detectors.reference import Reference

__all__ = ["Column", "Kind", "Profile", "ProfileBuilder", "ProfileError", "clean", "cut", "load_profile", "output_of", "text_of"]

#: Rows that a profile is learned from at most.
ROWS: Final = 5_000
#: Values that a builder holds at most: wide rows leave room for fewer of them (500 columns for 1,000).
CELLS: Final = 500_000
#: Columns followed at most.
COLUMNS: Final = 500
#: Kept rows without a value after which a column gives its place to a new one, when there is no other place.
IDLE: Final = 200
#: Characters of a column's name; longer ones are ignored, as the drift detectors do.
LONGEST_NAME: Final = 256

_VERSION: Final = 1
_WORD: Final = 2**64 - 1


class ProfileError(ValueError):
    """A file that is no profile; the text is one sentence: which file, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is normal for the inputs and the output of a version. Plain data.

    Attributes:
        columns: By name, in the order of names.
        output: The score, or the number that a regression predicts, or the class; None when there was none.
        rows: Rows that came by; each column says in how many of them it was looked for.
        since: Event time of the first row, epoch seconds; 0 when the rows had no times.
        until: Event time of the last one.
        loss: What the losses were, when there were labels; see `reference`.
        timed: Whether the rows had times, so that the delay and the coverage of the labels are known.
    """

    columns: Mapping[str, Column]
    output: Column | None
    rows: int
    since: float
    until: float
    loss: Reference | None = None
    timed: bool = True

    @property
    def digest(self) -> str:
        """12 hex digits that say which profile this is."""
        canonical = json.dumps(self.to_state(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def reference(self, delay: float, coverage: float) -> Reference | None:
        """The reference of the losses; None when there were no labels.

        Args:
            delay: The age h, in seconds, where the rows did not tell it.
            coverage: Share of the predictions that has a label by then, where the rows did not tell it.
        """
        if self.loss is None or self.timed:
            return self.loss
        return replace(self.loss, delay=delay, coverage=coverage)

    def to_state(self) -> State:
        """Plain data for `from_state`; in JSON, also the file that `load_profile` reads."""
        return {
            "v": _VERSION,
            "rows": self.rows,
            "since": self.since,
            "until": self.until,
            "columns": {name: column.to_state() for name, column in self.columns.items()},
            "output": None if self.output is None else self.output.to_state(),
            "loss": None if self.loss is None else self.loss.to_state(),
            "timed": self.timed,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Profile:
        """Rebuild what `to_state` described; ValueError for another version, or with the reason where it is no profile."""
        try:
            s = msgspec.convert(checked(state, "profile", _VERSION), _Stored)
            loss = None if s.loss is None else _loss(s.loss)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        if not (math.isfinite(s.since) and math.isfinite(s.until)):
            raise ValueError("the times of a profile are finite")
        return cls(dict(sorted(s.columns.items())), s.output, s.rows, s.since, s.until, loss, s.timed)


class _Stored(msgspec.Struct):
    rows: int
    since: float
    until: float
    columns: dict[str, Column]
    output: Column | None
    loss: dict[str, object] | None
    timed: bool


def _loss(state: Mapping[str, object]) -> Reference:
    """The reference in a file. Raises ValueError, or msgspec's error, with what is wrong."""
    try:
        loss = msgspec.convert(asdict(Reference.from_state(state)), Reference)
    except KeyError as error:
        raise ValueError(f"the loss has no {error}") from None
    numbers = [value for value in asdict(loss).values() if value is not None]
    if not all(map(math.isfinite, numbers)) or not (0.0 <= loss.mean <= 1.0 and 0.0 <= loss.coverage <= 1.0):
        raise ValueError("the loss has a mean and a coverage in [0, 1], and nothing in it is infinite")
    if loss.n < 1 or loss.tau < 1.0 or loss.variance < 0.0 or loss.delay < 0.0 or not loss.mean <= (loss.bound or 1.0) <= 1.0:
        raise ValueError("the loss has an n and a tau of at least 1, nothing below 0, and a bound from its mean to 1")
    return loss


def load_profile(path: Path | str) -> Profile:
    """The profile in a file, as `watchkeeper profile` writes it, compressed if its name ends in `.gz`.

    Raises:
        ProfileError: there is no such file, or it holds something else.
    """
    try:
        content = Path(path).read_bytes()
        if Path(path).suffix == ".gz":
            content = gzip.decompress(content)
        return Profile.from_state(msgspec.json.decode(content, type=dict[str, object]))
    except (OSError, EOFError, zlib.error) as error:
        raise ProfileError(f"the profile {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise ProfileError(f"{path} is no profile that this release reads: {error}") from None


def output_of(
    task: str, positive: str | None, prediction: str, score: float | None, scores: Mapping[str, float] | None
) -> float | str | None:
    """What a prediction says, as the output column of a profile takes it.

    A binary model's is the probability of the positive class where there is one, a regression's the number that it predicts
    (None where that is none), and the predicted class in every other case.
    """
    if task == "regression":
        try:
            return float(prediction)
        except ValueError:
            return None
    if task == "binary":
        said = score if score is not None else (scores or {}).get(positive or "")
        return prediction if said is None else said
    return prediction


class _Cells:
    """The kept values of a column, one a row from row `start` on."""

    __slots__ = ("start", "values")

    def __init__(self, start: int, values: list[Cell]) -> None:
        self.start, self.values = start, values

    def thin(self, rows: list[int]) -> None:
        """Keep these rows."""
        start = self.start
        before = sum(row < start for row in rows) if start else 0
        self.values = [self.values[row - start] for row in rows[before:]]
        self.start = before


class ProfileBuilder:
    """Learns a profile from rows. Its memory is bounded, whatever comes.

    Args:
        kinds: What the guardrail file says of a column, by name; for the others it is what most of their values are. A number
            in a column that is said to be a category is taken for its text.
    """

    def __init__(self, kinds: Mapping[str, Kind] | None = None) -> None:
        self.n = 0
        self.since = math.inf
        self.until = -math.inf
        self.ignored = 0  # times that a column found no place
        self._kinds = dict(kinds or {})
        self._columns: dict[str, _Cells] = {}
        self._output: list[Cell] = []
        self._stretch = 1
        self._next = 0

    @property
    def kept(self) -> int:
        """Rows of the sample."""
        return len(self._output)

    @property
    def wanted(self) -> bool:
        """Whether the next row will be kept; if not, its features and its output are not looked at."""
        return self.n == self._next

    def add(self, features: Mapping[str, object] | None, output: float | str | None, at: float) -> None:
        """Take a row.

        Args:
            features: By name; values of any type.
            output: What the model said, see `output_of`.
            at: Event time, epoch seconds; any constant when the rows have none.
        """
        index = self.n
        self.n = index + 1
        if math.isfinite(at):
            self.since = min(self.since, at)
            self.until = max(self.until, at)
        if index == self._next:
            self._keep(features or {}, output)
            while self._full() and self.kept % 2 == 0:
                self._thin()
            self._next = self.kept * self._stretch + _offset(self.kept, self._stretch)

    def _keep(self, features: Mapping[str, object], output: float | str | None) -> None:
        columns = self._columns
        get = features.get
        for name, cells in columns.items():
            value = get(name)
            # An ordinary number, which most values are, is told without a call; NaN compares false.
            if type(value) is float and -LARGEST <= value <= LARGEST:
                cells.values.append(value)
            else:
                cells.values.append(clean(value))
        if not features.keys() <= columns.keys():
            self._admit(features)
        self._output.append(clean(output))

    def _admit(self, features: Mapping[str, object]) -> None:
        """Give new columns a place. What comes while there is room was missing before; of what comes later nothing is known."""
        idle: list[str] | None = None
        for name, value in features.items():
            if name in self._columns or (cell := clean(value)) is None:
                continue
            if len(name) > LONGEST_NAME:
                self.ignored += 1
            elif len(self._columns) < COLUMNS:
                self._columns[name] = _Cells(0, [*[None] * self.kept, cell])
            else:
                idle = self._idle() if idle is None else idle
                if not idle:
                    self.ignored += 1
                    return  # a row of ten thousand columns costs no more than this one look
                del self._columns[idle.pop()]
                self._columns[name] = _Cells(self.kept, [cell])

    def _idle(self) -> list[str]:
        """Columns without a value for long."""
        return [name for name, cells in self._columns.items() if cells.values[-IDLE:].count(None) == IDLE]

    def _full(self) -> bool:
        return self.kept >= min(ROWS, max(2, CELLS // (len(self._columns) + 1)))

    def _thin(self) -> None:
        """Join each two stretches to one, which keeps one of the two rows."""
        rows = [2 * pair + _offset(pair, 2, self._stretch) for pair in range(self.kept // 2)]
        self._output = [self._output[row] for row in rows]
        for cells in self._columns.values():
            cells.thin(rows)
        self._stretch *= 2

    def ready(self, events: int, span: float) -> bool:
        """Whether `events` rows came by that cover `span` seconds at least."""
        return self.n >= max(events, 1) and (span <= 0.0 or self.until - self.since >= span)

    def build(self) -> Profile:
        """The profile so far.

        Raises:
            ValueError: If no row was added yet.
        """
        if self.n == 0:
            raise ValueError("a profile needs at least one row")
        columns = {name: Column.learn(self._columns[name].values, self._kinds.get(name)) for name in sorted(self._columns)}
        output = Column.learn(self._output) if any(cell is not None for cell in self._output) else None
        timed = math.isfinite(self.since)
        return Profile(columns, output, self.n, self.since if timed else 0.0, self.until if timed else 0.0)

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        timed = math.isfinite(self.since)
        return {
            "v": 1,
            "n": self.n,
            "since": self.since if timed else None,
            "until": self.until if timed else None,
            "ignored": self.ignored,
            "kinds": dict(self._kinds),
            "stretch": self._stretch,
            "next": self._next,
            "columns": [[name, cells.start, list(cells.values)] for name, cells in self._columns.items()],
            "output": list(self._output),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> ProfileBuilder:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "profile builder", 1)
        builder = cls(s["kinds"])
        builder.n, builder.ignored = s["n"], s["ignored"]
        if s["since"] is not None:
            builder.since, builder.until = s["since"], s["until"]
        builder._stretch, builder._next = s["stretch"], s["next"]
        builder._columns = {name: _Cells(start, list(values)) for name, start, values in s["columns"]}
        builder._output = list(s["output"])
        return builder


def _offset(block: int, length: int, salt: int = 0) -> int:
    """A number below `length` that a hash chooses for this block."""
    if length == 1:
        return 0
    x = ((2 * block + 1) * 0x9E3779B97F4A7C15 + (length + salt) * 0xBF58476D1CE4E5B9) & _WORD
    x = ((x ^ (x >> 31)) * 0x94D049BB133111EB) & _WORD
    return (x >> 33) % length
