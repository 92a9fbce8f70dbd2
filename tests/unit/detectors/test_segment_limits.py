"""What a segment is held to: how its reference is learned, and the limit that follows."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from tests.unit.detectors.segment_rows import DAY, RATE, Row, feed, harmed, new_watch, reading_of, reference, traffic, well


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
