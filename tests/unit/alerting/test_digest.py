"""A route's budget: what goes by itself, what is held, and the digest that tells of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.carrier import Carrier
from alerting.digest import MOST, Budget, choose, digest_of, key_of, problem_of
from alerting.errors import DeliveryError
from alerting.intents import Intent, Kind, Outcome
from alerting.lane import Lane, Pace
from alerting.notice import Notice, describe, summary, to_record
from alerting.notifiers.webhook import body_of
from alerting.periods import Rate
from alerting.retry import RetryPolicy
from alerting.routes import RouteTerms
from tests.doubles.alerting import NOON, Inbox, MemoryJournal, Time, a_notice, an_intent
from tests.doubles.webhook_contract import FIELDS

BUSY = DeliveryError("503")
MINUTE = 60.0
THREE = Rate(3, 10 * MINUTE)


def page(problem: str, number: int = 0, kind: Kind = "page") -> Intent:
    """A page (or ticket, or end) about a problem; the key says which."""
    return an_intent(kind, key=f"{problem}:{kind}:hook:{number}")


def keys(intents: Sequence[Intent]) -> list[str]:
    """Problem and kind of each, as `a page`."""
    return [" ".join(intent.key.split(":")[:2]) for intent in intents]


# --- the pure part


@pytest.mark.parametrize(
    ("queue", "room", "chosen"),
    [
        ([], {"page": 3, "ticket": 3}, []),
        ([page("a"), page("b")], {"page": 2, "ticket": 3}, ["a page"]),
        ([page("a"), page("b")], {"page": 1, "ticket": 3}, ["a page", "b page"]),
        ([page("a")], {"page": 1, "ticket": 3}, ["a page"]),
        ([page("a"), page("b")], {"page": 0, "ticket": 3}, []),
        ([page("a"), page("b", kind="ticket")], {"page": 1, "ticket": 3}, ["a page"]),
        ([page("a", kind="ticket"), page("b")], {"page": 2, "ticket": 0}, ["b page"]),
        ([page("a", kind="ticket"), page("a")], {"page": 2, "ticket": 0}, ["a ticket"]),
        ([page("a", kind="ticket"), page("a")], {"page": 1, "ticket": 0}, ["a ticket", "a page"]),
        ([page("a"), page("b", kind="resolve")], {"page": 0, "ticket": 3}, ["b resolve"]),
        ([page("a"), page("a", kind="resolve")], {"page": 0, "ticket": 3}, []),
        ([page("a"), page("a", kind="resolve")], {"page": 1, "ticket": 3}, ["a page", "a resolve"]),
        ([page("a"), page("b", kind="resolve"), page("c")], {"page": 1, "ticket": 3}, ["a page", "c page"]),
        ([page("a"), page("b")], {}, ["a page"]),
    ],
)
def test_what_goes_now(queue: list[Intent], room: dict[Kind, int], chosen: list[str]) -> None:
    """One by one while there is room, all that wait with the last of it; ends at once, but never before their page."""
    assert keys(choose(queue, room)) == chosen


def test_who_has_seen_it_is_told_at_once() -> None:
    """An acknowledgement wakes nobody: it is neither counted nor held, unless its page still is."""
    seen = {name: an_intent(key=f"{name}:page:hook:1", body=to_record(a_notice(f"{name}:x", "acknowledge"))) for name in "ab"}
    budget = Budget(Rate(1, MINUTE))
    budget.spend([seen["a"]], NOON)

    assert budget.room(NOON)["page"] == 1
    assert choose([page("a"), seen["a"], seen["b"]], {"page": 0}) == (seen["b"],)
    assert choose([page("a"), seen["a"], seen["b"]], {"page": 1}) == (page("a"), seen["a"])


def test_a_digest_is_not_endless() -> None:
    """What does not fit waits for the next."""
    queue = [page(f"{number:03}") for number in range(MOST + 5)]

    assert choose(queue, {"page": 1}) == tuple(queue[:MOST])


def test_the_budget_is_a_sliding_window() -> None:
    """Three in any ten minutes, of each kind; the fourth may go when the first is ten minutes old."""
    budget = Budget(THREE)
    for minute in (0, 1, 2):
        assert budget.opens(NOON + minute * MINUTE) == NOON + minute * MINUTE
        budget.spend([page("a"), page("b"), an_intent("journal")], NOON + minute * MINUTE)

    assert budget.room(NOON + 9 * MINUTE) == {"page": 0, "ticket": 3}
    assert budget.opens(NOON + 9 * MINUTE) == NOON + 10 * MINUTE
    assert [budget.room(NOON + minute * MINUTE)["page"] for minute in (10, 11, 12)] == [1, 2, 3]


def test_a_clock_that_was_set_back_leaves_room() -> None:
    """What was sent in the future holds up no page."""
    budget = Budget(Rate(1, 60.0))
    budget.spend([page("a")], NOON)

    assert (budget.room(NOON)["page"], budget.room(NOON - 3600)["page"]) == (0, 1)


def test_a_digest_lists_problems_pages_first() -> None:
    """The last news of each, one sentence, with the incident to look up; what cannot be read is told of too."""
    told: dict[str, Notice | None] = {
        "1": a_notice("a:ticket:hook:0", severity="ticket"),
        "2": a_notice("b:page:hook:0"),
        "3": a_notice("b:resolve:hook:1", "resolve"),
        "4": None,
    }
    digest = digest_of(told, key="digest:x", at=NOON + 90, rate=THREE)

    assert [(entry["dedup_key"], entry["event"], entry["severity"]) for entry in digest.notices] == [
        ("b", "resolve", "page"),
        ("4", "trigger", "page"),
        ("a", "trigger", "ticket"),
    ]
    assert (digest.event, digest.severity, digest.key, digest.model) == ("digest", "page", "digest:x", None)
    assert summary(digest) == "watchkeeper: 2 pages and 1 ticket at once, over the 3 per 10m that this route takes one by one."
    lines = describe(digest).splitlines()
    assert lines[1].startswith(f"- page {digest.notices[0]['incident']}: loan-approval version 8: resolved after 1 min: ")
    assert lines[2] == "- page : 4 cannot be read by this release"
    assert len(lines) == 4


def test_a_digest_keeps_the_contract_of_the_webhook() -> None:
    """Field for field, whatever stands in the events that it tells of."""
    huge = "\ud800x" * 100_000
    told = {str(number): a_notice(f"{number}:page:hook:0", reason=huge, model=huge, version=huge) for number in range(MOST)}
    document = body_of(digest_of(told, key="digest:x", at=NOON, rate=None))

    assert [name for name, check in FIELDS.items() if not check(document[name])] == []
    assert len(str(document["notices"])) < 150_000


def test_a_digest_that_is_sent_again_has_the_same_key() -> None:
    """And another digest another one."""
    first = [page("a"), page("b")]

    assert key_of(first) == key_of([replace(intent, attempts=3) for intent in first])
    assert key_of(first) != key_of([*first, page("c")])


# --- in the lane


class Bench:
    """A lane of a route with a budget, and its surroundings."""

    def __init__(self, rate: Rate = THREE) -> None:
        self.time, self.hook, self.log, self.journal = Time(), Inbox(), Inbox(), MemoryJournal()
        self.leased = True
        self.rate = rate
        self.begin()

    def begin(self) -> None:
        """Start the process, or start it again: what was in memory is gone."""
        terms = {"hook": RouteTerms(at_most=self.rate)}
        carrier = Carrier({"hook": self.hook, "log": self.log}, {}, self.journal, lambda _: self.leased, terms)
        budget = carrier.budget_of(carrier.lane_of(page("a")))
        self.lane = Lane(carrier, Pace(policy=RetryPolicy(), clock=self.time, random=lambda: 0.0), 1000, budget)

    def run(self, seconds: float = 0.0) -> list[Outcome]:
        """Step for so much time, going from one due time to the next."""
        until, outcomes = self.time.now + seconds, []
        while (due := self.lane.due()) is not None and due <= until:
            self.time.now = max(self.time.now, due)
            outcomes += self.lane.step()
        self.time.now = max(self.time.now, until)
        return outcomes

    def offer(self, *intents: Intent) -> None:
        """Hand them over."""
        assert all(self.lane.offer(intent) for intent in intents)

    @property
    def got(self) -> list[str]:
        """What arrived: the problem and event of each notice, or those that a digest lists."""
        return [_shown(notice) for notice in self.hook.notices]


def _shown(notice: Notice) -> str:
    if notice.event != "digest":
        return f"{notice.dedup_key} {notice.event}"
    return "digest of " + ", ".join(f"{entry['dedup_key']} {entry['event']}" for entry in notice.notices)


def test_a_flood_is_some_pages_and_a_list() -> None:
    """At once, not after a wait; each of them is done by itself in the journal."""
    bench = Bench()
    bench.offer(*(page(problem) for problem in "abcdef"))
    outcomes = bench.run()

    assert bench.got == ["a trigger", "b trigger", "digest of c trigger, d trigger, e trigger, f trigger"]
    assert [(keys([page(one.key[0])]), one.status) for one in outcomes] == [([f"{name} page"], "done") for name in "abcdef"]
    assert outcomes[-1].detail == "4 in one digest delivered by hook"
    assert len(bench.journal.entries) == 6


def test_what_is_over_the_budget_waits_for_the_next_digest() -> None:
    """No longer than the period of the rate; an end of what was told goes at once, of what is held with it."""
    bench = Bench()
    for problem in "abc":
        bench.offer(page(problem))
        bench.run(MINUTE)
    bench.offer(page("d"), page("e"), page("a", kind="resolve"), page("e", kind="resolve"))
    bench.run(6.9 * MINUTE)

    assert bench.got == ["a trigger", "b trigger", "c trigger", "a resolve"]
    bench.run(0.1 * MINUTE)
    assert bench.got[4:] == ["digest of d trigger, e resolve"]
    bench.offer(page("f"))
    bench.run(0.9 * MINUTE)
    assert (bench.got[5:], len(bench.lane)) == ([], 1)
    bench.run(0.1 * MINUTE)
    assert (bench.got[5:], len(bench.lane), bench.lane.due()) == (["f trigger"], 0, None)


def test_tickets_hold_up_no_page() -> None:
    """They have a budget of their own."""
    bench = Bench()
    bench.offer(*(page(problem, kind="ticket") for problem in "abcd"), page("e"))
    bench.run()
    bench.offer(page("f", kind="ticket"), page("g"))
    bench.run()

    assert bench.got == ["a trigger", "b trigger", "digest of c trigger, d trigger", "e trigger", "g trigger"]


def test_a_digest_is_tried_again_as_it_was() -> None:
    """What came meanwhile does not join it, since the receiver may have it already."""
    bench = Bench(Rate(1, MINUTE))
    bench.hook.failures.extend([BUSY, BUSY])
    bench.offer(page("a"), page("b"))
    assert [one.status for one in bench.run()] == ["retry_later"]
    bench.offer(page("c"))
    bench.run(10)

    assert bench.got == ["digest of a trigger, b trigger"]
    bench.run(MINUTE)
    assert bench.got[1:] == ["c trigger"]


def test_a_digest_that_is_refused_for_good_falls_back_one_by_one() -> None:
    """Who stands in may have no digests, and each notice has an end of its own."""
    bench = Bench(Rate(1, MINUTE))
    bench.hook.failures.append(DeliveryError("413", permanent=True))
    bench.offer(page("a"), page("b"), page("c"))
    outcomes = bench.run()

    assert [(one.status, one.fallback) for one in outcomes] == [("failed", "log")] * 3
    assert [_shown(notice) for notice in bench.log.notices] == ["a trigger", "b trigger", "c trigger"]


def test_only_the_records_are_tried_again_when_the_digest_arrived() -> None:
    """A journal that is away makes no second digest, and nothing is recorded twice."""
    bench = Bench(Rate(1, MINUTE))
    bench.offer(page("a"), page("b"), page("c"))
    bench.lane.step()
    bench.journal.failures.extend([BUSY, BUSY])
    outcomes = bench.run(MINUTE)

    assert [one.status for one in outcomes] == ["retry_later", "retry_later", "done", "done"]
    assert (bench.got, len(bench.journal.entries)) == (["digest of a trigger, b trigger, c trigger"], 3)


def test_without_the_lease_all_of_it_is_let_go_of() -> None:
    """The digest too: it is decided anew by whoever acts next."""
    bench = Bench(Rate(1, MINUTE))
    bench.offer(page("a"), page("b"))
    bench.leased = False

    assert [one.status for one in bench.run()] == ["fenced", "fenced"]
    assert (bench.got, len(bench.lane), bench.lane.due()) == ([], 0, None)


def test_a_crash_repeats_the_digest_at_most() -> None:
    """Between its delivery and its records: the outbox has all of them still."""
    bench = Bench(Rate(2, MINUTE))
    pages = [page(problem) for problem in "abcd"]
    bench.offer(*pages)
    for _ in range(2):
        bench.lane.step()  # the second delivers the digest and records its first page
    assert list(bench.journal.entries) == ["action/a:page:hook:0", "action/b:page:hook:0"]
    bench.begin()
    bench.offer(*pages[2:])
    bench.run()

    assert bench.got == ["a trigger", "digest of b trigger, c trigger, d trigger", "c trigger", "d trigger"]


@pytest.mark.parametrize("where", ["hook", "journal"])
def test_a_bug_holds_nothing_up_for_ever(where: str) -> None:
    """What stumbles waits, then is given up one by one; the next notices go on."""
    bench = Bench(Rate(1, MINUTE))
    bench.offer(page("a"), page("b"))
    error = KeyError()
    (bench.hook if where == "hook" else bench.journal).failures.append(error)  # type: ignore[arg-type]  # a bug is no DeliveryError
    with pytest.raises(KeyError):
        bench.lane.step()
    assert [one.status for one in bench.lane.stumble(error)] == ["retry_later"]
    bench.time.now += 7 * 3600
    ended = "failed" if where == "hook" else "done"

    assert [one.status for one in bench.lane.stumble(error) + bench.lane.stumble(error)] == [ended, ended]
    assert (len(bench.lane), bench.lane.stumble(error)) == (0, [])


# --- whatever happens

EVENTS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["page", "ticket", "resolve"]), st.integers(0, 300)), max_size=40
)


def planned(events: Sequence[tuple[str, str, int]]) -> Iterator[tuple[Intent, int]]:
    """Intents, and the seconds to wait after each; an end only for what has begun."""
    begun: set[str] = set()
    for number, (problem, kind, pause) in enumerate(events):
        if kind != "resolve" or problem in begun:
            begun.add(problem)
            yield page(problem, number, kind), pause  # type: ignore[arg-type]  # of the strategy


@given(EVENTS, st.integers(1, 4), st.lists(st.booleans(), max_size=20))
def test_nothing_is_lost_and_no_problem_is_told_out_of_order(
    events: Sequence[tuple[str, str, int]], count: int, failing: list[bool]
) -> None:
    """Every intent ends as done once, its problem's news come in order, and in no ten minutes there are more than agreed."""
    bench = Bench(Rate(count, 10 * MINUTE))
    arrived: list[float] = []

    def before(_: Notice) -> None:
        if failing and failing.pop():
            raise BUSY
        arrived.append(bench.time.now)

    bench.hook = Inbox(before)
    bench.begin()
    plan, outcomes = list(planned(events)), []
    for intent, pause in plan:
        bench.offer(intent)
        outcomes += bench.run(pause)
    outcomes += bench.run(3600 * 10)

    assert sorted(one.key for one in outcomes if one.final) == sorted(intent.key for intent, _ in plan)
    assert {one.status for one in outcomes if one.final} <= {"done"}
    last: dict[str, int] = {}
    for notice in bench.hook.notices:
        for entry in notice.notices or ({"key": notice.key, "dedup_key": notice.dedup_key},):
            number = int(entry["key"].rpartition(":")[2])
            assert last.get(entry["dedup_key"], -1) < number
            last[entry["dedup_key"]] = number
    if all(intent.kind != "ticket" for intent, _ in plan):  # a ticket before its page goes with it, budget or not
        times = [at for at, notice in zip(arrived, bench.hook.notices, strict=True) if notice.event != "resolve"]
        assert all(sum(at <= other < at + 10 * MINUTE for other in times) <= count for at in times)
    assert all(problem_of(intent) in last for intent, _ in plan)
