"""How values look outside: times as RFC 3339, numbers as finite plain JSON.

One place, because the same incident is shown by `backtest --json`, the API, a page and the journal, and they must agree to the
byte.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from alerting.errors import InvalidRecord

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(seconds: float) -> str:
    """`seconds` since the epoch as RFC 3339 in UTC with milliseconds: `2026-10-01T12:00:00.000Z`."""
    moment = _EPOCH + timedelta(milliseconds=round(seconds * 1000))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def plain(value: object) -> Any:  # noqa: ANN401  # JSON has no narrower static type
    """`value` as plain JSON data: tuples become lists, NumPy numbers Python's, NaN and infinities None.

    A NaN would make the journal entry unreadable to every strict JSON parser, so it leaves here as "not there".
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def write_record(value: object) -> dict[str, Any]:
    """A dataclass as plain JSON data: what `read_record` reads back."""
    record: dict[str, Any] = plain(msgspec.to_builtins(value))
    return record


def read_record(record: Mapping[str, Any], kind: type[T]) -> T:
    """`record` (plain JSON data) as a `kind`; unknown keys are ignored, so that an older daemon reads a newer one's records.

    Raises InvalidRecord naming what is wrong and where.
    """
    try:
        return msgspec.convert(record, kind)
    except msgspec.ValidationError as error:
        raise InvalidRecord(f"a stored {kind.__name__} cannot be read: {error}") from error
