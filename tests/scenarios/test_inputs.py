"""Inputs that break: who is paged or not, with which columns; nothing of it moves traffic, and its end is seen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.faults import break_x1, break_x1_and_fail, changed, lose_x1, lose_x1_and_guess, often, swap
from tests.scenarios.reports import kinds, only, rollbacks, signature
from tests.scenarios.streams import Arm, Phase, judged, story

HEALTHY = Phase(3_000, (Arm("7", 0.10),))
#: The fault is in the second third.
STREAM = story(HEALTHY, HEALTHY, HEALTHY)
BEGINS, ENDS = STREAM.onset(1), STREAM.onset(2)
DECLARED: dict[str, Any] = {"x1": {"type": "number", "minimum": 0, "maximum": 1}}


def columns(incident: dict[str, Any]) -> set[str]:
    """Give the columns that an incident names."""
    return {feature["name"] for feature in incident["features"]}


def test_missing_values_are_a_ticket_that_ends_when_they_are_back() -> None:
    """With the column and the share."""
    incident = only(judged(changed(STREAM.lines(), often(0.4, lose_x1), BEGINS, ENDS)))

    assert signature(incident) == ("input_fault", "7", "ticket")
    assert (incident["rules"], columns(incident)) == (["completeness"], {"x1"})
    assert incident["reason"].startswith("version 7: x1 missing in ")
    assert incident["resolved"] is not None


@pytest.mark.parametrize("seed", [1, 2])
def test_missing_values_that_move_the_scores_page(seed: int) -> None:
    """Before any label can show what they do; the page names the column."""
    lines = changed(STREAM.seeded(seed).lines(), often(0.4, lose_x1_and_guess), BEGINS, ENDS)
    incident = judged(lines)["incidents"][0]

    assert signature(incident) == ("input_fault", "7", "page")
    assert (incident["rules"], columns(incident)) == (["completeness", "drift"], {"output", "x1"})
    assert "rollback" not in kinds(incident)
    assert incident["resolved"] is not None


@pytest.mark.parametrize("seed", [1, 2])
def test_values_beyond_what_is_declared_page(seed: int) -> None:
    """And the incident is over when they are within it again."""
    lines = changed(STREAM.seeded(seed).lines(), often(0.2, break_x1), BEGINS, ENDS)
    incident = only(judged(lines, features=DECLARED))

    assert signature(incident) == ("input_fault", "7", "page")
    assert (incident["rules"], columns(incident)) == (["records"], {"x1"})
    assert "x1 out of bounds" in incident["reason"]
    assert incident["resolved"] is not None


def test_values_beyond_what_was_seen_are_no_incident() -> None:
    """Nobody declared anything, and nobody is harmed: what is only inferred wakes nobody."""
    assert judged(changed(STREAM.lines(), often(0.2, break_x1), BEGINS, ENDS))["incidents"] == []


def test_a_fault_before_anything_was_learned_ends_too() -> None:
    """While an incident is open nothing is learned: it must be over by what is declared alone."""
    lines = changed(STREAM.lines(), often(0.5, break_x1), STREAM.onset(0) + 600.0, STREAM.onset(0) + 1_800.0)
    incident = only(judged(lines, features=DECLARED))

    assert signature(incident) == ("input_fault", "7", "page")
    assert incident["resolved"] is not None


def test_swapped_columns_page_with_both_names() -> None:
    """Each has the other's values."""
    incident = judged(changed(STREAM.lines(), swap, BEGINS, ENDS))["incidents"][0]

    assert signature(incident) == ("input_fault", "7", "page")
    assert (incident["rules"], columns(incident)) == (["records", "drift"], {"x0", "x1"})
    assert {feature["what"] for feature in incident["features"]} == {"swapped with x0", "swapped with x1"}
    assert incident["resolved"] is not None


def test_harm_by_values_that_are_only_inferred_to_be_wrong_is_explained_by_them() -> None:
    """One incident, the fault first and the harm after it; what is inferred alone would be no incident."""
    incident = only(judged(changed(STREAM.lines(), often(0.4, break_x1_and_fail), BEGINS)))

    assert signature(incident) == ("input_fault", "7", "page")
    assert {"records", "harm"} <= set(incident["rules"])
    assert "x1" in columns(incident)


REPLACEMENT = story(HEALTHY, HEALTHY, Phase(3_000, (Arm("8", 0.10),)))
BAD_CANARY = story(HEALTHY, Phase(3_000, (Arm("7", 0.10, share=0.7), Arm("8", 0.30, "canary", 0.3))))


def test_a_canary_that_is_worse_while_all_get_broken_inputs_is_not_rolled_back() -> None:
    """The older version would meet the same."""
    lines = changed(BAD_CANARY.lines(), often(0.2, break_x1), BAD_CANARY.onset(1))
    incident = only(judged(lines, features=DECLARED))

    assert (incident["cause"], incident["severity"], rollbacks(incident)) == ("input_fault", "page", [])
    assert "records" in incident["rules"]


def test_a_fault_of_a_version_that_was_replaced_is_over_and_stays_so() -> None:
    """The newer version's inputs are well; nothing is said of the older one's any more."""
    lines = changed(REPLACEMENT.lines(), often(0.2, break_x1), REPLACEMENT.onset(1) + 3_000.0, REPLACEMENT.onset(2))
    incident = only(judged(lines, features=DECLARED))

    assert signature(incident) == ("input_fault", "7", "page")
    assert incident["resolved"] is not None


def test_drift_without_harm_is_one_ticket() -> None:
    """With the column and how far it moved; it stays open while it lasts."""
    incident = only(judged(story(HEALTHY, Phase(6_000, HEALTHY.arms, shift=2.0)).lines()))

    assert signature(incident) == ("drift", "7", "ticket")
    assert (incident["rules"], columns(incident), kinds(incident)) == (["drift"], {"x0"}, {"ticket"})
    assert "moved suddenly" in incident["reason"]
    assert incident["resolved"] is None


def test_drift_that_goes_back_is_over() -> None:
    """Resolved by windows that are as the reference again."""
    back = story(HEALTHY, Phase(5_000, HEALTHY.arms, shift=2.0), Phase(5_000, HEALTHY.arms))

    assert only(judged(back.lines()))["resolved"] is not None
