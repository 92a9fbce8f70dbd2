"""How things are said on the page, and what hostile text becomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.page import words

NOON = 1_777_636_800.0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("loan", "loan"),
        ("a\ud800b", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\u202eb", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\x00\x1b[2J", "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[2J"),
        ("über 北", "über 北"),
        ("50 %", "50\N{NARROW NO-BREAK SPACE}%"),
        (None, "None"),
    ],
)
def test_what_has_no_shape_is_replaced(text: object, shown: str) -> None:
    """Surrogates, controls and marks that turn a line round; everything else stays."""
    assert words.clean(text) == shown


@given(st.text(st.characters(), max_size=3000))
def test_any_text_becomes_bounded_and_writable(text: str) -> None:
    """It has a UTF-8 form and a length."""
    shown = words.clean(text)

    assert (len(shown) <= words.LONGEST + 1, bool(shown.encode()) == bool(text)) == (True, True)


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://wiki.example/loan", True),
        ("http://10.0.0.1:8080/x?y=z#w", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,x", False),
        ("//wiki.example", False),
        ("https://", False),
        ("https://[", False),
        (" https://wiki.example", False),
        ("https://wiki.example/\u202e", False),
        ("https://wiki.example/" + "x" * 1000, False),
        ("see the wiki", False),
        ("", False),
    ],
)
def test_only_web_addresses_are_links(address: str, safe: bool) -> None:
    """Every other scheme is text."""
    assert words.link(address) == (address if safe else None)


@pytest.mark.parametrize(
    ("at", "beside", "said"),
    [
        (NOON, NOON + 60, "12:00:00"),
        (NOON, NOON + 86400, "2026-05-01 12:00:00"),
        (NOON, None, "2026-05-01 12:00:00"),
        (None, None, ""),
        (float("nan"), NOON, ""),
        (1e300, NOON, ""),
    ],
)
def test_a_moment_is_in_utc(at: float | None, beside: float | None, said: str) -> None:
    """With its date where it is of another day."""
    assert words.moment(at, beside) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (720, "12 min"), (12000, "3 h 20 min"), (900000, "10 d"), (None, "")],
)
def test_a_span_has_two_units_at_most(seconds: float | None, said: str) -> None:
    """The largest that fits, and the next."""
    assert words.span(seconds) == said


def test_names_make_paths() -> None:
    """A name is one part of a path, whatever is in it."""
    assert words.model_path("a/b ?#\ud800") == "/models/a%2Fb%20%3F%23%3F"
