"""Rules of kind `detector`: what River finds is told, taken back when it does not last, and never outlives what was asked for."""

from __future__ import annotations

import base64
import math
import random
from typing import Any

import pytest

from daemon.guardrail_parts import DetectorRule
from daemon.join import Join, Joined, Waiting
from daemon.monitor import Monitor
from daemon.rules.detector import OVER_AFTER, OVER_VALUES, DetectorReading, DetectorWatch, judge
from daemon.rules.verdict import Verdict
from daemon.store import MemoryStore
from tests.doubles.model import T0, a_guardrail, a_prediction


def reading(**changes: Any) -> DetectorReading:  # noqa: ANN401  # any field of the reading
    """A detector that has found nothing."""
    fields: dict[str, Any] = {
        "rule": "adwin-on-score",
        "severity": "ticket",
        "kind": "adwin",
        "watched": "score",
        "taken": 500,
        "changed_at": None,
        "last": T0,
    }
    return DetectorReading(**(fields | changes))


LONG_AGO = T0 - OVER_AFTER - 1

#: Reading -> state, reason, text.
DETECTOR: dict[str, tuple[DetectorReading, str, str, str]] = {
    "nothing seen": (reading(taken=0, last=None), "unknown", "learning_reference", "adwin has seen no value of score yet"),
    "no change": (reading(), "ok", "within_limit", "adwin finds no change of score"),
    "a change": (reading(changed_at=T0 - 60, since=5), "breach", "moved", "adwin found a change of score"),
    "a change of the loss": (
        reading(changed_at=T0 - 60, watched="loss"),
        "breach",
        "loss_moved",
        "adwin found a change of loss",
    ),
    "a change of yesterday": (reading(changed_at=LONG_AGO, since=OVER_VALUES), "ok", "within_limit", "adwin finds no change"),
    "a change of exactly a day ago": (
        reading(changed_at=T0 - OVER_AFTER, since=OVER_VALUES),
        "breach",
        "moved",
        "adwin found a change",
    ),
    "a change of yesterday, and few values since": (
        reading(changed_at=LONG_AGO, since=OVER_VALUES - 1),
        "breach",
        "moved",
        "adwin found a change",
    ),
}


@pytest.mark.parametrize("case", DETECTOR)
def test_a_detector_is_judged(case: str) -> None:
    """Each reading has one state, one reason and a sentence."""
    found, state, reason, text = DETECTOR[case]
    verdict = judge(found)

    assert (verdict.rule, verdict.version, verdict.severity) == ("adwin-on-score", "", "ticket")
    assert (verdict.state, verdict.reason) == (state, reason)
    assert text in verdict.text


def test_a_change_has_a_moment_and_without_one_there_is_none() -> None:
    """The mark of the value at which it was found."""
    found, calm = judge(reading(changed_at=T0 - 60)), judge(reading(changed_at=LONG_AGO, since=OVER_VALUES))

    assert (found.evidence, found.onset) == (1.0, T0 - 60)
    assert (calm.evidence, calm.onset) == (0.0, None)


# ------------------------------------------------------------------------------------------------------------- the rule


def a_rule(watch: str = "score", **detector: object) -> DetectorWatch:
    """A rule that runs ADWIN, or another one."""
    said = {"rule": "detector", "name": "mine", "watch": watch, "detector": detector or {"kind": "adwin"}}
    guardrail = a_guardrail()
    setting = DetectorRule.model_validate(said)
    return DetectorWatch("mine", "ticket", Monitor(guardrail, Join(MemoryStore(), guardrail.model)), setting)


def feed(rule: DetectorWatch, value: Any, at: float, stage: str = "live") -> bool:  # noqa: ANN401  # also values that are none
    """Show the rule a value where it looks for it; True when a verdict may have changed for it."""
    watch = rule.setting.watch
    prediction = a_prediction(at=at, stage=stage, score=value if watch == "score" else None, features={watch: value, "else": 9.0})
    if watch != "loss":
        rule.observe(prediction)
        return False
    waiting = Waiting(0, at, at, "7", stage, "0", None, None)
    return rule.mature(Joined("0", waiting, "0", 5.0), value)


def of(rule: DetectorWatch) -> Verdict:
    """What a rule says."""
    (verdict,) = rule.verdicts(T0)
    return verdict


def step(rule: DetectorWatch, every: float = 1.0, values: int = 2_000, start: float = T0) -> float:
    """Feed noise about .3, then about .7; gives the time of the step."""
    rng = random.Random(3)
    for number in range(values):
        mean = 0.3 if number < values // 2 else 0.7
        feed(rule, rng.uniform(mean - 0.2, mean + 0.2), start + every * number)
    return start + every * values / 2


@pytest.mark.parametrize(("watch", "reason"), [("score", "moved"), ("income", "moved"), ("loss", "loss_moved")])
def test_a_step_is_found_soon(watch: str, reason: str) -> None:
    """On the score, a feature or the loss, with the moment at which it was found."""
    rule = a_rule(watch)
    before = of(rule)
    stepped = step(rule)
    found = of(rule)

    assert (before.state, found.state, found.reason) == ("unknown", "breach", reason)
    assert found.onset is not None
    assert 0 < found.onset - stepped < 900


def test_a_change_of_the_loss_asks_for_a_judgement_at_once() -> None:
    """Other values are judged at the next tick."""
    rule = a_rule("loss")
    asked = [feed(rule, float(number >= 500), T0 + number) for number in range(1_000)]

    assert (any(asked[:500]), any(asked[500:])) == (False, True)


def test_a_finding_that_is_not_repeated_for_a_day_and_a_thousand_values_is_withdrawn() -> None:
    """River tells no end of a change; a page of last week must end some day."""
    rule = a_rule()
    step(rule)
    found = of(rule)
    assert found.onset is not None
    day_later = found.onset + OVER_AFTER + 1
    feed(rule, 0.7, day_later)
    after_a_day = of(rule).state
    for number in range(OVER_VALUES):
        feed(rule, 0.7, day_later + 1 + number)

    assert (found.state, after_a_day, of(rule).state) == ("breach", "breach", "ok")


def test_values_that_it_could_not_take_do_not_withdraw_a_finding() -> None:
    """A column that became text says nothing of its mean."""
    rule = a_rule()
    step(rule)
    for number in range(OVER_VALUES + 1):
        feed(rule, "unknown", T0 + 2 * OVER_AFTER + number)

    assert of(rule).state == "breach"


@pytest.mark.parametrize("watch", ["score", "income", "loss"])
def test_what_users_do_not_get_is_not_looked_at(watch: str) -> None:
    """A shadow may be as different as it likes."""
    rule = a_rule(watch)
    for number in range(500):
        feed(rule, 0.5, T0 + number, stage="shadow")

    assert of(rule).state == "unknown"


def test_no_value_can_break_it() -> None:
    """Missing, text, NaN, infinite, huge: it goes on as if they had not come."""
    rule, twin = a_rule("income"), a_rule("income")
    for poison in (None, "", "text", True, math.nan, math.inf, -math.inf, 10**400, 1e308):
        feed(rule, poison, T0)
    step(rule)
    step(twin)

    assert of(rule) == of(twin)


def test_it_continues_where_it_was() -> None:
    """Saved in the middle of a change and restored, it finds the same at the same value."""
    rule = a_rule()
    step(rule, values=1_200)
    again = a_rule()
    again.restore(rule.to_state())
    for one in (rule, again):
        step(one, values=400, start=T0 + 2_000)

    assert again.to_state() == rule.to_state()
    assert of(again) == of(rule)


@pytest.mark.parametrize(
    "other",
    [a_rule(kind="kswin"), a_rule(kind="adwin", delta=0.01), a_rule("income")],
    ids=["another kind", "another parameter", "other values"],
)
def test_a_detector_that_is_asked_for_something_else_starts_over(other: DetectorWatch) -> None:
    """What was found by the former rule is not a finding of this one."""
    rule = a_rule()
    step(rule)
    other.restore(rule.to_state())

    assert (of(rule).state, of(other).state) == ("breach", "unknown")


def test_a_state_of_another_river_starts_over() -> None:
    """Its detectors are bound to its version."""
    rule, again = a_rule(), a_rule()
    step(rule)
    state = rule.to_state()
    pickled = state["watch"]["detector"]
    again.restore({**state, "watch": {**state["watch"], "detector": _of_another_river(pickled)}})

    assert of(again).state == "unknown"


def _of_another_river(pickled: str) -> str:
    """The version stands before the pickle."""
    _, _, rest = base64.b64decode(pickled).partition(b"\n")
    return base64.b64encode(b"0.1\n" + rest).decode()
