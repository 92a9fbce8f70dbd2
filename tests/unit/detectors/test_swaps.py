"""Swapped columns: those whose values went round in a circle, and no others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from detectors.columns import Cell, Column
from detectors.histograms import Histograms
from detectors.recent import Recent
from detectors.rows import Layout, block_of
from detectors.swaps import SwapWatch
from tests.unit.detectors.input_rows import through_json

Table = dict[str, list[Cell]]


def table(n: int, seed: int) -> Table:
    """Rows by column: three kinds of numbers, a copy of one of them, three of texts."""
    chance = np.random.default_rng(seed)
    return {
        "age": chance.normal(40.0, 10.0, n).tolist(),
        "income": chance.lognormal(8.0, 1.0, n).tolist(),
        "score": chance.random(n).tolist(),
        "twin": chance.random(n).tolist(),
        "flag": (chance.random(n) < 0.5).tolist(),
        "town": chance.choice(["a", "b", "c"], n).tolist(),
        "plan": chance.choice(["free", "pro"], n).tolist(),
    }


class World:
    """A profile of 2,000 rows, and a watch that looks at what comes."""

    def __init__(self, more: Table | None = None) -> None:
        known = {**table(2_000, 0), **(more or {})}
        self.columns = {name: Column.learn(values) for name, values in known.items()}
        layout = Layout({name: column.kind for name, column in self.columns.items()})
        self.layout, self.histograms = layout, Histograms(layout, self.columns)
        self.recent, self.watch = Recent(layout), SwapWatch()
        self.rows = 0

    def feed(self, columns: Mapping[str, list[Cell]]) -> dict[str, str]:
        """Rows in blocks of a hundred; gives what is swapped with what in the end."""
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        for start in range(0, len(rows), 100):
            part = rows[start : start + 100]
            joined = self.recent.add(block_of(self.layout, part, [float(self.rows + index) for index in range(len(part))]))
            assert joined is not None
            self.rows += len(part)
            self.watch.look(self.recent, self.histograms, len(part))
        return {name: swap.partner for name, swap in self.watch.swaps.items()}


def renamed(columns: Table, names: Mapping[str, str]) -> Table:
    """The same with each of these columns holding the values of another."""
    return {name: columns[names.get(name, name)] for name in columns}


def test_columns_as_they_were_are_not_swapped() -> None:
    """Nor are two that always looked the same."""
    world = World()

    assert world.feed(table(20_000, 1)) == {}
    assert world.feed(renamed(table(1_000, 2), {"score": "twin", "twin": "score"})) == {}


@pytest.mark.parametrize(
    "names",
    [
        {"age": "income", "income": "age"},
        {"town": "plan", "plan": "town"},
        {"age": "income", "income": "score", "score": "age"},
        {"age": "income", "income": "age", "town": "plan", "plan": "town"},
    ],
)
def test_columns_that_went_round_are_named(names: dict[str, str]) -> None:
    """Two that were swapped, three after a header moved, two pairs at a time."""
    world = World()
    world.feed(table(500, 1))

    assert world.feed(renamed(table(600, 2), names)) == names


def test_a_swap_is_found_within_three_hundred_rows_and_its_onset_is_near() -> None:
    """The row from which on the rows look most like it, by likelihood."""
    world = World()
    world.feed(table(500, 1))
    found = world.feed(renamed(table(300, 2), {"age": "income", "income": "age"}))

    assert set(found) == {"age", "income"}
    assert all(abs(swap.onset - 500.0) <= 5.0 for swap in world.watch.swaps.values())


def test_columns_that_only_moved_are_not_swapped() -> None:
    """A shift of one, a shift of two, a column that holds a copy of another one: no circle."""
    world = World()
    moved = table(600, 1)
    moved["age"] = [float(str(value)) * 3.0 for value in moved["age"]]
    moved["income"] = [float(str(value)) + 1e4 for value in moved["income"]]
    assert world.feed(moved) == {}

    assert World().feed(renamed(table(600, 1), {"age": "income"})) == {}


def test_two_flags_that_exchange_their_shares_are_not_called_swapped() -> None:
    """When one of the same two values becomes rarer and the other more frequent, that may be the traffic."""
    chance = np.random.default_rng(3)
    rare, common = (chance.random(2_000) < 0.2).tolist(), (chance.random(2_000) < 0.8).tolist()
    world = World({"rare": rare, "common": common})

    assert world.feed({**table(2_000, 1), "rare": common, "common": rare}) == {}


def test_a_text_column_and_a_number_are_never_taken_for_each_other() -> None:
    """They are different kinds of column, and hold nothing of each other's."""
    world = World()

    assert world.feed(renamed(table(600, 1), {"age": "town", "town": "age"})) == {}


def test_a_swap_is_over_some_hundred_rows_after_it_was_last_seen() -> None:
    """It stays while it may still be found, and goes when it is not."""
    world = World()
    world.feed(renamed(table(600, 1), {"age": "income", "income": "age"}))
    assert set(world.feed(table(300, 2))) == {"age", "income"}

    assert world.feed(table(1_500, 3)) == {}


def test_a_finding_says_what_was_declared() -> None:
    """A swapped column that was declared breaks the declaration."""
    world = World()
    world.feed(renamed(table(600, 1), {"age": "income", "income": "age"}))
    found = {one.name: (one.what, one.partner, one.hard, one.share > 0.2) for one in world.watch.findings({"age": None})}

    assert found == {"age": ("swapped", "income", True, True), "income": ("swapped", "age", False, True)}


def test_a_watch_goes_on_to_the_bit() -> None:
    """Through JSON in the middle of a swap."""
    worlds = World(), World()
    for world in worlds:
        world.feed(renamed(table(500, 1), {"age": "income", "income": "age"}))
    worlds[1].watch = SwapWatch.from_state(through_json(worlds[1].watch.to_state()))
    for world in worlds:
        world.feed(table(300, 2))

    assert worlds[1].watch.to_state() == worlds[0].watch.to_state()


def test_many_moved_columns_are_looked_at_less_often() -> None:
    """A hundred columns that all moved cost no more a row than a few do: at most fifty are compared, and not every time."""
    names = [f"c{place}" for place in range(100)]
    chance = np.random.default_rng(4)
    world = World({name: chance.normal(0.0, 1.0, 2_000).tolist() for name in names})
    world.feed({**table(300, 1), **{name: chance.normal(5.0, 1.0, 300).tolist() for name in names}})

    assert world.watch.to_state()["wait"] == 50**2
