"""The inputs of a version: faults are found and named, calm traffic is left alone, and the state survives anything."""

from __future__ import annotations

import math
import random

import pytest

from detectors.inputs import InputWatch
from detectors.quality import Declared
from tests.unit.detectors.input_rows import (
    AGE,
    RATE,
    Features,
    after,
    feed,
    gone,
    learnt,
    moved,
    set_to,
    told,
    traffic,
)


def test_calm_traffic_has_no_findings() -> None:
    """What is distributed as in the profile, missing values included, is no finding."""
    report = after(None, 20_000)

    assert (told(report), report.judged, report.stale, report.appeared) == (set(), True, (), ())
    assert (report.rows, report.learned, report.needed, round(report.last, 1)) == (22_000, 2_000, 2_000, 2_199.9)


def test_a_column_that_vanishes_is_missing_everywhere() -> None:
    """A column of the profile that comes no more is missing in all rows, since the first of them."""
    report = after(gone("age"))

    (found,) = report.missing
    assert (found.name, found.share, found.onset, found.rows, found.hard) == ("age", 1.0, 200.0, 4_000, False)
    assert report.evidence["missing"] == 1.0


def test_a_column_that_appears_is_noted_and_no_more() -> None:
    """A new column is no fault."""
    report = after(set_to("device", "phone"))

    assert (told(report), report.appeared) == (set(), ("device",))


def test_more_missing_values_than_usual_are_found_with_what_is_usual() -> None:
    """A share that rises from 5 to 24 % is found; both are told."""
    report = after(gone("note", 0.2), 20_000)

    (found,) = report.missing
    assert (found.name, round(found.share, 1), round(found.expected, 2)) == ("note", 0.2, 0.04)


def test_missing_values_that_move_the_scores_are_told_from_those_that_do_not() -> None:
    """The outputs of rows without the value are held against those of rows with it."""

    def moving(features: Features, chance: random.Random) -> float | None:
        if chance.random() < 0.3:
            del features["age"]
            return 0.5 * chance.random()
        return None

    (moves,), (rests,) = after(moving, 10_000).missing, after(gone("age", 0.3), 10_000).missing

    assert moves.moves_scores is not None
    assert rests.moves_scores is not None
    assert (moves.moves_scores >= 0.2, rests.moves_scores < 0.1) == (True, True)


def test_missing_everywhere_compares_with_the_rows_before() -> None:
    """Where every row lacks the value, its outputs are held against those just before."""

    def moving(features: Features, chance: random.Random) -> float | None:
        features["age"] = None
        return 0.5 * chance.random()

    (found,) = after(moving).missing

    assert (found.moves_scores or 0.0) >= 0.2


def test_a_finding_goes_when_the_fault_is_over() -> None:
    """After the column is back for some minutes it is called missing no more, and the detector is as good as new."""
    watch = learnt()
    came = feed(watch, traffic(4_000, 2, 200.0, gone("age")))
    went = feed(watch, traffic(15_000, 3, 600.0))

    assert (came >= 1, went, told(watch.report())) == (True, 1, set())
    feed(watch, traffic(4_000, 4, 2_100.0, gone("age")))
    assert told(watch.report()) == {("missing", "age", "missing")}


@pytest.mark.parametrize(
    ("value", "what"),
    [("forty", "wrong_type"), (True, "wrong_type"), (-51.0, "out_of_bounds"), (151, "out_of_bounds"), (10**400, "out_of_bounds")],
)
def test_what_breaks_the_declaration_is_hard(value: object, what: str) -> None:
    """A value of the wrong type or beyond a declared bound is a hard error, and counted by kind for ever."""
    report = after(set_to("age", value, 0.2), 6_000, AGE)

    (found,) = report.hard
    assert (found.name, found.what, found.hard, round(found.share, 1)) == ("age", what, True, 0.2)
    assert 1_000 <= report.errors[what] <= 1_400
    assert sum(report.errors.values()) == report.errors[what]


def test_an_undeclared_category_of_a_declared_list_is_hard() -> None:
    """Of a feature whose values are listed, another one is a hard error."""
    declared = {"plan": Declared("category", values=frozenset({"free", "basic", "pro"}))}
    report = after(set_to("plan", "gold", 0.2), 6_000, declared)

    assert [(one.name, one.what) for one in report.hard] == [("plan", "unknown_category")]


def test_hard_errors_need_no_profile() -> None:
    """What is declared is held to from the first row."""
    watch = InputWatch(AGE, RATE, 100_000)
    feed(watch, traffic(4_000, 2, 0.0, set_to("age", 500.0)))

    assert (told(watch.report()), watch.report().judged) == ({("hard", "age", "out_of_bounds")}, False)


def test_a_declared_share_of_missing_values_needs_no_profile() -> None:
    """`missing: 0.1` allows ten per cent, and no more, from the first row on."""
    declared = {"age": Declared("number", missing=0.1), "note": Declared("number", missing=0.1)}
    watch = InputWatch(declared, RATE, 100_000)
    feed(watch, traffic(20_000, 2, 0.0, gone("age", 0.3)))

    assert told(watch.report()) == {("missing", "age", "missing")}


def test_a_declared_column_that_is_missing_is_no_hard_error() -> None:
    """It counts as missing."""
    assert told(after(gone("age"), declared=AGE)) == {("missing", "age", "missing")}


def test_the_same_faults_of_what_is_not_declared_are_soft() -> None:
    """Without a declaration they only were not seen before."""
    reports = [after(set_to(name, value, 0.2), 8_000) for name, value in (("age", "x"), ("age", 500.0), ("plan", "gold"))]

    assert [[(one.name, one.what) for one in report.soft] for report in reports] == [
        [("age", "wrong_type")],
        [("age", "out_of_bounds")],
        [("plan", "unknown_category")],
    ]
    assert [report.hard for report in reports] == [(), (), ()]


def test_swapped_columns_are_found_and_named() -> None:
    """Two columns with each other's values name each other, since some row of the block in which it began."""

    def swap(features: Features, chance: random.Random) -> None:
        features["age"], features["income"] = features["income"], features["age"]

    watch = learnt(declared=AGE)
    feed(watch, traffic(750, 2, 200.0))
    feed(watch, traffic(2_000, 3, 275.0, swap))
    found = {one.name: one for one in watch.report().swapped}

    assert {name: one.partner for name, one in found.items()} == {"age": "income", "income": "age"}
    assert {name: one.hard for name, one in found.items()} == {"age": True, "income": False}
    assert all(0.0 <= one.onset - 275.0 <= 50.0 for one in found.values())


def test_swapped_categories_are_found() -> None:
    """Columns of text can be swapped too; a text column and a number cannot be taken for each other."""

    def swap(features: Features, chance: random.Random) -> None:
        features["region"], features["plan"] = features["plan"], features["region"]

    assert {(one.name, one.partner) for one in after(swap, 2_000).swapped} == {("region", "plan"), ("plan", "region")}


def test_a_sudden_drift_is_sudden() -> None:
    """A distribution that jumped is drifted after three windows, since the first of them, and not slowly."""
    (found,) = after(moved).drifted

    assert (found.name, found.slow, found.onset) == ("age", False, 200.0)
    assert found.share >= 0.2


def test_a_drift_that_comes_over_many_windows_is_slow() -> None:
    """A distribution that wanders off over forty windows drifted slowly."""
    steps = iter(range(40_000))

    def wander(features: Features, chance: random.Random) -> None:
        features["age"] = chance.gauss(40.0 + next(steps) / 2_000.0, 10.0)

    (found,) = after(wander, 40_000).drifted

    assert (found.name, found.slow) == ("age", True)


def test_a_drift_goes_when_the_distribution_is_back() -> None:
    """Three windows near the profile end it."""
    watch = learnt()
    feed(watch, traffic(4_000, 2, 200.0, moved))
    feed(watch, traffic(5_000, 3, 600.0))

    assert told(watch.report()) == set()


def test_the_output_drifts_by_its_own_name_beside_a_feature_of_that_name() -> None:
    """A feature called `output` is not taken for the model's output."""

    def lower(features: Features, chance: random.Random) -> float:
        features["output"] = chance.random()
        return 0.5 * chance.random()

    watch = InputWatch({}, RATE, 2_000)
    feed(watch, traffic(2_000, 1, 0.0, set_to("output", 0.5)))
    feed(watch, traffic(4_000, 2, 200.0, lower))

    assert [one.name for one in watch.report().drifted] == ["output", "output"]


def daily(features: Features, at: float) -> Features:
    """The same row with customers whose age goes with the time of a day of 1,000 s."""
    return {**features, "age": float(str(features["age"])) + 15.0 * math.sin(2.0 * math.pi * at / 1_000.0)}


@pytest.mark.parametrize(("window", "expected"), [(0.0, True), (1_000.0, False)])
def test_windows_of_a_season_do_not_take_the_season_for_drift(window: float, expected: bool) -> None:
    """With a profile of a day, windows of 100 s drift every day, and those of a day never do."""
    rows = [(daily(features, at), output, mark, at) for features, output, mark, at in traffic(60_000, 5)]
    watch = InputWatch({}, RATE, 2_000, span=1_000.0, window=window)
    drifted = set()
    for row in rows:
        if watch.update(*row):
            drifted |= {one.name for one in watch.report().drifted}

    assert ("age" in drifted) is expected
