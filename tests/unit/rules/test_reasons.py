"""The closed list of reasons: every one of them is given by some rule, no rule gives another, and each breach has its cause."""

from __future__ import annotations

from typing import Any, Final, get_args

import pytest

from daemon.policy import EVIDENCE_ONLY, Standing, diagnose
from daemon.rules.verdict import Reason, Verdict
from tests.doubles.model import T0
from tests.unit.rules.test_detector import DETECTOR
from tests.unit.rules.test_inputs import COMPLETENESS, DRIFT, RECORDS
from tests.unit.rules.test_labels import LABELS, RANKING
from tests.unit.rules.test_losses import HARM, VERSION
from tests.unit.rules.test_outcome import OUTCOME
from tests.unit.rules.test_traffic import TRAFFIC

#: (state, reason) of every row of every table.
SAID: Final[set[tuple[Any, ...]]] = {
    *(row[1:3] for table in (HARM, VERSION) for row in table.values()),
    *(row[1:3] for table in (RECORDS, COMPLETENESS, DRIFT) for row in table.values()),
    *(row[1:3] for table in (LABELS, RANKING) for row in table.values()),
    *(row[1:3] for row in OUTCOME.values()),
    *(row[1:3] for row in DETECTOR.values()),
    *(row[2:4] for row in TRAFFIC.values()),
}
#: The cause of a breach that stands for itself, by its reason.
ALONE: Final[dict[str, str]] = {
    "over_limit": "concept",
    "worse_than_older": "new_version",
    "hard_errors": "input_fault",
    "swapped": "input_fault",
    "missing": "input_fault",
    "missing_moves_scores": "input_fault",
    "flipped": "label_fault",
    "stopped": "blind",
    "uncovered": "blind",
    "sparse": "blind",
    "late": "blind",
    "silent": "blind",
    "outcome_over_limit": "outcome",
    "loss_moved": "concept",
    "drifted": "drift",
    "drifted_slowly": "drift",
    "moved": "drift",
}


def test_every_reason_is_given_and_no_other() -> None:
    """A reason that nothing gives is a promise of the list; one that is not listed is none that anybody knows."""
    assert {reason for _, reason in SAID} == set(get_args(Reason))


def test_a_reason_belongs_to_one_state() -> None:
    """Who reads the reason knows the state."""
    assert len(SAID) == len(get_args(Reason))


def test_every_breach_has_its_cause() -> None:
    """Or is evidence only, and never stands for itself."""
    assert ALONE.keys() | EVIDENCE_ONLY == {reason for state, reason in SAID if state == "breach"}


@pytest.mark.parametrize("reason", [*ALONE, *EVIDENCE_ONLY])
def test_a_breach_that_stands_for_itself_is_diagnosed(reason: Any) -> None:  # noqa: ANN401  # one of the list
    """By its reason; what a rule of losses finds, by the rule."""
    rule = {"over_limit": "harm", "worse_than_older": "version"}.get(reason, "another")
    verdict = Verdict(
        rule=rule, version="8", segment=None, state="breach", reason=reason, text="something", severity="ticket", onset=T0
    )
    known = Standing(name="8", first_seen=T0 - 3600, near=600.0, older="7")

    assert [one.cause.name for one in diagnose([verdict], {"8": known})] == ([ALONE[reason]] if reason in ALONE else [])
