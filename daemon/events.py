"""Events: what producers send, checked and brought into one form.

One pass of a typed decoder (msgspec) both parses and validates, so that a good event costs about two microseconds and a bad
one gets the decoder's own sentence with the path of the offending field. Everything behind this module can rely on: text is
text, times are epoch seconds, numbers are finite. Bare `NaN` and `Infinity` tokens are not JSON, but Python producers write
them; such a value takes a slower way, on which they become values that are not there.
"""

from __future__ import annotations

import hashlib
import json
import math
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

import msgspec

T = TypeVar("T")
Scalar = float | str | bool | None
Stage = Literal["live", "canary", "shadow"]
Kind = Literal["prediction", "label", "outcome"]

Reason = Literal[
    "empty",
    "too_large",
    "not_utf8",
    "not_json",
    "too_deep",
    "not_an_object",
    "missing_field",
    "wrong_type",
    "too_long",
    "unknown_stage",
    "unknown_type",
    "bad_time",
    "milliseconds",
    "future",
]
REASONS: Final[tuple[str, ...]] = get_args(Reason)

#: A `ts` above this is taken for milliseconds: as seconds it lies in the year 5138.
MILLISECONDS_FROM: Final = 1e11
#: Characters of a label, a prediction or a class that are kept.
LONGEST_TEXT: Final = 256
#: Digits of a 64-bit integer.
DIGITS: Final = 19
#: A record with a timestamp before this (2000-01-01, epoch seconds) has none that can be true: 0, or seconds for milliseconds.
STAMPED_FROM: Final = 946_684_800.0
#: How far a `ts` may lie ahead of its arrival (seconds): clocks differ, but not by more than this.
FUTURE: Final = 3600.0

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Rejected(Exception):
    """An event that cannot be taken in; `reason` is one of `REASONS`, the text one sentence for the producer."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class Prediction(msgspec.Struct, frozen=True):
    """What a model version predicted. `at` is the arrival and `ts` the producer's time, both epoch seconds."""

    id: str
    model: str
    version: str
    stage: str
    at: float
    ts: float
    prediction: str
    score: float | None
    scores: dict[str, float] | None
    features: dict[str, Scalar]
    segments: dict[str, str]


class Label(msgspec.Struct, frozen=True):
    """What turned out to be true for the predictions of an id."""

    id: str
    model: str
    label: str
    at: float
    ts: float


class Outcome(msgspec.Struct, frozen=True):
    """One value of a product metric."""

    model: str
    name: str
    value: float
    version: str | None
    id: str | None
    at: float
    ts: float


Event = Prediction | Label | Outcome


class _PredictionWire(msgspec.Struct):
    id: Name
    model: Name
    version: Name | int
    prediction: str | int | float | bool
    ts: str | float | None = None
    stage: str | None = None
    score: float | None = None
    scores: dict[str, float | None] | None = None
    features: dict[str, Scalar] | None = None
    segments: dict[str, str | None] | None = None


class _LabelWire(msgspec.Struct):
    id: Name
    model: Name
    label: str | int | float | bool
    ts: str | float | None = None


class _OutcomeWire(msgspec.Struct):
    model: Name
    name: Name
    value: float
    ts: str | float | None = None
    version: Name | int | None = None
    id: Name | None = None


_Wire = _PredictionWire | _LabelWire | _OutcomeWire

_DECODERS: Final[dict[Kind, msgspec.json.Decoder[Any]]] = {
    "prediction": msgspec.json.Decoder(_PredictionWire),
    "label": msgspec.json.Decoder(_LabelWire),
    "outcome": msgspec.json.Decoder(_OutcomeWire),
}


def arrival_of(timestamp: int, wall: float) -> float:
    """Give when a record arrived, epoch seconds: at its timestamp (epoch milliseconds), where that can be true, else at `wall`.

    A producer's clock may be wrong; ours decides what the future is, or one record could move the clock to next year.
    """
    arrival = timestamp / 1000
    return min(arrival, wall) if arrival >= STAMPED_FROM else wall


def parse(kind: Kind, value: bytes | None, arrival: float, largest: int = 1_000_000) -> Event:
    """Parse one event.

    Args:
        kind: what the topic, or the line's `type`, says it is.
        value: the record's value.
        arrival: when it arrived, epoch seconds; the default of `ts`.
        largest: values of more bytes than this are refused unread.

    Raises:
        Rejected: the event breaks the contract.
    """
    if not value:
        raise Rejected("empty", "the value is empty; send a JSON object")
    if len(value) > largest:
        raise Rejected("too_large", f"the value has {len(value)} bytes, more than max_event_bytes = {largest}")
    wire: _Wire = decode(_DECODERS[kind], value)
    return _normal(wire, arrival)


def decode(decoder: msgspec.json.Decoder[T], value: bytes) -> T:
    """Decode JSON; NaN, infinities and numbers beyond a double become values that are not there.

    Raises:
        Rejected: it is not JSON, or not what the decoder takes.
    """
    try:
        return decoder.decode(value)
    except RecursionError:
        raise Rejected("too_deep", "the value is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise Rejected("not_utf8", f"the value is not UTF-8 (byte {error.start})") from None
    except msgspec.ValidationError as error:
        if "out of range" in str(error):
            return _decode_leniently(decoder, value)
        raise _invalid(error) from None
    except msgspec.DecodeError as error:
        if b"NaN" in value or b"Infinity" in value:
            return _decode_leniently(decoder, value)
        raise _no_json(value, error) from None


def _no_json(value: bytes, error: Exception) -> Rejected:
    try:
        value.decode()
    except UnicodeDecodeError as wrong:
        return Rejected("not_utf8", f"the value is not UTF-8 (byte {wrong.start})")
    return Rejected("not_json", f"the value is not JSON: {error}")


def _decode_leniently(decoder: msgspec.json.Decoder[T], value: bytes) -> T:
    try:
        loose = json.loads(value, parse_constant=lambda _: None, parse_float=_finite_or_none, parse_int=_whole_or_none)
    except RecursionError:
        raise Rejected("too_deep", "the value is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise Rejected("not_utf8", f"the value is not UTF-8 (byte {error.start})") from None
    except ValueError as error:
        raise Rejected("not_json", f"the value is not JSON: {error}") from None
    try:
        # Through the strict decoder again, so that lone surrogates, which Python's decoder lets in, are refused here too.
        return decoder.decode(msgspec.json.encode(loose))
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except (UnicodeEncodeError, msgspec.DecodeError, RecursionError) as error:
        raise Rejected("not_json", f"the value is not JSON: {error}") from None


def _finite_or_none(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _whole_or_none(text: str) -> int | float | None:
    # Python refuses to read integers of thousands of digits, and a double holds 309 at most.
    return int(text) if len(text) <= DIGITS else _finite_or_none(text)


def _invalid(error: msgspec.ValidationError) -> Rejected:
    text = str(error)
    if "missing required" in text or "got `null`" in text:
        return Rejected("missing_field", f"{text}; NaN and infinities count as missing" if "null" in text else text)
    if text.startswith("Expected `object`") and " - at " not in text:
        return Rejected("not_an_object", f"{text}: an event is a JSON object")
    if "length" in text:
        return Rejected("too_long", text)
    return Rejected("wrong_type", text)


def _normal(wire: _Wire, arrival: float) -> Event:
    ts = arrival if wire.ts is None else _time(wire.ts, arrival)
    if isinstance(wire, _PredictionWire):
        stage = wire.stage or "live"
        if stage not in {"live", "canary", "shadow"}:
            raise Rejected("unknown_stage", f"stage {stage[:40]!r} is none of live, canary, shadow")
        return Prediction(
            wire.id,
            wire.model,
            str(wire.version),
            stage,
            arrival,
            ts,
            as_text(wire.prediction),
            wire.score,
            {_bounded(name): p for name, p in wire.scores.items() if p is not None} if wire.scores else None,
            wire.features or {},
            {name: segment for name, segment in wire.segments.items() if segment is not None} if wire.segments else {},
        )
    if isinstance(wire, _LabelWire):
        return Label(wire.id, wire.model, as_text(wire.label), arrival, ts)
    version = None if wire.version is None else str(wire.version)
    return Outcome(wire.model, wire.name, wire.value, version, wire.id, arrival, ts)


def as_text(value: str | float | bool) -> str:
    """Bring a label or a prediction into the text that it is compared as: `1.0` is `1`, `true` is `true`.

    Thousands of them are held in memory, so text of over 256 characters is taken for its beginning and a digest of the whole.

    >>> as_text(1.0), as_text("1.0"), as_text(True), as_text(0.25), as_text("007")
    ('1', '1', 'true', '0.25', '007')
    """
    if isinstance(value, str):
        # Frameworks that hold classes as doubles write them as "1.0".
        head, dot, tail = value.partition(".")
        return _bounded(head if dot and tail and not tail.strip("0") and head.removeprefix("-").isdecimal() else value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if value == int(value) else str(value)


def _bounded(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[: LONGEST_TEXT - len(digest) - 1]}…{digest}"


def parse_time(value: str | float) -> float:
    """Read RFC 3339 text or epoch seconds.

    Raises:
        Rejected: `bad_time` or `milliseconds`.
    """
    seconds = _parse_rfc3339(value) if isinstance(value, str) else value
    if seconds > MILLISECONDS_FROM and not isinstance(value, str):
        raise Rejected("milliseconds", f"the time {seconds:.0f} looks like milliseconds; send seconds")
    if seconds < 0:
        raise Rejected("bad_time", f"the time {seconds} is negative")
    return seconds


def _parse_rfc3339(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Rejected("bad_time", f"the time {text[:40]!r} is neither RFC 3339 nor epoch seconds") from None
    if moment.tzinfo is None:
        raise Rejected("bad_time", f"the time {text[:40]!r} has no zone; write it as in 2026-05-01T12:00:00Z")
    try:
        return moment.timestamp()
    except (OverflowError, ValueError):
        raise Rejected("bad_time", f"the time {text[:40]!r} is out of range") from None


def _time(value: str | float, arrival: float) -> float:
    ts = parse_time(value)
    if ts > arrival + FUTURE:
        raise Rejected("future", f"the time lies {ts - arrival:.0f} s ahead of the event's arrival")
    return ts
