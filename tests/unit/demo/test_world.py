"""The steps of the story, as checks over what was seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from daemon.demo.traffic import MODEL
from daemon.demo.world import BASELINE, IN_A_ROW, STEPS, World, wrong

HARM = {"model": MODEL, "rule": "harm", "version": "7", "state": "ok", "numbers": {"mean_loss": 0.24, "limit": 0.29}}
COMMAND = {"command": "rollback", "model": MODEL, "from": "8", "to": "7", "incident": "abc"}


def incident(**changes: object) -> dict[str, Any]:
    """The incident of the story, fresh, with changes."""
    fresh: dict[str, Any] = {
        "id": "abc",
        "version": "8",
        "cause": "new_version",
        "severity": "page",
        "state": "open",
        "reason": "worse",
        "resolution": "",
        "resolved_by": None,
        "actions": [],
    }
    return {**fresh, **changes}


def page(event: str, identity: str = "abc") -> dict[str, Any]:
    """A page about an incident."""
    return {"key": event, "event": event, "incident": identity, "severity": "page", "done": []}


def predict(world: World, version: str, count: int = IN_A_ROW) -> None:
    """Let a version serve."""
    for _ in range(count):
        world.predicted(version)


def happened(world: World) -> list[str]:
    """The names of the steps that are seen in a world, in whatever order."""
    return [step.name for step in STEPS if step.seen(world) is not None]


def learn(world: World) -> None:
    """Let the daemon find version 7 healthy."""
    predict(world, "7", BASELINE)
    world.verdicts = [HARM]


def resolve(world: World) -> None:
    """Let the daemon end the incident."""
    confirmed = {"kind": "rollback_confirmed"}
    world.incidents = [incident(state="resolved", resolution="the error rate is 24 %", actions=[confirmed])]


CHANGES: list[tuple[str, Callable[[World], None]]] = [
    ("serving", lambda world: predict(world, "7")),
    ("watching", lambda world: world.__dict__.update(ready=True, verdicts=[{**HARM, "state": "unknown"}])),
    ("healthy", learn),
    ("bad retrain", lambda world: predict(world, "8")),
    ("alarm", lambda world: world.__dict__.update(incidents=[incident()])),
    ("page", lambda world: world.__dict__.update(pages=[page("trigger")])),
    ("rollback", lambda world: world.commands.append(COMMAND)),
    ("obeyed", lambda world: predict(world, "7")),
    ("confirmed", lambda world: world.__dict__.update(incidents=[incident(actions=[{"kind": "rollback_confirmed"}])])),
    ("resolved", resolve),
    ("all clear", lambda world: world.__dict__.update(pages=[page("trigger"), page("resolve")])),
]


def test_each_step_happens_in_its_turn_and_nothing_is_wrong() -> None:
    """As the world goes through the story, exactly the step whose turn it is comes to be seen."""
    world, told = World(), []

    for number, (name, change) in enumerate(CHANGES):
        assert STEPS[number].seen(world) is None or name == "obeyed"
        change(world)
        assert STEPS[number].seen(world) is not None
        assert wrong(world, deployed=number >= 3) is None
        told.append(name)

    assert told == [step.name for step in STEPS]


def test_nothing_has_happened_in_an_empty_world() -> None:
    """No step is seen before anything is."""
    assert happened(World()) == []


@pytest.mark.parametrize(
    "other",
    [
        incident(cause="concept"),
        incident(version="7"),
        incident(severity="ticket"),
    ],
)
def test_another_alarm_is_not_the_one_that_is_waited_for(other: dict[str, Any]) -> None:
    """Only a page that blames version 8 for being worse is the alarm of the story."""
    assert happened(World(incidents=[other])) == []


def test_a_person_does_not_resolve_the_story() -> None:
    """The end must be found by the daemon."""
    closed = incident(state="resolved", resolved_by="somebody")

    assert happened(World(incidents=[closed])) == ["alarm"]


def test_pages_of_another_incident_do_not_count() -> None:
    """A page belongs to the incident that it names."""
    world = World(incidents=[incident()], pages=[page("trigger", "def"), page("resolve", "def")])

    assert happened(world) == ["alarm"]


@pytest.mark.parametrize(
    ("world", "deployed", "reason"),
    [
        (World(pages=[page("trigger")]), False, "There was an alarm before version 8 was deployed."),
        (World(incidents=[incident()]), False, "There was an alarm before version 8 was deployed."),
        (World(commands=[COMMAND, COMMAND]), True, "There were 2 commands on the commands topic, where one was due."),
        (
            World(incidents=[incident(), incident(cause="concept", id="def")]),
            True,
            "There were more incidents than one: also concept.",
        ),
    ],
)
def test_what_should_never_happen_ends_the_story(world: World, deployed: bool, reason: str) -> None:
    """False alarms, second commands and further incidents are found."""
    assert wrong(world, deployed=deployed) == reason


def test_a_command_to_another_version_is_wrong() -> None:
    """The rollback goes from 8 to 7 and nowhere else."""
    found = wrong(World(commands=[{**COMMAND, "to": "6"}]), deployed=True)

    assert found is not None
    assert found.startswith("There was a wrong command on the commands topic: ")


def test_a_version_serves_when_it_comes_alone() -> None:
    """A few predictions in a row are needed, so that a straggler counts for nothing."""
    world = World()
    predict(world, "8", IN_A_ROW - 1)
    seen = [world.serves("8")]
    world.predicted("8")
    seen.append(world.serves("8"))
    world.predicted("7")
    seen += [world.serves("8"), world.serves("7")]

    assert seen == [False, True, False, False]
    assert world.predictions == {"8": IN_A_ROW, "7": 1}
