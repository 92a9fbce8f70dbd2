"""Labels that stop or turn round: nothing can be judged then, that is said at once, and no version is blamed for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.scenarios.faults import changed, turn
from tests.scenarios.reports import kinds, only, rollbacks, signature, state
from tests.scenarios.streams import Arm, Phase, judged, story

HEALTHY = Phase(3_000, (Arm("7", 0.10),))
UNLABELLED = replace(HEALTHY, labelled=0.0)
#: A good canary all the time.
CANARY = Phase(5_000, (Arm("7", 0.10, share=0.7), Arm("8", 0.10, "canary", 0.3)))


@pytest.mark.parametrize("seed", [1, 2])
def test_labels_that_stop_page_until_they_are_back(seed: int) -> None:
    """One incident of the model as a whole; the harm of its version is unknown meanwhile."""
    stopped = judged(story(HEALTHY, UNLABELLED, seed=seed).lines())
    incident = only(stopped)
    back = only(judged(story(HEALTHY, UNLABELLED, HEALTHY, seed=seed).lines()))

    assert signature(incident) == ("blind", None, "page")
    assert (incident["rules"], kinds(incident)) == (["labels"], {"page"})
    assert incident["reason"].startswith("no label has come for ")
    assert (state(stopped, "harm", "7"), incident["resolved"]) == ("unknown", None)
    assert (back["id"], back["resolved"] is not None) == (incident["id"], True)


def test_labels_that_become_fewer_are_a_ticket() -> None:
    """Half of them are enough to be judged by, but not by a fair sample; people look after that in the day."""
    incident = only(judged(story(HEALTHY, replace(HEALTHY, labelled=0.5)).lines()))

    assert signature(incident) == ("blind", None, "ticket")
    assert "are usual" in incident["reason"]


@pytest.mark.parametrize("seed", [1, 2])
def test_labels_that_turn_round_are_a_fault_of_the_labels(seed: int) -> None:
    """The harm that they feign is explained by them, and the end of both is seen: as slowly as that of a real one."""
    stream = story(HEALTHY, HEALTHY, Phase(7_000, HEALTHY.arms), seed=seed)
    incident = only(judged(changed(stream.lines(), turn, stream.onset(1), stream.onset(2), kind="label")))

    assert signature(incident) == ("label_fault", "7", "page")
    assert set(incident["rules"]) == {"harm", "labels"}
    assert incident["reason"].startswith("the labels of version 7 look turned round")
    assert incident["resolved"] is not None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_labels_that_turn_round_during_a_good_canary_blame_nobody(seed: int) -> None:
    """Both arms look as bad: nothing is rolled back."""
    stream = story(HEALTHY, CANARY, seed=seed)
    incident = only(judged(changed(stream.lines(), turn, stream.onset(1) + 1_500.0, kind="label")))

    assert (incident["cause"], incident["severity"]) == ("label_fault", "page")
    assert rollbacks(incident) == []
