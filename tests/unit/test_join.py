"""The join: every prediction leaves once, in order, with the label that it had at age h; nothing is counted twice."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.events import Label, Prediction
from daemon.join import Join, Joined
from daemon.store import MemoryStore, Store

AGE = 60.0
GIVE_UP = 600.0


def prediction(identity: str, at: float, version: str = "7", stage: str = "live") -> Prediction:
    """Make a prediction of "1"."""
    return Prediction(identity, "m", version, stage, at, at, "1", None, None, {}, {})


def label(identity: str, at: float, text: str = "1") -> Label:
    """Make a label."""
    return Label(identity, "m", text, at, at)


def matured(join: Join, clock: float) -> list[tuple[str, str | None, float]]:
    """Mature and show what matters."""
    return [(joined.id, joined.label, joined.delay) for joined in join.mature(clock, AGE)]


def test_predictions_leave_in_their_own_order_whatever_the_order_of_the_labels() -> None:
    """A fast label counts no sooner than a slow one."""
    join = Join(MemoryStore(), "m")
    join.predict(prediction("slow", 0.0))
    join.predict(prediction("fast", 1.0))
    join.label(label("fast", 2.0))
    join.label(label("slow", 50.0))

    assert matured(join, 59.0) == []
    assert matured(join, 61.1) == [("slow", "1", 50.0), ("fast", "1", 1.0)]
    assert matured(join, 99.0) == []


def test_a_label_after_age_h_is_counted_but_not_tested() -> None:
    """Also when nobody looked between age h and the label."""
    join = Join(MemoryStore(), "m")
    join.predict(prediction("seen", 0.0))
    join.predict(prediction("unseen", 30.0))
    assert matured(join, 70.0) == [("seen", None, 0.0)]
    late = join.label(label("seen", 75.0))
    join.label(label("unseen", 95.0))

    assert [(joined.id, joined.delay) for joined in late] == [("seen", 75.0)]
    assert matured(join, 200.0) == [("unseen", None, 0.0)]
    assert (join.counts.joined, join.counts.late_labels) == (2, 2)


def test_a_label_may_come_before_its_prediction() -> None:
    """It waits, and its delay is none."""
    join = Join(MemoryStore(), "m")
    join.label(label("a", 0.0))
    join.predict(prediction("a", 5.0))

    assert matured(join, 65.1) == [("a", "1", 0.0)]
    assert join.counts.joined == 1


def test_one_label_serves_the_live_prediction_and_its_shadow() -> None:
    """Both share the id."""
    join = Join(MemoryStore(), "m")
    join.predict(prediction("a", 0.0))
    join.predict(prediction("a", 0.0, version="8", stage="shadow"))
    join.label(label("a", 9.0))

    assert matured(join, 60.1) == [("a", "1", 9.0), ("a", "1", 9.0)]
    assert join.counts.joined == 2


def test_duplicates_and_conflicts_count_once_and_are_known_until_the_end() -> None:
    """The first label counts; a different second one is a conflict; a prediction sent twice is one."""
    join = Join(MemoryStore(), "m")
    taken = [join.predict(prediction("a", 0.0)), join.predict(prediction("a", 1.0))]
    for text in ("1", "1", "0"):
        join.label(label("a", 2.0, text))
    leaving = matured(join, 100.0)
    taken.append(join.predict(prediction("a", 500.0)))
    join.expire(599.0, GIVE_UP)
    taken.append(join.predict(prediction("a", 599.0)))

    assert taken == [True, False, False, False]
    assert leaving == [("a", "1", 2.0)]
    counts = join.counts
    assert (counts.duplicate_predictions, counts.duplicate_labels, counts.label_conflicts) == (3, 1, 1)


def test_ids_are_forgotten_after_the_give_up_time() -> None:
    """Unlabelled predictions expire, labels without one are orphans, and no row stays behind."""
    store = MemoryStore()
    join = Join(store, "m")
    join.predict(prediction("a", 0.0))
    join.predict(prediction("b", 0.0))
    join.label(label("b", 1.0))
    join.label(label("orphan", 2.0))
    matured(join, 600.0)
    expired = join.expire(602.1, GIVE_UP)
    join.save()

    assert expired == 1
    assert (join.counts.expired, join.counts.orphan_labels, join.pending) == (1, 1, 0)
    assert [key for key, _ in store.scan(b"e")] + [key for key, _ in store.scan(b"q")] == []


def test_over_the_limit_the_oldest_give_way_and_are_counted() -> None:
    """The table is bounded, whatever the give-up time says."""
    join = Join(MemoryStore(), "m", limit=10)
    for number in range(25):
        join.predict(prediction(str(number), float(number)))
        join.expire(float(number), GIVE_UP)

    assert join.pending == 10
    assert join.counts.expired_for_room == 15
    assert [identity for identity, _, _ in matured(join, 1000.0)] == [str(number) for number in range(15, 25)]


@dataclass
class Oracle:
    """What the join should do, written straight from the rules: everything is kept, nothing is clever."""

    predictions: dict[tuple[str, str], float] = field(default_factory=dict)
    labels: dict[str, tuple[str, float]] = field(default_factory=dict)

    def expected(self) -> list[tuple[str, str, str | None]]:
        """Every prediction in the order of arrival, with its label if it came by age h."""
        leaving = []
        for (identity, version), at in self.predictions.items():
            text, labelled_at = self.labels.get(identity, (None, 0.0))
            leaving.append((identity, version, text if text is not None and labelled_at - at <= AGE else None))
        return leaving


steps = st.lists(
    st.tuples(
        st.sampled_from(["predict", "label", "mature", "restart"]),
        st.sampled_from("abcdef"),
        st.sampled_from(["7", "8"]),
        st.sampled_from(["0", "1"]),
        st.floats(0, 40),
    ),
    max_size=60,
)


def _matured(join: Join, clock: float) -> list[tuple[str, str, str | None]]:
    def shown(joined: Joined) -> tuple[str, str, str | None]:
        return joined.id, joined.prediction.version, joined.label

    return [shown(joined) for joined in join.mature(clock, AGE)]


@settings(max_examples=300)
@given(steps)
def test_whatever_comes_the_join_gives_what_the_rules_say(steps: list[tuple[str, str, str, str, float]]) -> None:
    """Late, early, duplicate, conflicting and missing labels, in any order, with restarts from the store in between."""
    store: Store = MemoryStore()
    join, oracle = Join(store, "m"), Oracle()
    clock = 0.0
    left: list[tuple[str, str, str | None]] = []
    for what, identity, version, text, seconds in steps:
        clock += seconds
        if what == "predict":
            join.predict(prediction(identity, clock, version))
            oracle.predictions.setdefault((identity, version), clock)
        elif what == "label":
            join.label(label(identity, clock, text))
            oracle.labels.setdefault(identity, (text, clock))
        elif what == "mature":
            left += _matured(join, clock)
        else:
            join.save()
            join = Join(store, "m")
    left += _matured(join, clock + AGE + 1)

    assert left == oracle.expected()
    labelled = sum(1 for identity, _ in oracle.predictions if identity in oracle.labels)
    assert join.counts.joined == labelled
    assert join.counts.predictions == len(oracle.predictions)
