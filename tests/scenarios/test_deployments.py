"""New versions: bad ones are found and blamed, good ones left alone, and the world's faults are not blamed on them."""

from __future__ import annotations

import pytest

from tests.scenarios.reports import kinds, only, rollbacks, signature
from tests.scenarios.streams import Arm, Phase, Stream, judged, story

REFERENCE = Phase(3_000, (Arm("7", 0.10),))
BAD_REPLACEMENT = story(REFERENCE, Phase(1_500, (Arm("8", 0.25),)))
BAD_CANARY = story(REFERENCE, Phase(4_000, (Arm("7", 0.10, share=0.8), Arm("8", 0.30, "canary", 0.2))))
BAD_SHADOW = story(REFERENCE, Phase(2_000, (Arm("7", 0.10), Arm("8", 0.25, "shadow"))))
GOOD_DEPLOYMENT = (
    REFERENCE,
    Phase(2_000, (Arm("7", 0.10), Arm("8", 0.10, "shadow"))),
    Phase(2_000, (Arm("7", 0.10, share=0.9), Arm("8", 0.10, "canary", 0.1))),
    Phase(2_000, (Arm("8", 0.10),)),
)


@pytest.mark.parametrize("seed", range(20))
def test_twenty_healthy_lives_of_a_model_wake_nobody(seed: int) -> None:
    """A shadow, a canary, a full replacement, and a next version: none is worse, and nothing is found."""
    lines = story(*GOOD_DEPLOYMENT, Phase(2_000, (Arm("9", 0.10),)), seed=seed).lines()

    assert judged(lines)["incidents"] == []


@pytest.mark.parametrize("stream", [BAD_REPLACEMENT, BAD_CANARY], ids=["replacement", "canary"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_bad_version_is_rolled_back_to_the_older_one_and_paged(stream: Stream, seed: int) -> None:
    """One incident that blames the new version, with its onset near the deployment."""
    incident = only(judged(stream.seeded(seed).lines()))

    assert signature(incident) == ("new_version", "8", "page")
    assert rollbacks(incident) == ["7"]
    assert {"page", "rollback"} <= kinds(incident)
    assert "version" in incident["rules"]
    assert incident["onset"] < incident["opened"]


@pytest.mark.parametrize("seed", range(1, 11))
@pytest.mark.parametrize("error", [0.3, 0.6])
def test_a_version_so_bad_that_it_is_found_at_once_is_rolled_back_too(seed: int, error: float) -> None:
    """The rollback waits for 50 labels since the onset, however few the alarm took."""
    incident = only(judged(story(REFERENCE, Phase(1_000, (Arm("8", error),)), seed=seed).lines()))

    assert signature(incident) == ("new_version", "8", "page")
    assert rollbacks(incident) == ["7"]


def test_a_bad_version_in_a_rolling_deployment_is_rolled_back() -> None:
    """A canary that nobody called one: both versions are live and take turns, then the older one goes."""
    mixed = Phase(500, (Arm("7", 0.10, share=0.5), Arm("8", 0.30, share=0.5)))
    incident = only(judged(story(REFERENCE, mixed, Phase(1_500, (Arm("8", 0.30),))).lines()))

    assert signature(incident) == ("new_version", "8", "page")
    assert rollbacks(incident) == ["7"]


def test_a_bad_shadow_opens_a_ticket_and_moves_no_traffic() -> None:
    """It serves nobody: no page, no rollback."""
    incident = only(judged(BAD_SHADOW.lines()))

    assert signature(incident) == ("new_version", "8", "ticket")
    assert kinds(incident) == {"ticket"}


def test_a_bad_shadow_that_goes_live_all_the_same_is_paged_and_rolled_back() -> None:
    """From then on users get its predictions."""
    incidents = judged(story(*BAD_SHADOW.phases, Phase(2_000, (Arm("8", 0.25),))).lines())["incidents"]
    actions = [action["kind"] for incident in incidents for action in incident["actions"]]

    assert {(incident["cause"], incident["version"]) for incident in incidents} == {("new_version", "8")}
    assert [kind for kind in ("ticket", "page", "rollback") if kind not in actions] == []


def test_the_last_version_known_to_be_good_is_the_target() -> None:
    """Not the first one, and not the bad one that it is about."""
    good = [Phase(2_500, (Arm(version, 0.10),)) for version in ("8", "9")]
    incident = only(judged(story(REFERENCE, *good, Phase(2_000, (Arm("10", 0.30),))).lines()))

    assert signature(incident) == ("new_version", "10", "page")
    assert rollbacks(incident) == ["9"]


def test_a_good_canary_that_turns_bad_as_a_full_replacement_is_rolled_back() -> None:
    """What it showed as a canary does not protect it."""
    canary = Phase(2_500, (Arm("7", 0.10, share=0.8), Arm("8", 0.10, "canary", 0.2)))
    incident = only(judged(story(REFERENCE, canary, Phase(2_000, (Arm("8", 0.30),))).lines()))

    assert signature(incident) == ("new_version", "8", "page")
    assert rollbacks(incident) == ["7"]


def test_without_a_rollback_block_nothing_is_rolled_back() -> None:
    """The page is all."""
    incident = only(judged(BAD_REPLACEMENT.lines(), respond={}))

    assert signature(incident) == ("new_version", "8", "page")
    assert kinds(incident) == {"page"}


def test_observing_finds_the_same_and_does_nothing() -> None:
    """What would have been done is in `would`."""
    enforced = only(judged(BAD_REPLACEMENT.lines()))
    observed = only(judged(BAD_REPLACEMENT.lines(), mode="observe"))

    assert signature(observed) == signature(enforced)
    assert observed["actions"] == []
    assert observed["would"] == enforced["actions"]
    assert "would" not in enforced


def test_a_rollback_that_needs_approval_is_announced_only() -> None:
    """With the target that a person would say yes to."""
    incident = only(judged(BAD_REPLACEMENT.lines(), respond={"rollback": {"with": "kafka", "approval": "manual"}}))
    announced = [action for action in incident["actions"] if action["kind"] == "rollback_awaits_approval"]

    assert [action["target"] for action in announced] == ["7"]
    assert rollbacks(incident) == []


def test_no_rollback_to_an_older_version_that_was_over_its_limit_itself() -> None:
    """Both are worse than the reference: the new version did not do it."""
    harmed = Phase(600, (Arm("7", 0.30),))
    incidents = judged(story(REFERENCE, harmed, Phase(1_500, (Arm("8", 0.30),))).lines())["incidents"]

    assert [incident["cause"] for incident in incidents] == ["concept"]
    assert [rollbacks(incident) for incident in incidents] == [[]]


def test_a_good_version_that_follows_a_harmed_one_is_not_rolled_back_to_it() -> None:
    """It ends the harm."""
    harmed = Phase(600, (Arm("7", 0.30),))
    incident = only(judged(story(REFERENCE, harmed, Phase(2_500, (Arm("8", 0.10),))).lines()))

    assert signature(incident) == ("concept", "7", "page")
    assert rollbacks(incident) == []
    assert incident["resolved"] is not None


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_versions_of_a_canary_getting_worse_is_no_fault_of_the_newer_one(share: float, seed: int) -> None:
    """The world changed for both: a page, no rollback."""

    def canary(error: float) -> Phase:
        return Phase(2_500, (Arm("7", error, share=1 - share), Arm("8", error, "canary", share)))

    incident = only(judged(story(REFERENCE, canary(0.10), canary(0.30), seed=seed).lines()))

    assert incident["cause"] == "concept"
    assert kinds(incident) == {"page", "retrain_hint"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_version_that_was_good_for_5000_labels_is_not_blamed_for_what_comes_then(seed: int) -> None:
    """The comparison with the older version is over; `harm` watches, and what it finds is the world's doing."""
    incident = only(judged(story(REFERENCE, Phase(6_000, (Arm("8", 0.10),)), Phase(1_000, (Arm("8", 0.30),)), seed=seed).lines()))

    assert signature(incident) == ("concept", "8", "page")
    assert kinds(incident) == {"page", "retrain_hint"}
