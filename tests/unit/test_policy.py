"""From verdicts to causes: what belongs together, what explains what, and what follows."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.policy import CAUSES, Diagnosis, Facts, Standing, cause_of, cleared, diagnose, supersedes
from daemon.rules.verdict import Effect, Verdict, worst
from tests.doubles.model import T0


def breach(rule: str, reason: str, version: str = "8", **changes: Any) -> Verdict:  # noqa: ANN401  # any field of the verdict
    """A breach that began at T0."""
    fields: dict[str, Any] = {"segment": None, "severity": "page", "onset": T0, "text": f"{rule}: {reason}"}
    return Verdict(rule=rule, version=version, state="breach", reason=reason, **(fields | changes))  # type: ignore[arg-type]  # of the list


def standing(name: str, **changes: Any) -> Standing:  # noqa: ANN401  # any field of the standing
    """A version that began an hour before T0."""
    fields: dict[str, Any] = {"first_seen": T0 - 3600, "near": 600.0}
    return Standing(name=name, **(fields | changes))


def ok(rule: str, version: str = "8") -> Verdict:
    """A rule that finds a version well."""
    return Verdict(rule=rule, version=version, segment=None, state="ok", reason="within_limit", text="", severity="page")


def unknown(rule: str, version: str = "8") -> Verdict:
    """A rule that cannot tell."""
    return Verdict(rule=rule, version=version, segment=None, state="unknown", reason="no_traffic", text="", severity="page")


HARM, WORSE = breach("harm", "over_limit"), breach("version", "worse_than_older")
OLD_HARM = breach("harm", "over_limit", "7")
HARD = breach("records", "hard_errors")
OLD_HARD = breach("records", "hard_errors", "7")
SOFT = breach("records", "inferred_errors", severity="log")
FLIPPED, OLD_FLIPPED = breach("labels", "flipped"), breach("labels", "flipped", "7")
SILENT = breach("traffic", "silent", "")
DRIFTED = breach("drift", "drifted", severity="ticket")
SALES = breach("sales", "outcome_over_limit", "")
ADWIN_ON_LOSS = breach("adwin", "loss_moved", "", severity="ticket")

LONG_BROKEN = breach("records", "hard_errors", onset=T0 - 5_000)

BESIDE = standing("8", older="7", older_serves=True)
ALONE = standing("8")
AFTER = standing("8", older="7", fresh=True, clearly_over=True, proven=False)
LEFT_ALONE = standing("8", older="7", proven=False)  # the older one went before the comparison had ended

#: What is in breach, what is known of version 8, and the causes that are found with the version each is about.
FOUND: dict[str, tuple[list[Verdict], Standing, list[tuple[str, str | None]]]] = {
    "harm of the only version": ([HARM], ALONE, [("concept", "8")]),
    "a canary that is worse": ([WORSE], BESIDE, [("new_version", "8")]),
    "a canary that is worse, beside harm of its own": ([HARM, WORSE], BESIDE, [("new_version", "8")]),
    "harm just after a full replacement": ([HARM], AFTER, [("new_version", "8")]),
    "harm after a replacement that is hardly over what the older one had": (
        [HARM],
        standing("8", older="7", fresh=True, proven=False),
        [("concept", "8")],
    ),
    "both versions": ([OLD_HARM, HARM], BESIDE, [("concept", "7")]),
    "a worse version when the older one is over its limit": (
        [WORSE],
        standing("8", older="7", older_serves=True, older_over_limit=True),
        [("concept", "8")],
    ),
    "errors against what is declared, alone": ([HARD], ALONE, [("input_fault", "8")]),
    "errors that are only inferred, alone": ([SOFT], ALONE, []),
    "errors that are only inferred, and harm": ([HARM, SOFT], ALONE, [("input_fault", "8")]),
    "broken inputs of both versions, and a worse one": ([WORSE, HARD, OLD_HARD], BESIDE, [("input_fault", "8")]),
    "broken inputs of the newer version only, and it is worse": ([WORSE, HARD], BESIDE, [("new_version", "8")]),
    "broken inputs since long before the harm": ([HARM, LONG_BROKEN], ALONE, [("input_fault", "8")]),
    "the same, and a version that is worse": ([WORSE, LONG_BROKEN], BESIDE, [("new_version", "8"), ("input_fault", "8")]),
    "labels of the older version turned round, too few of the newer one": ([HARM, OLD_FLIPPED], BESIDE, [("label_fault", "8")]),
    "labels turned round": ([HARM, FLIPPED], ALONE, [("label_fault", "8")]),
    "labels of the newer version turned round only": ([WORSE, FLIPPED], BESIDE, [("new_version", "8")]),
    "labels that seem turned round once the older version has gone": ([HARM, FLIPPED], LEFT_ALONE, [("concept", "8")]),
    "the same, and it is worse": ([WORSE, FLIPPED], LEFT_ALONE, [("new_version", "8")]),
    "the same without harm": ([FLIPPED], LEFT_ALONE, []),
    "labels turned round of a version that was found to be as good": (
        [WORSE, FLIPPED],
        standing("8", older="7"),
        [("label_fault", "8")],
    ),
    "labels of both turned round": ([WORSE, FLIPPED, OLD_FLIPPED], BESIDE, [("label_fault", "8")]),
    "labels that seem turned round just after a replacement": ([HARM, FLIPPED], AFTER, [("new_version", "8")]),
    "silence": ([SILENT], ALONE, [("blind", None)]),
    "drift without harm": ([DRIFTED], ALONE, [("drift", "8")]),
    "drift and harm": ([HARM, DRIFTED], ALONE, [("concept", "8")]),
    "a product metric": ([SALES], ALONE, [("outcome", None)]),
    "a detector on the loss": ([ADWIN_ON_LOSS], ALONE, [("concept", None)]),
    "silence beside drift": ([SILENT, breach("drift", "drifted", onset=T0 - 9_000)], ALONE, [("blind", None), ("drift", "8")]),
    "nothing": ([], ALONE, []),
}


@pytest.mark.parametrize("case", FOUND)
def test_breaches_are_put_together_by_their_cause(case: str) -> None:
    """One incident a cause; what began with a harm and may explain it goes with it."""
    verdicts, known, expected = FOUND[case]
    found = diagnose(verdicts, {"8": known, "7": standing("7")})

    assert [(one.cause.name, one.version) for one in found] == expected


def test_every_cause_is_found_by_some_breach() -> None:
    """Nothing in the table is dead."""
    found = {cause for _, _, causes in FOUND.values() for cause, _ in causes}

    assert found == {cause.name for cause in CAUSES}


def test_a_fault_of_inputs_is_told_first_and_the_harm_after_it() -> None:
    """A person who reads half of the sentence knows where to look."""
    columns = (Effect(name="age", effect=0.3, what="missing 30 %"),)
    found = diagnose([HARM, breach("records", "hard_errors", effects=columns)], {"8": ALONE})

    assert [one.reason for one in found] == ["records: hard_errors; harm: over_limit"]
    assert found[0].first is HARM


def test_the_onset_is_that_of_the_losses() -> None:
    """A column may have been broken before anybody was harmed."""
    (found,) = diagnose([breach("records", "hard_errors", onset=T0 - 300), HARM], {"8": ALONE})

    assert found.onset(T0 + 900) == T0


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        (Facts(worse=True), "new_version"),
        (Facts(worse=True, harm=True), "new_version"),
        (Facts(worse=True, harm=True, older_over_limit=True), "concept"),
        (Facts(worse=True, mirrored=True), "label_fault"),
        (Facts(worse=True, inputs="all"), "input_fault"),
        (Facts(worse=True, inputs="newer"), "new_version"),
        (Facts(harm=True, inputs="newer"), "input_fault"),
        (Facts(harm=True, drift=True), "concept"),
        (Facts(drift=True), "drift"),
        (Facts(), None),
    ],
)
def test_the_most_specific_cause_wins(facts: Facts, cause: str | None) -> None:
    """A version is blamed only while the older one does no harm itself."""
    found = cause_of(facts)

    assert (None if found is None else found.name) == cause


def test_only_a_bad_version_is_rolled_back_and_only_a_changed_world_retrained() -> None:
    """Moving traffic does not mend the world."""
    assert [cause.name for cause in CAUSES if cause.rollback] == ["new_version"]
    assert [cause.name for cause in CAUSES if cause.retrain] == ["concept"]


@pytest.mark.parametrize(
    ("cause", "known", "changes"),
    [
        ("new_version", "input_fault", False),
        ("input_fault", "concept", True),
        ("label_fault", "new_version", True),
        ("concept", "new_version", True),
        ("new_version", "concept", True),
        ("concept", "input_fault", False),
        ("drift", "concept", False),
        ("concept", "concept", False),
    ],
)
def test_a_cause_changes_for_a_more_specific_one(cause: str, known: str, changes: bool) -> None:
    """Evidence that fades before the harm does takes nothing back; whether it is the version or the world may be judged anew."""
    (found,) = [row for row in CAUSES if row.name == cause]

    assert supersedes(Diagnosis(found, (WORSE,), "8"), known) is changes


def test_a_version_that_alone_gets_broken_inputs_and_does_harm_is_blamed() -> None:
    """While the inputs show it; when they do no more, the fault is remembered as theirs."""
    (blamed,) = diagnose([WORSE, HARD], {"8": BESIDE})

    assert supersedes(blamed, "input_fault")


def test_drift_that_was_part_of_an_incident_is_not_told_by_itself() -> None:
    """As long as it stays; what is broken is distributed otherwise for a while after it was mended."""
    (with_it,) = diagnose([HARD, DRIFTED], {"8": ALONE})

    assert with_it.found == (HARD, DRIFTED)
    assert diagnose([DRIFTED], {"8": ALONE}, {DRIFTED.scope}) == []


@pytest.mark.parametrize(
    ("verdicts", "serving", "over"),
    [
        ([ok("records")], {"8"}, True),
        ([unknown("records")], {"8"}, False),
        ([], {"8"}, False),
        ([unknown("records"), ok("records", "9")], {"9"}, True),
        ([unknown("records"), unknown("records", "9")], {"9"}, False),
        ([unknown("records")], set(), False),
    ],
    ids=["well", "unknown", "not judged", "replaced by a good one", "replaced by an unknown one", "nothing serves"],
)
def test_an_incident_is_over_by_a_finding_and_never_by_silence(verdicts: list[Verdict], serving: set[str], over: bool) -> None:
    """Of the version itself, or of those that serve in its place."""
    assert cleared({("records", "8", "")}, verdicts, serving) is over


def test_the_worst_severity_is_the_most_urgent() -> None:
    """A page among tickets is a page."""
    assert worst(["ticket", "page", "log"]) == "page"
