"""Which columns are watched for which faults, and how the budget is divided among them."""

from __future__ import annotations

import pytest

from detectors.columns import Column
from detectors.faults import FaultWatch, limits_of
from detectors.findings import MOST, ColumnFinding, ranked
from detectors.quality import Checks, Declared, watched
from detectors.rows import Layout, Row, block_of
from detectors.shares import TOLERANCE, limit_of_share
from tests.unit.detectors.input_rows import RATE, through_json

COLUMNS = {
    "often": Column.learn([None, *[1.0] * 9] * 200),
    "never": Column.learn([None] * 2_000, "number"),
    "ids": Column.learn([f"id {place}" for place in range(2_000)]),
    "both": Column.learn([1.0, "x"] * 1_000),
}


def test_every_column_is_held_to_what_was_seen_or_declared() -> None:
    """A declared share goes before what was seen, and what cannot be broken is not watched."""
    limits = limits_of({"often": Declared("number", missing=0.25), "new": Declared("number")}, COLUMNS)

    assert {name: (one.limit, one.expected) for name, one in limits["missing"].items()} == {
        "often": (0.25 + TOLERANCE, 0.25),
        "ids": (limit_of_share(0.0, 2_000), 0.0),
        "both": (limit_of_share(0.0, 2_000), 0.0),
    }
    assert {name: one.limit for name, one in limits["hard"].items()} == {"often": TOLERANCE, "new": TOLERANCE}
    assert list(limits["soft"]) == ["often", "never"]


def test_a_column_seen_as_another_kind_than_declared_has_no_soft_errors() -> None:
    """Every value would be one, and every value is a hard one already."""
    limits = limits_of({"ids": Declared("number")}, COLUMNS)

    assert ("ids" in limits["soft"], "ids" in limits["hard"]) == (False, True)


def watch_of(rows: list[list[Row]], per_second: float = RATE) -> FaultWatch:
    """A watch that took these blocks, one a minute."""
    layout = Layout(watched({}, COLUMNS))
    checks = Checks(layout, {}, COLUMNS)
    watch = FaultWatch(limits_of({}, COLUMNS), per_second)
    for number, block in enumerate(rows):
        tally = checks.tally(block_of(layout, block, [0.0] * len(block)))
        watch.take(layout, tally, 60.0, 60.0 * number)
    return watch


GOOD: Row = {"often": 1.0, "ids": "x", "both": 1.0}
BAD: Row = {"often": 1.0, "both": 1.0}


def test_a_column_that_was_never_at_fault_has_no_detector() -> None:
    """It would hold next to nothing."""
    assert list(watch_of([[GOOD] * 10] * 3).to_state()["detectors"]["missing"]) == []
    assert list(watch_of([[GOOD] * 10, [GOOD, BAD]]).to_state()["detectors"]["missing"]) == ["ids"]


def test_the_budget_is_divided_by_all_there_may_be() -> None:
    """Three columns that may miss values and two with soft errors: each detector may cost a fifth."""
    watch = watch_of([[BAD] * 10], per_second=1e-4)
    detector = watch.to_state()["detectors"]["missing"]["ids"]["detector"]

    # One input at x = 1 from nothing: each bet is its factor times the increment.
    limit = limit_of_share(0.0, 2_000)
    assert detector["bets"][0] == pytest.approx((0.98 + 0.02 / limit) * 1e-4 / 5 * 60.0)


def test_found_and_over_are_told_apart() -> None:
    """What is found changes when it matters, and not with every block."""
    bad, good = [BAD] * 10, [GOOD] * 10

    assert list(watch_of([bad] * 8).found()) == [("missing", "ids", "")]
    assert list(watch_of([bad] * 30).found()) == [("missing", "ids", "")]
    assert list(watch_of([bad] * 8 + [good] * 60).found()) == []


def test_limits_that_change_are_held_to_over_a_restart() -> None:
    """Detectors of columns that are watched no more go, the others keep what they found."""
    watch = watch_of([[{"ids": "x"}] * 10] * 12)
    assert {name for _, name, _ in watch.found()} == {"often", "both"}
    other = FaultWatch(limits_of({"often": Declared("number", missing=0.99)}, COLUMNS), RATE)
    other.restore(through_json(watch.to_state()))

    assert list(other.found()) == [("missing", "both", "")]
    assert other.blocks == 12


def finding(name: str, effect: float) -> ColumnFinding:
    """A finding of a size."""
    return ColumnFinding(name=name, what="missing", share=effect, expected=0.0, effect=effect, onset=0.0, rows=1, hard=False)


def test_findings_are_ranked_by_effect_then_by_name() -> None:
    """The largest twenty."""
    found = ranked([finding(f"c{place:02}", place // 2) for place in range(40)])

    assert (len(found), [one.name for one in found[:4]]) == (MOST, ["c38", "c39", "c36", "c37"])
