"""Segments: which an event belongs to, the time they share, their alarms, and how they are saved."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.segments import MOST, SegmentNames, SegmentWatch, Shares, segments_of
from tests.unit.detectors.segment_rows import (
    DAY,
    RATE,
    Row,
    as_json,
    feed,
    harmed,
    new_watch,
    reading_of,
    reference,
    tolerance,
    traffic,
    well,
)


def test_a_segment_is_looked_up_in_the_segments_then_in_the_features() -> None:
    """In the order of the keys; what the event lacks has none."""
    found = segments_of(
        ["region", "tier", "new", "device"],
        {"region": "north"},
        {"region": "south", "tier": 2, "new": True, "amount": 3.5},
        SegmentNames(),
    )

    assert found == ("region=north", "tier=2", "new=true")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("north", ("k=north",)),
        (False, ("k=false",)),
        (-7, ("k=-7",)),
        (2.0, ("k=2",)),
        (2.5, ()),
        (None, ()),
        ("", ()),
        (math.nan, ()),
        (-math.inf, ()),
        (10**18, ()),
        ([1], ()),
    ],
)
def test_what_makes_a_segment(value: object, expected: tuple[str, ...]) -> None:
    """Text, booleans and whole numbers do; a measurement, or nothing, does not."""
    assert segments_of(["k"], {}, {"k": value}, SegmentNames()) == expected


def test_the_fifty_first_value_is_other() -> None:
    """The values known first stay; each key has its own fifty."""
    known = SegmentNames()
    for i in range(100_000):
        name = known.name("user", str(i))
        assert name == (f"user={i}" if i < 50 else "user=other")

    assert known.name("user", "7") == "user=7"
    assert known.name("region", "north") == "region=north"
    assert len(as_json(known.to_state())) < 1_000


def test_long_values_are_cut_and_stay_apart() -> None:
    """Names are in every metric and page; two long values with the same beginning are still two."""
    known = SegmentNames()
    first, second = known.name("k", "x" * 10_000 + "1"), known.name("k", "x" * 10_000 + "2")

    assert first != second
    assert max(len(first), len(second)) <= 102
    assert known.name("k", "x" * 10_000 + "1") == first


@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=120)), max_size=80), st.integers(0, 80))
def test_names_may_be_cut_anywhere(values: list[tuple[str, str]], cut: int) -> None:
    """Saved as JSON and restored they give the same names."""
    whole, first = SegmentNames(), SegmentNames()
    for key, value in values[:cut]:
        first.name(key, value)
    second = SegmentNames.from_state(json.loads(as_json(first.to_state())))

    expected = [whole.name(key, value) for key, value in values]
    assert [second.name(key, value) for key, value in values[cut:]] == expected[cut:]


# ----------------------------------------------------------------------------------------------------- sharing the time


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 20 * DAY), st.booleans()), max_size=60),
    st.floats(0, 20 * DAY),
)
def test_segments_never_get_more_time_than_passes(visits: list[tuple[str, float, bool]], last: float) -> None:
    """However they come, leave, fall idle and return."""
    shares, now, given_out = Shares(), 0.0, 0.0
    shares.pass_to(0.0)
    for name, gap, leaves in visits:
        now += gap
        shares.pass_to(now)
        given_out += shares.take(name)
        if leaves:
            shares.leave(name)
    now += last
    shares.pass_to(now)
    given_out += sum(shares.take(name) for name in "abcd")

    assert given_out <= now * (1 + 1e-9)


def test_time_is_divided_among_those_alive() -> None:
    """A segment seen once in five days gets its share of these days, and no one's is lost."""
    shares = Shares()
    for name in ("often", "rare"):
        shares.pass_to(0.0)
        assert shares.take(name) == 0.0
    got = 0.0
    for hour in range(1, 121):
        shares.pass_to(hour * 3_600.0)
        got += shares.take("often")

    assert got == pytest.approx(2.5 * DAY)
    assert shares.take("rare") == pytest.approx(2.5 * DAY)


def test_a_segment_that_is_not_seen_for_a_week_gives_its_share_to_the_others() -> None:
    """What it had until then waits for it."""
    shares = Shares()
    shares.pass_to(0.0)
    shares.take("often")
    shares.take("gone")
    got = []
    for day in range(1, 21):
        shares.pass_to(day * DAY)
        got.append(shares.take("often"))

    assert got == pytest.approx([DAY / 2] * 8 + [DAY] * 12)
    assert shares.take("gone") == pytest.approx(4 * DAY)  # half of eight days: it was found to be gone on the eighth
    assert shares.take("gone") == 0.0


# ----------------------------------------------------------------------------------------------------- the alarm


def test_a_tenth_of_the_traffic_is_found_and_named() -> None:
    """From .1 to .4 in north alone, at a quarter of one false page in 90 days. The overall mean rises by .03 only."""
    watch = new_watch()
    calm = feed(watch, traffic(11, 8_000, well))
    found = feed(watch, traffic(12, 4_000, harmed("region=north")), 8_000)

    assert calm is None
    assert found is not None
    alarm = watch.alarms["region=north"]
    assert alarm.at == found + 60.0
    assert 7_500 < alarm.onset <= found
    assert 20 <= alarm.labels <= 300
    assert alarm.mean > alarm.limit > alarm.reference
    assert watch.blame(alarm.onset) == "region=north"


def test_an_alarm_stands_until_it_is_taken_back() -> None:
    """It rings once; taken back, it is judged afresh."""
    watch = new_watch()
    watch.inherit({"k=a": reference(0.1), "k=b": reference(0.1)})
    bad: list[Row] = [(("k=a",), 1.0), (("k=b",), 1.0)] * 40
    feed(watch, bad)
    first = dict(watch.alarms)
    assert feed(watch, bad, 80) is None
    assert watch.alarms == first

    watch.clear("k=a")
    assert list(watch.alarms) == ["k=b"]
    watch.clear()
    assert watch.alarms == {}
    assert reading_of(watch, "k=a").evidence == 0.0
    assert feed(watch, bad, 160) is not None


@pytest.mark.parametrize(
    ("loss", "delay", "mark", "at"),
    [(math.nan, 1, 1, 1), (1.1, 1, 1, 1), (-0.1, 1, 1, 1), (0.5, math.nan, 1, 1), (0.5, 1, math.inf, 1), (0.5, 1, 1, math.nan)],
)
def test_what_is_no_loss_is_refused_and_changes_nothing(loss: float, delay: float, mark: float, at: float) -> None:
    """Nor a time that is none."""
    watch = new_watch()
    feed(watch, traffic(1, 50, well))
    before = as_json(watch.to_state())

    with pytest.raises(ValueError, match=r"losses in \[0, 1\]"):
        watch.add(("k=a",), loss, delay, mark, at, RATE)
    assert as_json(watch.to_state()) == before


def test_a_clock_that_goes_back_costs_nothing() -> None:
    """Time that was given out is not given out again."""
    watch = new_watch()
    watch.inherit({"k=a": reference(0.1)})
    watch.add(("k=a",), 0.0, 1.0, 0.0, 1_000.0, 1e-6)
    watch.add(("k=a",), 0.0, 1.0, 0.0, 500.0, 1e-6)
    spent = watch.to_state()["segments"]["k=a"]["spent"]
    watch.add(("k=a",), 0.0, 1.0, 0.0, 1_100.0, 1e-6)

    assert spent == 0.0
    assert watch.to_state()["segments"]["k=a"]["spent"] == pytest.approx(1e-4)


# ----------------------------------------------------------------------------------------------------- state and memory


@pytest.mark.parametrize("cut", [0, 150, 2_999, 3_600, 6_500])
def test_a_watch_may_be_cut_anywhere(cut: int) -> None:
    """Saved as JSON, restored and fed the rest, it has the same bits: while learning, while testing, after an alarm."""
    rows = traffic(7, 5_000, well, nested=True) + traffic(8, 2_000, harmed("region=north"), nested=True)
    whole, first = new_watch(), new_watch()
    feed(whole, rows)
    feed(first, rows[:cut])
    second = SegmentWatch.from_state(json.loads(as_json(first.to_state())), tolerance, None, 2_000, 0.0)
    feed(second, rows[cut:], cut)

    assert as_json(second.to_state()) == as_json(whole.to_state())
    assert second.readings() == whole.readings()
    assert second.alarms == whole.alarms
    assert "region=north" in whole.alarms
    assert second.blame(5_000.0) == whole.blame(5_000.0)


def test_a_state_of_another_version_is_refused() -> None:
    """By name."""
    with pytest.raises(ValueError, match="segment watch has version 9"):
        SegmentWatch.from_state(new_watch().to_state() | {"v": 9}, tolerance, None, 2_000, 0.0)
    with pytest.raises(ValueError, match="segment names has version 9"):
        SegmentNames.from_state({"v": 9})


def test_memory_is_bounded_whatever_comes() -> None:
    """A thousand segments at most, and a state of bounded size."""
    watch = new_watch(events=1)
    for i in range(3 * MOST):
        watch.add((f"k={i}",), 0.0, 1.0, float(i), float(i), RATE)

    assert len(watch.readings()) == MOST
    assert len(as_json(watch.to_state())) < 2_000 * MOST


def test_references_in_the_making_share_the_room() -> None:
    """A look that finds a hundred thousand losses gathered ends the learning: they never double again."""
    watch = new_watch()
    for i in range(400 * 320):
        watch.add((f"k={i % 400}",), 0.0, 1.0, float(i), float(i), RATE)
    held = [one["learner"] for one in watch.to_state()["segments"].values()]

    assert len(watch.references) == 400
    assert sum(len(learner["builder"]["losses"]) for learner in held if learner is not None) <= 2 * 100_000
