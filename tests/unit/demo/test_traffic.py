"""The demo's server without Kafka and without a clock: what it says, and whom it obeys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice

import pytest

from daemon.demo.market import Market, Row
from daemon.demo.traffic import DELAY, MODEL, Case, Deployment, LateLabels, cases, prediction
from daemon.events import Label, Prediction, parse

NOW = 1_790_000_000.0
ROW = Row({"period": 0.5, "transfer": 0.25}, rises=True)


class Constant:
    """A model with one opinion."""

    def __init__(self, score: float) -> None:
        self._score = score

    def score(self, features: Mapping[str, float]) -> float:
        return self._score


def deployed(version: str = "7") -> Deployment:
    """Version 7 expects a rise, version 8 none."""
    return Deployment({"7": Constant(0.9), "8": Constant(0.2)}, version)


def command(**changes: str) -> bytes:
    """A rollback from 8 to 7, with changes."""
    said = {"command": "rollback", "model": MODEL, "from": "8", "to": "7", "key": "rollback:electricity:8", **changes}
    return json.dumps(said).encode()


def test_a_prediction_keeps_to_the_contract() -> None:
    """The event is one that the daemon takes, with the version that serves and what it thinks."""
    event = parse("prediction", prediction(Case("e-1", ROW, 1.0), deployed("8"), NOW), NOW)

    assert isinstance(event, Prediction)
    assert (event.id, event.model, event.version, event.ts, event.prediction, event.score, event.features) == (
        *("e-1", MODEL, "8", NOW, "0", 0.2),
        ROW.features,
    )


def test_a_label_comes_after_its_delay() -> None:
    """Nothing is known before, everything once, and what has no delay never."""
    labels = LateLabels()
    for case in (Case("slow", ROW, 3.0), Case("never", ROW, None), Case("fast", Row({}, rises=False), 1.0)):
        labels.expect(case, NOW)

    arrived = [[parse("label", value, NOW + 9) for value in labels.due(NOW + seconds)] for seconds in (0.9, 1.0, 9.0, 99.0)]

    assert arrived == [[], [Label("fast", MODEL, "0", NOW + 9, NOW + 1)], [Label("slow", MODEL, "1", NOW + 9, NOW + 3)], []]


def test_a_seed_gives_the_same_cases() -> None:
    """Ids, rows and delays are those of the seed; delays are within their bounds, and some labels never come."""
    market = Market(tuple(Row({"period": number / 100}, rises=number % 2 == 0) for number in range(100)))
    drawn = list(islice(cases(market, 3), 2000))

    assert list(islice(cases(market, 3), 2000)) == drawn
    assert len({case.id for case in drawn}) == 2000
    assert all(DELAY[0] <= case.delay <= DELAY[1] for case in drawn if case.delay is not None)
    assert sum(case.delay is None for case in drawn) / 2000 == pytest.approx(0.03, abs=0.015)


def test_a_rollback_is_obeyed_once() -> None:
    """The target serves after the command; the same command again changes nothing, whatever was deployed since."""
    deployment = deployed("8")

    assert deployment.obey(command()) == "rollback:electricity:8: version 7 serves again"
    assert deployment.version == "7"
    deployment.deploy("8")
    assert deployment.obey(command()) == "rollback:electricity:8 is done already"
    assert deployment.version == "8"


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (None, "not for this model"),
        (b"\xff{", "not for this model"),
        (b"[1]", "not for this model"),
        (command(command="promote"), "not for this model"),
        (command(model="loan"), "not for this model"),
        (command(to="6"), "rollback:electricity:8: there is no version 6"),
        (command(**{"from": "7", "to": "8"}), "rollback:electricity:8: version 7 does not serve, version 8 does"),
    ],
)
def test_other_records_change_nothing(value: bytes | None, answer: str) -> None:
    """Records that are no rollback of what serves are told apart, and passed over."""
    deployment = deployed("8")

    assert (deployment.obey(value), deployment.version) == (answer, "8")


def test_only_what_is_there_is_deployed() -> None:
    """An unknown version is refused and the old one serves on."""
    deployment = deployed()

    assert (deployment.deploy("9"), deployment.version) == (False, "7")
    assert (deployment.deploy("8"), deployment.version) == (True, "8")
