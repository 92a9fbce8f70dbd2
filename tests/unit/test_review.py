"""The day by which a guardrail file was to be reviewed: one ticket when it is past, for each version of the file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daemon.store import MemoryStore
from daemon.task import TICK, Task
from tests.doubles.model import T0, a_guardrail, a_prediction

#: The day of T0, in UTC, and the last moment of it.
DAY = datetime.fromtimestamp(T0, UTC).date()
MIDNIGHT = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp() + 86_400.0


def a_task(store: MemoryStore | None = None, days: int = 0, **changes: Any) -> Task:  # noqa: ANN401  # any key of the file
    """A task whose guardrail file is to be reviewed so many days after T0, and that has seen a prediction."""
    said = {"review_by": (DAY + timedelta(days=days)).isoformat(), "respond": {"ticket": ["jira"]}}
    task = Task(store or MemoryStore(), {"loan": a_guardrail(**(said | changes))})
    task.observe(a_prediction(at=T0))
    return task


def tickets(task: Task) -> list[str]:
    """The keys of the tickets in its outbox."""
    return [intent.key for intent in task.outbox.values() if intent.kind == "ticket"]


def test_a_review_that_is_past_is_one_ticket() -> None:
    """Without an incident, on the routes for tickets, with the day in it."""
    task = a_task()
    task.advance(MIDNIGHT + 10 * 86_400.0)
    (intent,) = task.outbox.values()

    assert tickets(task) == ["review:loan:1:jira"]
    assert (intent.destination, intent.incident) == ("jira", None)
    assert intent.body["reason"] == f"the guardrail file of loan was to be reviewed by {DAY}"


@pytest.mark.parametrize(
    ("now", "expected"), [(MIDNIGHT - TICK, []), (MIDNIGHT + 600.0, ["review:loan:1:jira"])], ids=["that day", "the next"]
)
def test_the_day_itself_is_not_past(now: float, expected: list[str]) -> None:
    """It ends at midnight, UTC."""
    task = a_task()
    task.advance(now)

    assert tickets(task) == expected


def test_a_restart_does_not_ask_again_and_a_new_version_of_the_file_does() -> None:
    """Who changed the file and left the day has not reviewed it."""
    store = MemoryStore()
    task = a_task(store)
    task.advance(MIDNIGHT + 600.0)
    task.checkpoint()
    again = a_task(store)
    again.advance(MIDNIGHT + 1_200.0)
    again.checkpoint()
    changed = a_task(store, version=2)
    changed.advance(MIDNIGHT + 1_800.0)

    assert tickets(again) == ["review:loan:1:jira"]
    assert tickets(changed) == ["review:loan:1:jira", "review:loan:2:jira"]


@pytest.mark.parametrize("changes", [{"days": 30}, {"mode": "observe"}], ids=["later", "observe"])
def test_nobody_is_asked_before_or_while_observing(changes: dict[str, Any]) -> None:
    """`observe` sends nothing."""
    task = a_task(**changes)
    task.advance(MIDNIGHT + 600.0)

    assert tickets(task) == []
