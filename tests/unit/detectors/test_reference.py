"""References: what is learnt from mature labels, and the limit that follows."""

from __future__ import annotations

import json
import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.bounds import upper_bound, upper_bound_of
from detectors.reference import LARGEST, RecentLosses, Reference, ReferenceBuilder, Sample, limit_of

shares = st.floats(0.0, 1.0)


def learn(losses: list[float], delays: list[float] | None = None, unlabelled: int = 0) -> ReferenceBuilder:
    """A builder fed one prediction a second, the unlabelled ones last."""
    builder = ReferenceBuilder()
    for i, loss in enumerate(losses):
        builder.add(loss, delays[i] if delays else 1.0, float(i))
    for i in range(unlabelled):
        builder.add_unlabelled(float(len(losses) + i))
    return builder


def errors(n: int, rate: float, seed: int = 0) -> list[float]:
    """Independent 0/1 losses."""
    rng = random.Random(seed)
    return [float(rng.random() < rate) for _ in range(n)]


@given(st.lists(shares, min_size=2, max_size=200))
def test_the_statistics_are_those_of_the_sample(losses: list[float]) -> None:
    """Mean and unbiased variance, as the statistics module has them."""
    reference = learn(losses).build()

    assert reference.n == len(losses)
    assert reference.mean == pytest.approx(statistics.fmean(losses))
    assert reference.variance == pytest.approx(statistics.variance(losses), abs=1e-12)
    assert reference.binary == all(x in (0, 1) for x in losses)
    assert (reference.since, reference.until) == (0.0, len(losses) - 1.0)


def test_age_and_coverage() -> None:
    """The age h is the 0.9 quantile of the delay; the coverage is what is labelled by then of all predictions."""
    builder = learn([0.0] * 100, delays=[float(i) for i in range(1, 101)], unlabelled=50)

    assert builder.build().delay == 90.0
    assert builder.build().coverage == pytest.approx(90 / 150)
    assert builder.build(expected_within=30.0).delay == 30.0
    assert builder.build(expected_within=30.0).coverage == pytest.approx(30 / 150)


def test_a_label_that_came_before_its_prediction_has_no_delay() -> None:
    """It was there in time."""
    assert learn([0.0] * 10, delays=[-5.0] * 10).build().delay == 0.0


def test_it_is_ready_with_enough_labels_over_enough_time() -> None:
    """A season is not learnt in a minute, however many labels it has."""
    builder = learn([0.0] * 100)

    assert builder.ready(100, 0.0)
    assert builder.ready(100, 99.0)
    assert not builder.ready(101, 0.0)
    assert not builder.ready(100, 100.0)
    assert not ReferenceBuilder().ready(0, 0.0)


@pytest.mark.parametrize("loss", [math.nan, -0.1, 1.1, math.inf])
def test_what_is_no_loss_is_refused_and_changes_nothing(loss: float) -> None:
    """So is a delay or a time that is no number."""
    builder = learn([0.5])
    before = builder.to_state()

    with pytest.raises(ValueError, match=r"losses in \[0, 1\]"):
        builder.add(loss, 1.0, 1.0)
    with pytest.raises(ValueError, match="finite"):
        builder.add(0.5, math.nan, 1.0)
    with pytest.raises(ValueError, match="finite"):
        builder.add(0.5, 1.0, math.inf)

    assert builder.to_state() == before


def test_a_reference_of_nothing_is_refused() -> None:
    """One sentence, not a division by zero."""
    with pytest.raises(ValueError, match="at least one labelled"):
        ReferenceBuilder().build()


def test_only_labels_that_came_in_time_are_in_the_mean() -> None:
    """What is tested later is what is labelled at age h; slow labels would set another bar than the fast ones meet."""
    builder = learn([1.0] * 80 + [0.0] * 20, delays=[10.0] * 80 + [500.0] * 20)

    assert builder.build(expected_within=60.0).mean == 1.0
    assert builder.build(expected_within=60.0).n == 80
    assert builder.build(expected_within=1.0).n == 100  # no label is that fast: then all that there is


def test_at_a_settled_age_every_label_that_is_tested_is_learned_from() -> None:
    """Else a second version would be held to its fast labels only."""
    losses, delays = [0.0] * 80 + [1.0] * 20, [1.0] * 80 + [50.0] * 20
    first, later = learn(losses, delays).build(60.0), learn(losses, delays).build(60.0, age=60.0)

    assert (later.n, later.mean, later.delay) == (100, 0.2, 60.0)
    assert learn(losses, delays).build(30.0).mean == 0.0
    assert first.delay == 50.0


def test_its_memory_is_bounded() -> None:
    """Labels beyond the largest reference are passed over, and it is ready however many were asked for."""
    builder = ReferenceBuilder()
    for i in range(LARGEST + 50):
        builder.add(0.5, float(i % 1000), float(i))

    assert builder.n == LARGEST
    assert builder.ready(10 * LARGEST, 0.0)
    assert builder.build().delay == 899.0


@given(st.lists(st.tuples(shares, st.floats(0, 1e6)), min_size=1, max_size=50), st.data())
def test_a_builder_may_be_cut_anywhere(stream: list[tuple[float, float]], data: st.DataObject) -> None:
    """Saved as JSON, restored and fed the rest, it builds the same reference."""
    cut = data.draw(st.integers(0, len(stream)))
    whole, first = ReferenceBuilder(), ReferenceBuilder()
    for i, (loss, delay) in enumerate(stream):
        whole.add(loss, delay, float(i))
    for i, (loss, delay) in enumerate(stream[:cut]):
        first.add(loss, delay, float(i))
    second = ReferenceBuilder.from_state(json.loads(json.dumps(first.to_state(), allow_nan=False)))
    for i, (loss, delay) in enumerate(stream[cut:], start=cut):
        second.add(loss, delay, float(i))

    assert second.to_state() == whole.to_state()
    assert second.build() == whole.build()


def test_a_reference_is_plain_data_with_a_version() -> None:
    """It outlives every library; one of another version is refused by name."""
    reference = learn(errors(500, 0.1)).build()
    state = json.loads(json.dumps(reference.to_state(), allow_nan=False))

    assert Reference.from_state(state) == reference
    with pytest.raises(ValueError, match="reference has version 9"):
        Reference.from_state(state | {"v": 9})


def test_a_reference_of_the_first_version_is_read() -> None:
    """It has no bound of its own, and gets the one of its numbers."""
    reference = learn([0.05, 0.15] * 250).build()
    state = reference.to_state()
    del state["bound"]
    old = Reference.from_state(state | {"v": 1})

    assert old.bound is None
    assert old.upper(0.99) == Sample(old.n, old.mean, old.variance, old.binary, old.tau).upper(0.99)
    assert Reference.from_state(old.to_state()) == old


def test_the_losses_themselves_make_a_tighter_bound() -> None:
    """It is worked out while they are at hand; at other levels the numbers have to do, never below it."""
    rng = random.Random(2)
    losses = [rng.betavariate(2, 18) for _ in range(500)]
    reference = learn(losses).build()
    numbers = Sample(reference.n, reference.mean, reference.variance, reference.binary, reference.tau)

    assert reference.mean < reference.upper(0.99) == upper_bound_of(losses, 0.99, reference.tau)
    assert reference.upper(0.99) - reference.mean < 0.5 * (numbers.upper(0.99) - numbers.mean)
    assert reference.upper(0.999) == numbers.upper(0.999) > reference.upper(0.99)
    assert reference.upper(0.95) == numbers.upper(0.95)
    assert limit_of(reference, 0.0) == reference.upper(0.99)


# ------------------------------------------------------------------------------------------------------------ the limit


def test_the_limit_is_the_larger_of_bound_and_tolerance() -> None:
    """With few labels the bound decides, with many the tolerance; the owner's own limit caps both."""
    few = Sample(n=100, mean=0.1, variance=0.09, binary=True, tau=1.0)
    many = Sample(n=100_000, mean=0.1, variance=0.09, binary=True, tau=1.0)

    assert limit_of(few, 0.02) == few.upper(0.99) == upper_bound(0.1, 100, 0.09, True, 0.99)
    assert limit_of(few, 0.02) > 0.12
    assert limit_of(many, 0.02) == pytest.approx(0.12)
    assert limit_of(many, 0.02, cap=0.11) == 0.11
    assert limit_of(many, 0.02, cap=0.5) == pytest.approx(0.12)
    assert limit_of(few, 0.02, confidence=0.999) > limit_of(few, 0.02)


def test_a_sample_names_its_block_and_says_when_it_is_too_long() -> None:
    """A block of more than a twentieth of the reference leaves nothing to judge against."""
    assert Sample(2000, 0.1, 0.09, True, tau=1.2).block == 1
    assert not Sample(10, 0.1, 0.09, True, tau=1.2).too_dependent
    assert Sample(2000, 0.1, 0.09, True, tau=20.0).block == 100
    assert not Sample(2000, 0.1, 0.09, True, tau=20.0).too_dependent
    assert Sample(2000, 0.1, 0.09, True, tau=20.2).too_dependent


# -------------------------------------------------------------------------------------------------------- recent losses


@given(st.lists(shares, min_size=2, max_size=400))
def test_recent_losses_have_the_statistics_of_the_sample(losses: list[float]) -> None:
    """As long as none has left."""
    recent = RecentLosses()
    for loss in losses:
        recent.add(loss)
    sample = recent.sample()

    assert sample.n == recent.n == len(losses)
    assert sample.mean == pytest.approx(statistics.fmean(losses))
    assert sample.variance == pytest.approx(statistics.variance(losses), abs=1e-12)


def test_only_the_last_ten_thousand_count() -> None:
    """The oldest hundred leave together; old losses are forgotten, and the state stays small."""
    recent = RecentLosses()
    for loss in [1.0] * 30_000 + [0.0] * 10_000:
        recent.add(loss)

    assert 9_900 <= recent.n <= 10_000
    assert recent.sample().mean == 0.0
    assert len(json.dumps(recent.to_state())) < 5_000


def test_zeros_and_ones_are_told_from_other_losses() -> None:
    """Only they get the exact bound."""
    recent = RecentLosses()
    for loss in errors(5000, 0.1):
        recent.add(loss)
    assert recent.sample().binary

    recent.add(1e-9)
    assert not recent.sample().binary


def test_dependence_is_seen_in_the_spread_of_the_hundreds() -> None:
    """Independent losses have tau 1; runs of fifty of a kind do not. What the reference knows is the least."""
    independent, runs = RecentLosses(), RecentLosses()
    rng = random.Random(3)
    for loss in errors(10_000, 0.1, seed=3):
        independent.add(loss)
    for _ in range(200):
        kind = float(rng.random() < 0.3)
        for _ in range(50):
            runs.add(kind)

    assert independent.sample().tau == 1.0
    assert independent.sample(least_tau=2.5).tau == 2.5
    assert runs.sample().tau > 20


def test_recent_losses_refuse_what_is_no_loss() -> None:
    """And there is no sample of nothing."""
    recent = RecentLosses()

    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        recent.add(math.nan)
    with pytest.raises(ValueError, match="no loss yet"):
        recent.sample()


@given(st.integers(0, 350), st.integers(0, 350))
def test_recent_losses_may_be_cut_anywhere(before: int, after: int) -> None:
    """Saved as JSON, restored and fed the rest, they have the same bits."""
    losses = errors(before + after, 0.3, seed=1)
    whole, first = RecentLosses(), RecentLosses()
    for loss in losses:
        whole.add(loss)
    for loss in losses[:before]:
        first.add(loss)
    second = RecentLosses.from_state(json.loads(json.dumps(first.to_state())))
    for loss in losses[before:]:
        second.add(loss)

    assert second.to_state() == whole.to_state()
