"""Segments: which an event belongs to, what each is held to, and which one a harm is in."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.reference import Reference
from detectors.segments import MOST, SegmentNames, SegmentReading, SegmentWatch, Shares, segments_of

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


# ----------------------------------------------------------------------------------------------- which segments there are


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


# ------------------------------------------------------------------------------------------------------- sharing the time


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


# ---------------------------------------------------------------------------------------------------- references and limits


def test_a_segment_has_a_limit_from_its_first_labels_on() -> None:
    """After 300; it looks again after twice as many, and then the limit has fallen or stayed."""
    watch = new_watch()
    limits: list[float | None] = []
    rng = random.Random(1)
    for i in range(2_500):
        watch.add(("k=a",), float(rng.random() < 0.1), 60.0, float(i), i + 60.0, RATE)
        limits.append(watch.readings()[0].limit)

    assert limits[298] is None
    assert [limits[n - 1] is not None for n in (300, 600, 1_200, 2_400)] == [True] * 4
    steps = [limit for limit in limits if limit is not None]
    assert all(later <= earlier for earlier, later in pairwise(steps))
    assert len(set(steps)) > 1
    assert watch.references["k=a"].n == 2_400
    assert watch.to_state()["segments"]["k=a"]["learner"] is None  # more than `events`: it has learned


def test_few_events_are_enough_where_the_owner_says_so() -> None:
    """The first look is at `events` labels when that is less."""
    watch = new_watch(events=50)
    feed(watch, [(("k=a",), 0.0)] * 50)

    assert watch.references["k=a"].n == 50


def test_a_reading_says_which_rise_would_be_seen() -> None:
    """With few labels the limit is too wide to call the segment healthy, and the reading has the numbers; with more it is not."""
    watch = new_watch()
    rng = random.Random(5)
    rows = [(("k=a",), float(rng.random() < 0.01)) for _ in range(4_800)]
    feed(watch, rows[:300])
    early = watch.readings()[0]
    feed(watch, rows[300:], 300)
    late = watch.readings()[0]

    assert early.too_wide
    assert early.limit is not None
    assert early.reference is not None
    assert early.visible_rise == early.limit - early.reference > 3 * 0.005
    assert not late.too_wide
    assert (early.labels, late.labels) == (300, 4_800)
    assert (late.alarmed, late.too_dependent, late.last_seen) == (False, False, 4_859.0)
    assert 0.0 <= late.evidence < 1.0


def test_a_limit_that_is_too_wide_still_finds_a_larger_rise() -> None:
    """Unknown is not blind."""
    watch = new_watch()
    feed(watch, [(("k=a",), float(i % 100 == 50)) for i in range(300)])
    assert watch.readings()[0].too_wide

    assert feed(watch, [(("k=a",), float(i % 2)) for i in range(100)], 300) is not None


def test_a_reference_covers_its_span_in_bounded_memory() -> None:
    """A day of heavy traffic is thinned, and what is kept is of the whole day: its mean and its dependence."""
    watch = new_watch(events=300, span=DAY)
    rng = random.Random(2)
    n = 40_000
    for i in range(n + 50):
        night = i > n / 2
        at = i * DAY / n
        watch.add(("k=a",), float(rng.random() < (0.3 if night else 0.1)), 1.0, at, at, RATE)
        learner = watch.to_state()["segments"]["k=a"]["learner"] if i % 5_000 == 0 else None
        assert learner is None or len(learner["builder"]["losses"]) <= 4_800

    found = watch.references["k=a"]
    assert found.until - found.since >= DAY
    assert found.mean == pytest.approx(0.2, abs=0.02)
    assert reading_of(watch, "k=a").limit > 0.3  # type: ignore[operator]  # a day whose halves differ bounds neither of them


def test_what_thinning_hides_was_measured_before() -> None:
    """Errors in runs of ten are tested in blocks, although every eighth loss is as good as independent of the one before."""
    watch = new_watch(events=300, span=DAY)
    rng = random.Random(4)
    n = 40_000
    error = 0.0
    for i in range(n + 50):
        error = float(rng.random() < 0.2) if i % 10 == 0 else error
        watch.add(("k=a",), error, 1.0, i * DAY / n, i * DAY / n, RATE)

    assert 8.0 < watch.references["k=a"].tau < 20.0


def test_nothing_is_learned_while_there_is_harm_about() -> None:
    """What was gathered so far goes, too: the harm began before it was noticed. A reference that is there stays."""
    watch = new_watch()
    feed(watch, [(("k=young",), 0.0)] * 299 + [(("k=old",), 0.0)] * 300)
    feed(watch, [(("k=young",), 1.0), (("k=old",), 1.0)], 599, learn=False)
    feed(watch, [(("k=young",), 0.0)] * 299 + [(("k=old",), 0.0)] * 300, 601)

    assert list(watch.references) == ["k=old"]
    assert watch.references["k=old"].n == 300


def test_a_new_version_is_watched_from_its_first_label() -> None:
    """By what is normal for the last good one; its own reference can only lower the limit."""
    old = new_watch()
    feed(old, traffic(1, 3_000, well))
    new = new_watch()
    new.inherit(old.references)
    before = {reading.segment: reading.limit for reading in new.readings()}
    found = feed(new, traffic(2, 1_000, harmed("device=phone")))

    assert before.keys() == old.references.keys()
    assert found is not None
    assert "device=phone" in new.alarms
    assert "device=desk" not in new.alarms

    calm = new_watch()
    calm.inherit(old.references)
    feed(calm, traffic(3, 3_000, lambda _: 0.13))
    after = {reading.segment: reading.limit for reading in calm.readings()}
    assert all(after[name] is not None and limit is not None and after[name] <= limit for name, limit in before.items())  # type: ignore[operator]  # neither is None here


def test_labels_later_than_the_age_are_not_in_the_mean() -> None:
    """Before the age is known all labels come; where the late ones are good, the mean over all would be too low a bar."""
    watch = new_watch()
    for i in range(800):
        late = i % 2 == 1
        watch.add(("k=a",), 0.0 if late else float(i % 10 == 0), 500.0 if late else 5.0, float(i), i + 600.0, RATE)
    both = watch.references["k=a"].mean
    watch.settle_age(60.0)

    assert both == pytest.approx(0.1)
    assert watch.references["k=a"].mean == pytest.approx(0.2)
    assert watch.references["k=a"].n == 400
    assert watch.readings()[0].limit > 0.2  # type: ignore[operator]  # there is a reference


def test_the_slowest_labels_in_time_are_in_the_mean() -> None:
    """All labels that are tested count: leaving out the slowest tenth would set too low a bar where slow labels are bad."""
    watch = new_watch()
    for i in range(300):
        watch.add(("k=a",), float(i % 10 == 9), float(i % 10), float(i), i + 10.0, RATE)

    assert watch.references["k=a"].mean == pytest.approx(0.1)


def test_the_owners_limit_caps_what_lies_below_it() -> None:
    """A segment that lies over it when all is well would be a page that never ends: it is held to its own reference."""
    watch = new_watch(cap=0.11)
    watch.inherit({"k=low": reference(0.1), "k=high": reference(0.2)})

    assert reading_of(watch, "k=low").limit == 0.11
    assert reading_of(watch, "k=high").limit == pytest.approx(0.25)


def test_a_person_may_raise_the_limits() -> None:
    """A new guardrail version sets them all anew; an alarm against the lower one is void."""
    watch = new_watch()
    watch.inherit({"k=a": reference(0.1)})
    feed(watch, [(("k=a",), 1.0)] * 50)
    assert list(watch.alarms) == ["k=a"]
    watch.hold_to(lambda _: 0.3, None, 2_000, 0.0)

    assert reading_of(watch, "k=a").limit == pytest.approx(0.4)
    assert watch.alarms == {}


def test_dependent_losses_are_tested_in_blocks() -> None:
    """Errors in long runs make no alarm under a mean that has not changed; runs too long for the reference are not judged."""
    rng = random.Random(6)

    def runs(length: int, n: int) -> list[Row]:
        rows: list[Row] = []
        while len(rows) < n:
            rows += [(("k=a",), float(rng.random() < 0.2))] * length
        return rows

    blocks, none = new_watch(), new_watch()
    found = feed(blocks, runs(5, 10_000))
    feed(none, runs(200, 4_800))

    assert found is None
    assert 3.0 < blocks.references["k=a"].tau < 10.0
    assert none.readings()[0].too_dependent
    assert none.readings()[0].evidence == 0.0


# -------------------------------------------------------------------------------------------------------------- the alarm


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


# --------------------------------------------------------------------------------------------------------- who is to blame


def learnt(rows: Sequence[Row], harm: Sequence[Row]) -> SegmentWatch:
    """A watch that has learned from quiet rows, and then saw these."""
    watch = new_watch()
    feed(watch, rows)
    feed(watch, harm, len(rows))
    return watch


def test_harm_everywhere_is_in_no_segment() -> None:
    """Every rest is as bad as the segment."""
    named = [learnt(traffic(seed, 6_000, well), traffic(seed + 100, 400, lambda _: 0.3)).blame(6_000.0) for seed in range(20)]

    assert named.count(None) >= 19


def test_of_nested_segments_the_narrower_is_named() -> None:
    """North is a part of country A: A without north is well."""
    named = [
        learnt(traffic(seed, 6_000, well, nested=True), traffic(seed + 100, 1_200, harmed("region=north"), nested=True)).blame(
            6_000.0
        )
        for seed in range(20)
    ]

    assert named.count("region=north") >= 19


def test_a_part_of_the_harmed_segment_is_not_enough() -> None:
    """All of country A is harmed: north alone would leave the rest nearly well, and south harmed outside itself."""
    named = [
        learnt(traffic(seed, 6_000, well, nested=True), traffic(seed + 100, 1_200, harmed("country=A"), nested=True)).blame(
            6_000.0
        )
        for seed in range(20)
    ]

    assert named.count("country=A") >= 19


def test_of_two_names_of_the_same_rows_the_first_is_named() -> None:
    """Either is right."""
    rng = random.Random(3)

    def rows(n: int, bad: float) -> list[Row]:
        found: list[Row] = []
        for _ in range(n):
            north = rng.random() < 0.2
            names = ("region=north", "area=1") if north else ("region=south", "area=2")
            found.append((names, float(rng.random() < (bad if north else 0.1))))
        return found

    assert learnt(rows(4_000, 0.1), rows(800, 0.5)).blame(4_000.0) == "area=1"


def test_the_rest_is_held_to_what_is_normal_for_it() -> None:
    """South errs at .3 when all is well: it makes the rest of north neither harmed nor to blame."""
    watch = learnt(
        traffic(1, 8_000, lambda s: 0.3 if "region=south" in s else 0.1),
        traffic(2, 1_500, lambda s: 0.3 if "region=south" in s else (0.5 if "region=north" in s else 0.1)),
    )

    assert watch.blame(8_000.0) == "region=north"


def test_without_rows_or_harm_nobody_is_to_blame() -> None:
    """Nor without references."""
    assert new_watch().blame(0.0) is None
    assert learnt(traffic(1, 3_000, well), traffic(2, 500, well)).blame(3_000.0) is None
    assert learnt(traffic(1, 3_000, well), traffic(2, 500, harmed("region=north"))).blame(1e9) is None
    assert learnt([], traffic(2, 200, lambda _: 0.5)).blame(0.0) is None
    assert learnt([(("k=a",), 0.0)] * 1_000, [(("k=a",), 1.0)] * 100).blame(1_000.0) is None  # there is no rest


# ------------------------------------------------------------------------------------------------------- state and memory


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
