"""The brake: whatever speaks against a rollback stops it, and says so in words that do not change from tick to tick."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.brake import BREAKER_MODELS, Answer, Situation, choose_target, may_roll_back
from daemon.guardrail_parts import Rollback
from daemon.policy import ROLLBACK_LABELS
from tests.doubles.model import T0

HOUR = 3600.0


def settings(**changes: Any) -> Rollback:  # noqa: ANN401  # any key of the block
    """A rollback block with an hour's cooldown, two rollbacks a day at most."""
    return Rollback.model_validate({"with": "kafka", "cooldown": "1h", "at_most": "2 per 24h"} | changes)


def situation(**changes: Any) -> Situation:  # noqa: ANN401  # any field
    """Nothing speaks against it."""
    fields: dict[str, Any] = {
        "blamed": "8",
        "labels": ROLLBACK_LABELS,
        "serves": True,
        "rolled_back": False,
        "targets": ["7", "6"],
        "unfit": frozenset(),
        "sent": [],
        "breaking": 0,
    }
    return Situation(**(fields | changes))


def test_with_nothing_against_it_the_last_good_version_is_rolled_back_to() -> None:
    """The answer names it."""
    assert may_roll_back(settings(), situation(), T0) == Answer("rollback", "version 7 is known to be good", "7")


def test_a_handful_of_labels_is_waited_out() -> None:
    """Not refused: more of them will come."""
    answer = may_roll_back(settings(), situation(labels=ROLLBACK_LABELS - 1), T0)

    assert (answer.kind, answer.reason) == ("wait", f"{ROLLBACK_LABELS - 1} of {ROLLBACK_LABELS} labels since the onset")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rolled_back": True}, "version 8 was rolled back before, and came back: a person must look at it"),
        ({"serves": False}, "version 8 gets no live traffic any more"),
        ({"breaking": BREAKER_MODELS}, "2 other models or more broke in the last 10 minutes: the cause is shared"),
        ({"sent": [T0 - HOUR + 1]}, "the last rollback, at 2026-09-21T13:13:21.000Z, is within the cooldown of 1 h 0 min"),
        ({"sent": [T0 - 23 * HOUR, T0 - 2 * HOUR]}, "2 rollbacks in 1 d 0 h are as many as the guardrail file allows"),
        ({"targets": []}, "no version is known to be good, and no fallback is left"),
    ],
)
def test_each_objection_blocks_and_gives_its_reason(changes: dict[str, Any], reason: str) -> None:
    """One sentence for the incident."""
    assert may_roll_back(settings(), situation(**changes), T0) == Answer("rollback_blocked", reason)


@pytest.mark.parametrize(
    "changes",
    [{"breaking": BREAKER_MODELS - 1}, {"sent": [T0 - HOUR]}, {"sent": [T0 - 24 * HOUR, T0 - 2 * HOUR]}],
    ids=["one other model", "a cooldown that just ended", "one of two that just left the day"],
)
def test_at_the_boundary_nothing_is_objected(changes: dict[str, Any]) -> None:
    """The limits are those of the file, not one less."""
    assert may_roll_back(settings(), situation(**changes), T0).kind == "rollback"


def test_a_reason_stays_the_same_while_time_passes() -> None:
    """It is told once for each text."""
    reasons = {may_roll_back(settings(), situation(sent=[T0]), T0 + seconds).reason for seconds in (1, 60, 3599)}

    assert len(reasons) == 1


def test_manual_approval_names_the_target_and_waits_for_a_person() -> None:
    """Nothing is sent."""
    answer = may_roll_back(settings(approval="manual"), situation(), T0)

    assert (answer.kind, answer.target) == ("rollback_awaits_approval", "7")


def test_an_objection_comes_before_a_persons_approval() -> None:
    """Nobody is asked for what would not be done."""
    assert may_roll_back(settings(approval="manual"), situation(serves=False), T0).kind == "rollback_blocked"


@pytest.mark.parametrize(
    ("targets", "unfit", "target"),
    [(["7"], set(), "7"), ([], set(), "5"), ([], {"5"}, "4"), ([], {"5", "4"}, None)],
    ids=["a good version", "the first fallback", "a fallback over its limit", "none is fit"],
)
def test_fallbacks_come_after_what_is_known_to_be_good(targets: list[str], unfit: set[str], target: str | None) -> None:
    """In the file's order, without the blamed one and without those that are no better."""
    asked = situation(targets=targets, unfit=frozenset(unfit))

    assert choose_target(settings(fallbacks=["8", "5", "4"]), asked) == target
