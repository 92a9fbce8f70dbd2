"""What persons do to incidents, through the task: each act once, an answer for each, and nothing that gets stuck."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.acts import Act, Answer
from alerting.incidents import Incident, from_record, to_record
from alerting.intents import Intent, Outcome
from daemon.aftermath import FLAPPING
from daemon.store import MemoryStore
from daemon.task import Task
from tests.doubles.model import T0, a_guardrail, a_label, a_prediction

MANUAL: dict[str, Any] = {"rollback": {"with": "kafka", "approval": "manual"}, "page": ["pager"]}


class World:
    """Traffic of one model, one prediction a second with its label 5 s later, and everything that was decided."""

    def __init__(self, **guardrail: Any) -> None:  # noqa: ANN401  # keys of the file
        self.store = MemoryStore()
        self.guardrail = a_guardrail(**({"respond": {"rollback": {"with": "kafka"}, "page": ["pager"]}} | guardrail))
        self.task = Task(self.store, {"loan": self.guardrail})
        self.sent: list[Intent] = []
        self.incidents: dict[str, Incident] = {}
        self.written: dict[str, dict[str, Any]] = {}
        self.number = 0
        self._acts = 0
        self._chance = random.Random(1)

    def serve(self, version: str, wrong: float, seconds: int) -> World:
        """Let a version serve, wrong in this share of its predictions."""
        for _ in range(seconds):
            at = T0 + self.number
            label = "1" if self._chance.random() < wrong else "0"
            self.task.observe(a_prediction(self.number, at, version=version))
            self.task.observe(a_label(self.number, at + 5, label))
            self.number += 1
            self._carry_out()
        return self

    def broken(self) -> World:
        """Version 7 is known to be good, and 8 replaced it with four times the errors, until there is an incident."""
        self.serve("7", 0.1, 1_000)
        while not self.incidents:
            self.serve("8", 0.4, 10)
            assert self.number < 3_000
        return self.serve("8", 0.4, 60)

    def act(self, kind: Any, **fields: Any) -> Answer:  # noqa: ANN401  # fields of Act
        """Let a person act."""
        self._acts += 1
        said: dict[str, Any] = {"id": f"act-{self._acts}", "by": "ann", "at": T0 + self.number}
        if kind in {"acknowledge", "resolve", "approve", "rehearse"}:
            said["incident"] = self.incident.id
        answer = self.task.act(Act(kind=kind, **(said | fields)))
        self._carry_out()
        return answer

    def _carry_out(self) -> None:
        intents = list(self.task.outbox.values())
        for intent in intents:
            if intent.kind != "journal":
                continue
            self.written[intent.body["key"]] = intent.body["record"]
            if intent.body["record"]["kind"] == "incident":
                incident = from_record(intent.body["record"]["incident"])
                self.incidents[incident.id] = incident
        self.sent += intents
        self.task.acted(Outcome(key=each.key, status="done", detail="sent", at=T0, kind=each.kind) for each in intents)

    def told(self) -> list[tuple[str, str]]:
        """What the pager got: the event and the key of the problem."""
        notices = [each.body for each in self.sent if each.kind in {"page", "ticket", "resolve"} and each.destination == "pager"]
        return [(notice["event"], notice["dedup_key"]) for notice in notices]

    def rollbacks(self) -> list[str]:
        """Keys of the rollbacks that were sent."""
        return [each.key for each in self.sent if each.kind == "rollback"]

    @property
    def incident(self) -> Incident:
        """The last one that was opened."""
        return max(self.incidents.values(), key=lambda incident: incident.opened)


def test_an_acknowledgement_is_told_to_those_who_were_paged() -> None:
    """And written down."""
    world = World(respond=MANUAL).broken()
    identity = world.incident.id
    answer = world.act("acknowledge")

    assert (answer.status, answer.text) == ("done", f"incident {identity} is acknowledged by ann")
    assert (world.incident.state, world.incident.acknowledged_by) == ("acknowledged", "ann")
    assert world.told()[-1] == ("acknowledge", identity)
    assert world.written["act/act-1"]["act"]["by"] == "ann"


def test_a_second_acknowledgement_changes_nothing() -> None:
    """Whoever it comes from: a pager and a person say the same."""
    world = World(respond=MANUAL).broken()
    world.act("acknowledge")
    told = len(world.sent)
    again = world.act("acknowledge", by="bob")

    assert (again.status, "acknowledged by ann" in again.text) == ("unchanged", True)
    assert len(world.sent) == told


def test_an_act_that_is_asked_for_again_is_answered_as_before() -> None:
    """Also by the process that comes after."""
    world = World(respond=MANUAL).broken()
    first = world.act("acknowledge", id="once")
    world.task.checkpoint()
    world.task = Task(world.store, {"loan": world.guardrail})
    told = len(world.sent)
    again = world.act("acknowledge", id="once")

    assert (first.status, again) == ("done", first)
    assert len(world.sent) == told


def test_an_incident_that_a_person_resolves_is_over_and_told() -> None:
    """With the reason, the verdict, and whose word it was."""
    world = World(respond=MANUAL).broken()
    identity = world.incident.id
    answer = world.act("resolve", reason="a campaign", verdict="false_alarm")

    assert answer.status == "done"
    assert (world.incident.state, world.incident.resolved_by, world.incident.verdict) == ("resolved", "ann", "false_alarm")
    assert world.told()[-1] == ("resolve", identity)
    assert world.task.models["loan"].response.judged == {rule: {"false_alarm": 1} for rule in world.incident.rules}
    assert world.task.models["loan"].monitor.healings == {}


def test_harm_that_goes_on_after_a_person_closed_it_is_found_again() -> None:
    """As another incident, by new evidence: a person's word does not make a model well."""
    world = World(respond=MANUAL).broken()
    first = world.incident.id
    world.act("resolve", reason="it will pass")
    world.serve("8", 0.4, 1_500)

    assert world.incident.id != first
    assert (world.incident.state, world.incidents[first].state) == ("open", "resolved")


def test_a_breach_that_a_person_closed_opens_nothing_before_it_was_well() -> None:
    """A model that is switched off predicts no more, and nobody wants to be told so each tick."""
    world = World(traffic={"silent_after": "60s"}).serve("7", 0.1, 600)
    world.task.advance(T0 + 900)
    world._carry_out()  # noqa: SLF001  # time passed, and nothing else
    silent = world.incident
    world.act("resolve", reason="switched off on purpose")
    world.task.advance(T0 + 4_000)
    world._carry_out()  # noqa: SLF001  # the same
    meanwhile = len(world.incidents)
    world.number = 4_000
    world.serve("7", 0.1, 600)
    world.task.advance(T0 + 6_000)
    world._carry_out()  # noqa: SLF001  # the same

    assert (silent.cause, meanwhile) == ("blind", 1)
    assert [one.cause for one in world.incidents.values()] == ["blind", "blind"]


def test_an_incident_that_is_over_can_still_be_judged() -> None:
    """A false alarm that ended by itself must count, or the precision is that of what people closed by hand."""
    world = World().broken().serve("7", 0.1, 3_000)
    over = world.incident
    answer = world.act("resolve", reason="nothing was wrong", verdict="false_alarm", record=to_record(over))
    again = world.act("resolve", reason="really", verdict="real", record=to_record(world.incident))

    assert (over.state, over.resolved_by) == ("resolved", None)
    assert (answer.status, world.incident.verdict, world.incident.judged_by) == ("done", "false_alarm", "ann")
    assert (again.status, "was called false_alarm by ann" in again.text) == ("refused", True)


def test_an_incident_that_only_the_journal_knows_can_be_closed() -> None:
    """Its store is lost, so nothing else would ever end it; who was told of it hears that."""
    lost = World(respond=MANUAL).broken().incident
    world = World(respond=MANUAL).serve("7", 0.1, 10)
    unknown = world.task.act(Act(id="a", kind="acknowledge", by="ann", at=T0, incident=lost.id))
    answer = world.task.act(Act(id="b", kind="resolve", by="ann", at=T0, incident=lost.id, reason="lost", record=to_record(lost)))
    world._carry_out()  # noqa: SLF001  # what was decided

    assert (unknown.status, answer.status) == ("unknown", "done")
    assert (world.incidents[lost.id].state, world.told()) == ("resolved", [("resolve", lost.id)])


def test_a_rollback_that_waits_is_sent_when_a_person_approves_it() -> None:
    """The page carries the command that does it; approved twice, it is sent once."""
    world = World(respond=MANUAL).broken()
    before = world.rollbacks()
    answer, again = world.act("approve"), world.act("approve")
    page = next(each for each in reversed(world.sent) if each.destination == "pager" and "waits for" in str(each.body["done"]))

    assert before == []
    assert (answer.status, world.rollbacks()) == ("done", ["rollback:loan:8"])
    assert (again.status, "was ordered at" in again.text) == ("unchanged", True)
    assert f"watchkeeper rollback {world.incident.id}" in page.body["done"][0]
    assert [one.reason for one in world.incident.actions if one.kind == "rollback"] == ["approved by ann"]


def test_an_approval_looks_at_the_situation_again() -> None:
    """Somebody was faster: the version serves no more."""
    world = World(respond=MANUAL).broken()
    world.serve("7", 0.1, 900)
    answer = world.act("approve")

    assert (answer.status, answer.text) == ("refused", "not rolled back: version 8 gets no live traffic any more")
    assert world.rollbacks() == []


def test_while_the_daemon_is_behind_nothing_is_approved() -> None:
    """What it knows is not what serves now."""
    world = World(respond=MANUAL).broken()
    world.task.live = False

    assert "is behind the topics" in world.act("approve").text


def test_in_observe_mode_nothing_is_approved() -> None:
    """Nothing is ever sent there."""
    world = World(respond=MANUAL, mode="observe").broken()

    assert world.act("approve").text == "not rolled back: in observe mode nothing is sent"


def test_a_rehearsal_says_what_would_be_sent_and_sends_nothing() -> None:
    """Under the key that it would have."""
    world = World(respond=MANUAL).broken()
    answer = world.act("rehearse")
    command = answer.command or {}

    assert (answer.status, command["executor"], world.rollbacks()) == ("done", "kafka", [])
    assert (command["command"]["blamed"], command["command"]["target"]) == ("8", "7")
    assert command["command"]["key"] == "rollback:loan:8"


def test_a_version_that_was_cleared_is_rolled_back_again_under_a_new_key() -> None:
    """It was mended under its old name, and broke again."""
    world = World().broken().serve("7", 0.1, 3_000)
    cleared = world.act("clear", model="loan", version="8")
    again = world.act("clear", model="loan", version="8")
    world.serve("8", 0.4, 1_500)

    assert (cleared.status, again.status) == ("done", "unchanged")
    assert world.rollbacks() == ["rollback:loan:8", "rollback:loan:8#2"]


def test_a_version_is_not_cleared_while_its_rollback_is_under_way() -> None:
    """One rollback at a time; and what is not known cannot be cleared."""
    world = World().broken()

    assert world.act("clear", model="loan", version="8").status == "refused"
    assert world.act("clear", model="loan", version="99").status == "unknown"
    assert world.act("clear", model="other", version="8").text == "there is no model other here"


def test_a_new_problem_inside_an_acknowledged_incident_pages_under_its_own_key() -> None:
    """The rollback is stuck: a receiver would swallow a page under the key that somebody acknowledged."""
    world = World().broken()
    world.act("acknowledge")
    identity = world.incident.id
    world.serve("8", 0.4, 700)

    assert "rollback_unconfirmed" in [one.kind for one in world.incident.actions]
    assert world.told()[-2:] == [("trigger", f"{identity}.1"), ("resolve", identity)]
    assert (world.incident.state, world.incident.acknowledged_by) == ("open", None)


def test_bad_news_of_what_nobody_acknowledged_is_news_of_the_same_page() -> None:
    """It still rings."""
    world = World().broken()
    identity = world.incident.id
    world.serve("8", 0.4, 700)

    assert world.told()[-1] == ("update", identity)


def test_what_is_back_within_half_an_hour_is_the_same_incident() -> None:
    """It pages once more; then its end is told when it has lasted."""
    world = World(respond={"page": ["pager"]}).broken()
    identity = world.incident.id
    for state in ("resolved", "open", "resolved", "open", "resolved"):
        while world.incident.state != state:
            world.serve(*(("7", 0.1, 10) if state == "resolved" else ("8", 0.4, 10)))
            assert world.number < 20_000
    before = world.told()
    world.serve("7", 0.1, int(FLAPPING) + 20)

    assert list(world.incidents) == [identity]
    assert [event for event, _ in before if event != "update"] == ["trigger", "resolve", "trigger"]
    assert world.told() == [*before, ("resolve", identity)]
    assert [entry.what for entry in world.incident.timeline].count("came_back") == 2


def test_what_is_back_later_is_a_new_incident() -> None:
    """Half an hour of good losses is an end."""
    world = World(respond={"page": ["pager"]}).broken().serve("7", 0.1, int(FLAPPING) + 2_000).serve("8", 0.4, 1_200)

    assert len(world.incidents) == 2


def test_a_restart_does_not_forget_what_was_over_a_moment_ago() -> None:
    """The same incident comes back in the process that comes after."""
    world = World(respond={"page": ["pager"]}).broken().serve("7", 0.1, 900)
    world.task.checkpoint()
    world.task = Task(world.store, {"loan": world.guardrail})
    world.serve("8", 0.4, 700)

    assert (len(world.incidents), world.incident.state) == (1, "open")


def test_a_silence_is_made_shown_and_ended() -> None:
    """Asked for twice it is one; it outlives the process."""
    world = World().serve("7", 0.1, 10)
    until = T0 + 3_600
    made = world.act("silence", model="loan", reason="backfill", until=until)
    again = world.act("silence", model="loan", reason="backfill", until=until)
    world.task.checkpoint()
    world.task = Task(world.store, {"loan": world.guardrail})
    (silence,) = world.task.desk.silences(T0 + 20)
    ended = world.act("unsilence", silence=silence.id)

    assert (made.status, again.status, ended.status) == ("done", "unchanged", "done")
    assert (silence.model, silence.author, silence.ends) == ("loan", "ann", until)
    assert world.task.desk.silences(T0 + 20) == ()
    assert world.written[f"silence/{silence.id}"]["silence"]["ended_by"] == "ann"
    assert world.act("unsilence", silence=silence.id).status == "unknown"


def test_a_silence_that_cannot_be_is_refused_with_its_reason() -> None:
    """A year of it, and nothing named."""
    world = World().serve("7", 0.1, 10)

    assert "at most 31 days" in world.act("silence", model="loan", reason="x", until=T0 + 400 * 86_400).text
    assert "name a model, a cause or an owner" in world.act("silence", reason="x", until=T0 + 60).text


def test_what_is_not_there_is_unknown() -> None:
    """An incident of another daemon, say."""
    world = World().serve("7", 0.1, 10)
    answer = world.task.act(Act(id="x", kind="resolve", by="ann", at=T0, incident="f" * 12, reason="?"))

    assert (answer.status, answer.text) == ("unknown", f"there is no incident {'f' * 12} here")


ACTS = st.sampled_from(["acknowledge", "resolve", "approve", "rehearse", "clear", "good", "bad", "restart", "again"])


@settings(max_examples=25, deadline=None)
@given(st.lists(ACTS, max_size=12))
def test_no_order_of_acts_gets_an_incident_stuck_or_does_a_thing_twice(steps: list[str]) -> None:
    """Whatever persons do in between: keys are told once, and good losses end what bad ones began."""
    world = World(respond=MANUAL).broken()
    for number, step in enumerate(steps):
        if step == "good":
            world.serve("7", 0.05, 120)
        elif step == "bad":
            world.serve("8", 0.4, 120)
        elif step == "restart":
            world.task.checkpoint()
            world.task = Task(world.store, {"loan": world.guardrail})
        elif step == "again":
            world.act("acknowledge", id="same")
        else:
            world.act(step, id=f"step-{number}", reason="because", model="loan", version="8", record=to_record(world.incident))
    world.serve("7", 0.05, 2 * int(FLAPPING))
    keys = [intent.key for intent in world.sent]
    last = {problem: event for event, problem in world.told()}

    assert [one.state for one in world.incidents.values()] == ["resolved"] * len(world.incidents)
    assert len(keys) == len(set(keys))
    assert set(last.values()) == {"resolve"}
    assert len(world.rollbacks()) == len(set(world.rollbacks()))
