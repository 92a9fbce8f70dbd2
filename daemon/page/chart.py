"""A chart of lines over time as SVG text: points in, text out.

It has no script and no style of its own: classes say what a thing is, the page's style sheet how it looks in the dark and in the
light. What is told by colour is told by a dash pattern and a word at the line's end too. Where there is no data the line breaks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Final

from markupsafe import Markup, escape

#: A line breaks over a pause of so many of its usual steps that is also so much of the width.
BREAK_STEPS: Final = 3.0
BREAK_SHARE: Final = 0.015
#: Room around the plot, in the units of the drawing: for the numbers on the left, the words on the right, marks and times.
LEFT: Final = 44.0
RIGHT: Final = 54.0
TOP: Final = 8.0
BOTTOM: Final = 20.0
MARK_ROW: Final = 17.0
MARK_WIDTH: Final = 18.0
MARK_ROWS: Final = 4
WORD_HEIGHT: Final = 13.0
#: From this value on nothing is drawn.
LARGEST: Final = 1e12
#: Two lines of the grid are at least so far apart, about.
STEP_HEIGHT: Final = 36.0
#: A time at the foot is so wide.
TIME_WIDTH: Final = 62.0

_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
DAY: Final = 86400.0
MINUTE: Final = 60.0

Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the word at its end, its class (`l0` to `l2`, `limit`, `reference`), its points (epoch seconds, value)."""

    word: str
    kind: str
    points: Points
    steps: bool = False  # a value holds until the next one


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment to be seen: its number in the list beside the chart, and when (epoch seconds)."""

    number: int
    at: float


@dataclass(frozen=True, slots=True)
class Frame:
    """What is shown of the time, how large, and how a value is written."""

    since: float
    until: float
    width: float
    height: float
    write: Callable[[float], str]
    identity: str


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to places."""

    frame: Frame
    low: float
    high: float
    top: float
    step: float  # between two lines of the grid

    @property
    def right(self) -> float:
        return self.frame.width - RIGHT

    @property
    def bottom(self) -> float:
        return self.frame.height - BOTTOM

    def x(self, at: float) -> float:
        long = max(self.frame.until - self.frame.since, 1e-9)
        return LEFT + (self.right - LEFT) * (at - self.frame.since) / long

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * (value - self.low) / (self.high - self.low)


def chart(lines: Sequence[Line], marks: Sequence[Mark], frame: Frame, title: str, description: str) -> Markup:
    """Draw.

    Args:
        lines: later ones lie over earlier ones.
        marks: moments; those outside the frame are left out.
        frame: the time shown, and the size.
        title: what it is, for a reader of screens.
        description: what is to be seen in it, in words.
    """
    shown = [_within(line, frame) for line in lines]
    marks = [mark for mark in marks if frame.since <= mark.at <= frame.until]
    rows = _rows(marks, frame)
    top = TOP + MARK_ROW * (max(rows, default=-1) + 1)
    steps = max(2.0, (frame.height - top - BOTTOM) / STEP_HEIGHT)
    low, high, step = _axis([value for line in shown for _, value in line.points if value is not None], steps)
    scale = _Scale(frame, low, high, top, step)
    box, labels = f"0 0 {_n(frame.width)} {_n(frame.height)}", f"{frame.identity}-t {frame.identity}-d"
    parts = [
        f'<svg class="chart" viewBox="{box}" role="img" aria-labelledby="{labels}">',
        f'<title id="{frame.identity}-t">{escape(title)}</title>',
        f'<desc id="{frame.identity}-d">{escape(description)}</desc>',
        *_grid(scale),
        *_times(scale),
        *(_path(line, scale) for line in shown),
        *_words(shown, scale),
        *(_mark(mark, row, scale) for mark, row in zip(marks, rows, strict=True)),
        "</svg>",
    ]
    return Markup("".join(parts))  # noqa: S704 - every text in it went through escape


def _within(line: Line, frame: Frame) -> Line:
    """The part of a line that is shown; of steps the last value before it too, which still holds."""
    inside = [(at, value) for at, value in line.points if frame.since <= at <= frame.until]
    before = [value for at, value in line.points if at < frame.since]
    if line.steps and before and inside:
        inside.insert(0, (frame.since, before[-1]))
    return Line(line.word, line.kind, [(at, _finite(value)) for at, value in inside], line.steps)


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < LARGEST else None  # NaN is not smaller either


def _axis(values: Sequence[float], steps: float) -> tuple[float, float, float]:
    """The least and greatest value of the axis and the step between its ticks; zero is in it where it is near."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if 0.0 <= low <= 0.5 * high or low == high > 0.0:
        low = 0.0
    least = max(1e-9, 1e-6 * max(abs(low), abs(high)))
    if high - low < least:  # finer than a number can be written
        low, high = low - least, high + least
    rough = (high - low) / steps
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((factor * power for factor in (1.0, 2.0, 5.0) if factor * power >= rough * 0.999), 10.0 * power)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def _grid(scale: _Scale) -> Iterator[str]:
    for index in range(round((scale.high - scale.low) / scale.step) + 1):
        value = scale.low + index * scale.step
        y = _n(scale.y(value))
        yield f'<line class="grid" x1="{_n(LEFT)}" x2="{_n(scale.right)}" y1="{y}" y2="{y}"/>'
        yield f'<text class="axis" x="{_n(LEFT - 5)}" y="{_n(scale.y(value) + 4)}" text-anchor="end">'
        yield f"{escape(scale.frame.write(value))}</text>"


def _times(scale: _Scale) -> Iterator[str]:
    """Ticks of time, in UTC."""
    frame = scale.frame
    long = frame.until - frame.since
    most = max(2, int((scale.right - LEFT) / TIME_WIDTH))
    step = next((float(step) for step in _STEPS if long / step <= most), math.ceil(long / DAY / most) * DAY)
    written = "%H:%M:%S" if step < MINUTE else "%H:%M" if step < DAY else "%d %b"
    at = math.ceil(frame.since / step) * step
    while at <= frame.until:
        x = _n(scale.x(at))
        word = datetime.fromtimestamp(at, UTC).strftime(written)
        yield f'<line class="tick" x1="{x}" x2="{x}" y1="{_n(scale.bottom)}" y2="{_n(scale.bottom + 4)}"/>'
        yield f'<text class="axis" x="{x}" y="{_n(scale.bottom + 16)}" text-anchor="middle">{word}</text>'
        at += step


def _pieces(line: Line, frame: Frame) -> Iterator[list[tuple[float, float]]]:
    """The unbroken pieces of a line."""
    points = line.points
    gaps = [] if line.steps else [later[0] - earlier[0] for earlier, later in pairwise(points)]
    longest = max(BREAK_STEPS * median(gaps), BREAK_SHARE * (frame.until - frame.since)) if gaps else math.inf
    piece: list[tuple[float, float]] = []
    for at, value in points:
        if piece and (value is None or at - piece[-1][0] > longest):
            yield piece
            piece = []
        if value is not None:
            piece.append((at, value))
    if piece:
        yield piece


def _path(line: Line, scale: _Scale) -> str:
    drawn = []
    for piece in _pieces(line, scale.frame):
        places = [f"{_n(scale.x(at))} {_n(scale.y(value))}" for at, value in piece]
        if line.steps:
            corners = [f"H{_n(scale.x(at))}V{_n(scale.y(value))}" for at, value in piece[1:] or piece]
            drawn.append(f"M{places[0]}" + _without_repeats(corners))
        else:
            # A piece of one point is a dot: a line of no length with round ends.
            drawn.append(f"M{places[0]}L" + " ".join(places[1:] or places))
    return f'<path class="{line.kind}" d="{"".join(drawn)}"/>' if drawn else ""


def _without_repeats(corners: Sequence[str]) -> str:
    """Steps at the same height need no corner between them."""
    heights = [corner.partition("V")[2] for corner in corners]
    kept = [
        corner
        for index, corner in enumerate(corners)
        if index == len(corners) - 1 or index == 0 or not heights[index - 1] == heights[index] == heights[index + 1]
    ]
    return "".join(kept)


def _words(lines: Sequence[Line], scale: _Scale) -> Iterator[str]:
    """A word at the end of each line, moved apart where they would lie on each other."""
    ends = []
    for line in lines:
        known = [(at, value) for at, value in line.points if value is not None]
        if known:
            ends.append((scale.y(known[-1][1]), line))
    lowest = scale.top - WORD_HEIGHT
    placed = []
    for y, line in sorted(ends, key=lambda end: end[0]):
        lowest = max(y, lowest + WORD_HEIGHT)
        placed.append((lowest, line))
    over = max(0.0, (placed[-1][0] - scale.bottom) if placed else 0.0)
    for y, line in placed:
        yield f'<text class="word {line.kind}" x="{_n(scale.right + 5)}" y="{_n(y - over + 4)}">{escape(line.word)}</text>'


def _rows(marks: Sequence[Mark], frame: Frame) -> list[int]:
    """A row for each mark, so that none covers another."""
    ends: list[float] = []
    rows = []
    long = max(frame.until - frame.since, 1e-9)
    for mark in marks:
        x = (frame.width - RIGHT - LEFT) * (mark.at - frame.since) / long
        row = next((row for row, end in enumerate(ends) if x - end >= MARK_WIDTH), min(len(ends), MARK_ROWS - 1))
        ends[row : row + 1] = [x]
        rows.append(row)
    return rows


def _mark(mark: Mark, row: int, scale: _Scale) -> str:
    x, y = scale.x(mark.at), TOP + MARK_ROW * row + 4
    return (
        f'<line class="mark" x1="{_n(x)}" x2="{_n(x)}" y1="{_n(y)}" y2="{_n(scale.bottom)}"/>'
        f'<circle class="badge" cx="{_n(x)}" cy="{_n(y)}" r="8"/>'
        f'<text class="badge" x="{_n(x)}" y="{_n(y + 4)}" text-anchor="middle">{mark.number}</text>'
    )


def _n(value: float) -> str:
    """A place with one digit after the point, and none where there is none."""
    return f"{value:.1f}".removesuffix(".0")
