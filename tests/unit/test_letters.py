"""What the response has to say, as intents."""

from __future__ import annotations

from alerting.incidents import Finding, Terms, open_incident
from alerting.rollbacks.command import from_record
from alerting.routing import Routing
from daemon.cases import Context
from daemon.letters import Letters
from tests.doubles.model import T0
from tests.scenarios.streams import guardrail


def test_a_rollback_carries_what_its_executor_needs_to_know_of_the_model() -> None:
    """As the guardrail file says it; the executor knows what to make of it."""
    said = guardrail(respond={"rollback": {"with": "registry", "args": {"name": "loan"}}})
    finding = Finding(model=said.model, cause="new_version", severity="page", reason="worse", rules=("version",), version="8")
    letters = Letters(said, Routing())
    letters.roll_back(
        open_incident(finding, Terms(version=1, digest="0"), ordinal=1, at=T0), "registry", "7", "key", Context(T0, True, 0, 1)
    )
    (intent,) = letters.take()

    assert (intent.destination, from_record(intent.body).args) == ("registry", {"name": "loan"})
