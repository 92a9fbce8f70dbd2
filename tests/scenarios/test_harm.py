"""One version in a changing world: harm is found, explained, never taken for healed by silence, and its end is found too."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from daemon.demo import market
from tests.scenarios.reports import kinds, only, rollbacks, signature, state
from tests.scenarios.streams import Arm, Phase, electricity, judged, story

HEALTHY = Phase(3_000, (Arm("7", 0.10),))
HARMED = Phase(1_500, (Arm("7", 0.30),))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_single_version_that_gets_worse_is_the_worlds_doing(seed: int) -> None:
    """A page with the cause `concept`; there is nothing to roll back to."""
    incident = only(judged(story(HEALTHY, HARMED, seed=seed).lines()))

    assert signature(incident) == ("concept", "7", "page")
    assert incident["rules"] == ["harm"]
    assert kinds(incident) == {"page", "retrain_hint"}


def test_the_features_that_moved_are_named_with_the_size_of_the_move() -> None:
    """As far as it is seen at the time of the alarm; what did not move is not named."""
    (moved,) = only(judged(story(HEALTHY, replace(HARMED, shift=2.0)).lines()))["features"]

    assert moved["name"] == "x0"
    assert 0.2 < moved["effect"] < 2.5
    assert moved["what"].startswith("mean ")


def test_moved_features_without_harm_page_nobody() -> None:
    """Drift is evidence, harm is the alarm; a drift that lasts is a ticket."""
    found = judged(story(HEALTHY, replace(HEALTHY, shift=2.0)).lines())["incidents"]

    assert [incident for incident in found if incident["severity"] == "page"] == []


def test_harm_that_ends_is_found_to_have_ended_and_harm_that_comes_again_is_a_new_incident() -> None:
    """Each with its own id."""
    again = judged(story(HEALTHY, HARMED, Phase(4_000, HEALTHY.arms), HARMED).lines())["incidents"]

    assert [signature(incident) for incident in again] == [("concept", "7", "page")] * 2
    assert [incident["resolved"] is not None for incident in again] == [True, False]
    assert again[0]["id"] != again[1]["id"]


def test_labels_that_stop_resolve_nothing() -> None:
    """Silence is no proof that the harm is gone."""
    incident = only(judged(story(HEALTHY, HARMED, Phase(5_000, HEALTHY.arms, labelled=0.0)).lines()))

    assert incident["resolved"] is None


def test_without_labels_the_verdict_is_unknown() -> None:
    """And no incident comes of it by the rules of losses; that nobody can see is one."""
    found = judged(story(HEALTHY, Phase(3_000, HEALTHY.arms, labelled=0.0)).lines())

    assert state(found, "harm", "7") == "unknown"
    assert only(found)["rules"] == ["labels"]


def test_errors_that_are_labelled_more_often_do_not_look_like_harm() -> None:
    """Coverage falls below that of the reference: what is labelled is no fair sample any more."""
    complaints = replace(HEALTHY, labelled=0.5, errors_labelled=1.0)

    found = judged(story(HEALTHY, complaints).lines())

    assert only(found)["rules"] == ["labels"]
    assert state(found, "harm", "7") == "unknown"


def test_a_version_without_labels_is_unknown_not_ok() -> None:
    """A new version inherits its limit, but nothing is known of it before its first labels."""
    found = judged(story(HEALTHY, Phase(50, (Arm("8", 0.10),), labelled=0.0)).lines())

    assert state(found, "harm", "8") == "unknown"


def test_labels_that_all_take_the_same_time_are_all_counted() -> None:
    """A label that arrives at the very moment at which its prediction is looked at is in time."""
    rows = list(islice(market.load().draw(3), 5_000))
    (harm,) = (
        verdict
        for verdict in judged(electricity(rows, (5_000, "7", 0.0)), positive="true")["verdicts"]
        if verdict["rule"] == "harm"
    )

    assert harm["state"] == "ok"
    assert harm["seconds"]["ok"] > 0.5 * sum(harm["seconds"].values())


def test_electricity_drawn_at_random_is_healthy_until_a_bad_version_comes() -> None:
    """Real rows: a rule that is right three times in four, then one that turns a third of its answers around."""
    rows = list(islice(market.load().draw(3), 7_000))
    incident = only(judged(electricity(rows, (4_000, "7", 0.0), (3_000, "8", 0.33)), positive="true"))

    assert signature(incident) == ("new_version", "8", "page")
    assert rollbacks(incident) == ["7"]
    assert judged(electricity(rows, (7_000, "7", 0.0)), positive="true")["incidents"] == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_errors_that_are_labelled_sooner_do_not_look_like_harm(seed: int) -> None:
    """Wrong predictions in a minute, right ones in five: in the order of arrival every new version would look bad."""
    stream = replace(story(HEALTHY, Phase(3_000, (Arm("8", 0.10),)), seed=seed), delay=300.0, errors_delay=60.0)

    assert judged(stream.lines())["incidents"] == []
