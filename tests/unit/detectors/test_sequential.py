"""The e-detector: against its formula, by hand, and at its edges."""

from __future__ import annotations

import doctest
import json
import math
import random
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from river.base import DriftDetector
from river.drift import ADWIN

from detectors import sequential
from detectors.sequential import BETS, EDetector, Recovery
from tests.unit.detectors import slow

unit = st.floats(0.0, 1.0)
limits = st.floats(0.01, 0.99)
increments = st.floats(0.0, 0.01)


def feed(detector: EDetector | Recovery, xs: list[float]) -> list[int]:
    """The inputs (from 0) at which it raised an alarm; the mark of an input is its number."""
    found = []
    for i, x in enumerate(xs):
        detector.update(x, mark=float(i))
        if detector.drift_detected:
            found.append(i)
    return found


# ------------------------------------------------------------------------------------------------------- the e-detector


@given(st.lists(st.tuples(unit, increments), min_size=1, max_size=25), limits)
def test_the_evidence_is_that_of_the_formula(stream: list[tuple[float, float]], limit: float) -> None:
    """The recursion equals the Shiryaev-Roberts sum over all starts, in exact arithmetic."""
    detector = EDetector(limit)
    for x, c in stream:
        detector.update(x, c)
        if detector.drift_detected:
            return
    expected = float(slow.shiryaev_roberts([x for x, _ in stream], limit, [c for _, c in stream]))

    assert detector.evidence == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_the_alarms_are_those_of_the_formula() -> None:
    """With restarts, on a stream whose mean rises half-way."""
    rng = random.Random(5)
    xs = [float(rng.random() < (0.2 if i < 60 else 0.6)) for i in range(120)]

    expected = slow.alarms(xs, 0.25, [0.01] * len(xs))

    assert len(expected) > 1
    assert feed(EDetector(0.25, 0.01), xs) == expected


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0.0, 0.2)), min_size=1, max_size=40),
    st.sampled_from([0.125, 0.25, 0.4]),
)
def test_alarms_and_evidence_are_those_of_the_formula_through_restarts(stream: list[tuple[float, float]], limit: float) -> None:
    """With other increments each time; a sum within rounding of 1 may fall on either side and is left out."""
    detector, found, start = EDetector(limit), [], 0
    for i, (x, c) in enumerate(stream):
        detector.update(x, c)
        since = stream[start : i + 1]
        exact = slow.shiryaev_roberts([x for x, _ in since], limit, [c for _, c in since])
        if abs(exact - 1) < Fraction(1, 10**9):
            return
        assert detector.drift_detected == (exact >= 1)
        if exact >= 1:
            found.append(i)
            start = i + 1
            assert detector.peak == pytest.approx(float(exact), rel=1e-12)
        else:
            assert detector.evidence == pytest.approx(float(exact), rel=1e-12, abs=1e-300)

    assert found == slow.alarms([x for x, _ in stream], limit, [c for _, c in stream])


@given(st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0]), st.sampled_from([0.125, 0.25, 0.5]), st.integers(1, 60))
def test_equal_inputs_sum_to_a_geometric_series(x: float, limit: float, n: int) -> None:
    """In closed form, up to the alarm."""
    detector, c = EDetector(limit, 2.0**-20), Fraction(1, 2**20)
    found = feed(detector, [x] * n)
    exact = [slow.constant(Fraction(x), Fraction(limit), c, count) for count in range(1, n + 1)]
    first = next((i for i, evidence in enumerate(exact) if evidence >= 1), None)

    if first is None:
        assert found == []
        assert detector.evidence == pytest.approx(float(exact[-1]), rel=1e-12)
    else:
        assert found[0] == first


def test_without_losses_the_evidence_settles_at_fourteen_increments() -> None:
    """(1 - f) / f of them for each bet: 49, 19, 9, 4, 1.5 and 0.25, of which the mean is 13.79."""
    detector = EDetector(0.3, 1e-6)
    feed(detector, [0.0] * 3_000)

    assert detector.evidence == pytest.approx(1e-6 * (49 + 19 + 9 + 4 + 1.5 + 0.25) / 6, rel=1e-12)


@pytest.mark.parametrize("limit", [0.125, 0.25, 0.5])
def test_the_theorem_holds_to_the_last_digit(limit: float) -> None:
    """Over all 4,096 streams of twelve errors at the limit: what alarms took out and what is left are the budget, on average."""
    n, c = 12, 0.05
    taken = left = alarms = 0.0
    for xs in product([0.0, 1.0], repeat=n):
        chance = limit ** sum(xs) * (1 - limit) ** (n - sum(xs))
        detector = EDetector(limit, c)
        for x in xs:
            detector.update(x)
            taken += chance * detector.peak * detector.drift_detected
        left += chance * detector.evidence
        alarms += chance * detector.alarms

    assert taken + left == pytest.approx(n * c, rel=1e-12)
    assert 0.0 < alarms <= n * c


def test_one_input_by_hand() -> None:
    """At twice the limit each bet wins its fraction of the budget; at zero it loses it. The fractions sum to 1.57."""
    rise, fall = EDetector(0.5, 0.1), EDetector(0.5, 0.1)
    rise.update(1.0)
    fall.update(0.0)

    assert sum(BETS) == pytest.approx(1.57)
    assert rise.evidence == pytest.approx(0.1 * (1 + 1.57 / 6))
    assert fall.evidence == pytest.approx(0.1 * (1 - 1.57 / 6))


def test_exactly_at_the_limit_the_evidence_is_the_budget_spent() -> None:
    """Every factor is 1, so that the alarm comes when the increments sum to 1: as dear as the theorem allows."""
    detector = EDetector(0.5, 0.125)

    assert feed(detector, [0.5] * 20) == [7, 15]
    assert detector.alarms == 2
    assert detector.inputs == 20


def test_a_single_rise_is_won_by_the_largest_bet() -> None:
    """Thirteen ones at a limit of a tenth win (0.2 + 8)^13 with the largest bet alone."""
    detector = EDetector(0.1, 1e-9)

    found = feed(detector, [1.0] * 13)

    # 8.2^n / 6 * 1e-9 * (1 + 1/8.2 + ...) reaches 1 at n = 11: 8.2^10 = 1.4e9, 8.2^11 = 1.1e10.
    assert found == [10]


def test_an_alarm_empties_the_bets_and_keeps_what_crossed() -> None:
    """The evidence is 0 again, the alarm holds until the next input, the value that crossed stays."""
    detector = EDetector(0.1, 0.01)
    feed(detector, [1.0, 1.0, 1.0])

    held = [detector.drift_detected]
    assert detector.evidence == 0.0
    assert detector.peak >= 1.0
    assert detector.evidence_ratio() == 1.0
    detector.update(0.0)
    held.append(detector.drift_detected)
    assert held == [True, False]
    assert detector.alarms == 1


@given(st.lists(unit, min_size=1, max_size=60), limits)
def test_the_onset_is_the_last_restart_of_the_cusum(xs: list[float], limit: float) -> None:
    """That is after the last minimum of the sums of x - limit; an alarm does not move it."""
    detector = EDetector(limit)
    feed(detector, xs)
    rise, start = 0.0, 0
    for i, x in enumerate(xs):
        if rise <= 0.0:
            rise, start = 0.0, i
        rise += x - limit

    assert detector.onset == start
    assert detector.since_onset == len(xs) - start


def test_the_onset_of_a_change_by_hand() -> None:
    """It names the first bad input, not the one that rang."""
    xs = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0] + [1.0] * 20
    detector = EDetector(0.25, 1e-6)
    found = feed(detector, xs)

    assert found[0] > 8
    assert detector.onset == slow.onset([x - 0.25 for x in xs]) == 8


@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf, -1e-9, 1.0 + 1e-9, 2])
def test_what_is_no_loss_is_refused_and_changes_nothing(x: float) -> None:
    """NaN would else silence the detector for ever."""
    detector = EDetector(0.1)
    detector.update(1.0)
    before = detector.to_state()

    with pytest.raises(ValueError, match=r"values in \[0, 1\]"):
        detector.update(x)

    assert detector.to_state() == before


@pytest.mark.parametrize("c", [math.nan, math.inf, -1e-9])
def test_an_increment_that_is_none_is_refused_and_changes_nothing(c: float) -> None:
    """So is a detector that would be made with it."""
    detector = EDetector(0.1)
    before = detector.to_state()

    with pytest.raises(ValueError, match="increment"):
        detector.update(1.0, c)
    with pytest.raises(ValueError, match="increment"):
        EDetector(0.1, c)

    assert detector.to_state() == before


@pytest.mark.parametrize("limit", [0.0, -0.1, math.nan])
def test_a_limit_that_is_not_above_zero_is_refused(limit: float) -> None:
    """A mean loss of nothing at all is no limit."""
    with pytest.raises(ValueError, match="above 0"):
        EDetector(limit)


@pytest.mark.parametrize("limit", [1.0, 1.7, math.inf])
def test_nothing_exceeds_a_limit_of_one(limit: float) -> None:
    """However much budget is brought, and it stays plain data."""
    detector = EDetector(limit, 0.05)

    assert feed(detector, [1.0] * 5000) == []
    assert math.isfinite(detector.evidence)


def test_a_tiny_limit_stays_finite() -> None:
    """The first loss rings, and the value that crossed is a number."""
    detector = EDetector(5e-324, 1e-6)

    assert feed(detector, [0.0, 0.0, 1.0]) == [2]
    assert math.isfinite(detector.peak)


def test_long_quiet_streams_lose_nothing_to_underflow() -> None:
    """Ten thousand zeros later the detector still rings as fast as one that has just settled."""
    old, young = EDetector(0.1, 1e-6), EDetector(0.1, 1e-6)
    feed(old, [0.0] * 10_000)
    feed(young, [0.0] * 2_000)

    assert feed(old, [1.0] * 30) == feed(young, [1.0] * 30)


def test_without_budget_there_is_no_evidence() -> None:
    """Events of one instant bring nothing; the evidence waits and does not break."""
    detector = EDetector(0.1, 0.0)
    feed(detector, [0.0] * 5000 + [1.0] * 100)

    assert detector.evidence == 0.0
    assert detector.evidence_ratio(1e-5) == 0.0


def test_the_ratio_runs_from_the_budget_to_the_alarm() -> None:
    """On a logarithmic scale: a thousandth of the way to 1 from a millionth is a half."""
    detector = EDetector(0.5, 1e-6)
    detector.update(0.5)
    assert detector.evidence_ratio() == pytest.approx(0.0, abs=1e-12)

    detector.update(0.5, 1e-3 - 1e-6)
    assert detector.evidence == pytest.approx(1e-3)
    assert detector.evidence_ratio() == pytest.approx(0.5)
    assert detector.evidence_ratio(0.0) == 0.0
    assert detector.evidence_ratio(1.0) == 0.0


def test_a_limit_may_fall_and_keeps_its_evidence() -> None:
    """It cannot rise that way."""
    detector = EDetector(0.4, 1e-3)
    feed(detector, [1.0, 1.0])
    before = detector.evidence
    detector.lower(0.3)

    assert detector.evidence == before
    assert detector.limit == 0.3
    with pytest.raises(ValueError, match="cannot raise"):
        detector.lower(0.35)


def test_a_raised_limit_empties_the_evidence() -> None:
    """What was won against the lower limit says nothing of the higher one."""
    detector = EDetector(0.3, 1e-3)
    feed(detector, [1.0, 1.0])
    detector.raise_limit(0.4)

    assert detector.evidence == 0.0
    assert detector.onset is None
    with pytest.raises(ValueError, match="cannot lower"):
        detector.raise_limit(0.3)


@given(st.lists(unit, min_size=2, max_size=80), limits, st.data())
def test_a_stream_may_be_cut_anywhere(xs: list[float], limit: float, data: st.DataObject) -> None:
    """Saved as JSON, restored and fed the rest, the detector has the bits of one that was never interrupted."""
    cut = data.draw(st.integers(0, len(xs)))
    whole, first = EDetector(limit, 0.01), EDetector(limit, 0.01)
    expected = feed(whole, xs)
    found = feed(first, xs[:cut])
    second = EDetector.from_state(json.loads(json.dumps(first.to_state(), allow_nan=False)))
    for i, x in enumerate(xs[cut:], start=cut):
        second.update(x, mark=float(i))
        if second.drift_detected:
            found.append(i)

    assert found == expected
    assert second.to_state() == whole.to_state()


@given(st.lists(unit, min_size=1, max_size=40), limits)
def test_the_state_is_versioned(xs: list[float], limit: float) -> None:
    """One of another version is refused by name, so that no field is read that meant something else."""
    detector = EDetector(limit)
    feed(detector, xs)

    with pytest.raises(ValueError, match="e-detector has version 2"):
        EDetector.from_state(detector.to_state() | {"v": 2})


# ------------------------------------------------------------------------------------------------------ as one of River


def test_it_is_one_of_rivers_drift_detectors() -> None:
    """It goes where ADWIN goes: one argument, a property that holds until the next update, a clone that starts over."""
    detectors: list[DriftDetector] = [ADWIN(), EDetector(0.1, 1e-3)]
    for detector in detectors:
        for x in [0, 1] * 200:
            detector.update(x)
    clone = detectors[1].clone()

    assert isinstance(clone, EDetector)
    assert (clone.limit, clone.increment, clone.inputs, clone.evidence) == (0.1, 1e-3, 0, 0.0)
    assert str(clone) == "EDetector"
    assert clone.clone({"limit": 0.2}).limit == 0.2


def test_the_example_in_the_docstring_is_true() -> None:
    """River's docstrings run; so do ours."""
    assert doctest.testmod(sequential).failed == 0


# ------------------------------------------------------------------------------------------------------------- recovery


@given(st.lists(unit, min_size=1, max_size=60), limits)
def test_recovery_is_the_mirror(xs: list[float], limit: float) -> None:
    """What it feeds is 1 - x against 1 - limit."""
    assert feed(Recovery(limit, 0.01), xs) == feed(EDetector(1.0 - limit, 0.01), [1.0 - x for x in xs])


def test_recovery_is_called_when_harm_is_over_and_not_before() -> None:
    """Losses over the limit never call it; good ones do."""
    recovery = Recovery(0.3, 1e-4)

    assert feed(recovery, [1.0, 0.0] * 200) == []
    assert 0.0 <= recovery.evidence < 1.0
    assert recovery.evidence_ratio() < 1.0
    assert feed(recovery, [0.0] * 60) != []
    assert recovery.inputs == 460
    assert recovery.onset is not None


def test_recovery_from_a_limit_of_one_is_immediate() -> None:
    """Nothing exceeds that limit, so that the first input below it ends the harm."""
    assert feed(Recovery(1.0, 1e-4), [1.0, 1.0, 0.5]) == [2]


def test_recovery_is_one_of_rivers_too() -> None:
    """It clones."""
    clone = Recovery(0.3, 1e-4).clone()

    assert (clone.limit, clone.increment) == (0.3, 1e-4)
