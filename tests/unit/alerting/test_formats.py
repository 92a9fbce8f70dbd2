"""How values look outside."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.formats import plain, rfc3339


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_790_856_000.0, "2026-10-01T12:00:00.000Z"),
        (1_790_856_000.1234, "2026-10-01T12:00:00.123Z"),
        (1_790_856_000.9996, "2026-10-01T12:00:01.000Z"),
        (1_790_856_000.0299, "2026-10-01T12:00:00.030Z"),
    ],
)
def test_times_are_utc_with_milliseconds(seconds: float, text: str) -> None:
    """RFC 3339, rounded, carried over where rounding fills a second."""
    assert rfc3339(seconds) == text


def test_numbers_of_numpy_become_those_of_python() -> None:
    """Detectors hand over NumPy numbers; JSON does not know them."""
    assert plain({"a": np.float64(0.5), "b": np.int64(3), "c": (np.float32(math.nan),)}) == {"a": 0.5, "b": 3, "c": [None]}


def test_booleans_stay_booleans() -> None:
    """They are integers to Python, and not to JSON."""
    assert plain([True, False, None, 1]) == [True, False, None, 1]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    )
)
def test_whatever_comes_out_is_strict_json(value: object) -> None:
    """No value makes a journal entry unreadable."""
    shown = plain(value)

    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
