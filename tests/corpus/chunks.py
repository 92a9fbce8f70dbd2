"""A piece of a stream, cut from a world: its effects applied in order, and what its versions said.

The streams are made of it, and so is the truth: what is said here of a large piece is what a fault does on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.corpus.effects import Chunk, Effect, Extra
from tests.corpus.faults import Arm, Phase
from tests.corpus.models import Floats, Output
from tests.corpus.worlds import World

#: Mean delay of a label, seconds (a gamma distribution of shape 2).
DELAY: Final = 720.0
#: Pauses are at most so many times the mean one.
LONGEST_GAP: Final = 8.0


@dataclass(frozen=True, slots=True)
class Cut:
    """A finished piece; times are seconds from the start of the stream, one item a prediction.

    Attributes:
        chunk: What it was made of.
        arms: Each version with what it says of every row, and the rows that it predicts.
        version: Who served users.
        output: What users got, as a number: a score, the largest probability, or a value.
        loss: Of what users got, by what the labels say.
        at: Arrival of the prediction.
        labelled_at: Arrival of the label; infinity where none comes.
        extra: Events beside predictions and labels.
    """

    chunk: Chunk
    arms: list[tuple[Arm, Output, NDArray[np.bool_]]]
    version: NDArray[Any]
    output: Floats
    loss: Floats
    at: Floats
    labelled_at: Floats
    extra: list[Extra]

    @property
    def victim(self) -> NDArray[np.bool_]:
        """Which rows are in the segment that faults hit."""
        world = self.chunk.world
        if not world.segment:
            return np.zeros(self.chunk.n, dtype=bool)
        return np.array([value == world.victim for value in self.chunk.drawn.x[world.segment].tolist()])


def cut(
    world: World, phase: Phase, always: Sequence[Effect], rng: np.random.Generator, level: int, n: int, start: float
) -> Cut:  # fmt: skip
    """Make a piece of `n` predictions that begins `start` seconds after the stream did."""
    effects = (*always, *phase.effects)
    chunk = Chunk(world, rng, level, n, start)
    chunk.gaps = np.minimum(rng.exponential(world.every, n), LONGEST_GAP * world.every)
    for effect in effects:
        effect.traffic(chunk)
    chunk.rows = world.draw(rng, n)
    for effect in effects:
        effect.draw(chunk)
    chunk.y = chunk.drawn.y
    for effect in effects:
        effect.truth(chunk)
    chunk.x = dict(chunk.drawn.x)
    for effect in effects:
        effect.inputs(chunk)
    chunk.said = chunk.y
    for effect in effects:
        effect.labels(chunk)
    return _served(chunk, phase, effects)


def _served(chunk: Chunk, phase: Phase, effects: Sequence[Effect]) -> Cut:
    world, n = chunk.world, chunk.n
    serving = [arm for arm in phase.arms if arm.stage != "shadow"]
    chosen = chunk.rng.choice(len(serving), n, p=[arm.share for arm in serving])
    arms: list[tuple[Arm, Output, NDArray[np.bool_]]] = []
    output, loss = np.zeros(n), np.zeros(n)
    for arm in phase.arms:
        said = world.model(arm.model, chunk.level).predict(chunk.x)
        for effect in effects:
            said = effect.output(chunk, said)
        if arm.stage == "shadow":
            arms.append((arm, said, np.ones(n, dtype=bool)))
            continue
        serves = chosen == serving.index(arm)
        arms.append((arm, said, serves))
        loss[serves] = world.losses(said, chunk.said)[serves]
        output[serves] = _number(said)[serves]
    return _delivered(chunk, effects, arms, np.array([arm.version for arm in serving])[chosen], output, loss)


def _number(output: Output) -> Floats:
    if output.scores is None:
        return output.prediction.astype(np.float64)
    return output.scores if output.scores.ndim == 1 else output.scores.max(axis=1)


def _delivered(
    chunk: Chunk,
    effects: Sequence[Effect],
    arms: list[tuple[Arm, Output, NDArray[np.bool_]]],
    version: NDArray[Any],
    output: Floats,
    loss: Floats,
) -> Cut:
    chunk.wrong = chunk.world.wrong(loss)
    chunk.labelled = chunk.some(chunk.world.coverage)
    chunk.delays = chunk.rng.gamma(2.0, DELAY / 2.0, chunk.n)
    for effect in effects:
        effect.delivery(chunk)
    at = chunk.start + chunk.times
    extra = [event for effect in effects for event in effect.beside(chunk)]
    return Cut(chunk, arms, version, output, loss, at, np.where(chunk.labelled, at + chunk.delays, np.inf), extra)
