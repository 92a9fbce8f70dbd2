"""What a fault does to a stream: one small class for each kind of harm, in the order in which an event is made.

A chunk of the stream is built in steps: when predictions come, which rows they are about, what is true of them, what the model
sees, what it says, what the labels say, when they come, and what else is sent. An effect changes one of these steps and nothing
else. Three values stand for a mild, a plain and a hard case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from tests.corpus.models import Floats, Output
from tests.corpus.worlds import Rows, World

Shape = Literal["step", "ramp", "wave", "bouts"]
Mask = NDArray[np.bool_]
Levels = tuple[float, float, float]
#: (arrival after the start of the chunk, body) of an event beside predictions and labels.
Extra = tuple[float, dict[str, Any]]

#: Rows among which a tilted draw chooses.
CANDIDATES: Final = 6
#: Predictions of a bout of an oscillating fault.
BOUT: Final = 750
DAY: Final = 86_400.0


@dataclass
class Chunk:
    """A piece of a stream while it is made; arrays have one item a prediction."""

    world: World
    rng: np.random.Generator
    level: int
    n: int
    start: float  # seconds from the start of the stream to that of the chunk
    gaps: Floats = field(default_factory=lambda: np.zeros(0))
    rows: Rows | None = None
    y: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    x: dict[str, NDArray[Any]] = field(default_factory=dict)
    said: NDArray[Any] = field(default_factory=lambda: np.zeros(0))  # what the labels say
    wrong: Mask = field(default_factory=lambda: np.zeros(0, dtype=bool))  # whether what was served was wrong, or far off
    labelled: Mask = field(default_factory=lambda: np.zeros(0, dtype=bool))
    delays: Floats = field(default_factory=lambda: np.zeros(0))
    written: dict[str, Callable[[Any], object]] = field(default_factory=dict)  # columns that are not written as they are
    copies: float = 0.0  # share of the events that are sent twice

    @property
    def drawn(self) -> Rows:
        """The rows."""
        assert self.rows is not None
        return self.rows

    @property
    def times(self) -> Floats:
        """Arrival of each prediction after the start of the chunk."""
        result: Floats = np.cumsum(self.gaps)
        return result

    def some(self, share: float) -> Mask:
        """Each prediction with this chance."""
        result: Mask = self.rng.random(self.n) < share
        return result

    def strength(self, shape: Shape) -> Floats:
        """How far the fault has come at each prediction, 0 to 1; a wave goes from -1 to 1 and back in a day."""
        if shape == "ramp":
            return np.linspace(0.0, 1.0, self.n)
        strength: Floats = np.ones(self.n)
        if shape == "wave":
            strength = np.sin(2 * np.pi * (self.start + self.times) / DAY)
        elif shape == "bouts":
            strength = (np.arange(self.n) // BOUT % 2 == 0).astype(np.float64)
        return strength


class Effect:
    """Changes one step; the others stay what they are."""

    def traffic(self, chunk: Chunk) -> None:
        """When predictions come."""

    def draw(self, chunk: Chunk) -> None:
        """Which rows they are about."""

    def truth(self, chunk: Chunk) -> None:
        """What is true of them."""

    def inputs(self, chunk: Chunk) -> None:
        """What the model sees and the event carries."""

    def output(self, chunk: Chunk, output: Output) -> Output:
        """What the model says."""
        return output

    def labels(self, chunk: Chunk) -> None:
        """What the labels say."""

    def delivery(self, chunk: Chunk) -> None:
        """Which labels come, and when."""

    def beside(self, chunk: Chunk) -> list[Extra]:
        """What else is sent."""
        return []


# --- which rows, and what is true of them -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tilt(Effect):
    """Some rows come more often, others less; what is true of a row stays what it was.

    Attributes:
        towards: A role (large values of its first number), `class` (the last one), `easy` (rows that the model gets right),
            `hard`, or `victim` (the segment that faults hit).
        by: How much: log odds for a mark of 1, or for each standard deviation.
        shape: How it comes.
    """

    towards: str
    by: Levels
    shape: Shape = "step"

    def draw(self, chunk: Chunk) -> None:
        """Choose each row among some."""
        candidates = chunk.world.draw(chunk.rng, chunk.n * CANDIDATES)
        mark = self._mark(chunk.world, candidates).reshape(chunk.n, CANDIDATES)
        weight = self.by[chunk.level] * chunk.strength(self.shape)[:, None] * mark
        chosen = (weight + chunk.rng.gumbel(size=mark.shape)).argmax(axis=1)
        chunk.rows = candidates.take(np.arange(chunk.n) * CANDIDATES + chosen)

    def _mark(self, world: World, rows: Rows) -> Floats:
        if self.towards in {"easy", "hard"}:
            losses = world.losses(world.model("good").predict(rows.x), rows.y)
            return (-losses if self.towards == "easy" else losses) / max(float(losses.std()), 0.05) / 2.0
        if self.towards == "class":
            high = rows.y.mean() + rows.y.std() if not world.classes else len(world.classes) - 1
            return (rows.y >= high).astype(np.float64)
        if self.towards == "victim":
            return np.array([value == world.victim for value in rows.x[world.segment].tolist()], dtype=np.float64)
        values = rows.x[world.roles[self.towards][0]]
        ranks: Floats = (values.argsort().argsort() / len(values) - 0.5) * np.sqrt(12.0)
        return ranks


@dataclass(frozen=True)
class Concept(Effect):
    """The same inputs mean something else; `where` is "" or `victim`: in the segment that faults hit."""

    shape: Shape = "step"
    where: str = ""
    level: int | None = None

    def truth(self, chunk: Chunk) -> None:
        """Take the other truth, at first of few rows when it comes slowly."""
        rows = chunk.drawn
        hit = chunk.rng.random(chunk.n) < chunk.strength(self.shape)
        if self.where:
            hit &= np.array([value == chunk.world.victim for value in rows.x[chunk.world.segment].tolist()])
        level = chunk.level if self.level is None else self.level
        chunk.y = np.where(hit, chunk.world.concept(rows, level), chunk.y)


# --- what the model says, what the labels say, and when ----------------------------------------------------------------------


@dataclass(frozen=True)
class Stuck(Effect):
    """The server answers a share of the requests with what it once said to another one."""

    share: Levels = (0.5, 0.8, 1.0)

    def output(self, chunk: Chunk, output: Output) -> Output:
        """Repeat that answer, which is the same in every stream of the world."""
        hit = chunk.some(self.share[chunk.level])
        once = chunk.world.model("good").predict(chunk.world.draw(np.random.default_rng(13), 1).x)
        prediction, scores = output.prediction.copy(), None if output.scores is None else output.scores.copy()
        prediction[hit] = once.prediction[0]
        if scores is not None and once.scores is not None:
            scores[hit] = once.scores[0]
        return Output(prediction, scores)


@dataclass(frozen=True)
class Flipped(Effect):
    """Labels are turned round; `source` is the share of the labels that come from where that happens."""

    source: Levels = (1.0, 1.0, 1.0)

    def labels(self, chunk: Chunk) -> None:
        """Turn them round."""
        chunk.said = np.where(chunk.some(self.source[chunk.level]), chunk.world.flipped(chunk.said), chunk.said)


@dataclass(frozen=True)
class Noise(Effect):
    """A share of the labels has nothing to do with the truth."""

    share: Levels

    def labels(self, chunk: Chunk) -> None:
        """Replace them."""
        noisy = chunk.world.noisy(chunk.said, chunk.rng)
        chunk.said = np.where(chunk.some(self.share[chunk.level]), noisy, chunk.said)


@dataclass(frozen=True)
class Delays(Effect):
    """Labels take so many times as long; the same for those of wrong predictions, if that is another number."""

    factor: Levels
    of_wrong: Levels | None = None

    def delivery(self, chunk: Chunk) -> None:
        """Stretch the delays."""
        wrong = self.factor if self.of_wrong is None else self.of_wrong
        chunk.delays = chunk.delays * np.where(chunk.wrong, wrong[chunk.level], self.factor[chunk.level])


@dataclass(frozen=True)
class Unlabelled(Effect):
    """Only a share of the labels still comes; the same for those of wrong predictions, if that is another number."""

    left: Levels
    of_wrong: Levels | None = None

    def delivery(self, chunk: Chunk) -> None:
        """Drop the others."""
        wrong = self.left if self.of_wrong is None else self.of_wrong
        chunk.labelled &= chunk.rng.random(chunk.n) < np.where(chunk.wrong, wrong[chunk.level], self.left[chunk.level])


# --- traffic and what else is sent --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slower(Effect):
    """Predictions come with a mean gap of so many seconds, whatever the world's."""

    every: float

    def traffic(self, chunk: Chunk) -> None:
        """Stretch the gaps."""
        chunk.gaps = chunk.gaps * (self.every / chunk.world.every)


@dataclass(frozen=True)
class Silence(Effect):
    """No predictions for some hours; then they go on."""

    hours: Levels

    def traffic(self, chunk: Chunk) -> None:
        """Wait before the first one."""
        chunk.gaps = chunk.gaps.copy()
        chunk.gaps[0] += 3600.0 * self.hours[chunk.level]


@dataclass(frozen=True)
class Repeated(Effect):
    """A share of the predictions and labels is sent twice, and out of order."""

    share: float

    def beside(self, chunk: Chunk) -> list[Extra]:
        """Ask for copies; the stream makes them, because it knows the events."""
        chunk.copies = self.share
        return []


@dataclass(frozen=True)
class Product(Effect):
    """Events of a product metric: 1 or 0 for a share of the predictions."""

    name: str
    rate: Levels
    share: float = 0.8

    def beside(self, chunk: Chunk) -> list[Extra]:
        """Make them, a minute after the prediction."""
        sent = chunk.some(self.share)
        values = chunk.some(self.rate[chunk.level])
        return [
            (at + 60.0, {"type": "outcome", "model": chunk.world.name, "name": self.name, "value": int(value)})
            for at, value in zip(chunk.times[sent].tolist(), values[sent].tolist(), strict=True)
        ]
