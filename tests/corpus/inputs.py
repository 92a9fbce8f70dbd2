"""What goes wrong with inputs on their way to the model: the effects of `effects.py` that change what it sees.

Columns are named by the roles of a world. What is changed here is changed before the model sees it, and the event
carries the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tests.corpus.effects import Chunk, Effect, Levels, Shape

#: A number that no owner means.
HUGE = 1e300
#: What a pipeline puts where it found nothing.
SENTINEL = -1.0


def columns(chunk: Chunk, role: str) -> tuple[str, ...]:
    """The columns of a role."""
    return chunk.world.roles[role]


@dataclass(frozen=True)
class Missing(Effect):
    """Values are not there; all columns of the role together."""

    role: str
    share: Levels
    shape: Shape = "step"

    def inputs(self, chunk: Chunk) -> None:
        """Take them away."""
        hit = chunk.rng.random(chunk.n) < self.share[chunk.level] * chunk.strength(self.shape)
        for name in columns(chunk, self.role):
            values = chunk.x[name].copy()
            values[hit] = None if values.dtype == object else math.nan
            chunk.x[name] = values


@dataclass(frozen=True)
class Gone(Effect):
    """The columns of a role vanish from the events."""

    role: str

    def inputs(self, chunk: Chunk) -> None:
        """Take them out."""
        for name in columns(chunk, self.role):
            del chunk.x[name]


@dataclass(frozen=True)
class Moved(Effect):
    """Columns get each other's values, round in a circle: two are swapped, three are a table whose header moved."""

    role: str

    def inputs(self, chunk: Chunk) -> None:
        """Move them by one."""
        names = columns(chunk, self.role)
        values = [chunk.x[name] for name in names]
        chunk.x.update(zip(names, [*values[1:], values[0]], strict=True))


@dataclass(frozen=True)
class Stale(Effect):
    """The values of other rows: a feature table that is not written any more, a join by the wrong key."""

    role: str
    share: Levels

    def inputs(self, chunk: Chunk) -> None:
        """Take them from other rows: each for itself looks as always."""
        hit = chunk.some(self.share[chunk.level])
        other = chunk.rng.permutation(chunk.n)
        for name in columns(chunk, self.role):
            chunk.x[name] = np.where(hit, chunk.x[name][other], chunk.x[name])


@dataclass(frozen=True)
class Constant(Effect):
    """An imputation that writes a number that no value has."""

    role: str
    share: Levels

    def inputs(self, chunk: Chunk) -> None:
        """Write it."""
        hit = chunk.some(self.share[chunk.level])
        for name in columns(chunk, self.role):
            chunk.x[name] = np.where(hit, SENTINEL, chunk.x[name])


@dataclass(frozen=True)
class Scaled(Effect):
    """Another unit."""

    role: str
    factor: Levels

    def inputs(self, chunk: Chunk) -> None:
        """Multiply."""
        for name in columns(chunk, self.role):
            chunk.x[name] = chunk.x[name] * self.factor[chunk.level]


@dataclass(frozen=True)
class Negative(Effect):
    """Numbers below the declared minimum: an age of less than nothing."""

    role: str
    share: Levels

    def inputs(self, chunk: Chunk) -> None:
        """Turn the sign."""
        hit = chunk.some(self.share[chunk.level])
        for name in columns(chunk, self.role):
            chunk.x[name] = np.where(hit, -1.0 - np.abs(chunk.x[name]), chunk.x[name])


@dataclass(frozen=True)
class AsText(Effect):
    """Numbers come as text, with a comma; the model cannot read them and takes what is usual."""

    role: str
    share: Levels

    def inputs(self, chunk: Chunk) -> None:
        """Write them as text."""
        hit = chunk.some(self.share[chunk.level])
        for name in columns(chunk, self.role):
            texts = [f"{value:.3f}".replace(".", ",") for value in chunk.x[name].tolist()]
            read = np.where(hit, math.nan, chunk.x[name])
            chunk.x[name] = read
            chunk.written[name] = _Texts(texts, hit.tolist())


class _Texts:
    """Gives the text of each row in turn where there is one; else the number."""

    def __init__(self, texts: list[str], hit: list[bool]) -> None:
        self._rows = iter(zip(texts, hit, strict=True))

    def __call__(self, value: object) -> object:
        text, hit = next(self._rows)
        return text if hit else value


@dataclass(frozen=True)
class Spelled(Effect):
    """Categories in another spelling: special characters that used to be dropped."""

    role: str
    share: Levels

    def inputs(self, chunk: Chunk) -> None:
        """Spell them in another way."""
        hit = chunk.some(self.share[chunk.level]).tolist()
        for name in columns(chunk, self.role):
            values = chunk.x[name].tolist()
            spelt = [f"«{value.upper()}»" if bad and value is not None else value for value, bad in zip(values, hit, strict=True)]
            chunk.x[name] = np.array(spelt, dtype=object)


@dataclass(frozen=True)
class NewCategory(Effect):
    """A category that was never seen, in rows that are like the others."""

    role: str
    share: Levels

    def inputs(self, chunk: Chunk) -> None:
        """Write it."""
        hit = chunk.some(self.share[chunk.level])
        for name in columns(chunk, self.role):
            chunk.x[name] = np.where(hit, "kiosk", chunk.x[name])


@dataclass(frozen=True)
class Rubbish(Effect):
    """Bare NaN and Infinity tokens and absurdly large numbers."""

    role: str
    share: Levels

    def inputs(self, chunk: Chunk) -> None:
        """Scatter them."""
        hit = chunk.some(self.share[chunk.level])
        kind = chunk.rng.choice([math.nan, math.inf, -math.inf, HUGE], chunk.n)
        for name in columns(chunk, self.role):
            chunk.x[name] = np.where(hit, np.where(np.isfinite(kind), kind, math.nan), chunk.x[name])
            chunk.written[name] = _Tokens(kind.tolist(), hit.tolist())


class _Tokens:
    """Gives each row's rubbish in turn, or the number."""

    def __init__(self, kinds: list[float], hit: list[bool]) -> None:
        self._rows = iter(zip(kinds, hit, strict=True))

    def __call__(self, value: object) -> object:
        kind, hit = next(self._rows)
        return kind if hit else value


@dataclass(frozen=True)
class NewColumns(Effect):
    """New columns that no model uses: one number, one text with a value of its own in each row."""

    def inputs(self, chunk: Chunk) -> None:
        """Add them."""
        chunk.x["latency"] = chunk.rng.exponential(20.0, chunk.n)
        session = chunk.rng.integers(0, 100_000, chunk.n)
        chunk.x["session"] = np.array([f"s{number}" for number in session.tolist()], dtype=object)
