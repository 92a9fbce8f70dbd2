"""Drift of one column: three windows in a row, sudden or slow, and gone when the column is back."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import Column
from detectors.shift import VALUES, DriftWatch, Shift
from tests.unit.detectors.input_rows import through_json

#: Rows of a block here.
BLOCK = 250
USUAL = Column.learn(np.random.default_rng(0).normal(0.0, 1.0, 2_000).tolist())


class Stream:
    """Blocks of normal numbers, one row a second, fed to a shift."""

    def __init__(self, window: float = 0.0, seed: int = 1) -> None:
        self.shift = Shift(USUAL.counts, window)
        self.rows = 0
        self._chance = np.random.default_rng(seed)

    def feed(self, windows: int, mean: float) -> Stream:
        """Windows of a thousand rows around a mean."""
        for _ in range(windows * VALUES // BLOCK):
            counts = USUAL.counts_of(self._chance.normal(mean, 1.0, BLOCK).tolist())
            self.shift.add(counts, float(self.rows), float(self.rows + BLOCK - 1), float(self.rows))
            self.rows += BLOCK
        return self


def test_two_windows_are_no_drift_and_three_are() -> None:
    """An odd afternoon is none; the onset is the first row of the first window."""
    stream = Stream().feed(5, 0.0).feed(2, 1.0)
    assert (stream.shift.found, stream.shift.high) == (False, 2)
    stream.feed(1, 1.0)
    shift = stream.shift

    assert (shift.found, shift.slow, shift.onset, shift.rows) == (True, False, 5_000.0, 3_000)


def test_windows_that_are_interrupted_do_not_add_up() -> None:
    """The three are in a row."""
    stream = Stream()
    for _ in range(5):
        stream.feed(2, 1.0).feed(1, 0.0)

    assert (stream.shift.found, stream.shift.high) == (False, 0)


def test_a_drift_ends_after_three_windows_near_the_profile() -> None:
    """Two are not enough, and one that is half-way starts the count anew."""
    stream = Stream().feed(3, 1.0).feed(2, 0.0).feed(1, 0.4).feed(2, 0.0)
    assert stream.shift.found
    stream.feed(1, 0.0)
    assert (stream.shift.found, stream.shift.high) == (False, 0)
    assert stream.feed(3, 1.0).shift.onset == 9_000.0


@pytest.mark.parametrize("windows", [12, 30, 200])
@pytest.mark.parametrize("seed", range(3))
def test_a_drift_that_took_many_windows_is_slow(windows: int, seed: int) -> None:
    """However many they are, though chance lets one fall behind another."""
    stream = Stream(seed=seed)
    for window in range(2 * windows):
        stream.feed(1, window / windows)

    assert (stream.shift.found, stream.shift.slow) == (True, True)


@pytest.mark.parametrize("seed", range(3))
def test_a_change_in_the_middle_of_a_window_is_sudden(seed: int) -> None:
    """The mixed window is half-way, and no slope."""
    stream = Stream(seed=seed).feed(4, 0.0)
    for mean in (0.0, 0.0, 1.0, 1.0):
        counts = USUAL.counts_of(np.random.default_rng(seed).normal(mean, 1.0, BLOCK).tolist())
        stream.shift.add(counts, float(stream.rows), float(stream.rows), float(stream.rows))
        stream.rows += BLOCK
    stream.feed(3, 1.0)

    assert (stream.shift.found, stream.shift.slow) == (True, False)


def test_a_jump_from_a_distribution_that_was_off_for_long_is_sudden() -> None:
    """What rested half-way and then jumped did not come gradually."""
    stream = Stream().feed(10, 0.3).feed(3, 1.0)

    assert (stream.shift.found, stream.shift.slow) == (True, False)


def test_a_window_lasts_a_season_at_least() -> None:
    """Twelve thousand rows of three hours are three windows of an hour, not twelve of a thousand rows."""
    stream = Stream(window=3_600.0).feed(12, 1.0)

    assert (stream.shift.found, stream.shift.rows) == (True, 12_000)


@pytest.mark.parametrize("seed", range(5))
def test_stationary_numbers_never_drift(seed: int) -> None:
    """The index of 1,000 rows against 2,000 in ten bins has a standard deviation of 0.006 under no change."""
    stream = Stream(seed=seed).feed(50, 0.0)

    assert (stream.shift.found, stream.shift.high, stream.shift.divergence < 0.05) == (False, 0, True)


@pytest.mark.parametrize("cut", [1, 3, 4, 7, 9])
def test_a_shift_goes_on_to_the_bit(cut: int) -> None:
    """Through JSON at any window."""
    one, other = Stream(), Stream()
    for window, mean in enumerate([0.0, 0.3, 0.4, 0.6, 0.7, 0.7, 0.0, 0.0, 0.0, 1.0]):
        if window == cut:
            other.shift = Shift.from_state(through_json(other.shift.to_state()), USUAL.counts, 0.0)
        one.feed(1, mean)
        other.feed(1, mean)

    assert other.shift.to_state() == one.shift.to_state()


def test_columns_are_followed_by_name() -> None:
    """A finding for each that drifted, evidence for the one that is nearest to it, and a state by name."""
    watch = DriftWatch({"a": USUAL, "b": USUAL}, 0.0)
    chance = np.random.default_rng(1)
    for window in range(3):
        assert watch.evidence() == window / 3
        counts = {name: USUAL.counts_of(chance.normal(mean, 1.0, VALUES).tolist()) for name, mean in (("a", 0.0), ("b", 1.0))}
        watch.add(counts, 0.0, 0.0, float(window))
    (found,) = watch.findings()
    assert (found.name, found.what, found.onset, found.share > 0.2) == ("b", "drifted", 0.0, True)
    assert watch.drifted == {"b"}

    other = DriftWatch({"b": USUAL, "c": USUAL}, 0.0)
    other.restore(through_json(watch.to_state()))
    assert (other.findings(), other.evidence()) == ([found], 1.0)
