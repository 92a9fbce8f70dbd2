"""A profile from a table: the training set, or better the part of it that was held out, as CSV.

A table says less than recorded events do. Its rows are in no order of time, so nothing is known of delays or of dependence,
and the losses are taken in a random order, which is what the bounds of their mean stand on. Its cells are text, so each is
read as the value that it most likely was; where the guardrail file says what a column is, that counts.
"""

from __future__ import annotations

import csv
import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.errors import CannotStart
from daemon.events import as_text
from daemon.losses import loss_of
from daemon.profiling import kinds_of
from detectors.profile import Kind, Profile, ProfileBuilder, output_of
from detectors.reference import LARGEST, Reference, ReferenceBuilder

if TYPE_CHECKING:
    from daemon.guardrails import Guardrail

Cell = float | str | bool | None

_DELIMITERS: Final = ",;\t|"
#: A number as programs write it. Leading zeros make it a code: 007 is no 7.
_NUMBER: Final = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
#: How programs write a value that is not there (in small letters).
_ABSENT: Final = frozenset({"", "nan", "null", "none", "na", "n/a", "<na>", "inf", "+inf", "-inf", "infinity", "-infinity"})
_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
#: Losses that are made of the score; all others are made of the prediction.
_OF_SCORES: Final = frozenset({"brier", "log"})


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table are no features. `leave_out` is neither these nor features: keys, times."""

    prediction: str = "prediction"
    score: str = "score"
    label: str = "label"
    leave_out: frozenset[str] = frozenset()


class TableProfile:
    """Makes a profile from tables.

    Args:
        guardrail: of the model.
        columns: what the columns are.
    """

    def __init__(self, guardrail: Guardrail, columns: Columns) -> None:
        self.labels = 0
        self.ragged = 0
        self._guardrail = guardrail
        self._columns = columns
        self._kinds = kinds_of(guardrail)
        self._loss = loss_of(guardrail)
        self._rows = ProfileBuilder(self._kinds)
        self._losses = _Losses()

    def run(self, path: Path, lines: Iterator[bytes]) -> None:
        """Take the rows of a table; its first line names the columns.

        Args:
            path: for messages.
            lines: of the file.

        Raises:
            CannotStart: it is no table, or lacks a column that was asked for.
        """
        try:
            rows = _rows(path, lines)
            header = next(rows, [])
            layout = self._layout(path, header)
            for cells in rows:
                if len(cells) == len(header):
                    self._take(cells, layout)
                else:
                    self.ragged += 1
        except csv.Error as error:
            raise CannotStart(f"the table {path} cannot be read after row {self._rows.n + self.ragged:,}: {error}") from None

    def _layout(self, path: Path, header: Sequence[str]) -> _Layout:
        names = [name.strip() for name in header]
        columns = self._columns
        if all(_NUMBER.fullmatch(name) or not name for name in names):
            raise CannotStart(f"the first line of the table {path} has to name the columns")
        twice = next((name for place, name in enumerate(names) if name and name in names[:place]), None)
        if twice is not None:
            raise CannotStart(f"the table {path} has two columns called {twice}")
        standard = Columns()
        for option, name, default in (
            ("prediction", columns.prediction, standard.prediction),
            ("score", columns.score, standard.score),
            ("label", columns.label, standard.label),
        ):
            if name not in names and name != default:
                raise CannotStart(
                    f"the table {path} has no column {name}, which --{option} names; it has {', '.join(names)[:200]}"
                )
        no_features = {"", columns.prediction, columns.score, columns.label} | columns.leave_out
        place = {name: index for index, name in enumerate(names)}
        return _Layout(
            place.get(columns.prediction),
            place.get(columns.score),
            place.get(columns.label),
            [(name, index, self._kinds.get(name)) for index, name in enumerate(names) if name not in no_features],
        )

    def _take(self, cells: Sequence[str], layout: _Layout) -> None:
        guardrail = self._guardrail
        prediction = _class_in(cells, layout.prediction)
        score = None if layout.score is None else _number(cells[layout.score])
        if not self._rows.wanted:
            self._rows.add(None, None, 0.0)
        else:
            said = score if prediction is None else output_of(guardrail.task, guardrail.positive, prediction, score, None)
            self._rows.add({name: value_of(cells[index], kind) for name, index, kind in layout.features}, said, 0.0)
        label = _class_in(cells, layout.label)
        if label is None:
            return
        self.labels += 1
        if prediction is not None or guardrail.loss in _OF_SCORES:
            loss = self._loss(prediction or "", score, None, label)
            if loss is not None:
                self._losses.add(loss)

    def profile(self) -> Profile:
        """Give the profile of what was taken.

        Raises:
            CannotStart: there was no row.
        """
        if self._rows.n == 0:
            ragged = f"; {self.ragged:,} rows have another number of cells than the first line" if self.ragged else ""
            raise CannotStart(f"the table has no row{ragged}")
        profile = self._rows.build()
        return replace(profile, loss=self._losses.reference(), timed=False)

    def notes(self) -> list[str]:
        """Give what the reader of the profile should know, a sentence each."""
        notes = []
        if self.ragged:
            notes.append(f"left out: {self.ragged:,} rows with another number of cells than the first line")
        if self._losses.n < self.labels:
            needed = (
                "a column of scores (--score)" if self._guardrail.loss in _OF_SCORES else "a column of predictions (--prediction)"
            )
            notes.append(f"{self.labels - self._losses.n:,} labels gave no loss {self._guardrail.loss}, which needs {needed}")
        return notes


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things stand in a row."""

    prediction: int | None
    score: int | None
    label: int | None
    features: Sequence[tuple[str, int, Kind | None]]


class _Losses:
    """A sample of the losses, of bounded size, in random order: files are often sorted, by class even."""

    def __init__(self) -> None:
        self.n = 0
        self._kept: list[float] = []
        self._random = random.Random(0)  # noqa: S311 - the same file gives the same profile; nothing here is secret

    def add(self, loss: float) -> None:
        """Take a loss; each so far has the same chance to be in the sample (Vitter's algorithm R)."""
        self.n += 1
        if len(self._kept) < LARGEST:
            self._kept.append(loss)
        elif (place := self._random.randrange(self.n)) < LARGEST:
            self._kept[place] = loss

    def reference(self) -> Reference | None:
        """Give what they say; delay and coverage are not known."""
        if not self._kept:
            return None
        shuffled = random.Random(0).sample(self._kept, len(self._kept))  # noqa: S311 - as above
        builder = ReferenceBuilder()
        for loss in shuffled:
            builder.add(loss, 0.0, 0.0)
        # In random order there is no dependence; what an estimate finds is its own noise.
        return replace(builder.build(), tau=1.0)


def value_of(cell: str, kind: Kind | None = None) -> Cell:
    """Read a cell of a feature.

    A category that is declared is read as text as it stands. Otherwise numbers are numbers, `true` and `false` are booleans, and
    nothing, `NA`, `NaN`, `null`, `None` and infinities are values that are not there.

    >>> [value_of(cell) for cell in ("1.0", "007", "NA", "True")], [value_of(cell, "category") for cell in ("1.0", "NA")]
    ([1.0, '007', None, True], ['1', 'NA'])
    """
    if kind == "category":
        return _text(cell) if cell else None
    if _NUMBER.fullmatch(bare := cell.strip()):
        return _finite(float(bare))
    if bare.lower() in _ABSENT:
        return None
    return _BOOLEANS.get(bare, cell)


def _text(cell: str) -> str:
    said = _BOOLEANS.get(cell)
    return as_text(cell if said is None else said)


def _number(cell: str) -> float | None:
    value = value_of(cell)
    return value if isinstance(value, float) else None


def _class_in(cells: Sequence[str], place: int | None) -> str | None:
    """Read a prediction or a label, as events are compared."""
    if place is None or not (cell := cells[place].strip()) or cell.lower() == "nan":
        return None
    return _text(cell)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _rows(path: Path, lines: Iterator[bytes]) -> Iterator[list[str]]:
    (header,) = _texts(path, [next(lines, b"")], 1)
    delimiter = max(_DELIMITERS, key=header.count)
    return csv.reader(chain([header], _texts(path, lines, 2)), delimiter=delimiter)


def _texts(path: Path, lines: Iterable[bytes], start: int) -> Iterator[str]:
    for number, line in enumerate(lines, start=start):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            raise CannotStart(f"the table {path} is not UTF-8 (line {number}): save it as UTF-8") from None
