"""The table of detectors, and the contract that every entry of it keeps.

A new line in `DETECTORS` is held to all of this without a line here, unless its class needs a parameter.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from river.base import DriftDetector
from river.drift import ADWIN

from detectors import registry
from detectors.base import checked
from detectors.registry import DETECTORS, Kind, Watch, make

#: What a kind cannot be made without.
REQUIRED: dict[str, dict[str, Any]] = {"e_detector": {"limit": 0.2, "increment": 1e-4}}
KINDS = sorted(DETECTORS)
POISON: list[object] = [None, math.nan, math.inf, -math.inf, "0", "", "text", 10**400, -1e308, [0], {}, b"1", 1j, object()]


def fresh(kind: str) -> Watch:
    """One of a kind, as a guardrail file would make it."""
    return make(kind, **REQUIRED.get(kind, {}))


def stream(n: int, seed: int = 1) -> list[int]:
    """Errors whose rate rises from a tenth to six tenths half-way: values that every kind takes."""
    rng = random.Random(seed)
    return [int(rng.random() < (0.1 if i < n // 2 else 0.6)) for i in range(n)]


def found(watch: Watch, xs: list[Any], start: int = 0) -> list[int]:
    """The values at which it found a change."""
    hits = []
    for i, x in enumerate(xs, start=start):
        watch.update(x, float(i))
        if watch.drift_detected:
            hits.append(i)
    return hits


def restored(watch: Watch) -> Watch:
    """Saved as JSON and read again."""
    again = Watch.from_state(json.loads(json.dumps(watch.to_state(), allow_nan=False)))
    assert again is not None
    return again


# ---------------------------------------------------------------------------------------------------------- the contract


@pytest.mark.parametrize("kind", KINDS)
def test_it_finds_a_change_and_is_deterministic(kind: str) -> None:
    """Twice the same values, twice the same answers; a change from .1 to .6 is among them."""
    xs = stream(3000)
    hits = found(fresh(kind), xs)

    assert found(fresh(kind), xs) == hits
    assert any(1500 <= hit < 2500 for hit in hits)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [0, 1, 199, 200, 777, 1520, 2000])
def test_its_state_makes_the_round_trip(kind: str, cut: int) -> None:
    """Cut anywhere, saved as JSON, restored and fed the rest, it has the bits of one that was never interrupted."""
    xs = stream(2000)
    whole, first = fresh(kind), fresh(kind)
    expected = found(whole, xs)
    hits = found(first, xs[:cut])
    second = restored(first)

    assert second.drift_detected == first.drift_detected
    assert hits + found(second, xs[cut:], start=cut) == expected
    assert second.changed_at == whole.changed_at
    assert restored(second).to_state() == restored(whole).to_state()


@pytest.mark.parametrize("kind", KINDS)
def test_poison_changes_nothing(kind: str) -> None:
    """What is no number is counted and never reaches it: the change is found as if it had not been there."""
    xs = stream(2000)
    poisoned = [value for i, x in enumerate(xs) for value in (x, POISON[i % len(POISON)])]
    clean, watch = fresh(kind), fresh(kind)
    expected = found(clean, xs)

    assert [hit // 2 for hit in found(watch, poisoned)] == expected
    assert watch.rejected == len(xs)
    assert watch.taken == clean.taken == len(xs)


@pytest.mark.parametrize("kind", KINDS)
def test_its_memory_is_bounded(kind: str) -> None:
    """Forty times the values need at most twice the state (a logarithm for ADWIN's buckets)."""
    rng = random.Random(2)
    watch = fresh(kind)
    sizes = []
    for n in (500, 20_000):
        while watch.taken < n:
            watch.update(int(rng.random() < 0.1))
        sizes.append(len(json.dumps(watch.to_state())))

    assert sizes[1] <= 2 * sizes[0] + 1000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0])
def test_a_constant_is_no_change(kind: str, value: float) -> None:
    """Errors only, or none at all: nothing moves. An e-detector asks about a level and not about a change."""
    watch = fresh(kind)
    hits = found(watch, [value] * 3000)

    assert hits == [] or kind == "e_detector"
    assert watch.rejected == 0


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_one_of_rivers_drift_detectors(kind: str) -> None:
    """Also the class inside, which must have the interface when it is not River's own."""
    watch = fresh(kind)

    assert isinstance(watch, DriftDetector)
    assert hasattr(watch.detector, "update")
    assert not watch.detector.drift_detected


@pytest.mark.parametrize("kind", KINDS)
@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.text(max_size=3), max_size=300))
def test_whatever_comes_it_does_not_break(kind: str, values: list[object]) -> None:
    """Any floats, any integers, any text; and its state stays plain data."""
    watch = fresh(kind)
    for value in values:
        watch.update(value)

    assert watch.taken + watch.rejected == len(values)
    assert restored(watch).taken == watch.taken


def test_the_example_of_the_documentation_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """One class and one line in the table are all that it takes."""
    page = (Path(__file__).parents[3] / "docs" / "detectors.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {"DriftDetector": DriftDetector, "checked": checked}
    exec("from __future__ import annotations\n" + code, names)  # noqa: S102  (our own page)
    monkeypatch.setattr(registry, "DETECTORS", {**DETECTORS, "average": Kind(names["Average"])})

    test_it_finds_a_change_and_is_deterministic("average")
    test_its_state_makes_the_round_trip("average", 1520)
    test_poison_changes_nothing("average")
    test_its_memory_is_bounded("average")


# ------------------------------------------------------------------------------------------------------------ the table


def test_an_unknown_kind_lists_the_known_ones() -> None:
    """So that the person who mistyped it need not look further."""
    with pytest.raises(ValueError, match="unknown detector 'adwim'; known are adwin, page_hinkley, kswin, ddm"):
        make("adwim")


def test_an_unknown_parameter_lists_the_known_ones() -> None:
    """They are those of River's constructor, and `every`."""
    with pytest.raises(
        ValueError,
        match="'adwin' has no parameter 'detla'; it has delta, clock, max_buckets, min_window_length, grace_period, every",
    ):
        make("adwin", detla=0.1)


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("adwin", {"delta": "small"}, "refuses its parameters"),
        ("adwin", {"delta": None}, "refuses its parameters"),
        ("adwin", {"delta": math.nan}, "`delta` of detector 'adwin' is between 0 and"),
        ("adwin", {"max_buckets": 0}, "`max_buckets` of detector 'adwin' is between 1 and"),
        ("adwin", {"clock": 10**12}, "`clock` of detector 'adwin' is between 1 and"),
        ("kswin", {"stat_size": 500}, "refuses its parameters"),
        ("page_hinkley", {"mode": "sideways"}, "refuses its parameters"),
        ("page_hinkley", {"threshold": "high"}, "refuses its parameters"),
        ("e_detector", {}, "refuses its parameters"),
        ("e_detector", {"limit": 0}, "refuses its parameters"),
        ("adwin", {"every": 0}, "whole number of 1 or more"),
        ("adwin", {"every": 2.5}, "whole number of 1 or more"),
        ("adwin", {"every": True}, "whole number of 1 or more"),
    ],
)
def test_a_parameter_that_does_not_work_is_refused_when_the_detector_is_made(
    kind: str, parameters: dict[str, object], message: str
) -> None:
    """Not on the first event, and not by a panic of River's Rust code."""
    with pytest.raises(ValueError, match=message):
        make(kind, **parameters)


def test_parameters_reach_the_detector() -> None:
    """And its defaults are River's own."""
    assert make("adwin", delta=0.1).detector.clone().delta == 0.1  # type: ignore[attr-defined]  # River's, untyped
    assert repr(make("adwin").detector) == repr(ADWIN())
    assert make("kswin").every > 1


def test_a_slow_detector_sees_every_kth_value() -> None:
    """The first, then each k-th."""
    watch = make("adwin", every=10)
    for i in range(95):
        watch.update(i)

    assert watch.taken == 95
    assert isinstance(watch.detector, ADWIN)
    assert watch.detector.width == 10


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_page_hinkley_sees_standardised_values(scale: float) -> None:
    """Its threshold is in units of the data: without this it rings thousands of times on one feature and never on another."""
    rng = random.Random(7)
    xs = [scale * (100 + rng.gauss(0, 1) + 3 * (i >= 3000)) for i in range(6000)]
    hits = found(make("page_hinkley"), xs)

    assert [3000 <= hit < 3100 for hit in hits] == [True]


def test_a_rogue_value_is_no_change_to_page_hinkley() -> None:
    """It is clipped at a hundred standard deviations; a constant has none, and anything else is that far from it."""
    watch = make("page_hinkley", threshold=1000.0)

    assert found(watch, [5.0] * 1000 + [1e90, -1e90, 5.0]) == []


@pytest.mark.parametrize(
    ("kind", "value", "taken"),
    [
        ("adwin", True, False),
        ("ddm", True, True),
        ("ddm", 0.5, False),
        ("ddm", 1.0, True),
        ("e_detector", 0.5, True),
        ("e_detector", 1.5, False),
    ],
)
def test_each_kind_takes_its_own_values(kind: str, value: object, taken: bool) -> None:
    """A boolean is an error or none to those that watch errors, and no number to the others."""
    watch = fresh(kind)
    watch.update(value)

    assert (watch.taken, watch.rejected) == ((1, 0) if taken else (0, 1))


def test_a_state_of_another_river_starts_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """River's detectors do; ours keep what they know."""
    monkeypatch.setattr(registry, "loads", lambda _: None)

    assert Watch.from_state(fresh("adwin").to_state()) is None
    assert Watch.from_state(fresh("e_detector").to_state()) is not None


def test_a_state_of_an_unknown_kind_is_refused() -> None:
    """With the known ones; so is one of another version."""
    state = fresh("adwin").to_state()

    with pytest.raises(ValueError, match="unknown detector 'gone'; known are"):
        Watch.from_state(state | {"kind": "gone"})
    with pytest.raises(ValueError, match="detector has version 2"):
        Watch.from_state(state | {"v": 2})
