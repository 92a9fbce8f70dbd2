"""What others see of a task: counted from its first event on, each event once, and nothing of what the store counted before."""

from __future__ import annotations

from collections import Counter

import pytest
from prometheus_client import CollectorRegistry

from alerting.intents import Outcome
from daemon.loop import Turn
from daemon.reporting import DETAILS_EVERY, Reporter
from daemon.store import MemoryStore
from daemon.task import Task
from daemon.telemetry import Telemetry
from tests.doubles.model import T0, a_guardrail, a_label, a_prediction


class Rig:
    """A reporter over a task, and the page that it makes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reporter = Reporter(Telemetry(self.registry))
        self.store = MemoryStore()
        self.task = self.open()

    def open(self) -> Task:
        """A task on the store as it is, begun with."""
        task = Task(self.store, {"loan": a_guardrail()})
        self.reporter.begin(task)
        return task

    def report(self, wall: float = T0) -> None:
        """A report, with five records not read yet."""
        self.reporter.task(self.task, {("labels", 0): 5}, wall)

    def value(self, name: str, **labels: str) -> float | None:
        """A sample of the page; None when it is not there."""
        return self.registry.get_sample_value(f"watchkeeper_{name}", labels)


@pytest.fixture
def rig() -> Rig:
    """A task without events."""
    return Rig()


def test_events_are_counted_once(rig: Rig) -> None:
    """From the first one on; a report without news adds nothing."""
    rig.task.observe(a_prediction(0, T0))
    rig.task.observe(a_prediction(0, T0 + 1))
    rig.task.observe(a_prediction(1, T0 + 2, model="another"))
    rig.task.observe(a_label(0, T0 + 5))
    rig.task.observe(a_label(0, T0 + 6))
    for _ in range(2):
        rig.report()

    assert rig.value("predictions_total", model="loan", version="7", stage="live") == 1
    assert rig.value("predictions_duplicate_total", model="loan") == 1
    assert rig.value("labels_total", model="loan", fate="joined") == 1
    assert rig.value("labels_total", model="loan", fate="duplicate") == 1
    assert rig.value("events_unmonitored_total") == 1
    assert rig.value("predictions_pending", model="loan") == 1


def test_labels_have_one_fate(rig: Rig) -> None:
    """Joined, late, or of a prediction that never came; predictions are labelled in time or not."""
    for number in range(3):
        rig.task.observe(a_prediction(number, T0 + number))
    rig.task.observe(a_label(0, T0 + 5))
    rig.task.observe(a_label(1, T0 + 100))
    rig.task.observe(a_label(9, T0 + 101))
    rig.task.advance(T0 + 4_000)
    rig.report()

    fates = {fate: rig.value("labels_total", model="loan", fate=fate) for fate in ("joined", "late", "orphan")}
    assert fates == {"joined": 1, "late": 1, "orphan": 1}
    assert rig.value("predictions_matured_total", model="loan", version="7", stage="live", labelled="true") == 1
    assert rig.value("predictions_matured_total", model="loan", version="7", stage="live", labelled="false") == 2
    assert rig.value("predictions_expired_total", model="loan", reason="age") == 1


def test_what_the_store_counted_before_is_not_told_again(rig: Rig) -> None:
    """Counters begin with the process."""
    rig.task.observe(a_prediction(0, T0))
    rig.task.checkpoint()
    later = Rig()
    later.store = rig.store
    later.task = later.open()
    later.task.observe(a_prediction(1, T0 + 1))
    later.report()

    assert later.value("predictions_total", model="loan", version="7", stage="live") == 1


def test_a_turn_tells_what_it_read_did_and_took(rig: Rig) -> None:
    """Records by topic, bad ones by reason, what became of acts, and the time of a checkpoint."""
    done = Outcome(key="k", status="done", detail="", at=T0, kind="page")
    rig.reporter.turn(Turn(Counter(labels=3), Counter(empty=1), [done, done], 0.02))
    rig.reporter.turn(Turn())

    assert rig.value("events_total", topic="labels") == 3
    assert rig.value("events_rejected_total", reason="empty") == 1
    assert rig.value("actions_total", kind="page", status="done") == 2
    assert rig.value("checkpoint_duration_seconds_count") == 1
    assert rig.value("checkpoint_duration_seconds_sum") == pytest.approx(0.02)


def test_lag_clock_and_ownership_are_on_the_page_of_the_owner_only(rig: Rig) -> None:
    """A standby says that it is one, and nothing of the partitions."""
    rig.task.observe(a_prediction(0, T0))
    rig.report(T0 + 30)
    owner = rig.value("active"), rig.value("consumer_lag_records", topic="labels", partition="0"), rig.value("lag_seconds")
    shown = bool(rig.reporter.guardrails)
    rig.reporter.nothing()

    assert (owner, shown) == ((1, 5, 30), True)
    assert (rig.value("active"), rig.value("consumer_lag_records", topic="labels", partition="0")) == (0, None)
    assert rig.reporter.verdicts == []


def test_verdicts_are_shown_with_what_they_were_judged_by(rig: Rig) -> None:
    """As metrics, and as plain data for the API."""
    rig.task.observe(a_prediction(0, T0))
    rig.report()
    (verdict,) = [each for each in rig.reporter.verdicts if each["rule"] == "harm"]
    guardrail = a_guardrail()

    assert (verdict["model"], verdict["version"], verdict["state"]) == ("loan", "7", "unknown")
    assert (verdict["guardrail_version"], verdict["digest"]) == (1, guardrail.short_digest)
    assert rig.reporter.guardrails[0]["digest"] == guardrail.digest
    assert rig.value("guardrail_info", model="loan", guardrail_version="1", digest=guardrail.short_digest) == 1


def test_a_feature_whose_detector_is_not_updated_is_counted(rig: Rig) -> None:
    """One that turns to text, which no detector of numbers takes; the one beside it goes on."""
    for number in range(2_000):
        late = number >= 1_000
        features: dict[str, object] = {"age": float(number % 7), "income": "high" if late else float(number % 5)}
        rig.task.observe(a_prediction(number, T0 + number, features=features))
        if number in {999, 1_999}:
            rig.report(T0 + number)
            assert rig.value("features_not_updated", model="loan", version="7") == (1 if late else 0)


def test_a_version_that_is_forgotten_leaves_and_begins_anew_when_it_comes_back(rig: Rig) -> None:
    """Its series go, and its next prediction is its first."""
    for number in range(3):
        rig.task.observe(a_prediction(number, T0 + number))
    rig.report()
    rig.task.models["loan"].monitor.forget("7")
    rig.report()
    gone = rig.value("predictions_total", model="loan", version="7", stage="live")
    rig.task.observe(a_prediction(3, T0 + 3))
    rig.report()

    assert (gone, rig.value("predictions_total", model="loan", version="7", stage="live")) == (None, 1)


def test_rolling_metrics_are_worked_out_now_and_then(rig: Rig) -> None:
    """They take a thousand labels each time."""
    for number in range(3):
        rig.task.observe(a_prediction(number, T0 + number))
        rig.task.observe(a_label(number, T0 + 5 + number))
    rig.report(T0)
    rig.task.advance(T0 + 100)
    rig.report(T0 + DETAILS_EVERY - 1)
    early = rig.value("performance", model="loan", version="7", metric="accuracy")
    rig.report(T0 + DETAILS_EVERY)

    assert (early, rig.value("performance", model="loan", version="7", metric="accuracy")) == (None, 1.0)


def test_incidents_are_counted_when_they_open_and_shown_while_they_last(rig: Rig) -> None:
    """By cause and severity; the page of the outbox waits for its dispatcher."""
    number = 0
    while not rig.task.models["loan"].response.cases:
        rig.task.observe(a_prediction(number, T0 + number))
        wrong = number % 10 == 0 if number < 600 else number % 2 == 0
        rig.task.observe(a_label(number, T0 + number + 5, "1" if wrong else "0"))
        number += 1
        assert number < 2_000
    for _ in range(2):
        rig.report()

    assert rig.value("incidents_total", model="loan", cause="concept", severity="page") == 1
    assert rig.value("incidents_open", model="loan", cause="concept", severity="page") == 1
    assert rig.value("actions_pending") == 1
