"""A model whose events are as bad as events get, with a fault for every rule: what the contract of rules is held on.

Everything goes through the daemon's own parser first, so that a rule is shown what the daemon would show it, and nothing else.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from daemon.events import Event, Rejected
from daemon.guardrails import Guardrail
from daemon.replay import parse_line

MODEL: Final = "loan"
START: Final = 1_790_000_000.0
#: Seconds between two predictions, unless a weather has others; and until their labels.
EVERY: Final = 2.0
DELAY: Final = 20.0

#: A rule of each kind that a guardrail file may add.
ADDED: Final[dict[str, dict[str, Any]]] = {
    "outcome": {"rule": "outcome", "name": "sales", "outcome": "basket", "direction": "up", "bounds": [0, 100], "tolerance": 5},
    "detector": {"rule": "detector", "name": "adwin", "watch": "score", "detector": {"kind": "adwin"}},
}

#: Values that no column should have, as they stand in the JSON of a careless producer.
POISON: Final = (
    *("null", "NaN", "Infinity", "-Infinity", "1e400", "-1e308", "true", '""', '"text"', '"NaN"', "1" * 25, "-" + "9" * 400),
    '"' + "x" * 5_000 + '"',
)


def guardrail() -> Guardrail:
    """All rules at work, with small references so that a short stream shows much."""
    return Guardrail.model_validate(
        {
            "guardrails": "v1",
            "model": MODEL,
            "version": 1,
            "owner": "team-credit",
            "runbook": "https://wiki.example/loan",
            "task": "binary",
            "positive": "1",
            "false_pages": "1 per 1d",
            "labels": {"expected_within": "60s", "give_up_after": "1h"},
            "traffic": {"silent_after": "10m"},
            "reference": {"events": 200},
            "features": {"age": {"type": "number", "minimum": 0, "maximum": 120}},
            "segments": ["region", "id"],
            "rules": list(ADDED.values()),
            "respond": {"rollback": {"with": "kafka"}},
        }
    )


@dataclass(frozen=True, slots=True)
class Weather:
    """What the stream is like for a while.

    Attributes:
        predictions: How long.
        error: Share of wrong predictions.
        poison: Share of predictions with a rogue value.
        turned: Labels are turned round.
        labelled: Share of predictions that get a label.
        broken: Share of ages that are below nothing.
        lacking: Share of incomes that are missing.
        shift: Of the income and the score.
        basket: Mean of the product metric.
        newer: Share of the traffic that a newer version, six times as wrong, gets.
        every: Seconds between two predictions.
        keys: Columns that have a value of their own in every row.
        pause: Seconds before it begins in which nothing happens.
    """

    predictions: int
    error: float = 0.1
    poison: float = 0.01
    turned: bool = False
    labelled: float = 0.98
    broken: float = 0.0
    lacking: float = 0.0
    shift: float = 0.0
    basket: float = 40.0
    newer: float = 0.0
    every: float = EVERY
    keys: int = 2
    pause: float = 0.0


def storms(calm: int, storm: int) -> tuple[Weather, ...]:
    """A fault for every rule, with calm between them."""
    quiet = Weather(calm)
    return (
        quiet,
        *(Weather(storm, error=0.5), quiet),
        *(Weather(storm, newer=0.5), quiet),
        *(Weather(storm, broken=0.3), quiet),
        *(Weather(storm, lacking=0.5), quiet),
        *(Weather(storm, labelled=0.0), quiet),
        *(Weather(calm, pause=1_800.0),),
        *(Weather(storm, basket=20.0), quiet),
        *(Weather(storm, turned=True), quiet),
        *(Weather(8 * storm, shift=3.0),),
    )


def events(*weathers: Weather, seed: int = 1) -> list[Event]:
    """The stream of some weathers, one after the other, in the order of arrival; what the parser refuses is left out."""
    found: list[Event] = []
    for line in lines(*weathers, seed=seed):
        try:
            found.append(parse_line(line, START))
        except Rejected:
            continue
    return found


def lines(*weathers: Weather, seed: int = 1) -> list[bytes]:
    """The same as JSON lines."""
    rng = random.Random(seed)
    made: list[tuple[float, str]] = []
    at, number = START, itertools.count()
    for weather in weathers:
        at += weather.pause
        for _ in range(weather.predictions):
            made += _case(next(number), at, weather, rng)
            at += weather.every
    made.sort(key=lambda line: line[0])
    return [text.encode() for _, text in made]


def _case(number: int, at: float, weather: Weather, rng: random.Random) -> Iterator[tuple[float, str]]:
    truth = rng.random() < 0.5
    newer = rng.random() < weather.newer
    wrong = rng.random() < weather.error * (6 if newer else 1)
    prediction = _prediction(number, at, truth != wrong, weather, rng)
    prediction |= {"version": "8", "stage": "canary"} if newer else {"version": 7}
    yield at, _poisoned(prediction, rng) if rng.random() < weather.poison else json.dumps(prediction)
    if number % 7 == 0:
        yield at, json.dumps(prediction | {"version": "9", "stage": "shadow", "prediction": int(truth)})
    if rng.random() < weather.labelled:
        label = {"type": "label", "id": f"p{number}", "model": MODEL, "label": int(truth != weather.turned), "at": at + DELAY}
        yield at + DELAY, json.dumps(label)
        if number % 50 == 0:
            yield at + 2 * DELAY, json.dumps(label | {"label": rng.choice(["0", "1", "maybe", 1e300]), "at": at + 2 * DELAY})
    if number % 3 == 0:
        usual, rogue = rng.uniform(weather.basket - 9, weather.basket + 9), rng.choice([1e308, -1e308, "NaN"])
        value = rogue if rng.random() < weather.poison else usual
        yield at, json.dumps({"type": "outcome", "model": MODEL, "name": "basket", "value": value, "at": at})


def _prediction(number: int, at: float, positive: bool, weather: Weather, rng: random.Random) -> dict[str, Any]:
    sure = 0.5 + rng.random() / 2
    shift = min(0.3, weather.shift / 10)
    age = -5.0 if rng.random() < weather.broken else rng.uniform(18, 90)
    income = None if rng.random() < weather.lacking else rng.gauss(weather.shift, 1.0)
    return {
        "type": "prediction",
        "id": f"p{number}",
        "model": MODEL,
        "at": at,
        "ts": at - (4_000 if rng.random() < 0.01 else rng.choice([0, 5])),
        "prediction": int(positive),
        "score": max(0.0, (sure if positive else 1.0 - sure) - shift),
        "features": {"age": age, "income": income, "city": f"c{number % 9}"}
        | {f"key{n}": f"{n}-{number}" for n in range(weather.keys)},
        "segments": {"region": "north" if number % 3 else "south", "id": f"{number}"},
    }


def _poisoned(prediction: dict[str, Any], rng: random.Random) -> str:
    """The prediction with some values that it should not have, as a careless producer would write it."""
    marks: dict[str, str] = {}
    for where in rng.sample(["score", "age", "income", "city", "scores", "prediction"], 3):
        marks[f'"@{where}@"'] = rng.choice(POISON)
    said = dict(prediction, features=dict(prediction["features"]))
    for mark in marks:
        name = mark.strip('"@')
        if name in {"age", "income", "city"}:
            said["features"][name] = mark.strip('"')
        elif name == "scores":
            said["scores"] = {"0": 0.5, "1": mark.strip('"')}
        else:
            said[name] = mark.strip('"')
    text = json.dumps(said)
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text
