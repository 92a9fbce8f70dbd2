"""Which features moved: found, worked out, bounded, and safe from what events may hold."""

from __future__ import annotations

import json
import math
import random

import pytest

from detectors import drift
from detectors.drift import IDLE, KEPT, LARGEST_EFFECT, SNAPSHOT, FeatureDrift


def moved(by: float, n: int = 4000, at: int = 2000, seed: int = 1) -> FeatureDrift:
    """Feature "a" and the score move by so many standard deviations at an event; "b" stays; marks count the events."""
    rng = random.Random(seed)
    watch = FeatureDrift()
    for i in range(n):
        shift = by if i >= at else 0.0
        watch.update({"a": rng.gauss(10 + 2 * shift, 2), "b": rng.gauss(0, 1)}, 0.5 + rng.gauss(0.02 * shift, 0.02), float(i))
    return watch


def test_a_feature_that_moved_is_named_with_its_means_and_effect() -> None:
    """Before is what ADWIN forgot, after is the present; the effect is in standard deviations before the change."""
    changes = {change.name: change for change in moved(1.5).changes()}

    assert changes.keys() == {"a", "score"}
    assert 2000 <= changes["a"].at <= 2200
    assert changes["a"].before == pytest.approx(10.0, abs=0.3)
    assert changes["a"].after == pytest.approx(13.0, abs=0.3)
    assert changes["a"].effect == pytest.approx(1.5, abs=0.25)
    assert changes["score"].effect == pytest.approx(1.5, abs=0.25)


def test_a_fall_has_a_negative_effect() -> None:
    """And is ranked by its size."""
    assert all(change.effect < -0.7 for change in moved(-1.0).changes())


def test_changes_are_ranked_by_effect_and_asked_since_a_mark() -> None:
    """Those before the mark are not told."""
    rng = random.Random(3)
    watch = FeatureDrift()
    for i in range(6000):
        shift = {"early": float(i >= 1000), "small": float(i >= 4000), "large": 4.0 * (i >= 4000), "never": 0.0}
        watch.update({name: rng.gauss(by, 1) for name, by in shift.items()}, mark=float(i))

    assert [change.name for change in watch.changes(since=3900)] == ["large", "small"]
    assert [change.name for change in watch.changes()] == ["large", "early", "small"] or [
        change.name for change in watch.changes()
    ] == ["large", "small", "early"]
    assert watch.changes(since=5900) == []


def test_a_feature_that_moved_twice_is_told_once() -> None:
    """From before its first change to its present mean: a feature that came back has no effect left."""
    rng = random.Random(4)
    watch = FeatureDrift()
    for i in range(6000):
        watch.update({"a": rng.gauss(3 * (2000 <= i < 4000), 1)}, mark=float(i))
    (change,) = watch.changes()

    assert 2000 <= change.at < 4000
    assert change.effect == pytest.approx(0.0, abs=0.2)


def test_nothing_moved_is_nothing_told() -> None:
    """On a stationary stream of 20,000 events and ten features."""
    rng = random.Random(5)
    watch = FeatureDrift()
    for i in range(20_000):
        watch.update({f"f{j}": rng.random() for j in range(10)}, rng.random(), float(i))

    assert watch.changes() == []


@pytest.mark.parametrize(
    "poison", [math.nan, math.inf, -math.inf, 1e101, -1e308, 10**400, None, "12", "", True, [1], {"a": 1}, b"1", 1j]
)
def test_a_value_that_is_no_number_never_reaches_river(poison: object) -> None:
    """The change after it is found as if it had not been there."""
    expected, actual = FeatureDrift(), FeatureDrift()
    for i in range(1200):
        x = float(i >= 600) + i % 5
        expected.update({"a": x}, mark=float(i))
        actual.update({"a": x}, mark=float(i))
        if i % 10 == 0:
            expected.update({}, mark=float(i))
            actual.update({"a": poison}, mark=float(i))
    (change,) = actual.changes()

    assert [change] == expected.changes()
    assert actual.states() == expected.states()


@pytest.mark.parametrize("score", [math.nan, math.inf, -1e200])
def test_a_score_that_is_no_number_is_rejected(score: float) -> None:
    """And counted; no score at all is not."""
    watch = FeatureDrift()
    watch.update(None, score)
    watch.update(None, None)
    watch.update({"a": math.nan})

    assert watch.rejected == 2
    assert watch.states() == {}


def test_constant_and_huge_values_break_nothing() -> None:
    """A constant that becomes another has the largest effect there is, and every number stays one."""
    watch = FeatureDrift()
    for i in range(2000):
        watch.update({"constant": 7 if i < 1000 else 8, "huge": 1e99 * (i % 2), "tiny": 5e-324, "same": 0}, mark=float(i))
    changes = {change.name: change for change in watch.changes()}

    assert changes.keys() == {"constant"}
    assert changes["constant"].effect == LARGEST_EFFECT
    assert changes["constant"].before == pytest.approx(7.0, abs=0.01)
    assert changes["constant"].after == 8.0
    assert all(math.isfinite(state.mean) for state in watch.states().values())
    assert json.dumps(watch.to_state(), allow_nan=False)


def test_a_feature_that_starts_late_or_stops_is_no_change() -> None:
    """A detector that is not updated says for how long."""
    watch = FeatureDrift()
    for i in range(20 * SNAPSHOT):
        watch.update({"first": 1.5} if i < 10 * SNAPSHOT else {"second": 2.5}, mark=float(i))

    assert watch.changes() == []
    assert watch.states()["first"].idle == 10 * SNAPSHOT
    assert watch.states()["second"].idle == 0


def test_the_number_of_features_is_bounded() -> None:
    """A hundred thousand names do not fill the memory; the first ones are followed on, the rest is counted."""
    watch = FeatureDrift(features=5)
    for i in range(100_000):
        watch.update({"known": 1.0, f"name {i}": 2.0})

    assert len(watch.states()) == 5
    assert watch.states()["known"].n == 100_000
    assert watch.ignored > 0
    assert len(json.dumps(watch.to_state())) < 20_000


def test_a_feature_that_has_gone_gives_its_place_away() -> None:
    """After ten thousand events without a value, when another one needs it."""
    watch = FeatureDrift(features=1)
    watch.update({"old": 1.0})
    for _ in range(IDLE * SNAPSHOT):
        watch.update({"new": 1.0})
    assert watch.states().keys() == {"old"}
    for _ in range(SNAPSHOT):
        watch.update({"new": 1.0})

    assert watch.states().keys() == {"new"}


def test_only_the_last_changes_are_kept() -> None:
    """A feature that changes all the time costs no memory."""
    watch = FeatureDrift()
    for i in range(40_000):
        watch.update({"a": float(i // 500 % 2)}, mark=float(i))
    state = watch.to_state()["series"][0]

    assert len(state[-1]) == KEPT
    assert watch.states()["a"].drifted_at is not None
    assert watch.states()["a"].n == pytest.approx(40_000, rel=0.05)


def test_a_feature_called_score_hides_nothing() -> None:
    """The model's own score goes before it under that name; without one, the feature has it."""
    both, alone = FeatureDrift(), FeatureDrift()
    for i in range(2000):
        both.update({"score": 1.0}, float(i >= 1000))
        alone.update({"score": float(i >= 1000)})

    assert [change.name for change in both.changes()] == ["score"]
    assert [change.name for change in alone.changes()] == ["score"]


@pytest.mark.parametrize("cut", [0, 1, 63, 64, 999, 2010, 2500, 4000])
def test_a_stream_may_be_cut_anywhere(cut: int) -> None:
    """Saved as JSON, restored and fed the rest, it has the bits of one that was never interrupted."""
    rng = random.Random(6)
    events = [({"a": rng.gauss(float(i >= 2000), 0.5), "b": i % 3}, rng.random(), float(i)) for i in range(4000)]
    whole, first = FeatureDrift(), FeatureDrift()
    for event in events:
        whole.update(*event)
    for event in events[:cut]:
        first.update(*event)
    second = FeatureDrift.from_state(json.loads(json.dumps(first.to_state(), allow_nan=False)))
    assert second is not None
    for event in events[cut:]:
        second.update(*event)

    assert second.to_state() == whole.to_state()
    assert second.changes() == whole.changes()


def test_a_state_of_another_river_starts_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """None says so; a state of another version of ours is refused by name."""
    state = moved(1.0, n=100).to_state()
    monkeypatch.setattr(drift, "loads", lambda _: None)

    assert FeatureDrift.from_state(state) is None
    with pytest.raises(ValueError, match="feature drift has version 7"):
        FeatureDrift.from_state(state | {"v": 7})


def test_a_name_that_is_no_name_is_ignored() -> None:
    """It would be in every state that is saved and in every incident."""
    watch = FeatureDrift()
    watch.update({"x" * 257: 1.0, "y" * 256: 1.0})

    assert list(watch.states()) == ["y" * 256]
    assert watch.ignored == 1
