"""Chat through Apprise: what a message says, what happens without the package, and what never reaches a list of processes."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from alerting.errors import DeliveryError
from alerting.notice import describe
from alerting.notifiers import apprise
from alerting.notifiers.apprise import AppriseConfig, AppriseNotifier, title_of
from alerting.routes import check_routes
from tests.doubles.alerting import a_notice
from tests.doubles.chat import Chat

CHAT = {"kind": "apprise", "url": "slack://canary"}


def test_a_message_says_what_the_page_says() -> None:
    """A short title, the whole description, the colour of its urgency."""
    with Chat("t") as chat:
        notifier = AppriseNotifier(AppriseConfig.model_validate({"kind": "apprise", "url": chat.url}))
        notifier.notify(a_notice(severity="ticket"))
        notifier.notify(a_notice(event="resolve"))

    assert chat.messages[0] == ("ticket: loan-approval 8", describe(a_notice(severity="ticket")), "warning")
    assert chat.messages[1][::2] == ("resolved: loan-approval 8", "success")


def test_without_the_package_the_settings_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with what to do, before anything else is complained of."""
    monkeypatch.setattr(apprise, "find_spec", lambda name: None)

    assert check_routes({"chat": {**CHAT, "url": 3}}) == [
        "routes.chat: needs the package apprise, an extra: pip install 'watchkeeper[apprise]'"
    ]


@pytest.mark.parametrize("url", ["canary", "", "://canary", "slack//canary"])
def test_what_is_no_address_is_refused_and_not_repeated(url: str) -> None:
    """At start."""
    assert check_routes({"chat": {**CHAT, "url": url}}) == [
        "routes.chat.url: must be an address of Apprise, such as slack://… or mailto://…"
    ]


def test_a_service_that_apprise_does_not_have_is_refused_for_good() -> None:
    """Only Apprise knows them all."""
    with pytest.raises(DeliveryError, match="not one that Apprise can use") as caught:
        AppriseNotifier(AppriseConfig.model_validate({**CHAT, "url": "nosuch://canary/"})).notify(a_notice())

    assert caught.value.permanent


def test_a_process_that_dies_is_a_temporary_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what it printed stays where it is."""
    seen: list[Any] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
        seen.append((command, options))
        return subprocess.CompletedProcess(command, 1, b"canary", b"canary")

    monkeypatch.setenv("WATCHKEEPER_KAFKA__SASL_PASSWORD", "canary-password")
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(DeliveryError, match="apprise slack ended with exit code 1") as caught:
        AppriseNotifier(AppriseConfig.model_validate(CHAT)).notify(a_notice())

    (command, options), environment = seen[0], seen[0][1]["env"]
    assert not caught.value.permanent
    assert "canary" not in " ".join(command)
    assert isinstance(environment, Mapping)
    assert "WATCHKEEPER_KAFKA__SASL_PASSWORD" not in environment
    assert b"canary" in options["input"]


def test_a_title_is_one_short_line() -> None:
    """Names come from events."""
    title = title_of(replace(a_notice(), model="a\nb" * 500, event="acknowledge"))

    assert title.startswith("acknowledged: a ba b")
    assert len(title) == 200
