"""Rows of a made-up traffic with segments, and watches that are fed with them: shared by the tests of segments."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from detectors.reference import Reference
from detectors.segments import SegmentReading, SegmentWatch

DAY = 86_400.0
RATE = 0.25 / (90 * DAY)  # a quarter of one false page in 90 days
Row = tuple[tuple[str, ...], float]


def tolerance(mean: float) -> float:
    """The default of the guardrail file."""
    return max(0.005, 0.25 * mean)


def new_watch(
    events: int = 2_000, span: float = 0.0, cap: float | None = None, tolerated: Callable[[float], float] = tolerance
) -> SegmentWatch:
    """A watch of one version."""
    return SegmentWatch(tolerated, cap, events, span)


def feed(watch: SegmentWatch, rows: Sequence[Row], start: int = 0, *, rate: float = RATE, learn: bool = True) -> int | None:
    """One loss a second, labelled a minute later; the first row with an alarm."""
    found = None
    for i, (segments, loss) in enumerate(rows, start=start):
        if watch.add(segments, loss, 60.0, float(i), i + 60.0, rate, learn) and found is None:
            found = i
    return found


def traffic(seed: int, n: int, rate_of: Callable[[tuple[str, ...]], float], *, nested: bool = False) -> list[Row]:
    """Errors of three regions (.1, .3, .6 of the traffic) on two devices; `nested` adds the country that north is a part of."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        region = rng.choices(["north", "south", "east"], [0.1, 0.3, 0.6])[0]
        segments: tuple[str, ...] = (f"region={region}", f"device={rng.choice(['phone', 'desk'])}")
        if nested:
            segments += ("country=A" if region in {"north", "south"} else "country=B",)
        rows.append((segments, float(rng.random() < rate_of(segments))))
    return rows


def well(_: tuple[str, ...]) -> float:
    """Errors when all is well."""
    return 0.1


def harmed(*names: str, rate: float = 0.4) -> Callable[[tuple[str, ...]], float]:
    """Errors while these segments are harmed."""
    return lambda segments: rate if set(names) & set(segments) else 0.1


def reference(mean: float, n: int = 100_000, tau: float = 1.0) -> Reference:
    """What was learnt elsewhere."""
    return Reference(n, mean, mean * (1 - mean), True, tau, 60.0, 1.0, 0.0, 1.0)


def reading_of(watch: SegmentWatch, segment: str) -> SegmentReading:
    """The reading of one segment."""
    return next(reading for reading in watch.readings() if reading.segment == segment)


def as_json(state: dict[str, Any]) -> str:
    """A state as it would be written."""
    return json.dumps(state, allow_nan=False)


def learnt(rows: Sequence[Row], harm: Sequence[Row]) -> SegmentWatch:
    """A watch that has learned from quiet rows, and then saw these."""
    watch = new_watch()
    feed(watch, rows)
    feed(watch, harm, len(rows))
    return watch
