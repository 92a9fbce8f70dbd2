"""The trail of a version: finer the younger, bounded, and the same after a restart."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from daemon.store import MemoryStore
from daemon.task import Task
from daemon.traffic import Traffic
from daemon.trail import EVENTS, LABELS, ROOM, STRIDES, Point, Trail
from daemon.versions import Version
from detectors.performance import RollingPerformance
from detectors.segments import SegmentWatch
from tests.doubles.model import T0, a_guardrail, a_label, a_prediction


def a_version(name: str = "7") -> Version:
    """A version without a past."""
    guardrail = a_guardrail()
    return Version(
        name,
        Traffic(T0),
        RollingPerformance(guardrail.task, guardrail.positive),
        SegmentWatch(guardrail.tolerance_over, None, 300, 0.0),
    )


def walked(trail: Trail, version: Version, moments: list[float]) -> Trail:
    """A trail with a prediction and a point at each moment."""
    for at in moments:
        version.traffic.see("live", at, 600.0)
        trail.sample(at, {version.name: version})
    return trail


def test_the_last_minutes_are_fine_and_the_last_weeks_are_coarse() -> None:
    """Thirty days by ten seconds take a bounded room; each stretch has the stride of its ring, and nothing is out of order."""
    version = a_version()
    end = T0 + 30 * 86400.0
    trail = walked(Trail(), version, [T0 + 10.0 * step for step in range(30 * 8640 + 1)])
    points = trail.points("7")
    gaps = [later.at - earlier.at for earlier, later in pairwise(points)]

    assert len(points) <= ROOM * len(STRIDES)
    assert (points[-1].at, gaps[-1], gaps[0]) == (end, 10.0, 14400.0)
    assert all(gap > 0 for gap in gaps)
    assert end - points[0].at > 19 * 86400.0


def test_nothing_new_leaves_a_gap() -> None:
    """A version that gets neither predictions nor labels adds no points: the chart breaks there."""
    version = a_version()
    trail = walked(Trail(), version, [T0])
    for step in range(1, 100):
        trail.sample(T0 + step, {"7": version})
    walked(trail, version, [T0 + 100])

    assert [point.at for point in trail.points("7")] == [T0, T0 + 100]


def test_a_point_tells_how_the_version_stood() -> None:
    """Loss, limit, reference, coverage and count; what is not known, and a mean over a handful of labels, is None."""
    version = a_version()
    version.last.extend([0.0, 1.0])
    walked_once = walked(Trail(), version, [T0]).points("7")
    version.set_limit(0.3)
    version.last.extend([0.0, 1.0] * LABELS)

    assert walked_once == [Point(T0, None, None, None, 1.0, 1)]
    assert walked(Trail(), version, [T0 + 1]).points("7") == [Point(T0 + 1, 0.5, 0.3, None, 1.0, 2)]


def test_a_version_that_is_forgotten_leaves_no_trail() -> None:
    """Only what is watched is kept."""
    trail = walked(Trail(), a_version("7"), [T0])
    walked(trail, a_version("8"), [T0 + 1])

    assert (trail.points("7"), len(trail.points("8"))) == ([], 1)


def test_many_events_are_seen_between_two_ticks() -> None:
    """At most once a second, and only after so many events."""
    version = a_version()
    trail = Trail()
    for number in range(4 * EVENTS):
        at = T0 + number * 2.0 / EVENTS
        version.traffic.see("live", at, 600.0)
        trail.passed(at, {"7": version})

    assert [round(point.at - T0) for point in trail.points("7")] == [2, 4, 6, 8]


@given(st.lists(st.floats(0.1, 5000.0), min_size=1, max_size=60), st.integers(0, 60))
def test_it_goes_on_where_it_was(steps: list[float], cut: int) -> None:
    """Saved and restored at any point, it becomes what it would have become."""
    moments = [T0 + sum(steps[: index + 1]) for index in range(len(steps))]
    whole = walked(Trail(), a_version(), moments)
    version = a_version()
    first = walked(Trail(), version, moments[:cut])
    second = walked(Trail.from_state(first.to_state()), version, moments[cut:])

    assert second.to_state() == whole.to_state()


def test_a_task_that_restarts_has_the_same_trail() -> None:
    """The trail is in the checkpoint, and a restart between two events leaves no trace in it."""

    def run(store: MemoryStore, restart: bool) -> list[Point]:
        task = Task(store, {"loan": a_guardrail()})
        for number in range(400):
            task.observe(a_prediction(number, T0 + number))
            if number > 10:
                task.observe(a_label(number - 10, T0 + number, "1" if number % 9 == 0 else "0"))
            if restart and number == 200:
                task.checkpoint()
                task = Task(store, {"loan": a_guardrail()})
        return task.models["loan"].trail.points("7")

    plain = run(MemoryStore(), restart=False)

    assert (run(MemoryStore(), restart=True), len(plain) > 30) == (plain, True)
