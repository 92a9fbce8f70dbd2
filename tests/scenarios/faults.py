"""Faults that a healthy stream gets: values that break, labels that turn round, silences, product metrics.

A story is told first (`tests.scenarios.streams`), then changed: so that what a fault does is what it does to the same events.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable
from typing import Any

from tests.scenarios.streams import MODEL

Event = dict[str, Any]
Change = Callable[[Event, random.Random], None]


def changed(
    lines: Iterable[bytes], change: Change, since: float, until: float = math.inf, kind: str = "prediction"
) -> list[bytes]:
    """Change the events of a kind that arrive from `since` on and before `until` (epoch seconds)."""
    rng = random.Random(7)
    found = []
    for line in lines:
        event = json.loads(line)
        if event["type"] == kind and since <= event["at"] < until:
            change(event, rng)
            found.append(_line(event))
        else:
            found.append(line)
    return found


def interrupted(lines: Iterable[bytes], at: float, seconds: float) -> list[bytes]:
    """Let the world stand still for so long, from `at` (epoch seconds) on."""
    found = []
    for line in lines:
        event = json.loads(line)
        if event["at"] >= at:
            event["at"] = round(event["at"] + seconds, 3)
        found.append(_line(event))
    return found


def sold(lines: Iterable[bytes], basket: Callable[[float], float]) -> list[bytes]:
    """Let every other prediction end in a sale: an outcome event, whose mean `basket` gives for a time (epoch seconds)."""
    rng = random.Random(11)
    found = []
    for line in lines:
        found.append(line)
        event = json.loads(line)
        if event["type"] == "prediction" and rng.random() < 0.5:
            value = rng.uniform(0.5, 1.5) * basket(event["at"])
            found.append(_line({"at": event["at"], "type": "outcome", "model": MODEL, "name": "basket", "value": value}))
    return found


def _line(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


# --- changes -----------------------------------------------------------------------------------------------------------------


def often(share: float, change: Change) -> Change:
    """Make a change to a share of the events."""

    def sometimes(event: Event, rng: random.Random) -> None:
        if rng.random() < share:
            change(event, rng)

    return sometimes


def lose_x1(event: Event, _: random.Random) -> None:
    """A value that does not arrive any more."""
    event["features"]["x1"] = None


def lose_x1_and_guess(event: Event, rng: random.Random) -> None:
    """The same, and the model puts something in its place that makes it unsure."""
    event["features"]["x1"] = None
    event["score"] = round(rng.uniform(0.45, 0.55), 4)


def break_x1(event: Event, _: random.Random) -> None:
    """A default of another system."""
    event["features"]["x1"] = -999.0


def swap(event: Event, _: random.Random) -> None:
    """A table whose header moved."""
    features = event["features"]
    features["x0"], features["x1"] = features["x1"], features["x0"]


def turn(event: Event, _: random.Random) -> None:
    """A label the wrong way round."""
    event["label"] = str(1 - int(event["label"]))


def fail_in_the_north(event: Event, rng: random.Random) -> None:
    """A region in which the model is wrong half of the time."""
    if event["segments"]["region"] == "north" and rng.random() < 0.5:
        event["prediction"] = str(1 - int(event["prediction"]))


def place(event: Event, rng: random.Random) -> None:
    """Say where a prediction belongs."""
    event["segments"] = {"region": rng.choice(["north", "south", "west"]), "device": rng.choice(["phone", "desktop"])}


def break_x1_and_fail(event: Event, rng: random.Random) -> None:
    """The same default, and the model is wrong by it."""
    break_x1(event, rng)
    event["prediction"] = str(1 - int(event["prediction"]))
