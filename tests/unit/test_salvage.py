"""Where a partition reads on: the search looks at offsets only, so a made-up log is enough."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.salvage import Reading, first_readable

Batches = list[tuple[int, bool]]  # length, damaged


def layout(batches: Batches) -> tuple[list[int], list[int]]:
    """For each offset of a log of batches: where its batch begins, and where the batch begins if it is damaged, else -1."""
    bases: list[int] = []
    damaged: list[int] = []
    for length, bad in batches:
        start = len(bases)
        bases += [start] * length
        damaged += [start if bad else -1] * length
    return bases, damaged


def find(batches: Batches, first: int, *, tells: bool = True) -> tuple[int, int]:
    """The first readable offset after `first`, and how many tries that took."""
    bases, damaged = layout(batches)
    tries = 0

    def read(offset: int) -> Reading:
        nonlocal tries
        tries += 1
        if offset >= len(bases) or damaged[offset] < 0:
            return Reading(readable=True)
        return Reading(readable=False, base=damaged[offset] if tells else None)

    return first_readable(first, len(bases), read), tries


def test_a_damaged_batch_ends_where_the_next_begins() -> None:
    """Of the batches 0-9, 10-19 and 20-29 the middle one is damaged."""
    assert find([(10, False), (10, True), (10, False)], 10)[0] == 20


def test_a_damaged_batch_at_the_end_of_the_log() -> None:
    """Behind the last batch there is nothing to read, which is no error."""
    assert find([(10, False), (10, True)], 10)[0] == 20


def test_good_batches_between_two_damaged_ones_are_kept() -> None:
    """The search may jump into the next damaged batch, and must not take it for the same one."""
    assert find([(10, True), (5, False), (12, True), (3, False)], 0)[0] == 10


def test_the_search_is_short() -> None:
    """A batch of five thousand records costs some thirty tries, not five thousand."""
    end, tries = find([(1, False), (5000, True), (100_000, False)], 1)

    assert end == 5001
    assert tries < 32


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=12), st.integers(0, 479))
def test_the_end_of_the_batch_is_found_exactly(batches: Batches, place: int) -> None:
    """Wherever in a damaged batch we stand, and whatever surrounds it."""
    bases, damaged = layout(batches)
    first = place % len(bases)
    if damaged[first] < 0:
        return
    behind = next((offset for offset in range(first, len(bases)) if bases[offset] != bases[first]), len(bases))

    assert find(batches, first)[0] == behind


@given(st.integers(1, 100), st.integers(1, 100))
def test_without_a_hint_a_single_damaged_batch_is_found_too(before: int, length: int) -> None:
    """Not every failure says where its batch begins."""
    assert find([(before, False), (length, True), (50, False)], before, tells=False)[0] == before + length
