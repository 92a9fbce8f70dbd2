"""What every rule of the tables keeps to: the default ones, and one of each kind that a guardrail file may add.

The rules are driven as the daemon drives them, by a task over a store. A rule that is new in the table is held to all of this
without a line here; its fault goes into the stream (`tests/contract/wild.py`), and an example of a new kind too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.guardrail_parts import DEFAULT_RULES
from daemon.rules import table
from tests.contract.rule_runs import Run, faults_of
from tests.contract.wild import ADDED, EVERY, MODEL, START, Weather, events, storms

#: Every rule at work, by the name that its verdicts carry.
NAMES: Final = [*table.RULES, *(str(example["name"]) for example in ADDED.values())]
#: Predictions of calm and of each fault, in the long stream.
CALM, FAULT = 700, 300


STORMS: Final = events(*storms(CALM, FAULT))
SHORT: Final = events(*storms(230, 50), seed=2)


@pytest.fixture(scope="module")
def stormy() -> Run:
    """A run over a fault for every rule."""
    return Run().over(STORMS)


@pytest.fixture(scope="module")
def short() -> Run:
    """A run without a cut over a short stream."""
    return Run().over(SHORT)


def test_every_entry_of_the_tables_is_at_work(stormy: Run) -> None:
    """And each default rule has the severity that the documentation gives it."""
    assert ADDED.keys() == table.ADDED.keys()
    assert list(stormy.monitor(stormy.task()).rules) == NAMES
    assert table.RULES.keys() == DEFAULT_RULES.keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_finds_its_fault_and_nothing_before_it(stormy: Run, name: str) -> None:
    """The stream begins well, and has one fault for each."""
    breaches = [now for now, verdict in stormy.said(name) if verdict.state == "breach"]

    assert breaches != []
    assert breaches[0] > START + EVERY * CALM


@pytest.mark.parametrize("name", NAMES)
def test_every_verdict_is_complete(stormy: Run, name: str) -> None:
    """A sentence, a reason of the list, evidence in 0..1; a breach has an onset that is past, anything else has none."""
    wrong = defaultdict(list)
    for now, verdict in stormy.said(name):
        for fault, is_so in faults_of(verdict, now).items():
            if is_so:
                wrong[fault].append(verdict)

    assert dict(wrong) == {}


@pytest.fixture(scope="module")
def again() -> Run:
    """The same once more."""
    return Run().over(SHORT)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_events_give_the_same_verdicts_and_the_same_bytes(short: Run, again: Run, name: str) -> None:
    """A rule has no clock and no chance of its own."""
    assert again.said(name) == short.said(name)
    assert again.state(name) == short.state(name)


@settings(max_examples=6)
@given(cuts=st.sets(st.integers(0, len(SHORT) - 1), min_size=1, max_size=12))
def test_saving_and_restoring_anywhere_changes_nothing(short: Run, cuts: set[int]) -> None:
    """Every verdict is the same, and so is every byte that is kept in the end."""
    cut = Run().over(SHORT, cuts)

    assert cut.log == short.log
    assert cut.kept() == short.kept()


def test_saving_and_restoring_all_the_time_changes_nothing(short: Run) -> None:
    """Every rule is restored in every state that the stream brings it into."""
    cut = Run().over(SHORT, range(0, len(SHORT), 60))

    assert cut.log == short.log
    assert cut.kept() == short.kept()


@pytest.fixture(scope="module")
def poisoned() -> Run:
    """A stream in which a third of the predictions carry rogue values, then every one of them, then none."""
    wild = (Weather(400, poison=0.3), Weather(400, poison=1.0), Weather(400, poison=0.0))
    return Run().over(events(*wild, seed=3))


@pytest.mark.parametrize("name", NAMES)
def test_no_value_silences_a_rule(poisoned: Run, name: str) -> None:
    """Rogue values are not counted, or are faults; afterwards every rule still says something of the model."""
    _, verdicts = poisoned.log[-1]
    last = [verdict for verdict in verdicts if verdict.rule == name]

    assert last != []
    assert [fault for verdict in last for fault, is_so in faults_of(verdict, math.inf).items() if is_so] == []


@pytest.fixture(scope="module")
def sizes() -> tuple[dict[str, int], dict[str, int]]:
    """Bytes of what each rule keeps, and of everything, after half of twenty thousand events and after all of them.

    With a hundred thousand categories on the way, some thousand values of a segment, and rogue values.
    """
    stream = events(Weather(8_400, poison=0.05, keys=12), seed=4)[:20_000]
    run = Run().over(stream[:10_000])
    half = _sizes(run)
    return half, _sizes(run.over(stream[10_000:]))


def _sizes(run: Run) -> dict[str, int]:
    everything = {key: len(value) for key, value in run.kept()}
    return {name: len(run.state(name)) for name in NAMES} | {"model": everything[b"m\0" + MODEL.encode()]}


@pytest.mark.parametrize("name", [*NAMES, "model"])
def test_what_is_kept_stays_as_large_as_it_is(sizes: tuple[dict[str, int], dict[str, int]], name: str) -> None:
    """Twice the events, and hardly a byte more; whatever is bounded is full by then."""
    half, whole = sizes

    assert whole[name] <= 1.2 * half[name] + 500
