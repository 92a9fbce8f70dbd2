"""From a world, a fault and a seed to a stream: events as JSON lines in the order of arrival, and what is known about them.

The same three give the same bytes. First 4,000 predictions or so of version 7, from which its reference is learned and against
which it is watched; then the fault, for as long as the seed says; then, for every other seed, the end of the fault, so that the
time until an incident is resolved can be measured. The strength of the fault goes with the seed too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tests.corpus.chunks import Cut, cut
from tests.corpus.faults import Fault, Phase
from tests.corpus.made import WORLDS
from tests.corpus.models import Floats
from tests.corpus.worlds import LEVELS, World

#: The first prediction of every stream: 2026-05-01T12:00:00Z.
START: Final = 1_777_636_800.0
#: Predictions after the end of the fault.
AFTER: Final = 4_000
#: The least and the most predictions of a fault.
DURATION: Final = (3_000, 6_000)
#: Nothing is recorded so long after the last prediction, seconds.
TAIL: Final = 1_200.0

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Key:
    """What a stream is made from."""

    world: str
    fault: str
    seed: int

    def __str__(self) -> str:
        return f"{self.world}/{self.fault}/{self.seed}"


@dataclass(frozen=True, slots=True)
class Served:
    """What users got, in the order of prediction, one item each. Times are epoch seconds; infinity: no label came."""

    at: Floats
    version: NDArray[Any]
    columns: dict[str, NDArray[Any]]
    output: Floats  # the score, the largest probability, or the value
    loss: Floats
    labelled_at: Floats
    victim: NDArray[np.bool_]  # in the segment that faults hit


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream, and what is true of it.

    Attributes:
        key: What it was made from.
        level: The strength of the fault, 0 to 2.
        lines: Its events.
        guardrail: The guardrail file's content.
        start: When the fault began, epoch seconds.
        end: When it ended; infinity: not within the stream.
        served: What users got.
    """

    key: Key
    level: int
    lines: list[bytes]
    guardrail: dict[str, Any]
    start: float
    end: float
    served: Served


def level_of(seed: int) -> int:
    """Give the strength of the fault: hard, plain and mild in turn."""
    return LEVELS - 1 - seed % LEVELS


def phases_of(fault: Fault, seed: int, ends: bool) -> list[Phase]:
    """Give the phases of a stream, each with its number of predictions."""
    rng = np.random.default_rng([zlib.crc32(fault.name.encode()), seed])
    sized = [replace(phase, n=phase.n or int(rng.integers(*DURATION, endpoint=True))) for phase in fault.phases]
    return [Phase(n=fault.settle, healthy=True), *sized, *([Phase(n=AFTER, healthy=True)] if ends else [])]


def make(fault: Fault, world: World, seed: int, *, ends: bool | None = None) -> Stream:
    """Make a stream; `ends`: whether the fault ends in it, by default for odd seeds."""
    key = Key(world.name, fault.name, seed)
    rng = np.random.default_rng([zlib.crc32(f"{key.world}/{key.fault}".encode()), seed])
    phases = phases_of(fault, seed, bool(seed % 2) if ends is None else ends)
    at, cuts = 0.0, []
    for phase in phases:
        cuts.append(cut(world, phase, fault.always, rng, level_of(seed), phase.n, at))
        at += float(cuts[-1].chunk.times[-1])
    lines = _lines(cuts, world.name, START + at + TAIL, rng)
    start, end = _bounds(phases, cuts, fault)
    guardrail = world.guardrail(**fault.guardrail)
    return Stream(key, level_of(seed), lines, guardrail, start, end, _served(cuts, world))


def _bounds(phases: list[Phase], cuts: list[Cut], fault: Fault) -> tuple[float, float]:
    """Give the first moment of the fault and the first one after it."""
    bad = [number for number, phase in enumerate(phases) if not phase.healthy]
    start, last = START + cuts[bad[0]].chunk.start, bad[-1] + 1
    if fault.gap:
        return start, START + float(cuts[bad[0]].at[0])
    return start, START + cuts[last].chunk.start if last < len(cuts) else float("inf")


# --- events -----------------------------------------------------------------------------------------------------------------


def _lines(cuts: list[Cut], model: str, until: float, rng: np.random.Generator) -> list[bytes]:
    events: list[tuple[float, bytes]] = []
    first = 0
    for one in cuts:
        made = [*_predictions(one, model, first), *_labels(one, model, first)]
        if one.chunk.copies:
            again = np.flatnonzero(rng.random(len(made)) < one.chunk.copies).tolist()
            late = rng.exponential(300.0, len(made)).tolist()
            made += [(made[number][0] + late[number], made[number][1]) for number in again]
        events += made
        events += [(START + one.chunk.start + at, _encode(body)) for at, body in one.extra]
        first += one.chunk.n
    events.sort(key=lambda event: event[0])
    return [b'{"at":%.3f,%b' % (at, body[1:]) for at, body in events if at <= until]


def _predictions(one: Cut, model: str, first: int) -> Iterator[tuple[float, bytes]]:
    chunk, world = one.chunk, one.chunk.world
    names, rows = list(chunk.x), list(zip(*(_values(one, name) for name in chunk.x), strict=True))
    write = _encode_tokens if chunk.written else _encode
    for arm, output, serves in one.arms:
        said = world.text(output.prediction)
        scores = [None] * chunk.n if output.scores is None else np.round(output.scores, 4).tolist()
        head = {"type": "prediction", "model": model, "version": arm.version, "stage": arm.stage}
        for number in np.flatnonzero(serves).tolist():
            body: dict[str, Any] = {**head, "id": f"p{first + number}", "prediction": said[number]}
            body.update(_scores(world, scores[number]))
            body["features"] = dict(zip(names, rows[number], strict=True))
            yield START + one.at[number], write(body)


def _encode_tokens(body: dict[str, Any]) -> bytes:
    """Write what is no JSON as Python producers write it: as a bare token."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def _scores(world: World, score: float | list[float] | None) -> dict[str, Any]:
    if score is None:
        return {}
    return {"score": score} if isinstance(score, float) else {"scores": dict(zip(world.classes, score, strict=True))}


def _values(one: Cut, name: str) -> list[object]:
    """Give a column as it is written."""
    values: list[object] = one.chunk.x[name].tolist()
    values = [None if value != value else value for value in values]  # noqa: PLR0124 - NaN is what is not itself
    written = one.chunk.written.get(name)
    return values if written is None else [written(value) for value in values]


def _labels(one: Cut, model: str, first: int) -> Iterator[tuple[float, bytes]]:
    said = one.chunk.world.text(one.chunk.said)
    for number in np.flatnonzero(np.isfinite(one.labelled_at)).tolist():
        body = {"type": "label", "model": model, "id": f"p{first + number}", "label": said[number]}
        yield START + one.labelled_at[number], _encode(body)


def _served(cuts: list[Cut], world: World) -> Served:
    names = [name for name in cuts[0].chunk.x if all(name in one.chunk.x for one in cuts)]
    return Served(
        at=START + np.concatenate([one.at for one in cuts]),
        version=np.concatenate([one.version for one in cuts]),
        columns={name: np.concatenate([one.chunk.x[name] for one in cuts]) for name in names},
        output=np.concatenate([one.output for one in cuts]),
        loss=np.concatenate([one.loss for one in cuts]),
        labelled_at=START + np.concatenate([one.labelled_at for one in cuts]),
        victim=np.concatenate([one.victim for one in cuts]),
    )


def world_of(key: Key) -> World:
    """Give the world of a stream."""
    return WORLDS[key.world]
