"""The inputs of a version over its life: what is learned and when, what is stored, and what bounds the memory."""

from __future__ import annotations

import gc
import math
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import State
from detectors.inputs import InputWatch
from detectors.quality import Declared
from tests.unit.detectors.input_rows import (
    AGE,
    RATE,
    STEP,
    Features,
    Row,
    after,
    feed,
    gone,
    learnt,
    moved,
    through_json,
    through_msgpack,
    told,
    traffic,
)

POISON: list[object] = [math.nan, math.inf, -math.inf, None, "", "x" * 100_000, 10**400, -1e308, True, [1], {"a": 1}, b"x", "nan"]


def poisoned(features: Features, chance: random.Random) -> float | None:
    """Anything anywhere."""
    for name in features:
        if chance.random() < 0.3:
            features[name] = chance.choice(POISON)
    if chance.random() < 0.1:
        features["n" * 5_000] = 1
    return math.nan if chance.random() < 0.1 else None


def test_poison_is_survived_and_stored() -> None:
    """No value of any type or size stops the watch, before a profile or with one, and its state stays plain data."""
    watch = InputWatch(AGE, RATE, 500)
    feed(watch, traffic(2_250, 1, 0.0, poisoned))
    watch.update(None, "text" * 1_000, 300.0, 300.0)
    watch.update({}, None, math.nan, 300.0)
    watch.update({}, None, 300.0, math.inf)
    state = watch.to_state()

    assert (watch.report().rows, watch.profile is not None) == (2_251, True)
    assert InputWatch.from_state(through_json(state), AGE, RATE, 500).to_state() == state


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.integers(), max_size=1))
some_rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.dictionaries(st.sampled_from(["age", "plan", "b", ""]), values)),
        st.one_of(st.none(), st.floats(), st.text(max_size=2)),
        st.floats(),
        st.floats(0.0, 1_000.0),
        st.booleans(),
    ),
    max_size=60,
)


@given(some_rows, st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_any_rows_leave_a_state_that_goes_on_to_the_bit(
    rows: list[tuple[Features | None, float | str | None, float, float, bool]], cut: int
) -> None:
    """Whatever came, a watch that was stored and restored at any point ends in the very same state."""
    declared = {"age": Declared("number", 0.0, 10.0, 0.1), "plan": Declared("category", values=frozenset({"a"}))}
    one = InputWatch(declared, RATE, 10)
    other = InputWatch(declared, RATE, 10)
    for index, (features, output, mark, at, learn) in enumerate(rows):
        if index == cut:
            other = InputWatch.from_state(through_json(other.to_state()), declared, RATE, 10)
        said = [watch.update(features, output, mark, at, learn=learn) for watch in (one, other)]
        assert said[0] == said[1]

    assert other.to_state() == one.to_state()


@pytest.mark.parametrize("through", [through_json, through_msgpack])
@pytest.mark.parametrize("cut", [1, 499, 1_999, 2_000, 2_777, 4_500])
def test_a_watch_goes_on_to_the_bit(through: Callable[[State], State], cut: int) -> None:
    """Stored and restored at any point, in a block or out of it, in a fault or not, it ends in the same state."""
    rows = [*traffic(2_000, 1), *traffic(1_000, 2, 200.0), *traffic(3_333, 3, 300.0, gone("age", 0.5))]
    one, other = InputWatch(AGE, RATE), InputWatch(AGE, RATE)
    feed(one, rows)
    feed(other, rows[:cut])
    other = InputWatch.from_state(through(other.to_state()), AGE, RATE)
    feed(other, rows[cut:])

    assert (other.to_state(), other.report()) == (one.to_state(), one.report())
    assert told(one.report()) == {("missing", "age", "missing")}


def test_what_is_declared_may_change_over_a_restart() -> None:
    """Detectors of what is declared no more are dropped, and new declarations are held to; what else was found stays."""
    watch = learnt(declared=AGE)

    def two(features: Features, chance: random.Random) -> None:
        features["age"] = 500.0
        del features["region"]

    feed(watch, traffic(4_000, 2, 200.0, two))
    assert {("hard", "age", "out_of_bounds"), ("missing", "region", "missing")} <= told(watch.report())

    watch = InputWatch.from_state(watch.to_state(), {"region": Declared("category", missing=1.0)}, RATE)
    assert {name for _, name, _ in told(watch.report())} == {"age"}
    assert watch.report().hard == ()
    watch = InputWatch.from_state(watch.to_state(), {"visits": Declared("number", maximum=1.0)}, RATE)
    feed(watch, traffic(4_000, 3, 600.0))
    assert [one.name for one in watch.report().hard] == ["visits"]


def test_a_state_of_another_version_is_refused() -> None:
    """Nobody reads fields that meant something else."""
    with pytest.raises(ValueError, match="the state of this input watch has version 2"):
        InputWatch.from_state({**learnt().to_state(), "v": 2}, {}, RATE)


def test_blocks_close_by_time_and_by_number_only() -> None:
    """Slow traffic closes a block a minute, fast traffic one in 500 rows: a fault counts no earlier."""
    slow, fast = learnt(), learnt()
    blocks = [watch.to_state()["faults"]["blocks"] for watch in (slow, fast)]
    feed(slow, traffic(100, 2, 300.0, step=10.0))
    feed(fast, traffic(1_500, 2, 300.0, step=0.001))

    assert [watch.to_state()["faults"]["blocks"] - before for watch, before in zip((slow, fast), blocks, strict=True)] == [16, 3]


def test_nothing_is_learned_that_may_not_be() -> None:
    """Rows that came while an incident was open are no part of the profile, and it is not taken over then."""
    watch = InputWatch({}, RATE, 1_000)
    feed(watch, traffic(500, 1))
    feed(watch, traffic(5_000, 2, 50.0, gone("age")), learn=False)
    assert (watch.profile, watch.report().learned, watch.report().judged) == (None, 500, False)
    feed(watch, traffic(1_000, 3, 550.0))

    assert watch.profile is not None
    assert watch.profile.columns["age"].missing == 0


def test_a_new_version_starts_from_the_last_good_profile() -> None:
    """It judges from its first rows on, and goes over to its own profile once that is learned."""
    watch = InputWatch({}, RATE, 5_000)
    watch.inherit(learnt().profile or pytest.fail("no profile"))
    inherited = watch.profile
    feed(watch, traffic(4_000, 2, 0.0, moved))
    assert (watch.inherited, told(watch.report())) == (True, {("drifted", "age", "drifted")})
    feed(watch, traffic(2_000, 3, 400.0, moved))

    assert (watch.inherited, watch.profile is inherited, told(watch.report())) == (False, False, set())
    watch.inherit(inherited or pytest.fail("no profile"))
    assert watch.inherited is False


def test_a_fault_under_an_inherited_profile_is_not_learned() -> None:
    """What was learned up to a finding is thrown away: the fault is in it."""
    watch = InputWatch({}, RATE, 5_000)
    watch.inherit(learnt().profile or pytest.fail("no profile"))
    feed(watch, traffic(4_000, 2, 0.0, gone("age")))

    assert told(watch.report()) == {("missing", "age", "missing")}
    assert watch.report().learned < 2_500


def test_a_watch_that_knows_its_version_takes_no_other_profile_up() -> None:
    """A version with a profile of its own keeps it."""
    watch = learnt()
    own = watch.profile
    watch.inherit(learnt(seed=9).profile or pytest.fail("no profile"))

    assert watch.profile is own


def test_two_versions_with_the_same_traffic_are_not_apart() -> None:
    """Nothing is said of arms that see the same customers, nor of one that saw too few."""
    old, new, few = learnt(1), learnt(2), learnt(3)
    feed(old, traffic(1_000, 4, 200.0))
    feed(new, traffic(1_000, 5, 200.0))
    few = InputWatch({}, RATE)
    feed(few, traffic(299, 6))

    assert (new.apart(old), few.apart(old), few.apart(few)) == ("", "", "")


def test_two_versions_with_other_traffic_say_where() -> None:
    """The column that is farthest apart is named with its divergence."""
    old, new = learnt(1), learnt(2)
    feed(old, traffic(1_000, 4, 200.0))
    feed(new, traffic(1_000, 5, 200.0, moved))

    said = new.apart(old)

    assert said.startswith("age is distributed otherwise in their predictions (population stability ")
    assert float(said.rpartition(" ")[2].rstrip(")")) >= 0.2


def test_memory_is_bounded_whatever_comes() -> None:
    """A hundred thousand categories, new columns in every row and long texts leave a state of a few megabytes."""

    def wild(features: Features, chance: random.Random) -> None:
        features["plan"] = f"plan {chance.randrange(100_000)}" + "x" * chance.choice([0, 0, 10_000])
        features[f"column {chance.randrange(100_000)}"] = chance.random()

    watch = InputWatch({}, RATE, 2_000)
    feed(watch, traffic(4_000, 1, 0.0, wild))
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for seed in range(3):
        feed(watch, traffic(4_000, seed, 400.0 + 400.0 * seed, wild))
    gc.collect()
    after_, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert watch.profile is not None
    assert (after_ - before) / 1e6 < 2.0
    assert len(str(watch.to_state())) / 1e6 < 3.0


def test_a_detector_that_misses_blocks_is_told() -> None:
    """The self-check names a column whose detector was not updated for ten blocks although rows came."""
    watch = learnt()
    feed(watch, traffic(1_000, 2, 200.0))
    assert watch.report().stale == ()
    state = watch.to_state()
    state["faults"]["blocks"] += 10

    assert InputWatch.from_state(state, {}, RATE).report().stale == ("note",)


def test_a_report_is_ranked_and_short() -> None:
    """Of many faults the largest twenty are told, largest first."""

    def change(features: Features, chance: random.Random) -> None:
        for column in range(30):
            features[f"c{column:02}"] = None if chance.random() < (column + 1) / 30 else 1.0

    def full(features: Features, chance: random.Random) -> None:
        features.update({f"c{column:02}": 1.0 for column in range(30)})

    watch = InputWatch({}, RATE)
    feed(watch, traffic(2_000, 1, 0.0, full))
    feed(watch, traffic(10_000, 2, 200.0, change))
    found = watch.report().missing

    assert (len(found), found[0].name) == (20, "c29")
    assert [one.effect for one in found] == sorted((one.effect for one in found), reverse=True)


@pytest.mark.parametrize("seed", range(3))
def test_stationary_traffic_is_never_called_otherwise(seed: int) -> None:
    """Any findings on traffic that does not change would be false ones; see the long run below."""
    assert false_findings(seed, 6_000) == set()


@pytest.mark.statistics
def test_stationary_traffic_is_never_called_otherwise_at_length() -> None:
    """50 seeds x 20,000 rows x 6 columns. In theory 50 x 2,000 s / 90 days = 0.013 false findings of shares, and no drift."""
    assert [found for seed in range(50) if (found := false_findings(seed, 20_000))] == []


def false_findings(seed: int, n: int) -> set[tuple[str, str, str]]:
    """All that was ever found on stationary rows."""
    watch = learnt(seed, AGE)
    found = set()
    for row in traffic(n, seed + 1_000, 2_000 * STEP):
        if watch.update(*row):
            found |= told(watch.report())
    return found


def test_rows_that_come_late_or_at_once_do_no_harm() -> None:
    """Times that go backwards or stand still are taken as they come."""
    rows: list[Row] = traffic(3_000, 2, 200.0)
    watch = learnt()
    for features, output, mark, _ in rows:
        watch.update(features, output, mark - 1_000.0, 200.0)
    for features, output, mark, at in reversed(rows):
        watch.update(features, output, mark, at - 10_000.0)

    assert (told(watch.report()), watch.report().rows) == (set(), 8_000)


def test_a_finding_is_plain_data() -> None:
    """Reports compare equal and can be altered by `replace`."""
    report = after(gone("age"))

    assert replace(report) == report
