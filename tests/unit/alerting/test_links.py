"""The links in a notice: what they lead to, who can make one, how long one holds, and that no record has them."""

from __future__ import annotations

from typing import get_args
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from alerting.incidents import Severity
from alerting.links import LASTS, NO_LINKS, Links, links_of, token_in
from alerting.notice import Event, from_record, to_record
from daemon.page import words
from tests.doubles.alerting import NOON, a_notice

LINKS = Links("https://wk.example/below", b"k" * 32)
UNTIL = int(NOON) + LASTS
TEXTS = st.text(st.characters(), max_size=20)  # any character, lone surrogates too


def said_in(link: str) -> tuple[str, str, str]:
    """Problem, end and token of a link."""
    query = parse_qs(urlsplit(link).query, strict_parsing=True)
    return query["problem"][0], query["until"][0], query["token"][0]


def test_a_link_leads_to_the_page_of_its_incident() -> None:
    """Below the public address, where the daemon has it; the one that acknowledges lies behind it."""
    link = LINKS.acknowledge("0123/ab", "0123/ab.1", UNTIL)
    problem, until, token = said_in(link)

    assert LINKS.page("0123/ab") == "https://wk.example/below" + words.incident_path("0123/ab")
    assert link.partition("?")[0] == LINKS.page("0123/ab") + "/acknowledge"
    assert (problem, until, token_in(link)) == ("0123/ab.1", str(UNTIL), token)
    assert LINKS.is_genuine("0123/ab", problem, until, token, NOON)


def test_a_link_lapses() -> None:
    """A day after it was delivered, to the second."""
    notice = LINKS.onto(a_notice(), NOON + 0.7)
    problem, until, token = said_in(notice.acknowledge_url)
    genuine = [LINKS.is_genuine(notice.incident or "", problem, until, token, at) for at in (NOON, UNTIL, UNTIL + 1, 1e12)]

    assert genuine == [True, True, False, False]


@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
def test_a_token_is_good_for_nothing_else(one: str, two: str, three: str, incident: str, problem: str, until: str) -> None:
    """No other incident, problem or end: neither other texts, nor the same letters parted elsewhere."""
    token = LINKS._token(one, two, three)  # noqa: SLF001  # what a link over these would carry
    other = [(incident, problem, until), (one, two, until), (one, problem, three), (incident, two, three)]
    shifted = [
        (one + two, "", three),
        ("", one + two, three),
        (one, two + three, ""),
        (two, one, three),
        (one + two + three, "", ""),
    ]

    assert [
        said for said in other + shifted if said != (one, two, three) and LINKS.is_genuine(*said, token=token, now=float("-inf"))
    ] == []


@given(TEXTS)
def test_no_other_token_is_genuine(token: str) -> None:
    """Whatever its length and alphabet, upper case included."""
    assert not LINKS.is_genuine("i", "i", str(UNTIL), token, NOON)
    _, _, right = said_in(LINKS.acknowledge("i", "i", UNTIL))
    wrong = [right[:-1], right + "0", right.upper(), f" {right}", right[::-1], ""]
    assert [each for each in wrong if LINKS.is_genuine("i", "i", str(UNTIL), each, NOON)] == []


def test_another_daemon_s_link_is_not_genuine() -> None:
    """Nor that of this one before its token was changed."""
    one, two = (links_of("https://wk.example", SecretStr(f"canary-0123456789-{name}")) for name in "ab")
    link = one.acknowledge("i", "i", UNTIL)

    assert one.is_genuine("i", *said_in(link), now=NOON)
    assert not two.is_genuine("i", *said_in(link), now=NOON)
    assert "canary" not in f"{link} {one!r} {one.key!r}"


@pytest.mark.parametrize("links", [NO_LINKS, Links(key=b"k" * 32), Links("https://wk.example"), links_of(None, None)])
def test_without_address_or_token_there_is_no_link_to_acknowledge_by(links: Links) -> None:
    """And none is believed, also one that is made with no key at all."""
    forged = Links("https://wk.example", b"").acknowledge("i", "i", UNTIL)
    token = links._token("i", "i", str(UNTIL))  # noqa: SLF001  # what a forger can make as well

    assert (links.acknowledge("i", "i", UNTIL), forged) == ("", "")
    assert not links.is_genuine("i", "i", str(UNTIL), token, NOON)
    assert (links.page("i") == "") == (links.address == "")


@pytest.mark.parametrize("severity", get_args(Severity))
@pytest.mark.parametrize("event", get_args(Event))
def test_only_a_page_that_waits_for_somebody_can_be_acknowledged(event: Event, severity: Severity) -> None:
    """Every notice about an incident leads to it."""
    told = LINKS.onto(a_notice(event=event, severity=severity), NOON)

    assert told.url == LINKS.page(told.incident or "")
    assert (told.acknowledge_url != "") == (severity == "page" and event in {"trigger", "update"})


def test_trouble_of_the_daemon_itself_has_no_link() -> None:
    """It is no incident, and has no page."""
    told = from_record(to_record(a_notice()) | {"incident": None})

    assert LINKS.onto(told, NOON) == told


def test_no_record_has_a_link() -> None:
    """Nor has the text of the notice the one that acknowledges; a record of one that somebody planted is read without harm."""
    notice = LINKS.onto(a_notice(), NOON)

    assert to_record(notice) == to_record(a_notice())
    assert from_record(to_record(notice)) == a_notice()
    assert token_in(notice.acknowledge_url) not in repr(notice)
