"""The queue: what comes first, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import incidents
from alerting.incidents import Incident
from alerting.priority import by_priority, rank
from tests.doubles.alerting import NOON, an_incident

BASE = an_incident()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (BASE, incidents.resolve(BASE, "over", NOON + 1)),
        (BASE, replace(BASE, observe=True)),
        (BASE, replace(BASE, severity="ticket", opened=NOON - 9_000)),
        (BASE, incidents.acknowledge(BASE, "ann", NOON + 1)),
        (incidents.acknowledge(BASE, "ann", NOON + 1), incidents.mitigate(BASE, "rolled back", NOON + 1)),
        (replace(BASE, traffic=0.9), replace(BASE, traffic=0.1, opened=NOON - 9_000)),
        (BASE, replace(BASE, traffic=0.5)),
        (BASE, replace(BASE, cause="drift")),
        (replace(BASE, cause="drift"), replace(BASE, cause="something_new")),
        (replace(BASE, opened=NOON - 60), BASE),
    ],
)
def test_the_first_difference_decides(first: Incident, second: Incident) -> None:
    """Over, observed, severity, in hand, traffic, cause, age: in this order."""
    assert by_priority([second, first]) == [first, second]


@given(st.permutations([replace(BASE, id=f"{number:012x}", opened=NOON + number % 3) for number in range(8)]))
def test_the_order_does_not_depend_on_how_they_come(shuffled: list[Incident]) -> None:
    """Two of the same rank are told apart by their ids."""
    assert [rank(one) for one in by_priority(shuffled)] == sorted(rank(one) for one in shuffled)
