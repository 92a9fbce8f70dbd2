"""Divergence: the population stability index, and what chance alone would give taken off."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.divergence import corrected_psi, psi

counts = st.integers(0, 10_000)
pairs = st.lists(st.tuples(counts, counts), max_size=20)


def split(cells: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Two histograms over the same cells."""
    return [e for e, _ in cells], [o for _, o in cells]


def test_it_is_the_sum_of_the_definition() -> None:
    """By hand: 50, 50 against 25, 75, with half a row added to each cell, is (50.5 - 25.5) / 101 times ln(75.5 / 25.5)."""
    assert psi([50, 50], [25, 75]) == pytest.approx(25 / 101 * math.log(75.5 / 25.5))


def test_the_correction_is_the_one_of_the_definition() -> None:
    """(cells - 1)(1/n + 1/m), where cells that are empty in both are none."""
    expected, observed = [50, 0, 50], [100, 0, 300]

    assert corrected_psi(expected, observed) == pytest.approx(psi([50, 50], [100, 300]) - (1 / 100 + 1 / 400))


@given(pairs)
def test_it_is_finite_and_not_negative(cells: list[tuple[int, int]]) -> None:
    """Empty cells, empty histograms and no cells at all included; the correction only ever takes off."""
    whole, corrected = psi(*split(cells)), corrected_psi(*split(cells))

    assert 0.0 <= corrected <= whole < math.inf


@given(pairs)
def test_it_is_symmetric_and_knows_no_order_of_cells(cells: list[tuple[int, int]]) -> None:
    """Neither which histogram is called the expected one nor the order of the cells matters."""
    expected, observed = split(cells)

    assert psi(observed, expected) == pytest.approx(psi(expected, observed), abs=1e-12)
    assert psi(expected[::-1], observed[::-1]) == psi(expected, observed)


@given(pairs, st.integers(0, 5))
def test_cells_that_nobody_uses_change_nothing(cells: list[tuple[int, int]], unused: int) -> None:
    """Fifty categories of which three occur are three cells."""
    empty = [(0, 0)] * unused

    assert psi(*split(cells + empty)) == psi(*split(cells))
    assert corrected_psi(*split(cells + empty)) == corrected_psi(*split(cells))


@given(st.lists(counts, max_size=20))
def test_a_histogram_is_at_no_distance_from_itself(histogram: list[int]) -> None:
    """Equal counts are at 0."""
    assert psi(histogram, histogram) == 0.0


def test_nothing_is_known_of_an_empty_histogram() -> None:
    """No rows on one side: 0, and no verdict hangs on it."""
    assert psi([0, 0], [5, 5]) == 0.0
    assert corrected_psi([5, 5], [0, 0]) == 0.0


def test_it_grows_with_the_move() -> None:
    """The more of the mass is elsewhere, the larger it is."""
    found = [corrected_psi([500, 500], [500 - moved, 500 + moved]) for moved in range(100, 501, 50)]

    assert all(before < after for before, after in pairwise(found))


@pytest.mark.parametrize("size", [200, 1_000, 5_000])
def test_what_is_taken_off_is_what_chance_gives(size: int) -> None:
    """The mean over 400 pairs of samples of one population is 9 (1/n + 1/m) in ten equal cells, up to four standard errors.

    The mean's standard error follows from the pairs; 5 % are added for what the smoothing and the next term of the expansion do.
    """
    rng = np.random.default_rng(size)
    shares = [0.1] * 10
    found = [psi(rng.multinomial(size, shares).tolist(), rng.multinomial(2 * size, shares).tolist()) for _ in range(400)]
    theory = 9 * (1 / size + 1 / (2 * size))

    assert abs(np.mean(found) - theory) <= 4 * np.std(found) / math.sqrt(len(found)) + 0.05 * theory


def test_short_samples_of_one_population_seldom_look_drifted() -> None:
    """Of 60 rows against 60 the plain index is over 0.2 more often than not; the corrected one in fewer than 15 of 100 pairs."""
    rng = random.Random(5)

    def sample() -> list[int]:
        drawn = rng.choices(range(10), k=60)
        return [drawn.count(cell) for cell in range(10)]

    drawn = [(sample(), sample()) for _ in range(200)]

    assert sum(psi(*each) >= 0.2 for each in drawn) > 100
    assert sum(corrected_psi(*each) >= 0.2 for each in drawn) < 30


@pytest.mark.parametrize(
    ("expected", "observed"), [([1, 2], [1]), ([1, -1], [1, 1]), ([math.nan, 1], [1, 1]), ([1, 1], [math.inf, 1])]
)
def test_what_is_no_histogram_is_refused(expected: list[float], observed: list[float]) -> None:
    """Other cells, negative counts and counts that are no numbers are a mistake of the caller."""
    with pytest.raises(ValueError, match="histogram"):
        psi(expected, observed)
    with pytest.raises(ValueError, match="histogram"):
        corrected_psi(expected, observed)
