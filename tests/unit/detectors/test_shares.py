"""The share of one fault of one column: found over its limit, over when it is back, and what it does to the outputs."""

from __future__ import annotations

import random

import numpy as np
import pytest

from detectors.bounds import upper_bound
from detectors.shares import TOLERANCE, Outputs, ShareDetector, limit_of_share
from tests.unit.detectors.input_rows import RATE, through_json

MINUTE = 60.0


def feed(detector: ShareDetector, share: float, blocks: int, seed: int = 1, start: int = 0) -> int | None:
    """Blocks of 100 rows with a share of faults, one a minute; gives after how many of them it was first found."""
    chance = random.Random(seed)
    first = None
    for block in range(start, start + blocks):
        faults = sum(chance.random() < share for _ in range(100))
        detector.update([faults], 100, RATE, MINUTE, block * MINUTE)
        if detector.found and first is None:
            first = block - start + 1
    return first


def test_a_limit_is_the_upper_bound_of_what_was_seen_and_the_tolerance() -> None:
    """5 % of 2,000 rows: Clopper and Pearson's 99 % bound is 6.2 %."""
    assert limit_of_share(0.05, 2_000) == upper_bound(0.05, 2_000, 0.0, binary=True, confidence=0.99) + TOLERANCE
    assert limit_of_share(0.05, 2_000) == pytest.approx(0.0825, abs=1e-3)


def test_a_share_within_its_limit_is_never_found() -> None:
    """At 5 % against 8 % nothing is found in a week."""
    assert feed(ShareDetector(0.08, 0.05), 0.05, 7 * 24 * 60) is None


@pytest.mark.statistics
def test_false_alarms_at_the_limit_stay_in_the_budget() -> None:
    """At the limit itself, a budget of one in 100 blocks, 200 runs of 2,000 blocks: at most 20 alarms a run in theory."""
    alarms = []
    for seed in range(200):
        detector, chance, count = ShareDetector(0.1, 0.1), np.random.default_rng(seed), 0
        for block, faults in enumerate(chance.binomial(100, 0.1, 2_000).tolist()):
            before = detector.found
            detector.update([faults], 100, 0.01 / MINUTE, MINUTE, block * MINUTE)
            count += detector.found and not before
        alarms.append(count)

    assert sum(alarms) / len(alarms) <= 20.0


def test_a_share_over_its_limit_is_found_with_its_size_and_onset() -> None:
    """Half of the rows against 2 %: a factor of 20 a block, so that ln(6 / 8e-6) / ln 20, about five blocks, are enough."""
    detector = ShareDetector(0.02, 0.0)
    feed(detector, 0.0, 100)
    blocks = feed(detector, 0.5, 20, start=100)

    assert blocks is not None
    assert (blocks <= 6, detector.onset, detector.rows) == (True, 100 * MINUTE, 2_000)
    assert detector.share == pytest.approx(0.5, abs=0.04)


def test_what_is_found_is_over_when_it_is_back_and_found_anew() -> None:
    """A clean quarter of an hour ends a fault of all rows; its return is another one with another onset."""
    detector = ShareDetector(0.02, 0.0)
    feed(detector, 1.0, 10)
    feed(detector, 0.0, 30, start=10)
    assert (detector.found, detector.rows > 0) == (False, True)
    feed(detector, 1.0, 10, start=40)

    assert (detector.found, detector.onset, detector.rows) == (True, 40 * MINUTE, 1_000)


def test_a_fault_of_which_half_lasts_stays_found() -> None:
    """Under half of what it was is taken for over only until it is found again."""
    detector = ShareDetector(0.02, 0.0)
    feed(detector, 1.0, 10)
    feed(detector, 0.6, 500, start=10)

    assert detector.found


def test_kinds_of_fault_are_counted_apart() -> None:
    """Together they make the share."""
    detector = ShareDetector(0.02, 0.0, kinds=3)
    for block in range(6):
        detector.update([10, 0, 30], 100, RATE, MINUTE, block * MINUTE)

    assert (detector.faults, detector.share, detector.found) == ([60, 0, 180], 0.4, True)


def test_how_far_the_outputs_are_apart_needs_enough_of_both() -> None:
    """300 rows with and without the value; where there are none with it, the rows before the onset."""
    detector = ShareDetector(0.02, 0.0)
    detector.update([100], 100, RATE, MINUTE, 0.0)
    detector.compare([150, 150], [150, 149], [0, 0])
    assert detector.moves() is None
    detector.compare([1, 0], [1, 0], [500, 0])
    assert detector.moves() is None
    detector.compare([300, 0], [0, 0], [500, 0])
    assert (detector.moves() or 0.0) > 0.2

    alone = ShareDetector(0.02, 0.0)
    alone.update([100], 100, RATE, MINUTE, 0.0)
    alone.compare([300, 0], [300, 0], [0, 400])
    assert (alone.moves() or 0.0) > 0.2


def test_a_higher_limit_starts_anew_and_a_lower_one_keeps_the_evidence() -> None:
    """A person who allows more takes the finding back."""
    detector = ShareDetector(0.02, 0.0)
    feed(detector, 0.5, 10)
    detector.hold_to(0.02, 0.0)
    assert detector.found
    detector.hold_to(0.01, 0.0)
    assert (detector.found, detector.limit) == (True, 0.01)
    detector.hold_to(0.6, 0.58)
    assert (detector.found, detector.limit, detector.expected) == (False, 0.6, 0.58)


def test_evidence_rises_to_one_with_the_finding() -> None:
    """0 before anything, 1 while it is found."""
    detector = ShareDetector(0.02, 0.0)
    evidence = [detector.evidence(RATE)]
    for block in range(10):
        detector.update([50], 100, RATE, MINUTE, block * MINUTE)
        evidence.append(detector.evidence(RATE))

    assert (evidence[0], evidence[-1], evidence) == (0.0, 1.0, sorted(evidence))


@pytest.mark.parametrize("cut", [0, 3, 10, 25])
def test_a_detector_goes_on_to_the_bit(cut: int) -> None:
    """Through JSON at any point, in a fault or after it."""
    one, other = ShareDetector(0.02, 0.0), ShareDetector(0.02, 0.0)
    for block in range(40):
        if block == cut:
            other = ShareDetector.from_state(through_json(other.to_state()))
        for detector in (one, other):
            detector.update([37 if block < 12 else 0], 100, RATE, MINUTE, block * MINUTE)
            detector.compare([60, 40], [37, 0] if block < 12 else [0, 0], [10, 10])

    assert other.to_state() == one.to_state()


def test_outputs_of_the_last_while_follow_the_stream() -> None:
    """The profile's at first, then the last one to two thousand."""
    outputs = Outputs((7, 3))
    assert outputs.lately == [7, 3]
    for _ in range(3):
        outputs.add([1_000, 0])
        outputs.add([0, 500])
    assert outputs.lately == [1_000, 1_000]
    assert Outputs.from_state(through_json(outputs.to_state())).to_state() == outputs.to_state()
    assert outputs.count(np.array([0, 1, 1, -1])) == [1, 2]
    assert Outputs(()).count(np.array([-1], dtype=np.intp)) == []
