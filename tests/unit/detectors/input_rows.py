"""Made-up traffic for the tests of inputs: rows of six columns and a score, ten a second, with whatever is done to them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping

import msgspec

from detectors.base import State
from detectors.inputs import InputReport, InputWatch
from detectors.quality import Declared

#: One false alarm in 90 days.
RATE = 1.0 / (90 * 86_400)
STEP = 0.1
AGE = {"age": Declared("number", minimum=-50.0, maximum=150.0)}

Features = dict[str, object]
Row = tuple[Features, float | str | None, float, float]
Change = Callable[[Features, random.Random], float | None]


def traffic(n: int, seed: int, start: float = 0.0, change: Change | None = None, step: float = STEP) -> list[Row]:
    """Rows from a time on. `change` may alter the features in place, and gives another output where it gives one."""
    chance = random.Random(seed)
    rows: list[Row] = []
    for index in range(n):
        features: Features = {
            "age": chance.gauss(40.0, 10.0),
            "income": chance.lognormvariate(8.0, 1.0),
            "visits": chance.randrange(5),
            "region": chance.choice(["north", "south", "west"]),
            "plan": chance.choice(["free", "basic", "basic", "pro"]),
            "note": None if chance.random() < 0.05 else chance.random(),
        }
        output = chance.random()
        changed = None if change is None else change(features, chance)
        at = start + index * step
        rows.append((features, output if changed is None else changed, at, at))
    return rows


def feed(watch: InputWatch, rows: Iterable[Row], *, learn: bool = True) -> int:
    """Show rows to a watch; gives how often it said that a finding came or went."""
    return sum(watch.update(*row, learn=learn) for row in rows)


def learnt(seed: int = 1, declared: Mapping[str, Declared] | None = None, window: float = 0.0) -> InputWatch:
    """A watch that has learned its profile from 2,000 rows, up to second 200."""
    watch = InputWatch(declared or {}, RATE, 2_000, window=window)
    feed(watch, traffic(2_000, seed))
    assert watch.profile is not None
    return watch


def after(change: Change | None, n: int = 4_000, declared: dict[str, Declared] | None = None, seed: int = 2) -> InputReport:
    """What is found on `n` changed rows after calm ones."""
    watch = learnt(declared=declared)
    feed(watch, traffic(n, seed, 200.0, change))
    return watch.report()


def told(report: InputReport) -> set[tuple[str, str, str]]:
    """Group, column and fault of all that was found."""
    groups = ("hard", "soft", "missing", "swapped", "drifted")
    return {(group, finding.name, finding.what) for group in groups for finding in getattr(report, group)}


def gone(name: str, share: float = 1.0) -> Change:
    """A column that is not there in this share of the rows."""

    def change(features: Features, chance: random.Random) -> None:
        if chance.random() < share:
            del features[name]

    return change


def set_to(name: str, value: object, share: float = 1.0) -> Change:
    """A column that has one value in this share of the rows."""

    def change(features: Features, chance: random.Random) -> None:
        if chance.random() < share:
            features[name] = value

    return change


def moved(features: Features, chance: random.Random) -> None:
    """Older customers."""
    features["age"] = chance.gauss(55.0, 10.0)


def through_json(state: State) -> State:
    """State as it comes back from a file."""
    found: State = json.loads(json.dumps(state, allow_nan=False))
    return found


def through_msgpack(state: State) -> State:
    """State as it comes back from a store."""
    found: State = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
    return found
