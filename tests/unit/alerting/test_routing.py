"""Who is told: the guardrail file first, then the rules in their order, then the default."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.facts import Facts
from alerting.hours import DAYS, Hours, read_hours, read_zone
from alerting.rota import Duty, Rota, read_hand_over
from alerting.routing import ON_CALL, Routing, Rule

LOAN = Facts(severity="page", model="loan-approval", owner="team-credit", cause="new_version")
TICKET = Facts(severity="ticket", model="loan-approval", owner="team-credit", cause="drift")
DAEMON = Facts(severity="page", cause="daemon")


def at(text: str) -> float:
    """`2026-10-01 12:00` in UTC as epoch seconds; that day is a Thursday."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def a_rule(to: str, **changes: Any) -> Rule:  # noqa: ANN401  # any field of Rule
    """A rule that tells one route."""
    return Rule(to=(to,), **changes)


NOW = at("2026-10-01 12:00")
DESK = a_rule("desk", hours=(read_hours("mon-fri 08:00-18:00"),), zone=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("facts", "to"),
    [
        (LOAN, ("credit",)),
        (TICKET, ("queue",)),
        (Facts(severity="page", model="fraud-eu", owner="team-credit"), ("fraud",)),
        (Facts(severity="page", model="churn", owner="team-growth"), ("pager",)),
        (Facts(severity="log", model="churn"), ("log",)),
        (DAEMON, ("pager",)),
    ],
)
def test_the_first_rule_that_takes_it_decides(facts: Facts, to: tuple[str, ...]) -> None:
    """By severity, model and owner; models and owners are globs, and the daemon's own trouble has neither."""
    rules = (
        a_rule("queue", severity="ticket"),
        a_rule("fraud", models=("fraud-*", "aml")),
        a_rule("credit", owners=("team-cred*",), models=("loan-*",)),
        a_rule("pager", severity="page"),
    )

    assert Routing(rules=rules).routes_for(facts, NOW) == to


def test_what_no_rule_takes_goes_to_the_default() -> None:
    """That of its severity; without one, to the log."""
    routing = Routing(rules=(a_rule("fraud", models=("fraud",)),), page=("pager", "chat"), ticket=("queue",))

    assert (routing.routes_for(LOAN, NOW), routing.routes_for(TICKET, NOW)) == (("pager", "chat"), ("queue",))
    assert Routing().routes_for(LOAN, NOW) == Routing(page=()).routes_for(LOAN, NOW) == ("log",)


def test_what_the_guardrail_file_says_comes_first() -> None:
    """Its owners know whom to wake; each route is told once. What is only logged, is only logged."""
    routing = Routing(rules=(a_rule("pager"),), page=("chat",))

    assert routing.routes_for(LOAN, NOW, ("mine", "yours", "mine")) == ("mine", "yours")
    assert routing.routes_for(LOAN, NOW, ()) == ("pager",)
    assert routing.routes_for(Facts(severity="log", model="m"), NOW, ("mine",)) == ("log",)


def test_a_rule_may_let_the_next_ones_add_theirs() -> None:
    """Each route is told once, the default only when no rule took it."""
    rules = (a_rule("audit", further=True), a_rule("pager", severity="page"), a_rule("audit"), a_rule("never"))
    routing = Routing(rules=rules, ticket=("queue",))

    assert (routing.routes_for(LOAN, NOW), routing.routes_for(TICKET, NOW)) == (("audit", "pager"), ("audit",))
    assert Routing(rules=rules[:1], page=("chat",)).routes_for(LOAN, NOW) == ("audit",)


@pytest.mark.parametrize(
    ("moment", "to"),
    [
        ("2026-10-01 06:00", "desk"),  # 08:00 in Berlin, in summer
        ("2026-10-01 05:59", "pager"),
        ("2026-10-01 15:59", "desk"),
        ("2026-10-01 16:00", "pager"),
        ("2026-10-03 12:00", "pager"),  # a Saturday
        ("2026-12-01 06:30", "pager"),  # 07:30 in Berlin, in winter
        ("2026-12-01 07:00", "desk"),
        ("2026-12-01 16:59", "desk"),
    ],
)
def test_the_time_of_day_decides_by_the_clock_of_its_zone(moment: str, to: str) -> None:
    """In summer and in winter; outside its hours a rule takes nothing."""
    routing = Routing(rules=(DESK,), page=("pager",))

    assert routing.routes_for(LOAN, at(moment)) == (to,)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("mon-fri 08:00-18:00", ["2026-09-28 08:00", "2026-10-02 17:59"], ["2026-10-03 09:00", "2026-10-01 18:00"]),
        ("sat,sun", ["2026-10-03 00:00", "2026-10-04 23:59"], ["2026-10-02 23:59", "2026-10-05 00:00"]),
        ("Sat, Mon-Tue 09:00 - 10:00", ["2026-10-05 09:00"], ["2026-10-04 09:00"]),
        ("fri-mon", ["2026-10-04 12:00", "2026-10-05 12:00"], ["2026-10-06 12:00"]),
        ("22:00-06:00", ["2026-10-01 22:00", "2026-10-02 05:59"], ["2026-10-01 21:59", "2026-10-02 06:00"]),
        ("fri 22:00-06:00", ["2026-10-02 23:00", "2026-10-03 05:00"], ["2026-10-02 05:00", "2026-10-03 23:00"]),
        ("00:00-24:00", ["2026-10-01 00:00", "2026-10-01 23:59"], []),
        ("sun 18:00-24:00", ["2026-10-04 23:59"], ["2026-10-05 00:00"]),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, inside: list[str], outside: list[str]) -> None:
    """A night belongs to the day on which it begins."""
    hours = read_hours(text)

    assert [moment for moment in inside if not hours.contain(at(moment), UTC)] == []
    assert [moment for moment in outside if hours.contain(at(moment), UTC)] == []


@pytest.mark.parametrize("text", ["", "weekdays", "mon-fri 8-18", "mon 25:00-26:00", "09:00", "mon 10:00-09:60", "mon fri", "-"])
def test_what_are_no_hours_is_told(text: str) -> None:
    """With an example of what they look like."""
    with pytest.raises(ValueError, match=r"^must be days and times such as mon-fri 08:00-18:00, not "):
        read_hours(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mon 24:00-06:00", "a day ends at 24:00 and begins at 00:00, not as in 'mon 24:00-06:00'"),
        ("08:00-24:30", "a day ends at 24:00 and begins at 00:00, not as in '08:00-24:30'"),
        ("08:00-08:00", "'08:00-08:00' begins when it ends; for the whole day leave the times out"),
    ],
)
def test_impossible_hours_are_told(text: str, problem: str) -> None:
    """In a sentence of their own."""
    with pytest.raises(ValueError, match=r"\d") as caught:
        read_hours(text)

    assert str(caught.value) == problem


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "/etc/passwd", "../zone", "Europe", "europe\0"])
def test_an_unknown_zone_is_told(name: str) -> None:
    """A directory of zones, and what leads out of it, is none either."""
    with pytest.raises(ValueError, match=r"^there is no time zone '.*' here; write one such as Europe/Berlin or UTC$"):
        read_zone(name)


@given(
    day=st.integers(0, 6),
    start=st.integers(0, 1439),
    end=st.integers(0, 1440),
    moment=st.floats(0, 4e9),
)
def test_hours_and_their_complement_share_no_moment_and_leave_none_out(day: int, start: int, end: int, moment: float) -> None:
    """Of every day either these hours or the rest hold: a page between two rules for day and night falls to one of them."""
    if start % 1440 == end % 1440:
        return
    every = frozenset(range(7))
    inside, rest = Hours(every, start, end), Hours(every, end % 1440, start or 1440)

    assert inside.contain(moment, UTC) != rest.contain(moment, UTC)
    assert read_hours(DAYS[day]).days == frozenset({day})


@given(st.text(max_size=30))
def test_no_text_of_hours_is_a_traceback(text: str) -> None:
    """It is hours, or a sentence."""
    said = ""
    try:
        days = read_hours(text).days
    except ValueError as error:
        days, said = frozenset(), str(error)
    assert (days <= frozenset(range(7)), bool(days)) == (True, said == "")


# --- on call


def test_on_call_stands_for_whoever_it_is_then() -> None:
    """Wherever a route is named: in the guardrail file, in a rule, among the defaults. Whoever is told twice is told once."""
    rota = Rota(
        people={"ana": "pager-ana", "ben": "pager-ben"},
        primary=("ana", "ben"),
        shadow=("ben", "ben"),
        hand_over=read_hand_over("09:00"),
        zone=UTC,
        since=date(2026, 10, 1),
    )
    routing = Routing(rules=(Rule(to=("chat", ON_CALL), severity="page"),), ticket=(ON_CALL,), rota=rota)
    today = at("2026-10-01 12:00")

    assert routing.routes_for(LOAN, today) == ("chat", "pager-ana", "pager-ben")
    assert routing.routes_for(LOAN, today + 86_400) == ("chat", "pager-ben")
    assert routing.routes_for(TICKET, today, (ON_CALL, "pager-ben")) == ("pager-ana", "pager-ben")
    assert routing.duty(today) == Duty("ana", "ben", today + 21 * 3600.0)
    assert (Routing().duty(today), Routing().routes_for(LOAN, today, (ON_CALL,))) == (None, (ON_CALL,))
