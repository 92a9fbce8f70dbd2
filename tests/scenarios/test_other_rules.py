"""A model that falls silent, a product metric that falls, a detector that a file asks for, a harm in one segment only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.scenarios.faults import changed, fail_in_the_north, interrupted, place, sold
from tests.scenarios.reports import kinds, only, signature
from tests.scenarios.streams import Arm, Phase, judged, story

HEALTHY = Phase(3_000, (Arm("7", 0.10),))
STREAM = story(HEALTHY, HEALTHY, HEALTHY)
BEGINS, ENDS = STREAM.onset(1), STREAM.onset(2)
SALES: dict[str, Any] = {"rule": "outcome", "name": "sales", "outcome": "basket", "bounds": [0, 100], "tolerance": 5}
ADWIN: dict[str, Any] = {"rule": "detector", "name": "mine", "watch": "x0", "detector": {"kind": "adwin"}}


def test_a_model_that_falls_silent_pages_until_it_predicts_again() -> None:
    """After the longest of an hour and what was usual; a prediction ends it."""
    lines = STREAM.lines()
    incident = only(judged(interrupted(lines, BEGINS, 3 * 3600.0)))

    assert signature(incident) == ("blind", None, "page")
    assert (incident["rules"], kinds(incident)) == (["traffic"], {"page"})
    assert incident["reason"] == "the model has predicted nothing for more than 1 h 0 min"
    assert incident["resolved"] is not None


def test_a_silence_that_its_owner_allows_is_none() -> None:
    """An hour is the default; a batch model may sleep longer."""
    lines = interrupted(STREAM.lines(), BEGINS, 3 * 3600.0)

    assert judged(lines, traffic={"silent_after": "4h"})["incidents"] == []
    assert judged(lines, traffic={"silent_after": "off"})["incidents"] == []


@pytest.mark.parametrize(("direction", "basket"), [("up", 20.0), ("down", 60.0)])
def test_a_product_metric_that_goes_the_wrong_way_is_a_ticket_until_it_is_back(direction: str, basket: float) -> None:
    """In its own unit; the model as a whole is meant."""
    lines = sold(STREAM.lines(), lambda at: basket if BEGINS <= at < ENDS else 40.0)
    incident = only(judged(lines, rules=[{**SALES, "direction": direction}]))

    assert signature(incident) == ("outcome", None, "ticket")
    assert (incident["rules"], kinds(incident)) == (["sales"], {"ticket"})
    assert incident["reason"].startswith("basket is ")
    assert incident["resolved"] is not None


def test_a_product_metric_that_goes_the_right_way_is_no_incident() -> None:
    """More is better."""
    lines = sold(STREAM.lines(), lambda at: 60.0 if BEGINS <= at < ENDS else 40.0)

    assert judged(lines, rules=[{**SALES, "direction": "up"}])["incidents"] == []


def test_a_detector_that_the_file_asks_for_opens_a_ticket() -> None:
    """Soon after the step, with the feature; it never says that anybody is harmed."""
    incident = only(judged(story(HEALTHY, replace(HEALTHY, shift=2.0)).lines(), rules=[ADWIN]))

    assert signature(incident) == ("drift", None, "ticket")
    assert incident["rules"] == ["mine"]
    assert [feature["name"] for feature in incident["features"]] == ["x0"]


@pytest.mark.parametrize("seed", [1, 2])
def test_harm_in_one_segment_names_it(seed: int) -> None:
    """A third of the traffic, half of it wrong: the rest is well, and says so by its silence."""
    lines = changed(STREAM.seeded(seed).lines(), place, 0.0)
    incident = only(judged(changed(lines, fail_in_the_north, BEGINS), segments=["region", "device"]))

    assert signature(incident) == ("concept", "7", "page")
    assert (incident["segment"], incident["rules"]) == ("region=north", ["harm"])
    assert "region=north" in incident["reason"]


def test_healthy_segments_are_no_incident() -> None:
    """However many there are."""
    lines = changed(STREAM.lines(), place, 0.0)

    assert judged(lines, segments=["region", "device"])["incidents"] == []
