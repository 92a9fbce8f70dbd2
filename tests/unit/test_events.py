"""Events: what is taken in, in which form, and what is refused with which reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.events import REASONS, Kind, Label, Outcome, Prediction, Rejected, arrival_of, as_text, parse

ARRIVAL = 1_790_000_000.0
GOOD: dict[str, object] = {"id": "a", "model": "loan", "version": "7", "prediction": "1"}


def encode(**changes: object) -> bytes:
    """Encode a good prediction with changes, NaN and infinities as Python writes them."""
    return json.dumps(GOOD | changes).encode()


def predict(**changes: object) -> Prediction:
    """Parse a good prediction with changes."""
    event = parse("prediction", encode(**changes), ARRIVAL)
    assert isinstance(event, Prediction)
    return event


def test_the_smallest_prediction_has_defaults_for_everything_else() -> None:
    """Stage is live, the time is the arrival, the rest is empty."""
    expected = Prediction("a", "loan", "7", "live", ARRIVAL, ARRIVAL, "1", None, None, {}, {})

    assert predict() == expected


def test_unknown_extra_fields_are_ignored() -> None:
    """A producer may send more than the contract names."""
    assert predict(trace={"x": [1, 2]}) == predict()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1.0", "1"),
        ("-2.00", "-2"),
        (True, "true"),
        (False, "false"),
        (0.5, "0.5"),
        ("007", "007"),
        ("1.", "1."),
        ("v1.0", "v1.0"),
        (2**53 + 1, str(2**53 + 1)),
        (-0.0, "0"),
    ],
)
def test_labels_and_predictions_are_compared_as_text(value: str | float | bool, text: str) -> None:
    """`1.0` is `1`, `true` is `true`, and what only looks like a number stays as it is."""
    assert as_text(value) == text
    assert predict(prediction=value).prediction == text


@pytest.mark.parametrize(
    ("timestamp", "arrival"),
    [
        (1_789_999_999_500, 1_789_999_999.5),
        (ARRIVAL * 1000 + 1, ARRIVAL),
        (ARRIVAL * 1000 + 365 * 86_400_000, ARRIVAL),
        (-1, ARRIVAL),
        (0, ARRIVAL),
        (1_790_000_000, ARRIVAL),
    ],
    ids=["as stamped", "a moment ahead", "next year", "not stamped", "zero", "seconds for milliseconds"],
)
def test_a_record_arrives_at_its_timestamp_where_that_can_be_true(timestamp: int, arrival: float) -> None:
    """Else when it was read: a stamp of 1970 would begin a silence of half a century, one of next year would end it."""
    assert arrival_of(int(timestamp), ARRIVAL) == arrival


def test_long_labels_are_still_told_apart() -> None:
    """Only their beginning and a digest are kept, of classes in scores too; equal ones stay equal."""
    long = "x" * 400_000
    event = predict(prediction=long, scores={long: 1.0})
    label = parse("label", json.dumps({"id": "a", "model": "loan", "label": long}).encode(), ARRIVAL)

    assert isinstance(label, Label)
    assert len(event.prediction) == 256
    assert label.label == event.prediction
    assert event.scores == {label.label: 1.0}
    assert as_text(long + "y") != label.label
    assert as_text("x" * 256) == "x" * 256


def test_an_integer_version_is_taken_as_its_text() -> None:
    """Version 7 and version "7" are one version."""
    assert predict(version=7).version == "7"


@pytest.mark.parametrize("missing", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinities_are_values_that_are_not_there(missing: float) -> None:
    """As bare tokens they leave the other fields as they are; in a required field the field is missing."""
    event = predict(score=missing, features={"a": missing, "b": 2.0}, scores={"x": missing, "y": 0.5})

    assert event.score is None
    assert event.features == {"a": None, "b": 2.0}
    assert event.scores == {"y": 0.5}
    with pytest.raises(Rejected) as caught:
        predict(prediction=missing)
    assert caught.value.reason == "missing_field"


def test_a_number_beyond_a_double_is_a_value_that_is_not_there() -> None:
    """`1e999` overflows; it must not become an infinity in a detector."""
    value = b'{"id":"a","model":"loan","version":"7","prediction":"1","features":{"x":1e999,"y":' + b"9" * 400 + b"}}"

    event = parse("prediction", value, ARRIVAL)

    assert isinstance(event, Prediction)
    assert event.features == {"x": None, "y": None}


@pytest.mark.parametrize(
    ("ts", "seconds"),
    [
        (1_789_999_999.5, 1_789_999_999.5),
        ("2026-09-21T14:13:20Z", 1_790_000_000.0),
        ("2026-09-21T16:13:20.250+02:00", 1_790_000_000.25),
    ],
)
def test_times_are_epoch_seconds_or_rfc_3339(ts: object, seconds: float) -> None:
    """Both forms give epoch seconds."""
    assert predict(ts=ts).ts == seconds


BAD: dict[str, tuple[bytes | None, str]] = {
    "nothing": (None, "empty"),
    "empty": (b"", "empty"),
    "ten megabytes": (b'{"id":"' + b"a" * 10_000_000 + b'"}', "too_large"),
    "UTF-16": ("{}".encode("utf-16"), "not_utf8"),
    "bytes": (b"\x80\x04\x95", "not_utf8"),
    "text of next century": (encode(ts="2126-01-01T00:00:00Z"), "future"),
    "text of the last year there is": (encode(ts="9999-12-31T23:59:59Z"), "future"),
    "not UTF-8": (b'{"id":"\xff","model":"loan","version":"7","prediction":"1"}', "not_utf8"),
    "truncated": (b'{"id":"a"', "not_json"),
    "text": (b"hello", "not_json"),
    "text with NaN in it": (b"NaN NaN", "not_json"),
    "lone surrogate": (b'{"id":"\\ud800","model":"loan","version":"7","prediction":"1"}', "not_json"),
    "lone surrogate beside NaN": (b'{"id":"\\ud800","model":"loan","version":"7","prediction":"1","score":NaN}', "not_json"),
    "nesting bomb": (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
    "nesting bomb with NaN": (b"[NaN," * 100_000, "not_an_object"),
    "a list": (b"[1]", "not_an_object"),
    "no id": (b'{"model":"loan","version":"7","prediction":"1"}', "missing_field"),
    "id of null": (encode(id=None), "missing_field"),
    "id of a number": (encode(id=5), "wrong_type"),
    "empty id": (encode(id=""), "too_long"),
    "long id": (encode(id="x" * 257), "too_long"),
    "fractional version": (encode(version=1.5), "wrong_type"),
    "prediction of a list": (encode(prediction=[1]), "wrong_type"),
    "feature of a list": (encode(features={"a": [1]}), "wrong_type"),
    "segment of a number": (encode(segments={"region": 5}), "wrong_type"),
    "unknown stage": (encode(stage="beta"), "unknown_stage"),
    "milliseconds": (encode(ts=1_790_000_000_000), "milliseconds"),
    "far future": (encode(ts=ARRIVAL + 3601), "future"),
    "negative time": (encode(ts=-5), "bad_time"),
    "time without a zone": (encode(ts="2026-09-21T14:13:20"), "bad_time"),
    "time of prose": (encode(ts="yesterday"), "bad_time"),
    "time before the calendar": (encode(ts="0001-01-01T00:00:00+23:59"), "bad_time"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_values_are_refused_with_a_reason_and_a_sentence(name: str) -> None:
    """Each kind of bad value has its reason from the closed list, and a text of one line."""
    value, reason = BAD[name]

    with pytest.raises(Rejected) as caught:
        parse("prediction", value, ARRIVAL)

    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)
    assert 10 < len(str(caught.value)) < 300


def test_labels_and_outcomes_have_their_own_fields() -> None:
    """A label needs its label, an outcome its name and a finite value."""
    assert parse("label", b'{"id":"a","model":"m","label":1}', 5.0) == Label("a", "m", "1", 5.0, 5.0)
    assert parse("outcome", b'{"model":"m","name":"click","value":1,"version":8}', 5.0) == Outcome(
        "m", "click", 1.0, "8", None, 5.0, 5.0
    )
    with pytest.raises(Rejected):
        parse("outcome", b'{"model":"m","name":"click","value":NaN}', 5.0)


@given(st.binary(max_size=200), st.sampled_from(["prediction", "label", "outcome"]))
def test_no_value_gives_anything_but_an_event_or_a_rejection(value: bytes, kind: Kind) -> None:
    """Whatever the bytes, the loop sees an event or a reason of the closed list."""
    reason: str | None = None
    try:
        parse(kind, value, ARRIVAL)
    except Rejected as rejected:
        reason = rejected.reason

    assert reason is None or reason in REASONS


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("id", "model", "version", "prediction", "ts", "stage", "score", "scores", "features", "segments"), json_values
        ),
    )
)
def test_objects_with_any_values_are_taken_whole_or_refused(fields: dict[str, object]) -> None:
    """What is taken in has text for text, and finite numbers only."""
    try:
        event = parse("prediction", json.dumps(GOOD | fields).encode(), ARRIVAL)
    except Rejected:
        return
    assert isinstance(event, Prediction)
    numbers = [event.at, event.ts, event.score or 0.0, *(x for x in event.features.values() if isinstance(x, float))]
    assert all(abs(number) < float("inf") for number in numbers)
    assert all(isinstance(text, str) for text in (event.id, event.model, event.version, event.prediction))
