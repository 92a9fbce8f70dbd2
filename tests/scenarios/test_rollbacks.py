"""What happens after a rollback: obeyed, not obeyed, in vain; and a version that comes back."""

from __future__ import annotations

from typing import Any

from tests.scenarios.reports import kinds, only, rollbacks, signature
from tests.scenarios.streams import Arm, Phase, judged, story

GOOD = Phase(3_000, (Arm("7", 0.10),))
BAD = Phase(700, (Arm("8", 0.30),))


def canary(predictions: int, share: float = 0.2) -> Phase:
    """A bad canary."""
    return Phase(predictions, (Arm("7", 0.10, share=1 - share), Arm("8", 0.40, "canary", share)))


def blocked(incident: dict[str, Any]) -> list[str]:
    """Give the reasons for which a rollback was blocked."""
    return [action["reason"] for action in incident["actions"] if action["kind"] == "rollback_blocked"]


def test_a_rollback_that_live_traffic_obeys_is_confirmed_and_ends_the_incident() -> None:
    """The harm is found to be gone, in what was predicted since."""
    incident = only(judged(story(GOOD, BAD, GOOD).lines()))

    assert signature(incident) == ("new_version", "8", "page")
    assert rollbacks(incident) == ["7"]
    assert "rollback_confirmed" in kinds(incident)
    assert incident["resolved"] is not None


def test_a_canary_that_is_taken_back_is_confirmed_by_its_silence() -> None:
    """While the older version goes on."""
    incident = only(judged(story(GOOD, canary(1_500), GOOD).lines()))

    assert signature(incident) == ("new_version", "8", "page")
    assert rollbacks(incident) == ["7"]
    assert "rollback_confirmed" in kinds(incident)
    assert incident["resolved"] is not None


def test_a_rollback_that_nobody_obeys_is_neither_confirmed_nor_healed() -> None:
    """A small canary that goes on is not gone because it is rarely heard of, nor healed because the others are well."""
    lines = story(GOOD, canary(9_000, share=0.05), Phase(1_000, (Arm("8", 0.40),))).lines()
    incident = only(judged(lines))

    assert rollbacks(incident) == ["7"]
    assert "rollback_confirmed" not in kinds(incident)
    assert incident["resolved"] is None


def test_recorded_traffic_cannot_obey_so_nothing_is_called_unconfirmed() -> None:
    """However long the blamed version goes on."""
    incident = only(judged(story(GOOD, Phase(3_000, (Arm("8", 0.30),))).lines()))

    assert rollbacks(incident) == ["7"]
    assert kinds(incident) == {"rollback", "page"}


def test_a_rollback_that_does_not_help_shows_that_it_was_not_the_version() -> None:
    """The older version is as bad now: the world changed during the switch."""
    incident = only(judged(story(GOOD, BAD, Phase(2_000, (Arm("7", 0.30),))).lines()))

    assert rollbacks(incident) == ["7"]
    assert incident["cause"] == "concept"
    assert incident["resolved"] is None


def test_a_blamed_version_that_comes_back_is_paged_but_not_rolled_back_again() -> None:
    """Somebody deployed it in spite of all: a person must look at that."""
    incidents = judged(story(GOOD, BAD, GOOD, Phase(1_500, (Arm("8", 0.30),))).lines())["incidents"]

    assert [signature(incident) for incident in incidents] == [("new_version", "8", "page")] * 2
    assert [rollbacks(incident) for incident in incidents] == [["7"], []]
    assert ["came back" in reason for reason in blocked(incidents[1])] == [True]


def test_the_next_bad_version_is_rolled_back_to_the_good_one_not_to_the_bad_one_before_it() -> None:
    """And not within the cooldown of the last rollback."""
    later = Phase(2_000, (Arm("9", 0.30),))
    waited = judged(story(GOOD, BAD, GOOD, later).lines())["incidents"]
    at_once = judged(story(GOOD, BAD, later).lines())["incidents"]

    assert [(incident["version"], rollbacks(incident)) for incident in waited] == [("8", ["7"]), ("9", ["7"])]
    assert [incident["version"] for incident in at_once][-1] == "9"
    assert "cooldown" in blocked(at_once[-1])[0]
