"""The two views of a scene."""

from __future__ import annotations

import io

from rich.console import Console

from daemon.demo.traffic import MODEL
from daemon.demo.view import Lines, Picture, Scene, picture, view_for
from daemon.demo.world import STEPS, World

HARM = {
    "model": MODEL,
    "rule": "harm",
    "version": "8",
    "state": "breach",
    "reason": "over_limit",
    "evidence": 1.0,
    "numbers": {"mean_loss": 0.366, "limit": 0.292, "labels": 900.0},
}
INCIDENT = {
    "id": "0123456789ab",
    "version": "8",
    "cause": "new_version",
    "state": "open",
    "timeline": [{"at": 1_790_000_000.0, "what": "rollback_sent", "detail": "to [7]"}],
}


def scene() -> Scene:
    """In the middle of the story."""
    world = World(verdicts=[HARM], incidents=[INCIDENT])
    world.predicted("8")
    return Scene(world, {"metrics": "http://127.0.0.1:1/metrics"}, [(1.0, "one"), (2.0, "two [2]")], 3.0)


def shown(of: Scene) -> str:
    """The picture of a scene as text."""
    console = Console(width=120, file=io.StringIO())
    with console.capture() as capture:
        console.print(picture(of))
    return capture.get()


def test_the_picture_shows_all_there_is() -> None:
    """Steps, versions with mean loss and evidence, the incident's timeline and the addresses are in it."""
    text = shown(scene())

    missing = [
        part
        for part in (
            *("2 of 11 steps, 3 s", "✓ serving", "two [2]", f"waiting for {STEPS[2].waiting_for}", "8 (live)", "0.366", "0.292"),
            *("1.00 breach", "incident 0123456789ab: new_version, open", "rollback sent", "to [7]", "http://127.0.0.1:1/metrics"),
        )
        if part not in text
    ]

    assert missing == []


def test_the_picture_of_a_failure_waits_for_nothing() -> None:
    """The last word is shown, and no step is waited for any more."""
    ended = scene()
    ended.ending = "The story did not happen."

    assert ("waiting for" in shown(ended), "The story did not happen." in shown(ended)) == (False, True)


def test_lines_say_each_thing_once() -> None:
    """A pipe gets a line for each step as it happens, addresses and the end once."""
    out = io.StringIO()
    view = Lines(Console(width=120, file=out))
    telling = scene()
    for _ in range(3):
        view.show(telling)
    telling.happened.append((4.0, "three"))
    telling.ending = "The end."
    for _ in range(3):
        view.show(telling)

    assert out.getvalue().splitlines() == [
        "metrics: http://127.0.0.1:1/metrics",
        "  1.0 s  serving: one",
        "  2.0 s  watching: two [2]",
        "  4.0 s  healthy: three",
        "The end.",
    ]


def test_a_terminal_gets_the_picture_and_a_pipe_lines() -> None:
    """The view is chosen by where the output goes."""
    views = [view_for(Console(file=io.StringIO(), force_terminal=terminal)) for terminal in (True, False)]

    assert [type(view) for view in views] == [Picture, Lines]
