"""What is sent of a document that may be of any length."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alerting.limits import clip, encoded, fitted

JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=300), inner, max_size=30),
    max_leaves=60,
)


def test_what_is_short_stays_as_it_is() -> None:
    """Nothing is lost that fits."""
    document = {"a": "x" * 4000, "b": [{"c": None}] * 100, "d": 1.5}

    assert fitted(document, 100_000) == document


def test_it_is_cut_harder_until_it_fits() -> None:
    """A hundred long texts in a small space keep their beginnings."""
    made = fitted({"a": ["x" * 4000] * 100}, 10_000)

    assert made == {"a": ["x" * 199 + "…"] * 20}


@given(st.dictionaries(st.sampled_from("abcdef"), JSON, max_size=6))
def test_every_outermost_name_stays(document: dict[str, Any]) -> None:
    """A receiver relies on the fields, whatever is in them."""
    assert set(fitted(document, 2000)) == set(document)


@given(st.text(), st.integers(1, 20))
def test_a_clipped_text_is_never_longer(text: str, limit: int) -> None:
    """And is the text itself when that fits."""
    assert len(clip(text, limit)) <= limit
    assert len(text) > limit or clip(text, limit) == text


def test_what_has_no_utf8_form_is_ascii() -> None:
    """A lone surrogate comes from legal JSON events."""
    assert encoded({"a": "\ud800"}) == b'{"a":"\\ud800"}'
