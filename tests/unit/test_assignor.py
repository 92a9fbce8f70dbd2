"""Who owns the partitions: the one who had them, and nobody can take them by joining."""

from __future__ import annotations

import pytest

from daemon.assignor import NEVER, claim, owner


def test_the_latest_owner_keeps_everything() -> None:
    """A member that joins has no claim, whatever its id."""
    assert owner({"a-joins": claim(NEVER), "b-owns": claim(7)}) == "b-owns"


def test_a_member_that_was_stopped_and_comes_back_takes_nothing() -> None:
    """Its claim is of an older generation than that of the member which took over."""
    assert owner({"a-was-stopped": claim(7), "b-took-over": claim(8)}) == "b-took-over"


def test_without_an_owner_every_member_comes_to_the_same_choice() -> None:
    """The smallest id; the order of the members does not matter."""
    assert owner({"b": claim(NEVER), "a": claim(NEVER)}) == owner({"a": claim(NEVER), "b": claim(NEVER)}) == "a"


@pytest.mark.parametrize("foreign", [None, b"", b"x", b"\x02\x00\x00\x00\x09", b"\x01" * 40])
def test_what_is_no_claim_of_ours_counts_for_nothing(foreign: bytes | None) -> None:
    """Another version, or another program in our group."""
    assert owner({"a": foreign, "b": claim(0)}) == "b"
