"""PagerDuty's events: what stands where, what becomes of an alert, the change event of a rollback, and the limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from alerting.errors import DeliveryError
from alerting.incidents import Action, add_action
from alerting.notice import Notice, notice_of, summary
from alerting.notifiers.pagerduty import PagerDutyConfig, PagerDutyNotifier, event_of, key_of
from tests.doubles.alerting import NOON, a_notice, an_incident
from tests.doubles.pagerduty import PagerDuty
from tests.doubles.stand import Answer

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def account() -> Iterator[PagerDuty]:
    """An account that checks every event."""
    with PagerDuty(KEY) as account:
        yield account
    assert account.violations == []


def notifier(account: PagerDuty, key: str = KEY) -> PagerDutyNotifier:
    """A notifier for it."""
    return PagerDutyNotifier(PagerDutyConfig(routing_key=SecretStr(key), url=SecretStr(account.address)), clock=lambda: NOON)


def confirmed() -> Notice:
    """The news that a rollback took hold."""
    action = Action(kind="rollback_confirmed", at=NOON + 120, target="7")
    return notice_of(add_action(an_incident(), action), event="update", key="k", at=NOON + 120)


def test_the_event_is_what_the_documents_ask_for() -> None:
    """Field for field; the particulars are those of the webhook's document."""
    event = event_of(a_notice())
    details = event["payload"].pop("custom_details")

    assert event == {
        "event_action": "trigger",
        "dedup_key": "i",
        "client": "watchkeeper",
        "payload": {
            "summary": summary(a_notice()),
            "source": "loan-approval",
            "severity": "critical",
            "timestamp": "2026-10-01T12:01:00.000Z",
            "component": "version 8",
            "group": "team-credit",
            "class": "new_version",
        },
        "links": [{"href": "https://wiki.example/loan-approval", "text": "Runbook"}],
    }
    assert details["numbers"] == {"mean_loss": 0.31, "limit": 0.22}
    assert details["guardrails"] == {"version": 3, "digest": "0123456789abcdef"}


def test_an_end_is_only_a_key() -> None:
    """Acknowledge and resolve carry no payload."""
    assert event_of(a_notice(event="resolve")) == {"event_action": "resolve", "dedup_key": "i"}
    assert event_of(a_notice(event="acknowledge")) == {"event_action": "acknowledge", "dedup_key": "i"}


def test_a_ticket_is_a_warning_and_the_daemon_itself_has_a_name() -> None:
    """Who is paged sees how urgent it is, and what it is about when no model is."""
    ticket = replace(a_notice(severity="ticket"), model=None, version=None, owner="", runbook="see the wiki")
    payload = event_of(ticket)["payload"]

    assert (payload["severity"], payload["source"]) == ("warning", "watchkeeper")
    assert not {"component", "group"} & set(payload)
    assert event_of(ticket)["links"] == []


def test_one_problem_pages_once(account: PagerDuty) -> None:
    """Repetitions and news join the open alert; after its end the same key is a new one."""
    subject = notifier(account)
    for event in ("trigger", "trigger", "acknowledge", "update", "resolve"):
        subject.notify(a_notice(event=event))
    assert (account.pages, account.alerts) == (["i"], {"i": "resolved"})

    subject.notify(a_notice())
    assert account.pages == ["i", "i"]


def test_a_confirmed_rollback_is_a_change_too(account: PagerDuty) -> None:
    """It is told once, with the notice that confirms it, and not again by later news."""
    subject = notifier(account)
    subject.notify(confirmed())
    later = notice_of(
        add_action(an_incident(), Action(kind="rollback_confirmed", at=NOON, target="7")), event="update", key="l", at=NOON + 9
    )
    subject.notify(later)

    assert [change["payload"]["summary"] for change in account.changes] == ["Rolled back loan-approval from version 8 to 7"]
    assert len(account.accepted) == 2


@pytest.mark.parametrize("answer", [Answer(500), Answer(400), Answer(429)])
def test_no_page_waits_for_a_change_event(account: PagerDuty, answer: Answer) -> None:
    """It is tried once; that it failed is said in the log."""
    account.script.extend([None, answer])
    with capture_logs() as logs:
        notifier(account).notify(confirmed())

    assert (len(account.accepted), account.changes) == (1, [])
    assert [line["event"] for line in logs] == ["change_event_failed"]


def test_a_rulesets_key_has_no_change_events() -> None:
    """Keys that begin with R refuse them, so none is sent."""
    with PagerDuty("R" + KEY[1:]) as account:
        notifier(account, account.routing_key).notify(confirmed())

    assert (len(account.accepted), account.changes, account.violations) == (1, [], [])


@pytest.mark.parametrize("key", ["", "short", "x" * 31 + "-", "ü" * 32, "x" * 33])
def test_a_key_that_cannot_be_one_is_refused_and_not_repeated(key: str) -> None:
    """Better at start than at the first page."""
    with pytest.raises(ValidationError, match="32 letters and digits") as caught:
        PagerDutyConfig(routing_key=SecretStr(key))

    assert not key or key not in str(caught.value)


def test_a_wrong_key_is_refused_for_good(account: PagerDuty) -> None:
    """The account says so, and the error names the host only."""
    with pytest.raises(DeliveryError, match="answered 400") as caught:
        notifier(account, "f" * 32).notify(a_notice())

    assert caught.value.permanent
    assert account.violations == ["routing_key is not the service's"]
    account.violations.clear()


@given(st.text(max_size=300))
def test_keys_stay_apart_whatever_they_are(key: str) -> None:
    """A key that fits is itself; one that does not is a digest of its own."""
    made = key_of(key)

    assert 0 < len(made) <= 255
    assert made == key or len(made) == 64
    assert made != key_of(key + "x" * 255)
