"""The rule that the documentation shows: executed from the page, put into the tables, held to the contract of every rule."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from daemon.guardrail_parts import DEFAULT_RULES
from daemon.rules import table
from tests.contract.rule_runs import Run, faults_of
from tests.contract.wild import EVERY, START, Weather, events

PAGE: Final = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text("utf-8")
CALM, STORM = 600, 500
STREAM: Final = events(Weather(CALM), Weather(STORM, every=0.1), Weather(2 * CALM))


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The module on the page."""
    (code,) = (block.split("```")[0] for block in PAGE.split("```python\n")[1:] if block.startswith('"""The rule `pace`'))
    module = ModuleType("daemon.rules.pace")
    exec(compile(code, "docs/architecture.md", "exec"), module.__dict__)  # noqa: S102  # our own page
    return module


@pytest.fixture(autouse=True)
def at_work(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule in its two tables, as the page says."""
    assert '    "pace": Pace,\n' in PAGE
    assert '    "pace": "ticket",\n' in PAGE
    monkeypatch.setattr(table, "RULES", {**table.RULES, "pace": example.Pace})
    monkeypatch.setitem(DEFAULT_RULES, "pace", "ticket")


def states(run: Run) -> list[str]:
    """The states that it was in, one after the other."""
    found = [verdict.state for _, verdict in run.said("pace")]
    return [state for before, state in zip([None, *found], found, strict=False) if state != before]


def test_it_finds_its_fault_and_its_end() -> None:
    """Twenty times the usual pace for a minute, and then no more."""
    run = Run().over(STREAM)
    onset = next(verdict.onset for _, verdict in run.said("pace") if verdict.state == "breach")

    assert states(run) == ["unknown", "ok", "breach", "ok"]
    assert onset is not None
    assert 0.0 < onset - (START + EVERY * CALM) < 0.1 * STORM
    assert [fault for now, verdict in run.said("pace") for fault, is_so in faults_of(verdict, now).items() if is_so] == []


def test_it_opens_a_ticket_by_the_table_of_causes() -> None:
    """Nothing but the two lines makes it part of the daemon."""
    task = Run().over(STREAM).task()
    notices: list[Any] = [intent.body for intent in task.outbox.values() if intent.kind == "ticket"]

    assert [(notice["cause"], notice["event"]) for notice in notices if notice["rules"] == ["pace"]] == [("drift", "trigger")]


def test_its_state_makes_the_round_trip_anywhere() -> None:
    """To the bit."""
    whole, cut = Run().over(STREAM), Run().over(STREAM, range(0, len(STREAM), 50))

    assert cut.log == whole.log
    assert cut.kept() == whole.kept()


def test_what_it_keeps_is_bounded_and_no_value_silences_it() -> None:
    """Rogue values on the way."""
    run = Run().over(events(Weather(1_500, poison=0.5)))

    assert len(run.state("pace")) < 100
    assert states(run)[-1] == "ok"
