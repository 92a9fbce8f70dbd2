"""What the losses of each version were over time, for a person who looks: a bounded trail of points, finer the younger they are.

A chart of the last minutes and one of the last weeks want different strides, and both must come out of a fixed room. So the same
points go into a few rings, each with a stride of its own, as round-robin databases do it: two minutes by the second, twenty by
ten seconds, and so on to twenty days by four hours. Points are taken at the ticks of the clock of events, and between two ticks
at most once a second where events are many. So a replay gives the same trail as the live daemon did.
Nothing is decided from it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from daemon.versions import Version

#: Seconds of the clock of events between two points, in each ring.
STRIDES: Final = (1.0, 10.0, 120.0, 1200.0, 14400.0)
#: Points in each ring.
ROOM: Final = 120
#: Labels of which a mean is shown: that of the first two says nothing, and would set the scale of the whole chart.
LABELS: Final = 30
#: Events between two points that are not at a tick: a mean over a thousand labels is worth no more of the time.
EVENTS: Final = 50


class Point(NamedTuple):
    """How a version stood at a moment of the clock of events (epoch seconds). Losses are on the scale 0..1.

    `mean` is over its last 1,000 labels, None of a few; `predictions` counts all of its predictions so far.
    """

    at: float
    mean: float | None
    limit: float | None
    reference: float | None
    coverage: float
    predictions: int


class _Rings:
    """The points of one version."""

    def __init__(self, rings: Iterable[Iterable[Point]] = ()) -> None:
        self._rings = [deque(ring, maxlen=ROOM) for ring in rings] or [deque[Point](maxlen=ROOM) for _ in STRIDES]

    def add(self, point: Point) -> None:
        """Take a point into each ring whose stride has passed; one that says nothing new is dropped, which leaves a gap."""
        youngest = self._rings[0]
        if youngest and point[1:] == youngest[-1][1:]:
            return
        for ring, stride in zip(self._rings, STRIDES, strict=True):
            if not ring or point.at // stride > ring[-1].at // stride:
                ring.append(point)

    def points(self) -> list[Point]:
        """Everything in the order of time; where rings overlap, the finer one counts."""
        found: list[Point] = []
        for ring in self._rings:
            found[:0] = [point for point in ring if not found or point.at < found[0].at]
        return found

    def to_state(self) -> list[list[list[float | None]]]:
        """Give everything as plain data."""
        return [[list(point) for point in ring] for ring in self._rings]


class Trail:
    """The trails of a model's versions."""

    def __init__(self) -> None:
        self._versions: dict[str, _Rings] = {}
        self._events = 0
        self._next = 0.0

    def passed(self, clock: float, versions: Mapping[str, Version]) -> None:
        """Note an event; takes points when there were many since the last ones."""
        self._events += 1
        if self._events >= EVENTS and clock >= self._next:
            self.sample(clock, versions)

    def sample(self, clock: float, versions: Mapping[str, Version]) -> None:
        """Take a point of each version; those that are not watched any more leave."""
        self._events, self._next = 0, (clock // STRIDES[0] + 1) * STRIDES[0]
        self._versions = {name: rings for name, rings in self._versions.items() if name in versions}
        for name, version in versions.items():
            self._versions.setdefault(name, _Rings()).add(_point(clock, version))

    def points(self, name: str) -> list[Point]:
        """The trail of a version in the order of time, a list of its own; empty for one that is not known."""
        rings = self._versions.get(name)
        return [] if rings is None else rings.points()

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        versions = {name: rings.to_state() for name, rings in self._versions.items()}
        return {"v": 1, "versions": versions, "events": self._events, "next": self._next}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Trail:
        """Rebuild what `to_state` described."""
        trail = cls()
        trail._events, trail._next = state["events"], state["next"]
        for name, rings in state["versions"].items():
            trail._versions[name] = _Rings([Point(*point) for point in ring] for ring in rings)
        return trail


def _point(clock: float, version: Version) -> Point:
    reference = version.reference or version.inherited
    return Point(
        clock,
        version.mean() if len(version.last) >= LABELS else None,
        None if version.harm is None else version.harm.limit,
        None if reference is None else reference.mean,
        version.coverage,
        sum(version.traffic.predictions.values()),
    )
