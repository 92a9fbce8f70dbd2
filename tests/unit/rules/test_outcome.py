"""Product metrics: judged in their own unit, in the direction that its owner named, and no value can break the rule."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest

from daemon.events import Outcome
from daemon.guardrail_parts import OutcomeRule
from daemon.join import Join
from daemon.monitor import Monitor
from daemon.rules.outcome import OutcomeReading, OutcomeWatch, judge
from daemon.rules.verdict import Verdict
from daemon.store import MemoryStore
from tests.doubles.model import T0, a_guardrail

NEEDED = 300
HOUR = 3600.0


def reading(**changes: Any) -> OutcomeReading:  # noqa: ANN401  # any field of the reading
    """A metric that is as usual."""
    fields: dict[str, Any] = {
        "rule": "sales",
        "severity": "ticket",
        "outcome": "basket",
        "direction": "up",
        "learned": 0,
        "needed": NEEDED,
        "mean": 41.0,
        "limit": 35.0,
        "reference": 40.0,
        "events": 120,
        "evidence": 0.25,
    }
    return OutcomeReading(**(fields | changes))


#: Reading -> state, reason, part of the text.
OUTCOME: dict[str, tuple[OutcomeReading, str, str, str]] = {
    "as usual": (reading(), "ok", "within_limit", "basket is 41, and should be at least 35; 40 is usual"),
    "no event since it was learned": (reading(mean=None), "ok", "within_limit", "basket should be at least 35; 40 is usual"),
    "what should fall": (reading(direction="down", limit=45.0), "ok", "within_limit", "should be at most 45; 40 is usual"),
    "too low": (
        reading(alarmed=True, onset=T0, mean=20.0),
        "breach",
        "outcome_over_limit",
        "basket is 20, and should be at least 35; 40 is usual",
    ),
    "learning": (
        reading(limit=None, reference=None, learned=30),
        "unknown",
        "learning_reference",
        "learning what is usual of basket: 30 of 300 events",
    ),
    "a tolerance beyond the bounds": (
        reading(too_wide=True, limit=-5.0),
        "unknown",
        "limit_too_wide",
        "basket should be at least -5: the bounds of the rule never let it miss that; 40 is usual",
    ),
}


@pytest.mark.parametrize("case", OUTCOME)
def test_a_product_metric_is_judged(case: str) -> None:
    """Each reading has one state, one reason and a sentence in the metric's own unit."""
    found, state, reason, text = OUTCOME[case]
    verdict = judge(found)

    assert (verdict.rule, verdict.version, verdict.severity) == ("sales", "", "ticket")
    assert (verdict.state, verdict.reason) == (state, reason)
    assert text in verdict.text


def test_a_breach_says_since_when_and_of_how_many_events() -> None:
    """Without one there is no onset."""
    found, calm = judge(reading(alarmed=True, onset=T0)), judge(reading(onset=T0))

    assert (found.onset, found.labels, found.evidence) == (T0, 120, 1.0)
    assert (calm.onset, calm.labels, calm.evidence) == (None, 0, 0.25)
    assert dict(found.numbers) == {"mean": 41.0, "limit": 35.0, "reference": 40.0}


# ------------------------------------------------------------------------------------------------------------- the rule


def a_rule(**changes: Any) -> OutcomeWatch:  # noqa: ANN401  # any key of the rule
    """A rule on baskets of 0 to 100 that should be large."""
    said: dict[str, Any] = {
        "rule": "outcome",
        "name": "sales",
        "outcome": "basket",
        "direction": "up",
        "bounds": [0, 100],
        "tolerance": 5,
    }
    guardrail = a_guardrail(reference={"events": NEEDED})
    setting = OutcomeRule.model_validate(said | changes)
    return OutcomeWatch("sales", "ticket", Monitor(guardrail, Join(MemoryStore(), guardrail.model)), setting)


class Shop:
    """Outcomes, a minute apart, that scatter by 10 about a mean."""

    def __init__(self, *rules: OutcomeWatch) -> None:
        self.rules = rules
        self.now = T0
        self._rng = random.Random(5)

    def sell(self, events: int, mean: float, name: str = "basket") -> int:
        """Send some events; gives after how many of them a verdict changed first, 0 when none did."""
        changed = 0
        for number in range(1, events + 1):
            value = self._rng.uniform(mean - 10, mean + 10)
            if self.send(value, name) and not changed:
                changed = number
        return changed

    def send(self, value: float, name: str = "basket") -> bool:
        """Send one to every rule."""
        self.now += 60.0
        event = Outcome("loan", name, value, None, None, self.now, self.now)
        first, *_ = [rule.outcome(event) for rule in self.rules]
        return first


def of(rule: OutcomeWatch) -> Verdict:
    """What a rule says."""
    (verdict,) = rule.verdicts(T0)
    return verdict


@pytest.mark.parametrize(("direction", "worse", "better"), [("up", 25.0, 60.0), ("down", 60.0, 25.0)])
def test_it_learns_alarms_in_the_direction_that_is_bad_and_recovers(direction: str, worse: float, better: float) -> None:
    """In the metric's own unit; what is better than usual is no alarm."""
    rule = a_rule(direction=direction)
    shop = Shop(rule)
    shop.sell(NEEDED - 1, 42.0)
    learning = of(rule)
    shop.sell(1, 42.0)
    learned = of(rule)
    usual = [shop.sell(1_000, 42.0), shop.sell(500, better), shop.sell(500, 42.0)]
    began = shop.now
    alarm = shop.sell(300, worse)
    found = of(rule)
    over = shop.sell(300, 42.0)

    assert (learning.reason, learned.state) == ("learning_reference", "ok")
    assert learned.numbers["reference"] == pytest.approx(42.0, abs=1.0)
    assert learned.numbers["limit"] == pytest.approx(37.0 if direction == "up" else 47.0, abs=1.0)
    assert usual == [0, 0, 0]
    assert 1 <= alarm <= 100
    assert (found.state, found.reason) == ("breach", "outcome_over_limit")
    assert found.onset == pytest.approx(began, abs=600)
    assert found.numbers["mean"] == pytest.approx(worse, abs=3.0)
    assert 1 <= over <= 250
    assert (of(rule).state, of(rule).onset) == ("ok", None)


def test_another_metric_is_none_of_its_business() -> None:
    """It neither learns from it nor alarms by it."""
    rule = a_rule()
    Shop(rule).sell(1_000, 42.0, name="returns")

    assert of(rule).text == "learning what is usual of basket: 0 of 300 events"


def test_a_rogue_value_is_worth_no_more_than_the_bounds() -> None:
    """While it learns and after: what lies outside counts as the nearer bound."""
    wild, tame = a_rule(), a_rule()
    largest = sys.float_info.max
    for value in [largest, -largest, *[40.0] * NEEDED, largest, -largest, 40.0]:
        Shop(wild).send(value)
        Shop(tame).send(min(max(value, 0.0), 100.0))

    assert wild.to_state() == tame.to_state()


def test_a_tolerance_that_the_metric_cannot_exceed_is_not_called_well() -> None:
    """A tenth of the visitors buy: nine tenths less cannot be."""
    rule = a_rule(bounds=[0, 1], tolerance=0.5)
    shop = Shop(rule)
    for number in range(NEEDED):
        shop.send(float(number % 10 == 0))

    assert (of(rule).state, of(rule).reason) == ("unknown", "limit_too_wide")


def alarmed() -> tuple[OutcomeWatch, Shop]:
    """A rule in breach, and its shop."""
    rule = a_rule()
    shop = Shop(rule)
    shop.sell(NEEDED, 42.0)
    shop.sell(200, 25.0)
    assert of(rule).state == "breach"
    return rule, shop


def test_it_continues_where_it_was_at_any_point() -> None:
    """Learning, watching, alarmed and recovered: saved and restored, it says the same and has the same state."""
    rule = a_rule()
    shop = Shop(rule)
    for events, mean in ((100, 42.0), (300, 42.0), (100, 25.0), (10, 42.0), (300, 42.0)):
        shop.sell(events, mean)
        again = a_rule()
        again.restore(rule.to_state())

        assert of(again) == of(rule)
        assert again.to_state() == rule.to_state()
        shop.rules = (rule, again)
        shop.sell(20, mean)

        assert again.to_state() == rule.to_state()


@pytest.mark.parametrize(
    ("changes", "state", "limit"),
    [
        ({}, "breach", 37.0),
        ({"tolerance": 4}, "breach", 38.0),
        ({"tolerance": 6}, "ok", 36.0),
        ({"bounds": [0, 200]}, "unknown", None),
        ({"direction": "down"}, "unknown", None),
        ({"outcome": "returns"}, "unknown", None),
    ],
    ids=["nothing", "lower tolerance", "higher tolerance", "bounds", "direction", "metric"],
)
def test_a_changed_guardrail_file_is_followed(changes: dict[str, Any], state: str, limit: float | None) -> None:
    """A limit that a person raises takes the alarm back; values on another scale are learned anew."""
    rule, _ = alarmed()
    changed = a_rule(**changes)
    changed.restore(rule.to_state())

    assert of(changed).state == state
    assert of(changed).numbers["limit"] == (None if limit is None else pytest.approx(limit, abs=1.0))


def test_a_lower_tolerance_keeps_the_alarm_until_the_metric_is_within_it() -> None:
    """Recovery is held to the new limit."""
    rule, shop = alarmed()
    stricter = a_rule(tolerance=2)
    stricter.restore(rule.to_state())
    shop.rules = (stricter,)
    between = shop.sell(300, 38.5)
    back = shop.sell(300, 48.0)

    assert (between, back > 0) == (0, True)
    assert of(stricter).state == "ok"
