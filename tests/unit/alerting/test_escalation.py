"""Who is told next: each step once, in the order of their time, of what it is for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alerting.escalation import Step, due
from alerting.facts import Facts

LOAN = Facts(severity="page", model="loan", owner="team-credit")
STEPS = (
    Step(after=3600.0, to=("boss",)),
    Step(after=900.0, to=("second",)),
    Step(after=900.0, to=("risk",), owners=("team-c*",)),
    Step(after=60.0, to=("fraud-desk",), models=("fraud-*",)),
)


def test_a_step_is_taken_when_its_time_has_come_and_once() -> None:
    """Two at the same time are taken together; one for another model never."""

    def names(waited: float, done: float) -> list[str]:
        return [name for step in due(STEPS, LOAN, waited, done) for name in step.to]

    assert names(899.9, 0.0) == []
    assert names(900.0, 0.0) == ["second", "risk"]
    assert names(3599.9, 900.0) == []
    assert names(3600.0, 900.0) == ["boss"]
    assert names(9999.0, 3600.0) == []
    assert names(9999.0, 0.0) == ["second", "risk", "boss"]


@given(
    st.lists(st.builds(Step, after=st.floats(1, 1e5), to=st.tuples(st.text("ab", min_size=1, max_size=2))), max_size=6),
    st.lists(st.floats(0, 2e5), max_size=20),
)
def test_every_step_is_taken_exactly_once_whenever_somebody_looks(steps: list[Step], looks: list[float]) -> None:
    """However seldom: what was missed between two looks is made up for at the next one."""
    done = 0.0
    taken: list[Step] = []
    for waited in sorted(looks):
        ready = due(steps, LOAN, waited, done)
        taken += ready
        done = ready[-1].after if ready else done

    assert sorted(step.after for step in taken) == sorted(step.after for step in steps if looks and step.after <= max(looks))
