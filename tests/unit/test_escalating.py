"""A page that nobody acknowledges: who hears of it next, and what holds that up."""

from __future__ import annotations

import random
from dataclasses import replace

from alerting import incidents
from alerting.acts import Act
from alerting.escalation import Step
from alerting.routing import Routing
from daemon.cases import Case
from daemon.store import MemoryStore
from daemon.task import Task
from tests.doubles.desk import HOUR, NOW, ROUTING, Desk, a_context, a_silence
from tests.doubles.model import T0, a_guardrail, a_label, a_prediction

STEPS = (Step(after=900.0, to=("second", "desk")), Step(after=2 * HOUR, to=("boss",), owners=("team-*",)))
ESCALATED = replace(ROUTING, steps=STEPS, repeat={})


def test_a_page_that_nobody_acknowledges_goes_to_the_next_ones() -> None:
    """Each step once; whoever knew of it hears it again if it is named, and all of them hear the end."""
    desk = Desk(routing=ESCALATED)
    desk.letters.tell(desk.case, "trigger", a_context())
    told = []
    for minute in range(5, 200, 5):
        desk.letters.follow([desk.case], a_context(minute * 60))
        told += [f"{minute} {one}" for one in desk.told() if minute != 5]
    desk.letters.tell(desk.case, "resolve", a_context(4 * HOUR))

    assert told == ["15 trigger second 0", "15 update desk 0", "120 trigger boss 0"]
    assert desk.told() == ["resolve desk 0", "resolve second 0", "resolve boss 0"]
    noted = [entry.detail for entry in desk.case.incident.timeline if entry.what == "escalated"]
    assert noted == ["after 15 min to second, desk", "after 2 h 0 min to boss"]


def test_an_escalation_says_why_it_comes() -> None:
    """The one who is woken second wants to know that the first did not answer."""
    desk = Desk(routing=ESCALATED)
    desk.letters.tell(desk.case, "trigger", a_context())
    desk.letters.follow([desk.case], a_context(900.0))
    reasons = {intent.body["reason"] for intent in desk.letters.take()[1:]}

    assert reasons == {"escalated, as nobody has acknowledged it for 15 min: worse"}


def test_what_is_acknowledged_goes_no_further_until_something_new_comes() -> None:
    """A new problem begins at the first step, and counts from its own page."""
    desk = Desk(routing=ESCALATED)
    desk.letters.tell(desk.case, "trigger", a_context())
    desk.case.incident = incidents.acknowledge(desk.case.incident, "ana", NOW + 600)
    desk.letters.follow([desk.case], a_context(HOUR))
    assert desk.told() == ["trigger desk 0"]

    desk.letters.renew(desk.case, "the rollback did not help", a_context(2 * HOUR))
    desk.letters.follow([desk.case], a_context(2 * HOUR + 899))
    assert desk.told() == ["trigger desk 1", "resolve desk 0"]
    desk.case = Case.from_state(desk.case.to_state())
    desk.letters.follow([desk.case], a_context(2 * HOUR + 900))
    assert desk.told() == ["trigger second 1", "update desk 1"]


def test_a_receiver_that_escalates_is_left_alone_until_it_refuses() -> None:
    """PagerDuty has a rota of its own; a page that it refused for good is with whoever stood in for it."""
    desk = Desk(routing=replace(ESCALATED, escalating=frozenset({"desk"})))
    desk.letters.tell(desk.case, "trigger", a_context())
    (page,) = desk.letters.take()
    desk.letters.follow([desk.case], a_context(HOUR))
    assert desk.told() == []

    desk.letters.fell_back(desk.case, page, "log", a_context(HOUR))
    desk.letters.follow([desk.case], a_context(HOUR + 1))
    assert desk.told() == ["trigger second 0", "update desk 0"]


def test_a_new_problem_is_with_those_who_were_told_of_it() -> None:
    """By night another route has it: the one of the day neither repeats it nor holds its escalation up."""
    desk = Desk(routing=replace(ESCALATED, repeat={"desk": HOUR}, escalating=frozenset({"desk"})))
    desk.letters.tell(desk.case, "trigger", a_context())
    desk.letters.renew(desk.case, "the rollback did not help", a_context(6 * HOUR))
    desk.letters.follow([desk.case], a_context(8 * HOUR))

    assert desk.told() == [
        *("trigger desk 0", "trigger pager 1", "resolve desk 0"),
        *("trigger second 1", "trigger boss 1", "update desk 1"),
    ]


def test_an_escalation_waits_for_the_end_of_a_silence() -> None:
    """It is held back once; then it is made up for."""
    desk, silence = Desk(routing=ESCALATED), a_silence()
    desk.letters.tell(desk.case, "trigger", a_context())
    for minute in (15, 20, 60):
        desk.letters.follow([desk.case], a_context(minute * 60, silence))
    assert desk.told() == ["trigger desk 0", "update desk 0"]
    desk.letters.follow([desk.case], a_context(HOUR + 10, silence))

    assert desk.told() == ["trigger second 0", "update desk 0"]
    assert desk.noted.count("muted") == 1


def test_a_task_escalates_what_it_found_until_somebody_has_seen_it() -> None:
    """From the bad version to the second person; an acknowledgement ends it."""
    steps = (Step(after=1200.0, to=("second",)), Step(after=2400.0, to=("boss",)))
    task = Task(MemoryStore(), {"loan": a_guardrail()}, routing=Routing(page=("first",), steps=steps))
    chance = random.Random(3)
    for number in range(1_500):
        version, wrong = ("7", 0.15) if number < 800 else ("8", 0.45)
        task.observe(a_prediction(number, T0 + number, version=version, prediction=str(int(chance.random() < wrong))))
        task.observe(a_label(number, T0 + number + 0.5, "0"))
    incident = next(iter(task.models["loan"].response.cases.values())).incident

    def paged(seconds: float) -> list[tuple[str, int]]:
        """Whom a page was for by so many seconds after it was opened, and after how many minutes each was written first."""
        while (task.clock or T0) < incident.opened + seconds:
            task.advance((task.clock or T0) + 10.0)
        first: dict[str, int] = {}
        for one in task.outbox.values():
            if one.kind == "page":
                first.setdefault(one.destination, int((one.created - incident.opened) // 60))
        return list(first.items())

    assert paged(2000.0) == [("first", 0), ("second", 20)]
    assert task.act(Act(id="1", kind="acknowledge", by="ana", at=T0 + 2_400, incident=incident.id)).good
    assert paged(4000.0) == [("first", 0), ("second", 20)]
