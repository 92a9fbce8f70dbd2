"""Judging: each reading has its state and its reason, and unknown is never taken for healthy."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.rules import harm as harms
from daemon.rules import newer
from daemon.rules.harm import LEAST_LABELS, HarmReading
from daemon.rules.newer import VersionReading
from daemon.rules.verdict import GONE_AFTER, GONE_AFTER_GAPS, Verdict
from tests.doubles.model import T0

AGE = 60.0


def harm(**changes: Any) -> Verdict:  # noqa: ANN401  # any field of the reading
    """Judge a version under its limit, with labels enough."""
    fields: dict[str, Any] = {
        "version": "8",
        "severity": "page",
        "measure": "error rate",
        "last_seen": T0,
        "age": AGE,
        "limit": 0.2,
        "reference": 0.1,
        "labels": 500,
        "mean": 0.11,
        "coverage": 0.99,
        "coverage_floor": 0.8,
    }
    return harms.judge(HarmReading(**(fields | changes)), T0)


def version(**changes: Any) -> Verdict:  # noqa: ANN401  # any field of the reading
    """Judge a newer version whose comparison is undecided."""
    fields: dict[str, Any] = {
        "version": "8",
        "severity": "page",
        "measure": "error rate",
        "last_seen": T0,
        "age": AGE,
        "older": "7",
        "kind": "canary",
        "labels": 120,
        "new_mean": 0.11,
        "old_mean": 0.1,
        "bound": 0.15,
        "coverage": 0.99,
        "coverage_floor": 0.8,
    }
    return newer.judge(VersionReading(**(fields | changes)), T0)


HARM: dict[str, tuple[dict[str, Any], str, str]] = {
    "under the limit": ({}, "ok", "within_limit"),
    "an alarm": ({"alarmed": True, "onset": T0 - 90, "mean": 0.3}, "breach", "over_limit"),
    "no reference": ({"limit": None, "learned": 40, "needed": 1000}, "unknown", "learning_reference"),
    "one label less than needed": ({"labels": LEAST_LABELS - 1}, "unknown", "too_few_labels"),
    "labels enough": ({"labels": LEAST_LABELS}, "ok", "within_limit"),
    "few labels in time": ({"coverage": 0.79}, "unknown", "low_coverage"),
    "silence": ({"last_seen": T0 - AGE - GONE_AFTER - 1}, "unknown", "no_traffic"),
    "a pause": ({"last_seen": T0 - AGE - GONE_AFTER}, "ok", "within_limit"),
    "seldom traffic": ({"last_seen": T0 - 20 * 3600, "gap": 3600.0}, "ok", "within_limit"),
    "the end of seldom traffic": (
        {"last_seen": T0 - AGE - (GONE_AFTER_GAPS * 3600.0 + 1), "gap": 3600.0},
        "unknown",
        "no_traffic",
    ),
    "a shadow that users do not see": ({"hidden": True, "alarmed": True}, "unknown", "feedback_loop"),
    "a loss without its score": ({"unscored": True}, "unknown", "not_scored"),
    "losses in long runs": ({"too_dependent": True}, "unknown", "too_dependent"),
    "a limit far over the reference": ({"visible_rise": 0.2}, "unknown", "limit_too_wide"),
    "an alarm over a wide limit": ({"visible_rise": 0.2, "alarmed": True, "onset": T0 - 90}, "breach", "over_limit"),
    "an alarm of a segment": ({"segment": "region=north", "alarmed": True, "onset": T0 - 90}, "breach", "over_limit"),
    "a segment under its limit": ({"segment": "region=north"}, "ok", "within_limit"),
    "a segment of few labels": ({"segment": "region=north", "limit": None, "needed": 300}, "unknown", "learning_reference"),
    "a segment of a version that went": (
        {"segment": "region=north", "alarmed": True, "last_seen": T0 - AGE - GONE_AFTER - 1},
        "unknown",
        "no_traffic",
    ),
}

VERSION: dict[str, tuple[dict[str, Any], str, str]] = {
    "undecided": ({}, "unknown", "undecided"),
    "worse": ({"decision": "worse", "onset": T0 - 90}, "breach", "worse_than_older"),
    "not worse": ({"decision": "not_worse"}, "ok", "not_worse"),
    "not worse by few labels in time": ({"decision": "not_worse", "coverage": 0.5}, "unknown", "low_coverage"),
    "worse by few labels in time": ({"decision": "worse", "coverage": 0.5}, "breach", "worse_than_older"),
    "no older one": ({"older": None}, "unknown", "no_older_version"),
    "arms that differ": ({"differ": "income is distributed otherwise"}, "unknown", "arms_differ"),
    "worse, of arms that differ": (
        {"differ": "income is distributed otherwise", "decision": "worse", "onset": T0 - 90},
        "unknown",
        "arms_differ",
    ),
    "silence": ({"last_seen": T0 - AGE - GONE_AFTER - 1, "decision": "worse"}, "unknown", "no_traffic"),
    "a shadow that users do not see": ({"hidden": True}, "unknown", "feedback_loop"),
}


@pytest.mark.parametrize("case", HARM)
def test_harm_is_judged(case: str) -> None:
    """Each reading has one state and one reason."""
    changes, state, reason = HARM[case]
    verdict = harm(**changes)

    assert (verdict.rule, verdict.state, verdict.reason) == ("harm", state, reason)


@pytest.mark.parametrize("case", VERSION)
def test_a_newer_version_is_judged(case: str) -> None:
    """Each comparison has one state and one reason."""
    changes, state, reason = VERSION[case]
    verdict = version(**changes)

    assert (verdict.rule, verdict.state, verdict.reason) == ("version", state, reason)


def test_a_breach_says_since_when_and_with_what_numbers() -> None:
    """In words for a person, and as numbers."""
    found = harm(alarmed=True, onset=T0 - 90, labels=55, mean=0.3, evidence=1.0)

    assert found.text == (
        "the error rate of version 8 is 30 % over 55 labels since its onset; harm begins at 20 %, the reference is 10 %"
    )
    assert (found.onset, found.labels, found.evidence) == (T0 - 90, 55, 1.0)
    assert dict(found.numbers) == {"mean_loss": 0.3, "limit": 0.2, "reference": 0.1, "coverage": 0.99, "labels": 55.0}


#: Reading -> the sentence: what a person is told where nothing can be said, and of a segment.
TEXTS: dict[str, tuple[Verdict, str]] = {
    "losses in long runs": (
        harm(too_dependent=True, learned=1000),
        (
            "the losses hang together over so long that 1000 labels cannot tell a rise from chance; "
            "a longer reference can (reference.events, reference.span)"
        ),
    ),
    "a limit far over the reference": (
        harm(visible_rise=0.25, segment="region=north"),
        "too few labels in region=north for a limit of use: the smallest rise that could be seen is 25 %",
    ),
    "an alarm of a segment": (
        harm(segment="region=north", alarmed=True, mean=0.3, labels=55),
        (
            "the error rate of version 8 in region=north is 30 % over 55 labels since its onset; harm begins at 20 %, "
            "the reference is 10 %"
        ),
    ),
    "a segment that learns": (
        harm(segment="region=north", limit=None, learned=12, needed=300),
        "learning the reference in region=north: 12 of 300 labels",
    ),
    "arms that differ": (
        version(differ="income is distributed otherwise"),
        "versions 8 and 7 do not get the same kind of traffic (income is distributed otherwise): they cannot be compared",
    ),
    "worse": (
        version(decision="worse", onset=T0 - 90, new_mean=0.3),
        (
            "version 8 is worse than version 7 (canary): its error rate is 30 % against 10 % of version 7, harm begins at 15 %, "
            "120 labels since its onset"
        ),
    ),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_person_is_told_why(case: str) -> None:
    """In one sentence, with the numbers in it."""
    verdict, text = TEXTS[case]

    assert verdict.text == text


@pytest.mark.parametrize("verdict", [harm(onset=T0, labels=500), version(onset=T0, labels=120)], ids=["harm", "version"])
def test_without_a_breach_there_is_no_onset(verdict: Verdict) -> None:
    """An onset of nothing would be read as one."""
    assert (verdict.onset, verdict.labels) == (None, 0)
