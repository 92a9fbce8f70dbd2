"""The e-process: against its formula, by hand, and at its edges."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.sequential import BETS, DIFFERENCE_BETS, EProcess
from tests.unit.detectors import slow

unit = st.floats(0.0, 1.0)
limits = st.floats(0.01, 0.99)


@given(st.lists(unit, max_size=25), limits)
def test_wealth_above_and_below_is_that_of_the_formula(xs: list[float], limit: float) -> None:
    """Each bet multiplies by 1 + f d over the largest loss that one input can bring."""
    above, below = EProcess.above(limit), EProcess.below(limit)
    for x in xs:
        above.update(x)
        below.update(x)
    m0 = Fraction(limit)

    expected = float(slow.wealth([float(x) - limit for x in xs], m0, slow.E_DETECTOR_BETS))
    mirrored = float(slow.wealth([limit - float(x) for x in xs], 1 - m0, slow.E_DETECTOR_BETS))
    assert above.evidence == pytest.approx(expected, rel=1e-11)
    assert below.evidence == pytest.approx(mirrored, rel=1e-11)


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), max_size=40), st.sampled_from([0.0, 0.125, 0.5]))
def test_wealth_of_a_difference_is_that_of_the_formula(differences: list[float], margin: float) -> None:
    """Of both signs, and its peak is the largest it ever was."""
    worse, better = EProcess.difference(margin), EProcess.no_difference(margin)
    ds = [d - margin for d in differences]
    for d in ds:
        worse.update(d)
        better.update(d)
    m = Fraction(margin)
    paths = [slow.wealth(ds[:n], 1 + m, slow.DIFFERENCE_BETS) for n in range(len(ds) + 1)]
    mirrored = slow.wealth([-d for d in ds], 1 - m, slow.DIFFERENCE_BETS)

    assert worse.evidence == pytest.approx(float(paths[-1]), rel=1e-11)
    assert worse.peak == pytest.approx(float(max(paths)), rel=1e-11)
    assert better.evidence == pytest.approx(float(mirrored), rel=1e-11)


@pytest.mark.parametrize("n", [1, 7, 50])
def test_equal_inputs_multiply(n: int) -> None:
    """In closed form: the mean of the powers of what one input wins each bet."""
    process = EProcess.above(0.25)
    for _ in range(n):
        process.update(0.5)

    assert process.evidence == pytest.approx(sum((1 + f) ** n for f in BETS) / 6, rel=1e-12)


def test_villes_inequality_holds_to_the_last_digit() -> None:
    """Over all 4,096 streams of twelve errors at the limit: the mean evidence is 1, and 1 / alpha is reached that rarely."""
    limit, n = 0.25, 12
    mean, reached = 0.0, dict.fromkeys((0.5, 0.2, 0.05), 0.0)
    for xs in product([0.0, 1.0], repeat=n):
        chance = limit ** sum(xs) * (1 - limit) ** (n - sum(xs))
        process = EProcess.above(limit)
        for x in xs:
            process.update(x)
        mean += chance * process.evidence
        for alpha in reached:
            reached[alpha] += chance * process.rejected(alpha)

    assert mean == pytest.approx(1.0, rel=1e-12)
    assert all(0.0 < share <= alpha for alpha, share in reached.items())


def test_wealth_of_a_difference_by_hand() -> None:
    """One label on which new fails and old does not, at a margin of 0: the mean bet is 0.31."""
    worse, better = EProcess.difference(0.0), EProcess.no_difference(0.0)

    assert sum(DIFFERENCE_BETS) / 5 == pytest.approx(0.31)
    assert worse.update(1.0) == pytest.approx(1.31)
    assert better.update(1.0) == pytest.approx(0.69)
    assert worse.update(1.0) == pytest.approx((1.05**2 + 1.1**2 + 1.2**2 + 1.4**2 + 1.8**2) / 5)


def test_it_rejects_at_one_over_alpha_and_remembers_it() -> None:
    """A test that was stopped once stays stopped, whatever comes after."""
    process = EProcess.above(0.1)
    while process.evidence < 100:
        process.update(1.0)
    assert process.rejected(0.01)
    for _ in range(50):
        process.update(0.0)

    assert process.evidence < 1.0
    assert process.peak >= 100
    assert process.rejected(0.01)
    assert not process.rejected(1e-9)
    assert not process.rejected(0.0)


def test_evidence_saturates_instead_of_becoming_infinite() -> None:
    """It stays plain data, and falls again with contrary evidence."""
    process = EProcess.above(0.1)
    for _ in range(2000):
        process.update(1.0)
    saturated = process.evidence
    process.update(0.0)

    assert math.isfinite(saturated)
    assert saturated > 1e250
    assert process.evidence < saturated


@pytest.mark.parametrize("d", [math.nan, -1.03, 0.99, math.inf])
def test_a_difference_out_of_range_is_refused_and_changes_nothing(d: float) -> None:
    """What is fed, new - old - margin, is in [-1 - margin, 1 - margin]."""
    process = EProcess.difference(0.02)
    process.update(0.5)
    before = process.to_state()

    with pytest.raises(ValueError, match="takes values"):
        process.update(d)

    assert process.to_state() == before


@pytest.mark.parametrize(("low", "high"), [(0.1, 1.0), (-1.0, math.inf), (-math.inf, 0.0), (math.nan, 1.0), (-0.1, -0.2)])
def test_a_range_that_cannot_be_bet_on_is_refused(low: float, high: float) -> None:
    """The null hypothesis is a mean of at most 0, which must be possible, and the losses bounded."""
    with pytest.raises(ValueError, match="finite range"):
        EProcess(low, high, BETS)


@given(st.lists(st.floats(-1.0, 1.0), max_size=60), st.floats(0.0, 0.5), st.data())
def test_an_e_process_may_be_cut_anywhere(ds: list[float], margin: float, data: st.DataObject) -> None:
    """Saved as JSON, restored and fed the rest, it has the bits of one that was never interrupted."""
    cut = data.draw(st.integers(0, len(ds)))
    whole, first = EProcess.no_difference(margin), EProcess.no_difference(margin)
    for i, d in enumerate(ds):
        whole.update(d - margin, float(i), 3)
    for i, d in enumerate(ds[:cut]):
        first.update(d - margin, float(i), 3)
    second = EProcess.from_state(json.loads(json.dumps(first.to_state(), allow_nan=False)))
    for i, d in enumerate(ds[cut:], start=cut):
        second.update(d - margin, float(i), 3)

    assert second.to_state() == whole.to_state()
    assert second.since_onset % 3 == 0


def test_the_onset_counts_labels_and_not_inputs() -> None:
    """An input that stands for ten labels counts ten."""
    process = EProcess.above(0.25)
    for i, x in enumerate([0.0, 0.0, 1.0, 0.5]):
        process.update(x, mark=float(i), count=10)

    assert process.onset == 2.0
    assert process.since_onset == 20
