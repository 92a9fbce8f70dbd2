"""A rollback is believed when live traffic shows it; whatever else happens is told to people, and nothing is sent twice."""

from __future__ import annotations

import random
from typing import Any

from alerting.incidents import Incident, from_record
from alerting.intents import Intent, Outcome
from daemon.store import MemoryStore
from daemon.task import Task
from tests.doubles.model import T0, a_guardrail, a_label, a_prediction


class World:
    """Traffic of one model, one prediction a second with its label 5 s later, and everything that the daemon decided."""

    def __init__(self, **guardrail: Any) -> None:  # noqa: ANN401  # keys of the file
        self.store = MemoryStore()
        self.guardrail = a_guardrail(**guardrail)
        self.task = Task(self.store, {"loan": self.guardrail})
        self.sent: list[Intent] = []
        self.incidents: dict[str, Incident] = {}
        self._number = 0
        self._chance = random.Random(1)

    def serve(self, version: str, wrong: float, seconds: int) -> World:
        """Let a version serve, wrong in this share of its predictions."""
        for _ in range(seconds):
            at = T0 + self._number
            label = "1" if self._chance.random() < wrong else "0"
            self.task.observe(a_prediction(self._number, at, version=version))
            self.task.observe(a_label(self._number, at + 5, label))
            self._number += 1
            self._carry_out()
        return self

    def learned(self) -> World:
        """Version 7 is known to be good at 10 %, and 8 replaced it with 40 %, until its rollback was sent."""
        self.serve("7", 0.1, 1_000)
        while not self.of("rollback"):
            self.serve("8", 0.4, 10)
            assert self._number < 3_000
        return self

    def _carry_out(self) -> None:
        intents = list(self.task.outbox.values())
        for intent in intents:
            if intent.kind == "journal":
                incident = from_record(intent.body["record"]["incident"])
                self.incidents[incident.id] = incident
        self.sent += intents
        self.task.acted(Outcome(key=each.key, status="done", detail="sent", at=T0, kind=each.kind) for each in intents)

    def of(self, kind: str) -> list[Intent]:
        """What was sent of a kind."""
        return [intent for intent in self.sent if intent.kind == kind]

    @property
    def incident(self) -> Incident:
        """The only one."""
        (incident,) = self.incidents.values()
        return incident

    def kinds(self) -> list[str]:
        """What was done because of it, each kind once, in order."""
        return list(dict.fromkeys(action.kind for action in self.incident.actions))


def test_a_rollback_that_is_obeyed_is_confirmed_and_its_incident_resolved() -> None:
    """By the target's predictions first, by their labels then."""
    world = World().learned().serve("7", 0.1, 60)
    confirmed = world.incident.state
    world.serve("7", 0.1, 400)

    assert confirmed == "mitigated"
    assert (world.incident.state, world.kinds()) == ("resolved", ["page", "rollback", "rollback_confirmed"])
    assert [intent.body["target"] for intent in world.of("rollback")] == ["7"]


def test_a_rollback_that_nobody_obeys_pages_once() -> None:
    """After `confirm_within`; it is not sent again, and the harm goes on."""
    world = World().learned().serve("8", 0.4, 590)
    before = world.kinds()
    world.serve("8", 0.4, 600)
    complaints = [action for action in world.incident.actions if action.kind == "rollback_unconfirmed"]

    assert before == ["page", "rollback"]
    assert [action.reason for action in complaints] == ["live traffic does not show it after 600 s"]
    assert (world.incident.state, len(world.of("rollback"))) == ("open", 1)


def test_a_rollback_that_does_not_last_pages() -> None:
    """Somebody deployed the version again: its incident is open again, and a machine does not fight a person."""
    world = World().learned().serve("7", 0.1, 60).serve("8", 0.4, 60)

    assert world.incident.state == "open"
    assert "version 8 serves again after the rollback was confirmed" in [action.reason for action in world.incident.actions]
    assert len(world.of("rollback")) == 1


def test_a_rollback_that_does_not_help_clears_the_version_of_blame() -> None:
    """The world changed while versions did: the cause is another one, and it is told."""
    world = World().learned().serve("7", 0.4, 400)

    assert (world.incident.cause, world.incident.state) == ("concept", "open")
    assert "the rollback did not help: version 7 is over its limit too" in world.incident.reason
    assert world.of("page")[-1].body["event"] == "update"


def test_a_version_that_returns_after_a_rollback_that_did_not_help_is_told_too() -> None:
    """The incident is open already; that must not stop the daemon."""
    world = World().learned().serve("7", 0.4, 400).serve("8", 0.4, 60)

    assert "rollback_unconfirmed" in world.kinds()
    assert world.incident.state == "open"


def test_a_command_that_could_not_be_sent_is_told() -> None:
    """With the executor's own words; the page goes out even though the rollback did not."""
    world = World(respond={"rollback": {"with": "kafka"}, "page": ["pagerduty"]}).learned()
    (command,) = world.of("rollback")
    case = next(iter(world.task.models["loan"].response.cases.values()))
    watched, context = world.task.models["loan"], world.task._context  # noqa: SLF001  # what the task itself would pass on
    failed = Outcome(key=command.key, status="failed", detail="topic commands: not allowed", at=T0, kind="rollback")
    intents = watched.response.acted(command.key, failed, context(T0 + 2_000, watched))

    assert [action.reason for action in case.incident.actions if action.kind == "rollback_failed"] == [failed.detail]
    assert [intent.kind for intent in intents] == ["page", "journal"]


def test_a_command_that_was_sent_is_in_the_timeline() -> None:
    """When, and what the executor said."""
    world = World().learned().serve("8", 0.4, 1)

    assert [entry.detail for entry in world.incident.timeline if entry.what == "rollback_sent"] == ["sent"]


def test_in_observe_mode_nothing_is_sent_and_all_of_it_is_recorded() -> None:
    """A file can be tried on live traffic."""
    world = World(mode="observe").serve("7", 0.1, 1_000).serve("8", 0.4, 900)
    kinds = list(dict.fromkeys(action.kind for action in world.incident.would))

    assert {intent.kind for intent in world.sent} == {"journal"}
    assert (kinds, world.incident.actions) == (["page", "rollback"], ())
    assert world.task.models["loan"].monitor.versions["8"].blamed is False


def test_a_rollback_that_waits_for_a_person_is_told_once() -> None:
    """However many ticks pass, with the target that it would have."""
    world = World(respond={"rollback": {"with": "kafka", "approval": "manual"}}).serve("7", 0.1, 1_000).serve("8", 0.4, 600)
    told = [action for action in world.incident.actions if action.kind == "rollback_awaits_approval"]

    assert [(action.target, action.reason) for action in told] == [("7", "the guardrail file asks for a person's approval")]
    assert world.of("rollback") == []


def test_a_version_that_does_harm_again_is_blocked_once() -> None:
    """Its first incident is over; the second one pages and says why nothing was sent."""
    world = World().learned().serve("7", 0.1, 2_500).serve("8", 0.4, 600)
    first, second = sorted(world.incidents.values(), key=lambda incident: incident.opened)
    blocked = [action.reason for action in second.actions if action.kind == "rollback_blocked"]

    assert (first.state, second.state, len(world.of("rollback"))) == ("resolved", "open", 1)
    assert blocked == ["version 8 was rolled back before, and came back: a person must look at it"]


def test_a_restart_in_the_middle_forgets_nothing() -> None:
    """The rollback that was sent is confirmed by the process that comes after."""
    world = World().learned()
    world.task.checkpoint()
    world.task = Task(world.store, {"loan": world.guardrail})
    world.serve("7", 0.1, 500)

    assert (world.incident.state, len(world.of("rollback"))) == ("resolved", 1)
