"""What `check --explain` says of a guardrail file: figures of the detectors themselves, and none where nothing is proven."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from daemon.__main__ import main
from daemon.errors import CANNOT_START, NO, OK, USAGE
from daemon.explain import Basis, Plan, RuleLine, assumed, basis_of, full_level_after, rises, rules
from daemon.guardrails import Guardrail, load
from detectors.budget import Budget
from detectors.power import labels_to_alarm
from detectors.profile import Profile
from detectors.reference import Reference, Sample
from detectors.sequential import EDetector

GUARDRAIL: Final = """\
guardrails: v1
model: loan
version: 1
owner: team-credit
runbook: https://wiki.example/loan
task: binary
positive: "1"
"""
DAY: Final = 86_400.0
REFERENCE: Final = Reference(
    n=2_000, mean=0.1, variance=0.09, binary=True, tau=1.0, delay=60.0, coverage=0.5, since=0.0, until=DAY
)
PROFILE: Final = Profile(columns={}, output=None, rows=24_000, since=0.0, until=DAY, loss=REFERENCE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good guardrail file."""
    path = tmp_path / "loan.yaml"
    path.write_text(GUARDRAIL)
    return path


def guardrail(path: Path, more: str = "") -> Guardrail:
    """The smallest file, and what is added to it."""
    path.write_text(GUARDRAIL + more)
    return load(path)


def planned(guardrail: Guardrail, mean: float = 0.1, per_hour: float | None = None) -> Plan:
    """For an assumed reference."""
    return Plan(guardrail, assumed(mean, guardrail, per_hour))


def by_rule(lines: Iterator[RuleLine]) -> dict[str, RuleLine]:
    """By the rule's name."""
    return {line.rule: line for line in lines}


# ---------------------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("more", "mean", "limit", "why"),
    [
        ("", 0.1, 0.125, "the reference's mean + the tolerance, 25%"),
        ("tolerance: 0.05\n", 0.1, 0.15, "the reference's mean + the tolerance, 0.05"),
        ("limit: 0.11\n", 0.1, 0.11, "the file's own limit"),
        ("reference: {events: 100}\n", 0.01, 0.0645, "the 99 % bound of the reference, which is over its mean + the tolerance"),
    ],
)
def test_the_limit_is_that_of_harm_and_says_what_it_is_made_of(
    path: Path, more: str, mean: float, limit: float, why: str
) -> None:
    """The same function that the versions are held to; the bound by the tables of Clopper and Pearson."""
    plan = planned(guardrail(path, more), mean)

    assert plan.limit == pytest.approx(limit, abs=1e-3)
    assert plan.why.startswith(why)


def test_the_rules_have_the_weights_that_are_spent(path: Path) -> None:
    """Half for harm, a quarter for segments, an eighth for each kind of newer version; in time, for one page in 90 days."""
    found = guardrail(path, "segments: [region]\n")
    lines = by_rule(rules(found, planned(found)))

    assert {name: line.weight for name, line in lines.items() if line.weight} == {
        "harm": 0.5,
        "harm in segments": 0.25,
        "version, canary": 0.125,
        "version, replacement": 0.125,
        "version, shadow": 0.125,
    }
    assert lines["harm"].every == pytest.approx(1.0 / Budget(1.0 / (90 * DAY)).harm())
    assert lines["version, canary"].every == pytest.approx(720 * DAY)
    assert lines["version, shadow"].severity == "ticket"


def test_what_has_no_theorem_says_so(path: Path) -> None:
    """Records, completeness, labels, traffic and drift have limits, and no rate that would be proven."""
    lines = by_rule(rules(guardrail(path, "traffic: {silent_after: 2h}\nlabels: {minimum_coverage: 0.4}\n"), None))

    assert [name for name, line in lines.items() if line.every is None] == [
        "records",
        "completeness",
        "labels",
        "traffic",
        "drift",
    ]
    assert lines["traffic"].limit == "no prediction for 2h"
    assert "below 40 %" in lines["labels"].limit


def test_added_rules_are_told_too(path: Path) -> None:
    """A product metric has a budget of its own beside the model's; a detector of River's has no promise."""
    more = (
        "rules:\n  - {rule: outcome, name: sales, outcome: sale, direction: up, bounds: [0, 1], tolerance: 0.1}\n"
        "  - {rule: detector, name: shift, watch: score, detector: {kind: adwin}}\n  - {rule: drift, enabled: false}\n"
    )
    lines = by_rule(rules(guardrail(path, more), None))

    assert lines["sales"].limit == "a mean of sale 0.1 under its reference"
    assert lines["sales"].every == pytest.approx(90 * DAY)
    assert (lines["shift"].limit, lines["shift"].every) == ("adwin on score", None)
    assert lines["drift"].severity == "off"


def test_a_test_of_a_newer_version_has_its_full_level_again_after_a_while(path: Path) -> None:
    """An eighth of one page in 90 days comes to .01 in 7.2 days."""
    assert full_level_after(guardrail(path)) == pytest.approx(7.2 * DAY)


# ---------------------------------------------------------------------------------------------------------------- labels


def test_the_labels_are_those_of_a_real_detector(path: Path) -> None:
    """All losses 1 after the rise, so that nothing is left to chance: the file's own detector, at its pace, to two labels."""
    plan = planned(guardrail(path), 0.1, per_hour=360.0)
    detector, seconds = EDetector(plan.limit), 10.0
    for i in range(5_000):
        detector.update(float(i % 10 == 0), 0.5 / (90 * DAY) * seconds)
    before = detector.inputs
    while not detector.drift_detected:
        detector.update(1.0, 0.5 / (90 * DAY) * seconds)

    assert plan.rise(10.0).harm == pytest.approx(detector.inputs - before, abs=2.0)


def test_rises_within_the_limit_are_never_found(path: Path) -> None:
    """To 1.2 times the reference with a tolerance of a quarter."""
    line = planned(guardrail(path)).rise(1.2)

    assert (line.harm, line.segment, line.canaries, line.replacement) == (math.inf, math.inf, (math.inf, math.inf), math.inf)


def test_rises_are_in_order_and_larger_ones_take_less(path: Path) -> None:
    """Each asked for once, whatever the order."""
    lines = rises(planned(guardrail(path)), [4.0, 1.5, 2.0, 2.0])

    assert [line.rise for line in lines] == [1.5, 2.0, 4.0]
    for one in ("harm", "textbook", "segment", "replacement"):
        taken = [getattr(line, one) for line in lines]
        assert taken == sorted(taken, reverse=True)


def test_more_labels_an_hour_take_more_labels_and_less_time(path: Path) -> None:
    """Each label brings less of the budget."""
    slow, fast = (planned(guardrail(path), 0.1, pace).rise(2.0).harm for pace in (100.0, 10_000.0))

    assert slow < fast < 100.0 * slow


def test_losses_that_spread_less_are_found_sooner(path: Path) -> None:
    """A Brier loss of the same mean has a tenth of the variance."""
    found = guardrail(path)
    errors = Plan(found, Basis(REFERENCE, "a test"))
    brier = Plan(found, Basis(replace(REFERENCE, binary=False, variance=0.009, bound=0.105), "a test"))

    assert brier.limit == errors.limit
    assert brier.rise(2.0).harm < 0.3 * errors.rise(2.0).harm


def test_the_smallest_visible_rise_takes_a_day(path: Path) -> None:
    """Its labels are those of 24 hours."""
    plan = planned(guardrail(path), 0.1, 500.0)

    assert labels_to_alarm(plan.least_visible, plan.limit, plan.increment) == pytest.approx(12_000.0, rel=0.01)


@pytest.mark.parametrize("mean", [0.0, 1e-9, 0.999, 1.0])
def test_the_ends_of_the_scale_have_answers(path: Path, mean: float) -> None:
    """A perfect model, a hopeless one: numbers or never, no error."""
    plan = planned(guardrail(path, "segments: [region]\n"), mean)

    assert all(line.harm > 0.0 and line.replacement > 0.0 for line in rises(plan))
    assert plan.least_visible > plan.limit or math.isinf(plan.least_visible)


# ------------------------------------------------------------------------------------------------------------- references


def test_a_profile_brings_its_own_pace(path: Path) -> None:
    """24,000 rows in a day, half of them labelled: 500 labels an hour, unless somebody says another."""
    found = guardrail(path)
    own, said = basis_of(PROFILE, found), basis_of(PROFILE, found, 70.0)

    assert own is not None
    assert said is not None
    assert (own.sample, own.per_hour, said.per_hour) == (REFERENCE, 500.0, 70.0)


def test_a_table_has_no_pace(path: Path) -> None:
    """Rows without times: one label a second is assumed, and said to be."""
    basis = basis_of(replace(PROFILE, timed=False, since=0.0, until=0.0), guardrail(path))

    assert basis is not None
    assert (basis.per_hour, basis.pace) == (None, 3600.0)


def test_a_profile_without_losses_is_no_basis(path: Path) -> None:
    """It says what inputs look like, and nothing of losses."""
    assert basis_of(replace(PROFILE, loss=None), guardrail(path)) is None


# ------------------------------------------------------------------------------------------------------------ the command


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `check` prints with these words."""
    assert main(["check", *words]) == OK
    return capsys.readouterr().out


def test_a_file_is_explained_by_an_assumed_mean(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Limit, weight, labels and the time that they take, below the file's line."""
    out = printed(capsys, str(path), "--explain", "--mean", "0.1", "--per-hour", "3600", "--rise", "2")

    assert out.startswith(f"{path}: loan version 1, ")
    assert "harm begins at 0.125: the reference's mean + the tolerance, 25%" in out
    assert "1 in 180 d" in out
    assert "to 2 x" in out
    assert "to 1.5 x" not in out


def test_a_file_is_explained_by_the_profile_that_it_names(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the file; `--reference` names another one."""
    path.write_text(GUARDRAIL + "reference: {profile: p.json}\n")
    for name, profile in (("p.json", PROFILE), ("other.json", replace(PROFILE, loss=replace(REFERENCE, mean=0.2)))):
        path.with_name(name).write_text(json.dumps(profile.to_state()))

    assert f"mean loss 0.1 (profile {PROFILE.digest}, 2,000 labels)" in printed(capsys, str(path), "--explain")
    assert "mean loss 0.2" in printed(capsys, str(path), "--explain", "--reference", str(path.with_name("other.json")))


@pytest.mark.parametrize("more", ["", "reference: {profile: not-there-yet.json}\n"])
def test_without_a_reference_it_says_what_it_needs(path: Path, more: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights need none; limits and labels do."""
    path.write_text(GUARDRAIL + more)
    out = printed(capsys, str(path), "--explain")

    assert "no losses to go by" in out
    assert "the reference's mean loss + 25%" in out
    assert "labels until the alarm" not in out


def test_a_rule_that_is_off_has_no_column(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is computed for a test that nobody runs."""
    path.write_text(GUARDRAIL + "rules: [{rule: version, enabled: false}]\n")
    out = printed(capsys, str(path), "--explain", "--mean", "0.1")

    assert "off" in out
    assert "canary, 10 %" not in out


def test_losses_that_hang_together_too_long_are_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No verdict would ever come, so no labels are promised."""
    path.with_name("p.json").write_text(json.dumps(replace(PROFILE, loss=replace(REFERENCE, tau=100.0)).to_state()))
    out = printed(capsys, str(path), "--explain", "--reference", str(path.with_name("p.json")))

    assert "nothing can be judged" in out
    assert "labels until the alarm" not in out


@pytest.mark.parametrize(
    "words",
    [
        ["--mean", "0.1"],
        ["--explain", "--mean", "2"],
        ["--explain", "--mean", "nan"],
        ["--explain", "--rise", "0.5"],
        ["--explain", "--rise", "inf"],
        ["--explain", "--per-hour", "0"],
        ["--explain", "--per-hour", "inf"],
        ["--explain", "--mean", "0.1", "--reference", "p.json"],
    ],
)
def test_what_makes_no_sense_is_a_wrong_command_line(path: Path, words: list[str]) -> None:
    """Said before any file is read."""
    assert main(["check", str(path), *words]) == USAGE


def test_a_profile_that_cannot_be_read_is_one_sentence(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the exit code of what cannot start."""
    assert main(["check", str(path), "--explain", "--reference", str(path)]) == CANNOT_START
    assert "is no profile" in capsys.readouterr().err


def test_bad_files_are_problems_as_ever(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Good ones among them are explained."""
    bad = path.with_name("bad.yaml")
    bad.write_text("guardrails: v2\n")

    assert main(["check", str(bad), str(path), "--explain", "--mean", "0.1"]) == NO
    out, err = capsys.readouterr()
    assert "harm begins at" in out
    assert str(bad) in err


def test_a_sample_alone_will_do(path: Path) -> None:
    """The last losses of a version, say, which are no reference."""
    plan = Plan(guardrail(path), Basis(Sample(10_000, 0.1, 0.09, binary=True, tau=1.0), "a sample"))

    assert plan.rise(2.0).harm > 0.0
