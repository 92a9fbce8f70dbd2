"""One block against what is declared and what was seen: every value is at fault once at most, the hard way first."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.columns import Column, clean, text_of
from detectors.quality import FAULTS, Checks, Declared, Tally, usual_faults, watched
from detectors.rows import COLUMNS, Layout, Row, block_of

DECLARED = {
    "age": Declared("number", minimum=0.0, maximum=120.0),
    "plan": Declared("category", values=frozenset({"free", "pro", "7"})),
    "shop": Declared("category"),
}
COLUMNS_SEEN = {
    "age": Column.learn([20.0, 30.0, 60.0]),
    "plan": Column.learn(["free", "pro"], "category"),
    "shop": Column.learn([1, 2, 3], "category"),
    "size": Column.learn([1.0, 2.0, 3.0]),
    "town": Column.learn(["a", "b"]),
    "both": Column.learn([1.0, "a"]),
}
LAYOUT = Layout(watched(DECLARED, COLUMNS_SEEN), DECLARED)


def tally(rows: list[Row]) -> Tally:
    """What is at fault in these rows."""
    return Checks(LAYOUT, DECLARED, COLUMNS_SEEN).tally(block_of(LAYOUT, rows, [0.0] * len(rows)))


GOOD: Row = {"age": 25, "plan": "free", "shop": 1, "size": 1.5, "town": "a", "both": "z"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("age", "25", ("hard", "wrong_type")),
        ("age", True, ("hard", "wrong_type")),
        ("age", -1, ("hard", "out_of_bounds")),
        ("age", 1e308, ("hard", "out_of_bounds")),
        ("age", 119.0, ("soft", "out_of_bounds")),
        ("age", 120.0, ("soft", "out_of_bounds")),
        ("plan", "gold", ("hard", "unknown_category")),
        ("plan", 7, ("soft", "unknown_category")),
        ("plan", 8, ("hard", "unknown_category")),
        ("shop", 2.0, None),
        ("shop", 4, ("soft", "unknown_category")),
        ("size", "x", ("soft", "wrong_type")),
        ("size", 3.5, ("soft", "out_of_bounds")),
        ("size", 3.0 + 1e-12, None),
        ("town", "c", ("soft", "unknown_category")),
        ("town", 4, ("soft", "wrong_type")),
        ("both", 4, None),
    ],
)
def test_a_value_has_its_fault(name: str, value: object, expected: tuple[str, str] | None) -> None:
    """Declared types, bounds and categories are hard; what was not seen is soft; a number may be a declared category."""
    found = tally([GOOD, {**GOOD, name: value}])
    line = LAYOUT.place[name]
    counted = {
        (group, fault)
        for group, table in (("hard", found.hard), ("soft", found.soft))
        for place, fault in enumerate(FAULTS)
        if table[line, place]
    }

    assert counted == (set() if expected is None else {expected})
    assert (found.hard.sum() + found.soft.sum(), found.missing.sum()) == (0 if expected is None else 1, 0)


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize("value", [None, math.nan, math.inf, [1]])
def test_what_is_not_there_is_missing_and_nothing_else(name: str, value: object) -> None:
    """NaN, infinities and what is no scalar are missing; which rows they are is told."""
    found = tally([{**GOOD, name: value}, GOOD, {key: one for key, one in GOOD.items() if key != name}])

    assert (found.missing[LAYOUT.place[name]], found.missing.sum(), found.hard.sum(), found.soft.sum()) == (2, 2, 0, 0)
    assert {place: mask.tolist() for place, mask in found.gone.items()} == {LAYOUT.place[name]: [True, False, True]}


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=2), st.sampled_from(["free", "a", 10**400])
)


@given(st.lists(st.dictionaries(st.sampled_from(list(GOOD)), values), min_size=1, max_size=20))
def test_every_value_counts_once_at_most(rows: list[Row]) -> None:
    """Missing, hard and soft together are never more than the rows, and missing is what `clean` says."""
    found = tally(rows)

    for name, line in LAYOUT.place.items():
        assert found.missing[line] == sum(clean(row.get(name)) is None for row in rows)
        assert found.missing[line] + found.hard[line].sum() + found.soft[line].sum() <= len(rows)


def test_declared_columns_are_watched_first_and_five_hundred_in_all() -> None:
    """A declared kind goes before what was seen."""
    many = {f"c{place}": Column.learn([1.0]) for place in range(2 * COLUMNS)}
    found = watched({"z": Declared("number"), "c1": Declared("category")}, many)

    assert (len(found), list(found)[:3], found["c1"]) == (COLUMNS, ["z", "c1", "c0"], "category")


def test_nothing_is_usual_of_a_column_that_was_never_seen() -> None:
    """Without a profile."""
    assert (usual_faults(None), usual_faults(Column.learn([]))) == (0.0, 0.0)


def test_the_usual_share_of_a_number_is_the_chance_to_be_beyond_all_seen() -> None:
    """Two of n + 1 places are beyond n values, and a value of the wrong type was one."""
    numbers = [float(value) for value in range(98)]

    assert usual_faults(Column.learn([*numbers, None, "x"])) == pytest.approx((1 + 2 * 99 / 100) / 100)


def test_the_usual_share_of_a_category_is_about_that_of_the_texts_seen_once() -> None:
    """Good's estimate of what was not seen, and the texts that have no bin."""
    texts = ["a"] * 60 + ["b"] * 30 + [text_of(value) for value in range(10)]
    many = [text_of(value) for value in range(1_000)]

    assert usual_faults(Column.learn(texts, "category")) == pytest.approx(0.1)
    assert usual_faults(Column.learn(many, "category")) == pytest.approx(1.0)
