"""What the response has to say, as intents: to whom, when, and what a silence makes of it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from alerting import incidents
from alerting.acts import Act
from alerting.escalation import Step
from alerting.incidents import Incident
from alerting.intents import Intent, Outcome
from alerting.rollbacks.command import from_record
from alerting.routing import Routing
from daemon.cases import Case, Context
from daemon.letters import Letters
from daemon.store import MemoryStore
from daemon.task import Task
from tests.doubles.desk import HOUR, NOW, ROUTING, Desk, a_context, a_silence, an_incident
from tests.doubles.model import T0, a_guardrail, a_label, a_prediction
from tests.scenarios.streams import guardrail


def test_a_rollback_carries_what_its_executor_needs_to_know_of_the_model() -> None:
    """As the guardrail file says it; the executor knows what to make of it."""
    said = guardrail(respond={"rollback": {"with": "registry", "args": {"name": "loan"}}})
    letters = Letters(said, Routing())
    letters.roll_back(an_incident(), "registry", "7", "key", Context(T0, True, 0, 1))
    (intent,) = letters.take()

    assert (intent.destination, from_record(intent.body).args) == ("registry", {"name": "loan"})


# --- routes


@pytest.mark.parametrize(
    ("incident", "after", "said", "told"),
    [
        (an_incident(), 0.0, {}, ["trigger desk 0"]),
        (an_incident(), 6 * HOUR, {}, ["trigger pager 0"]),
        (an_incident("ticket"), 0.0, {}, ["trigger queue 0"]),
        (an_incident("ticket", owner="risk"), 0.0, {}, ["trigger log 0"]),
        (an_incident("log"), 0.0, {}, ["trigger log 0"]),
        (an_incident(), 0.0, {"respond": {"page": ["mine", "yours"]}}, ["trigger mine 0", "trigger yours 0"]),
        (an_incident("ticket"), 0.0, {"respond": {"page": ["mine"]}}, ["trigger queue 0"]),
    ],
)
def test_the_guardrail_file_says_who_is_told_then_the_rules(
    incident: Incident, after: float, said: dict[str, Any], told: list[str]
) -> None:
    """By the time at which it is told."""
    desk = Desk(incident, **said)
    desk.letters.tell(desk.case, "trigger", a_context(after))

    assert desk.told() == told


def test_news_go_to_those_who_know() -> None:
    """Who was told by day hears in the evening that it is over; nobody else is woken for that."""
    desk = Desk()
    for event, after in (("trigger", 0.0), ("update", 6 * HOUR), ("acknowledge", 6 * HOUR), ("resolve", 7 * HOUR)):
        desk.letters.tell(desk.case, event, a_context(after))  # type: ignore[arg-type]  # literals of the list above

    assert desk.told() == ["trigger desk 0", "update desk 0", "acknowledge desk 0", "resolve desk 0"]


def test_a_new_problem_is_routed_by_the_time_at_which_it_comes() -> None:
    """At night it wakes who is on duty then; those that knew of the old one hear its end, and later that of the whole."""
    desk = Desk()
    desk.letters.tell(desk.case, "trigger", a_context())
    desk.letters.renew(desk.case, "the rollback did not help", a_context(6 * HOUR))
    desk.letters.tell(desk.case, "resolve", a_context(7 * HOUR))

    assert desk.told() == ["trigger desk 0", "trigger pager 1", "resolve desk 0", "resolve desk 1", "resolve pager 1"]


def test_what_becomes_a_page_is_told_to_those_who_are_paged() -> None:
    """The queue that had the ticket is not enough."""
    desk = Desk(an_incident("ticket"))
    desk.letters.tell(desk.case, "trigger", a_context())
    desk.case.incident = incidents.raise_severity(desk.case.incident, "page", NOW)
    desk.letters.tell(desk.case, "update", a_context())

    assert desk.told() == ["trigger queue 0", "update desk 0"]


# --- repetition


def test_a_page_is_said_again_until_somebody_has_seen_it() -> None:
    """After its route's interval, with a key of its own, and only there; each time it is in the timeline."""
    desk = Desk(respond={"page": ["desk", "pager"]})
    desk.letters.tell(desk.case, "trigger", a_context())
    first = desk.letters.take()
    repeated: list[Intent] = []
    for minute in range(10, 200, 10):
        desk.letters.follow([desk.case], a_context(minute * 60))
        repeated += desk.letters.take()

    assert [(one.created - NOW, one.destination, one.body["event"]) for one in repeated] == [
        (hours * HOUR, "desk", "update") for hours in (1, 2, 3)
    ]
    assert len({one.key for one in (*first, *repeated)}) == 5
    assert repeated[1].body["reason"] == "still open after 2 h 0 min, and nobody has acknowledged it: worse"
    assert desk.noted.count("repeated") == 3
    desk.case.incident = incidents.acknowledge(desk.case.incident, "ana", NOW + 4 * HOUR)
    desk.letters.follow([desk.case], a_context(9 * HOUR))
    assert desk.told() == []


@pytest.mark.parametrize(
    ("incident", "context"),
    [
        (an_incident("ticket"), a_context(9 * HOUR)),
        (an_incident(observe=True), a_context(9 * HOUR)),
        (incidents.mitigate(an_incident(), "rolled back", NOW), a_context(9 * HOUR)),
        (an_incident(), a_context(9 * HOUR, live=False)),
    ],
    ids=["a ticket", "only observed", "mitigated", "of the past"],
)
def test_nothing_else_is_said_again(incident: Incident, context: Context) -> None:
    """Nor what is only caught up with after an outage of the daemon."""
    desk = Desk(incident, routing=Routing(repeat={"log": HOUR}, steps=(Step(after=HOUR, to=("boss",)),)))
    desk.letters.tell(desk.case, "trigger", a_context())
    desk.told()
    desk.letters.follow([desk.case], context)

    assert desk.told() == []


# --- silences


def test_what_is_silenced_is_told_when_the_silence_ends() -> None:
    """As it stands then; the timeline says who muted it and until when."""
    desk, silence = Desk(), a_silence()
    desk.letters.tell(desk.case, "trigger", a_context(0.0, silence))
    desk.letters.tell(desk.case, "update", a_context(60.0, silence))
    desk.letters.follow([desk.case], a_context(HOUR - 1, silence))
    muted = [entry.detail for entry in desk.case.incident.timeline if entry.what == "muted"]
    assert (desk.told(), desk.case.told, desk.case.incident.actions) == ([], [], ())
    assert muted == [f"page: {silence}"] * 2

    desk.letters.follow([desk.case], a_context(HOUR, silence))
    assert desk.told() == ["trigger desk 0"]
    assert desk.noted[-2:] == ["unmuted", "page"]
    desk.letters.follow([desk.case], a_context(HOUR + 10, silence))
    assert desk.told() == []


def test_what_was_told_before_is_ended_under_a_silence() -> None:
    """Else an alert would stand open elsewhere for ever; what nobody was told of needs no end."""
    known, unknown, silence = Desk(), Desk(), a_silence()
    known.letters.tell(known.case, "trigger", a_context())
    for desk in (known, unknown):
        desk.letters.tell(desk.case, "update", a_context(60.0, silence))
        desk.letters.tell(desk.case, "resolve", a_context(90.0, silence))

    assert (known.told(), unknown.told()) == (["trigger desk 0", "resolve desk 0"], [])


def test_a_new_problem_under_a_silence_is_told_as_one_afterwards() -> None:
    """Under a key of its own, whatever comes first: the end of the silence, or more news."""
    for hurry in (False, True):
        desk, silence = Desk(), a_silence()
        desk.letters.tell(desk.case, "trigger", a_context())
        desk.letters.renew(desk.case, "the rollback did not help", a_context(60.0, silence))
        assert desk.told() == ["trigger desk 0"]
        if hurry:
            desk.letters.tell(desk.case, "update", a_context(HOUR, silence))
        desk.letters.follow([desk.case], a_context(HOUR, silence))

        assert desk.told() == ["trigger desk 1", "resolve desk 0"]


def test_who_was_seen_at_work_is_named_when_the_silence_ends() -> None:
    """An incident that somebody acknowledged under a silence is told with that."""
    desk = Desk()
    desk.letters.tell(desk.case, "trigger", a_context(0.0, a_silence()))
    desk.case.incident = incidents.acknowledge(desk.case.incident, "ana", NOW)
    desk.letters.follow([desk.case], a_context(HOUR))

    assert desk.told() == ["trigger desk 0", "acknowledge desk 0"]


def test_a_repetition_waits_for_the_end_of_a_silence() -> None:
    """It is held back once, not at every tick."""
    desk, silence = Desk(), a_silence(3 * HOUR)
    desk.letters.tell(desk.case, "trigger", a_context())
    for hours in range(1, 5):
        desk.letters.follow([desk.case], a_context(hours * HOUR, silence))

    assert desk.told() == ["trigger desk 0", "update desk 0", "update desk 0"]
    assert (desk.noted.count("muted"), desk.noted.count("repeated")) == (1, 1)


def test_a_silence_is_over_what_it_names_only() -> None:
    """Another model, another cause, and what is only logged, are told as ever."""
    for incident, silence in (
        (an_incident(), a_silence(model="fraud")),
        (an_incident(), a_silence(model="loan", cause="drift")),
        (an_incident("log"), a_silence()),
    ):
        desk = Desk(incident)
        desk.letters.tell(desk.case, "trigger", a_context(0.0, silence))
        assert len(desk.told()) == 1


def test_a_silence_holds_up_no_rollback() -> None:
    """A bad version under a silence is rolled back as ever, and the page of it comes when the silence ends."""
    task = Task(MemoryStore(), {"loan": a_guardrail()}, routing=ROUTING)
    task.advance(T0)
    asked = Act(id="1", kind="silence", by="ana", at=T0, reason="load test", model="loan", until=T0 + 2 * HOUR)
    assert task.act(asked).good
    chance = random.Random(1)
    for number in range(1_500):
        version, wrong = ("7", 0.15) if number < 800 else ("8", 0.45)
        prediction = str(int(chance.random() < wrong))
        task.observe(a_prediction(number, T0 + number / 2, version=version, prediction=prediction))
        task.observe(a_label(number, T0 + number / 2))
    told = {one.destination for one in notices(task)}
    (case,) = task.models["loan"].response.cases.values()
    task.advance(T0 + 2 * HOUR + 300)

    assert told == {"kafka"}
    assert (case.incident.state, "muted" in [entry.what for entry in case.incident.timeline]) == ("open", True)
    assert [(one.destination, one.body["event"]) for one in notices(task) if one.kind == "page"][:1] == [("desk", "trigger")]


def test_a_review_waits_for_the_end_of_a_silence() -> None:
    """And is asked for then, by the same routes as any ticket."""
    task = Task(MemoryStore(), {"loan": a_guardrail(review_by="2026-09-20", owner="team-credit")}, routing=ROUTING)
    (watched,) = task.models.values()

    assert watched.response.review.remind(a_context(0.0, a_silence())) == []
    assert [one.destination for one in watched.response.review.remind(a_context())] == ["queue"]
    assert watched.response.review.remind(a_context()) == []


# --- who stands in


def fallen_back(task: Task, intent: Intent, route: str) -> None:
    """Report that a route refused an intent, and who took it."""
    task.acted([Outcome(key=intent.key, status="failed", detail="403", at=NOW, kind=intent.kind, fallback=route)])


def notices(task: Task) -> list[Intent]:
    """What is still to be told."""
    return [intent for intent in task.outbox.values() if intent.kind != "journal"]


@pytest.mark.parametrize("over", [False, True])
def test_who_stood_in_for_a_route_hears_the_end_too(over: bool) -> None:
    """Also when the incident was over before anybody knew who had been told of it."""
    task = Task(MemoryStore(), {"loan": a_guardrail()}, routing=ROUTING)
    response = task.models["loan"].response
    case = response.cases["x"] = Case(an_incident())
    response.cases = {case.incident.id: case}
    response.letters.tell(case, "trigger", a_context())
    task._add(response.letters.take())  # noqa: SLF001  # as a step of the model would
    (page,) = notices(task)
    if over:
        response.cases.clear()
    fallen_back(task, page, "pager")
    if not over:
        assert [(one.route, one.reason) for one in case.incident.actions] == [("desk", None), ("pager", "desk refused it")]
        response.letters.tell(case, "update", a_context())
        response.letters.tell(case, "resolve", a_context())
        task._add(response.letters.take())  # noqa: SLF001  # the same

    assert [(one.destination, one.body["event"]) for one in notices(task)] == (
        [("pager", "resolve")] if over else [("desk", "update"), ("desk", "resolve"), ("pager", "resolve")]
    )


def test_the_log_needs_no_end() -> None:
    """It is where everything ends that nobody took."""
    task = Task(MemoryStore(), {"loan": a_guardrail()}, routing=ROUTING)
    case = Case(an_incident())
    response = task.models["loan"].response
    response.cases[case.incident.id] = case
    response.letters.tell(case, "trigger", a_context())
    task._add(response.letters.take())  # noqa: SLF001  # as a step of the model would
    fallen_back(task, notices(task)[0], "log")

    assert (case.told, notices(task)) == (["desk"], [])


def test_a_case_remembers_what_it_must_over_a_restart() -> None:
    """What is muted, and when each route was paged last."""
    desk = Desk()
    desk.letters.tell(desk.case, "trigger", a_context())
    desk.letters.tell(desk.case, "update", a_context(60.0, a_silence()))
    again = Case.from_state(desk.case.to_state())

    assert (again.muted, again.said, again) == ("update", {"desk": NOW}, desk.case)
