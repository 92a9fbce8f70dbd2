"""Judging traffic: a silence longer than any usual one is a fault; of a model that was never asked, nothing is known."""

from __future__ import annotations

import pytest

from daemon.join import Join
from daemon.monitor import Monitor
from daemon.rules.traffic import TrafficReading, TrafficRule, judge
from daemon.rules.verdict import Verdict
from daemon.store import MemoryStore
from detectors.silence import LEAST, LEAST_SEEN
from tests.doubles.model import T0, a_guardrail, a_prediction

HOUR = 3600.0

#: Seconds since the last prediction and the patience -> state, reason, part of the text.
TRAFFIC: dict[str, tuple[float, float | None, str, str, str]] = {
    "it predicts": (0.0, HOUR, "ok", "within_limit", "the model predicts; a silence of 1 h 0 min would be reported"),
    "as long as is usual": (HOUR, HOUR, "ok", "within_limit", "the model predicts"),
    "longer than usual": (HOUR + 1, HOUR, "breach", "silent", "the model has predicted nothing for more than 1 h 0 min"),
    "nothing is usual yet": (HOUR, None, "unknown", "learning_reference", "too few predictions to tell what silence is unusual"),
}


def said(silence: float, patience: float | None) -> Verdict:
    """Judge a silence of so many seconds."""
    verdict = judge(TrafficReading(severity="page", last_seen=T0, patience=patience), T0 + silence)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize("case", TRAFFIC)
def test_traffic_is_judged(case: str) -> None:
    """Each silence has one state and one reason."""
    silence, patience, state, reason, text = TRAFFIC[case]
    verdict = said(silence, patience)

    assert (verdict.rule, verdict.version, verdict.state, verdict.reason, verdict.severity) == (
        "traffic",
        "",
        state,
        reason,
        "page",
    )
    assert text in verdict.text


def test_before_the_first_prediction_there_is_nothing_to_judge() -> None:
    """A model that was never asked is not silent."""
    assert judge(TrafficReading(severity="page", last_seen=None, patience=None), T0) is None


def test_a_silence_is_seen_coming_and_began_with_the_last_prediction() -> None:
    """The evidence is the share of the patience that has passed."""
    half, over = said(HOUR / 2, HOUR), said(2 * HOUR, HOUR)

    assert (half.evidence, half.onset) == (0.5, None)
    assert (over.evidence, over.onset) == (1.0, T0)
    assert dict(over.numbers) == {"silence_seconds": 2 * HOUR, "limit": HOUR}


def a_rule(predictions: int, stage: str = "live", **traffic: object) -> TrafficRule:
    """The rule after some predictions, a second apart, the last one at T0."""
    guardrail = a_guardrail(traffic=traffic)
    rule = TrafficRule("traffic", "page", Monitor(guardrail, Join(MemoryStore(), guardrail.model)))
    for number in range(predictions):
        rule.observe(a_prediction(number, T0 - predictions + 1 + number, stage=stage))
    return rule


def states(rule: TrafficRule, silence: float) -> list[str]:
    """The states that it finds so many seconds after T0."""
    return [verdict.state for verdict in rule.verdicts(T0 + silence)]


@pytest.mark.parametrize(
    ("rule", "silence", "expected"),
    [
        (a_rule(LEAST_SEEN), LEAST, ["ok"]),
        (a_rule(LEAST_SEEN), LEAST + 1, ["breach"]),
        (a_rule(LEAST_SEEN, silent_after="5m"), 301.0, ["breach"]),
        (a_rule(LEAST_SEEN, silent_after="2d"), 86_400.0, ["ok"]),
        (a_rule(LEAST_SEEN, silent_after="off"), 86_400.0, []),
        (a_rule(LEAST_SEEN - 1, silent_after="5m"), 301.0, ["unknown"]),
        (a_rule(0), 0.0, []),
        (a_rule(LEAST_SEEN, stage="shadow"), 86_400.0, []),
    ],
    ids=["usual", "silent", "declared", "patient", "off", "few predictions", "no prediction", "a shadow"],
)
def test_the_rule_waits_as_long_as_is_usual_or_as_is_declared(rule: TrafficRule, silence: float, expected: list[str]) -> None:
    """A shadow's predictions are not the model's: users do not get them."""
    assert states(rule, silence) == expected


def test_one_prediction_ends_a_silence() -> None:
    """And what was unusual is usual for a week."""
    rule = a_rule(LEAST_SEEN)
    before = states(rule, 2 * HOUR)
    rule.observe(a_prediction(99, T0 + 2 * HOUR))

    assert (before, states(rule, 2 * HOUR + 1)) == (["breach"], ["ok"])
    assert states(rule, 2 * HOUR + 3.9 * HOUR) == ["ok"]


def test_what_is_usual_outlives_a_restart() -> None:
    """The rule goes on as if nothing had happened."""
    rule, again = a_rule(LEAST_SEEN), a_rule(0)
    again.restore(rule.to_state())

    assert list(again.verdicts(T0 + LEAST + 1)) == list(rule.verdicts(T0 + LEAST + 1))
