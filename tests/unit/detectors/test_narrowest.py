"""Which segment a harm is in."""

from __future__ import annotations

import random

from tests.unit.detectors.segment_rows import RATE, Row, harmed, learnt, new_watch, traffic, well


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
    """All of country A is harmed: north alone leaves the rest nearly well, and explains a quarter of it."""
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


def test_losses_of_a_regression_are_blamed_like_errors() -> None:
    """Small losses of little variance, a rise of a tolerance or two."""
    rng = random.Random(9)
    watch = new_watch()
    alarmed = None
    for i in range(8_000):
        north = rng.random() < 0.2
        mean = 0.08 if north and i >= 5_000 else 0.05
        names = ("region=north" if north else "region=south", f"tier={i % 3}")
        if watch.add(names, rng.betavariate(40 * mean, 40 * (1 - mean)), 60.0, float(i), i + 60.0, RATE) and alarmed is None:
            alarmed = i

    assert alarmed is not None
    assert 5_000 < alarmed < 7_000
    assert list(watch.alarms) == ["region=north"]
    assert watch.blame(watch.alarms["region=north"].onset) == "region=north"


def test_without_rows_or_harm_nobody_is_to_blame() -> None:
    """Nor without references."""
    assert new_watch().blame(0.0) is None
    assert learnt(traffic(1, 3_000, well), traffic(2, 500, well)).blame(3_000.0) is None
    assert learnt(traffic(1, 3_000, well), traffic(2, 500, harmed("region=north"))).blame(1e9) is None
    assert learnt([], traffic(2, 200, lambda _: 0.5)).blame(0.0) is None
    assert learnt([(("k=a",), 0.0)] * 1_000, [(("k=a",), 1.0)] * 100).blame(1_000.0) is None  # there is no rest


def test_a_key_with_an_equals_sign_kills_nothing() -> None:
    """Which of two such keys a row counts for is not told; that the segment is harmed is."""
    rng = random.Random(5)
    watch = new_watch()
    for i in range(3_000):
        bad = i >= 2_000 and i % 5 == 0
        watch.add((f"a={i % 5}", f"a=b={i % 5}"), float(rng.random() < (0.6 if bad else 0.1)), 1.0, float(i), float(i), RATE)

    assert watch.blame(2_000.0) in {"a=0", "a=b=0"}
