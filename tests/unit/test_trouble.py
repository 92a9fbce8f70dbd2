"""Trouble with the daemon itself reaches whoever must know, once."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from prometheus_client import CollectorRegistry

from alerting import notice
from alerting.acts import Act
from alerting.routing import Routing, Rule
from daemon.records import SourceEvent, SourceEventKind
from daemon.store import MemoryStore
from daemon.task import Task
from daemon.telemetry import Telemetry
from daemon.trouble import ANSWERS, Trouble
from tests.doubles.model import T0, a_guardrail

CORRUPT = SourceEvent("corrupt_range", "offsets 3 to 7 are lost", {"topic": "labels", "partition": 0, "first": 3, "last": 7})


class Rig:
    """Trouble with a page route and a ticket route, over a task."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.trouble = Trouble(Telemetry(self.registry), Routing(page=("pagerduty",)))
        self.task = Task(MemoryStore(), {"loan": a_guardrail()})
        self.task.advance(T0)

    def told(self) -> list[tuple[str, str, str]]:
        """What is in the outbox: (kind, route, key)."""
        return [(intent.kind, intent.destination, intent.key) for intent in self.task.outbox.values()]

    def value(self, name: str, **labels: Any) -> float | None:  # noqa: ANN401  # labels
        """A sample of the page of metrics."""
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def rig() -> Rig:
    """Nothing has gone wrong yet."""
    return Rig()


def test_every_kind_of_source_event_has_an_answer() -> None:
    """Whoever adds a kind decides who hears of it."""
    assert set(ANSWERS) == set(get_args(SourceEventKind))


@pytest.mark.parametrize("kind", sorted(ANSWERS))
def test_each_kind_is_answered_by_the_table(rig: Rig, kind: SourceEventKind) -> None:
    """A page on the page route, a ticket on the ticket route, or a line in the log alone."""
    rig.trouble.noticed(SourceEvent(kind, "something happened", {"topic": "labels"}))
    rig.trouble.tell(rig.task)

    expected = {"page": [("page", "pagerduty")], "ticket": [("ticket", "log")], "log": []}[ANSWERS[kind]]
    assert [told[:2] for told in rig.told()] == expected


def test_a_page_waits_until_there_is_a_task_to_save_it(rig: Rig) -> None:
    """It is an intent like any other; told again it is the same one."""
    rig.trouble.noticed(CORRUPT)
    before = rig.told()
    rig.trouble.tell(rig.task)
    rig.trouble.tell(rig.task)
    rig.trouble.noticed(CORRUPT)
    rig.trouble.tell(rig.task)

    assert before == []
    assert rig.told() == [("page", "pagerduty", "daemon:corrupt_range:labels-0-3-7:pagerduty")]


def test_the_notice_says_what_happened(rig: Rig) -> None:
    """In the sentence of whoever noticed it."""
    rig.trouble.noticed(CORRUPT)
    rig.trouble.tell(rig.task)
    (intent,) = rig.task.outbox.values()
    told = notice.from_record(intent.body)

    assert (told.cause, told.severity, told.reason, told.at) == ("daemon", "page", "offsets 3 to 7 are lost", T0)


def test_what_was_passed_over_and_rebuilt_is_counted(rig: Rig) -> None:
    """By topic, and by the class of the error: its text would be a label without end."""
    rig.trouble.noticed(CORRUPT)
    rig.trouble.noticed(SourceEvent("rebuilt", "begins again", {"reason": "KafkaError: broker 3 at 10.0.0.7"}))

    assert rig.value("watchkeeper_corrupt_records_total", topic="labels") == 5
    assert rig.value("watchkeeper_consumer_rebuilds_total", reason="KafkaError") == 1


def test_trouble_is_routed_by_the_rules_of_the_settings(rig: Rig) -> None:
    """By those that name no model and no owner: it has none."""
    rules = (Rule(to=("credit",), owners=("*",), models=("*",)), Rule(to=("platform",), severity="page"))
    trouble = Trouble(Telemetry(CollectorRegistry()), Routing(rules=rules, ticket=("queue",)))
    trouble.noticed(CORRUPT)
    trouble.noticed(SourceEvent("retention_too_short", "something", {"topic": "labels"}))
    trouble.tell(rig.task)

    assert [told[:2] for told in rig.told()] == [("page", "platform"), ("ticket", "queue")]


def test_what_is_silenced_waits_for_the_end_of_the_silence(rig: Rig) -> None:
    """A silence of models does not hide the daemon's own trouble, one of everything holds it back."""
    for number, model in enumerate(("loan", "*")):
        until = T0 + 60 * (number + 1)
        rig.task.act(Act(id=f"{number}", kind="silence", by="ana", at=T0, reason="move", until=until, model=model))
    rig.trouble.noticed(CORRUPT)
    rig.trouble.tell(rig.task)
    held = [told for told in rig.told() if told[0] != "journal"]
    rig.task.advance(T0 + 120)
    rig.trouble.tell(rig.task)
    rig.trouble.tell(rig.task)

    assert held == []
    assert [told[:2] for told in rig.told() if told[0] != "journal"] == [("page", "pagerduty")]


def test_too_many_bad_events_page(rig: Rig) -> None:
    """Once for each window."""
    rig.trouble.too_many_bad(T0, "6 of 100 events are bad")
    rig.trouble.too_many_bad(T0 + 300, "7 of 100 events are bad")
    rig.trouble.tell(rig.task)

    assert [key for _, _, key in rig.told()] == [
        f"daemon:bad-events:{T0:.0f}:pagerduty",
        f"daemon:bad-events:{T0 + 300:.0f}:pagerduty",
    ]
