"""A page is acknowledged by the link in it: over a real server and a real task, and by nothing that only looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlencode

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry

from alerting.incidents import to_record
from alerting.links import LASTS, Links, token_in
from daemon.endpoints import Endpoints
from daemon.inbox import NoAnswer
from tests.contract.test_changes import Stage
from tests.contract.test_endpoints import FixedViews
from tests.contract.test_pages import Tags, flat
from tests.unit.test_persons import MANUAL, World

KEY = b"canary-key"
#: Where people reach it: the proxy in front takes the first part of the path away.
PUBLIC = "https://wk.example/below"


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A model with an open incident, which the ledger knows too."""
    stage = Stage(World(respond=MANUAL).broken())
    stage.ledger[stage.world.incident.id] = to_record(stage.world.incident)
    yield stage
    stage.end()


@pytest.fixture
def browser(stage: Stage) -> Iterator[httpx.Client]:
    """Somebody's phone, behind the proxy."""
    endpoints = Endpoints(FixedViews(), CollectorRegistry(), replace(stage.door(), links=Links(PUBLIC, KEY)), port=0)
    endpoints.start()
    with httpx.Client(base_url=endpoints.address, timeout=10, trust_env=False) as client:
        yield client
    endpoints.stop()


def link(stage: Stage, problem: str | None = None, lasts: int = LASTS) -> str:
    """The link of the page, as the daemon behind the proxy sees it."""
    incident, now = stage.world.incident, stage.door().clock()
    made = Links(PUBLIC, KEY).acknowledge(incident.id, problem or incident.dedup_key, int(now) + lasts)
    return made.removeprefix(PUBLIC)


def press(browser: httpx.Client, where: str, name: str, once: str | None = None) -> httpx.Response:
    """Write a name into the form and press its button; `once` is that of another time the form was shown."""
    if once is None:
        once = dict(re.findall(r'name="(once)" value="(\w+)"', browser.get(where).text)).get("once", "")
    return browser.post(where, data={"by": name, "once": once})


def said(answer: httpx.Response) -> str:
    """The text of a page."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return flat(Tags(answer.text).said)


def test_a_link_asks_for_a_name_and_a_press(browser: httpx.Client, stage: Stage) -> None:
    """It says what is acknowledged, has one field to write in and one button, and leads to the incident, below any proxy."""
    answer = browser.get(link(stage))
    shown = Tags(answer.text)

    assert answer.status_code == 200
    assert stage.world.incident.reason in said(answer)
    assert [shown.tags.count(tag) for tag in ("form", "button", "script")] == [1, 1, 0]
    assert ("name", "by") in shown.attributes
    assert f"../{stage.world.incident.id}" in shown.links
    assert "refresh" not in answer.text


def test_looking_changes_nothing(browser: httpx.Client, stage: Stage) -> None:
    """Chats fetch a link for a preview, scanners of mail follow each; however often, by whichever method."""
    where = link(stage)
    sent = len(stage.world.sent)
    for method in ("GET", "HEAD", "OPTIONS", "GET", "PUT", "DELETE"):
        browser.request(method, where, params=None)
    stage.world._carry_out()  # noqa: SLF001  # what the task decided

    assert (len(stage.inbox), len(stage.world.sent), stage.world.incident.acknowledged) == (0, sent, None)
    assert press(browser, where, "Ann").status_code == 200


def test_who_presses_has_acknowledged(browser: httpx.Client, stage: Stage) -> None:
    """Under the name that was written; the others who were paged hear of it."""
    identity = stage.world.incident.id
    answer = press(browser, link(stage), "  Ann\tB. ")
    stage.world._carry_out()  # noqa: SLF001  # what the task decided

    assert answer.status_code == 200
    assert f"Incident {identity} is acknowledged by Ann B. by the link." in said(answer)
    assert stage.world.incident.acknowledged_by == "Ann B. by the link"
    assert stage.world.told()[-1] == ("acknowledge", identity)


def test_a_double_click_does_it_once(browser: httpx.Client, stage: Stage) -> None:
    """Both get the same answer; another person is told who was first."""
    where = link(stage)
    once = [press(browser, where, "Ann", "0123") for _ in range(2)]
    bob = press(browser, where, "Bob")
    stage.world._carry_out()  # noqa: SLF001  # what the task decided

    assert [said(each) == said(once[0]) for each in once] == [True, True]
    assert (bob.status_code, "was acknowledged by Ann by the link at" in said(bob)) == (200, True)
    assert stage.world.told().count(("acknowledge", stage.world.incident.id)) == 1
    assert [key for key in stage.world.written if key.startswith("act/link:")] != []


def test_a_link_is_for_its_own_problem(browser: httpx.Client, stage: Stage) -> None:
    """A new one inside the incident has not been seen by who saw the first; who asks anew hears that, also by the old link."""
    stage.world = World().broken()
    first = link(stage)
    assert press(browser, first, "Ann").status_code == 200
    stage.world.serve("8", 0.4, 700)  # the rollback is stuck
    old = press(browser, first, "Ann")
    acknowledged = stage.world.incident.acknowledged
    new = press(browser, link(stage), "Ann")

    assert (old.status_code, "That was about an earlier page" in said(old), acknowledged) == (409, True, None)
    assert (new.status_code, stage.world.incident.dedup_key) == (200, f"{stage.world.incident.id}.1")


def test_what_is_over_stays_over(browser: httpx.Client, stage: Stage) -> None:
    """And the answer says since when, and why, as the ledger remembers it."""
    where = link(stage)
    stage.world.act("resolve", reason="a campaign")
    stage.ledger[stage.world.incident.id] = to_record(stage.world.incident)
    answer = press(browser, where, "Ann")

    assert (answer.status_code, stage.world.incident.state) == (409, "resolved")
    assert "was resolved at" in said(answer)
    assert "by ann: a campaign" in said(answer)


def test_a_link_closes_nothing(browser: httpx.Client, stage: Stage) -> None:
    """An incident that only the ledger knows to be open, since the store was lost, is left as it is."""
    where = link(stage)
    stage.world.task = World(respond=MANUAL).task
    answer = press(browser, where, "Ann")

    assert (answer.status_code, "There is no open incident" in said(answer)) == (409, True)
    assert list(stage.world.task.outbox.values()) == []


def forged(stage: Stage) -> list[str]:
    """Links that are not ours, or no longer."""
    identity, now = stage.world.incident.id, int(stage.door().clock())
    right = link(stage)
    good = {"problem": identity, "until": str(now + LASTS), "token": token_in(right)}
    wrong = [{"token": ""}, {"token": "0" * 64}, {"token": "ü\ud7ff"}, {"until": "9" * 12}, {"until": ""}, {"until": "nan"}]
    wrong += [{"problem": f"{identity}.1"}, {"problem": ""}]
    path = f"/incidents/{identity}/acknowledge"
    return [
        *(f"{path}?{urlencode(good | each)}" for each in wrong),
        path,
        right.replace(identity, "0123456789ab", 1),
        link(stage, lasts=-1),
        Links(PUBLIC, b"another key").acknowledge(identity, identity, now + LASTS).removeprefix(PUBLIC),
    ]


def test_what_is_not_genuine_is_refused(browser: httpx.Client, stage: Stage) -> None:
    """Wrong, lapsed, of another problem, incident or daemon: one sentence for all, and no form."""
    for where in forged(stage):
        for answer in (browser.get(where), browser.post(where, data={"by": "Eve"})):
            assert (answer.status_code, "This link is not genuine, or it has lapsed" in said(answer)) == (403, True)
            assert ("<form" in answer.text, stage.world.incident.reason in answer.text) == (False, False)

    assert (len(stage.inbox), stage.world.incident.acknowledged) == (0, None)


def test_a_link_opens_nothing_else(browser: httpx.Client, stage: Stage) -> None:
    """Neither as the daemon's token, nor behind another address."""
    token = token_in(link(stage))
    path = f"/api/v1/incidents/{stage.world.incident.id}"
    answers = [
        browser.post(f"{path}/{what}?token={token}", headers={"Authorization": f"Bearer {token}"})
        for what in ("acknowledge", "resolve")
    ]
    answers.append(browser.post(link(stage).replace("/acknowledge", "/resolve"), data={"by": "Eve"}))

    assert [each.status_code for each in answers] == [401, 401, 404]


@pytest.mark.parametrize("public", [Links(PUBLIC), Links(key=KEY)])
def test_without_address_or_token_no_link_is_taken(stage: Stage, public: Links) -> None:
    """A daemon that makes none believes none."""
    endpoints = Endpoints(FixedViews(), CollectorRegistry(), replace(stage.door(None), links=public), port=0)
    endpoints.start()
    answer = httpx.get(endpoints.address + link(stage), timeout=10, trust_env=False)
    endpoints.stop()

    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["", "   ", "\n"])
def test_who_says_no_name_is_asked_again(browser: httpx.Client, stage: Stage, name: str) -> None:
    """The others must know whom to ask."""
    answer = press(browser, link(stage), name)

    assert (answer.status_code, "Say who you are" in said(answer), "<form" in answer.text) == (422, True, True)
    assert stage.world.incident.acknowledged is None


@pytest.mark.parametrize("refusal", [NoAnswer("standby", "this daemon stands by"), NoAnswer("starting", "not yet"), None])
def test_what_cannot_be_done_yet_is_said(browser: httpx.Client, stage: Stage, refusal: NoAnswer | None) -> None:
    """A standby, a daemon that starts, and one that is slow; pressed again later, it is done."""
    stage.refusal, stage.silent = refusal, refusal is None
    where = link(stage)
    late = press(browser, where, "Ann", "0123")
    stage.refusal, stage.silent = None, False
    done = press(browser, where, "Ann", "0123")

    assert (late.status_code, done.status_code) == (503, 200)
    assert (refusal.text[1:] if refusal else "no answer within") in said(late)


def test_a_browser_keeps_nothing_and_tells_nobody(browser: httpx.Client, stage: Stage) -> None:
    """The link is a secret: no referrer, no copy, no frame, and the form goes to this daemon alone."""
    where = link(stage)
    answers = [browser.get(where), press(browser, where, "Ann"), browser.get(where + "0")]

    for answer in answers:
        policy = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
        assert (answer.headers["referrer-policy"], answer.headers["cache-control"]) == ("no-referrer", "no-store")
        assert (policy["form-action"], policy["frame-ancestors"], policy["default-src"]) == ("'self'", "'none'", "'none'")
        assert token_in(where) not in answer.text


def test_a_hostile_name_is_text(browser: httpx.Client, stage: Stage) -> None:
    """Of a bounded length, and never run; what is no form is no name."""
    where = link(stage)
    assert browser.post(where, content=b"\xff&=;%zz" * 9).status_code == 422
    assert browser.post(where, content=b"by=" + b"x" * 9_000).status_code == 413
    answer = press(browser, where, "<script>alert(1)</script>{{ 7 * 7 }}" + "x" * 5_000)

    assert (answer.status_code, "script" in Tags(answer.text).tags, "{{ 7 * 7 }}" in said(answer)) == (200, False, True)
    assert len(stage.world.task.models["loan"].response.cases[stage.world.incident.id].incident.acknowledged_by or "") < 150


def test_no_link_is_in_a_log_or_the_journal(browser: httpx.Client, stage: Stage) -> None:
    """Whoever reads these may read, and not act."""
    where = link(stage)
    with structlog.testing.capture_logs() as logs:
        press(browser, where, "Ann")
        browser.get(where)
    stage.world._carry_out()  # noqa: SLF001  # what the task decided
    texts = repr(logs) + repr(stage.world.written) + repr(stage.world.sent)

    assert (token_in(where) in texts, "canary" in texts) == (False, False)
    assert [log["event"] for log in logs] == ["person_acted"]
