"""The end of harm is found by evidence, on the losses that can show it."""

from __future__ import annotations

import random

import pytest

from daemon.healing import Healing
from daemon.join import Waiting
from tests.doubles.model import T0

LIMIT = 0.2


def waiting(at: float, stage: str = "live", segments: tuple[str, ...] = ()) -> Waiting:
    """A prediction of version 8 at a time."""
    return Waiting(0, at, at, "8", stage, "1", None, None, segments=list(segments))


def feed(healing: Healing, mean: float, count: int, *, start: float = T0, stage: str = "live", every: float = 1.0) -> int | None:
    """Feed 0/1 losses of this mean; gives after how many of them harm was called over."""
    chance = random.Random(1)
    for number in range(count):
        at = start + number * every
        if healing.take(waiting(at, stage), float(chance.random() < mean)):
            return number + 1
    return None


def test_harm_is_over_when_the_mean_is_back_under_the_limit() -> None:
    """After enough labels to tell; the numbers say how many, and their mean."""
    healing = Healing(LIMIT, shadow=False, scope="")
    found = feed(healing, 0.05, 1_000)

    assert found is not None
    assert (healing.healed, healing.labels) == (True, found)
    assert healing.mean < LIMIT


def test_harm_that_goes_on_is_not_called_over() -> None:
    """Better than at its worst is not yet harmless."""
    assert feed(Healing(LIMIT, shadow=False, scope=""), 0.25, 20_000) is None


@pytest.mark.parametrize(("shadow", "stage"), [(False, "shadow"), (True, "live"), (True, "canary")])
def test_losses_of_another_kind_of_traffic_say_nothing(shadow: bool, stage: str) -> None:
    """A shadow's incident ends by its shadow's labels, any other by what users get."""
    healing = Healing(LIMIT, shadow=shadow, scope="")

    assert feed(healing, 0.0, 1_000, stage=stage) is None
    assert healing.labels == 0


def test_the_harm_of_a_segment_ends_in_that_segment() -> None:
    """All is well elsewhere all the time."""
    healing = Healing(LIMIT, shadow=False, scope="8", segment="region=north")
    for number in range(1_000):
        healing.take(waiting(T0 + number, segments=("region=south",)), 0.0)
    elsewhere = healing.labels
    for number in range(1_000, 2_000):
        healing.take(waiting(T0 + number, segments=("region=south", "region=north")), float(number % 20 == 0))

    assert (elsewhere, healing.healed) == (0, True)


def test_after_a_confirmed_rollback_only_what_was_predicted_since_counts() -> None:
    """Losses from before it are those of the version that is gone."""
    healing = Healing(LIMIT, shadow=False, scope="8")
    feed(healing, 0.5, 100)
    healing.restart(T0 + 200)
    before = feed(healing, 0.0, 100, start=T0 + 101, every=0.99)
    after = feed(healing, 0.05, 1_000, start=T0 + 201)

    assert before is None
    assert after == healing.labels


def test_a_confirmed_rollback_is_believed_sooner_than_chance() -> None:
    """One test at 5 % takes fewer labels than a watch that may err once in a week of harm."""
    confirmed, waiting = Healing(LIMIT, shadow=False, scope="8"), Healing(LIMIT, shadow=False, scope="8")
    confirmed.restart(T0 - 1)
    soon, late = feed(confirmed, 0.05, 1_000), feed(waiting, 0.05, 1_000)

    assert soon is not None
    assert late is not None
    assert soon < late


def test_a_rollback_that_is_withdrawn_starts_the_watch_again() -> None:
    """The blamed version serves again: the labels since the rollback prove nothing of it."""
    healing = Healing(LIMIT, shadow=False, scope="8")
    healing.restart(T0)
    feed(healing, 0.0, 3, start=T0 + 1)
    healing.withdraw()

    assert (healing.since, healing.labels, healing.mean) == (None, 0, 0.0)
    assert healing.take(waiting(T0 - 100), 0.0) is False
    assert healing.labels == 1


def test_the_end_is_told_once() -> None:
    """What comes later changes nothing."""
    healing = Healing(LIMIT, shadow=False, scope="")
    feed(healing, 0.05, 1_000)
    labels = healing.labels

    assert healing.take(waiting(T0 + 5_000), 1.0) is False
    assert (healing.healed, healing.labels) == (True, labels)


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_restart_of_the_process_changes_nothing(confirmed: bool) -> None:
    """Saved and restored in the middle, the end is found at the same label."""
    whole, first = Healing(LIMIT, shadow=False, scope="8"), Healing(LIMIT, shadow=False, scope="8")
    for healing in (whole, first):
        if confirmed:
            healing.restart(T0 - 1)
        feed(healing, 0.1, 10)
    second = Healing.from_state(first.to_state())

    assert feed(second, 0.05, 1_000, start=T0 + 10) == feed(whole, 0.05, 1_000, start=T0 + 10)
    assert second.to_state() == whole.to_state()
