"""What every notifier keeps to, over each entry of the table and through the strict receiver.

A new notifier adds one line to `SETTINGS`; those that speak HTTP are held to all of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from structlog.testing import capture_logs

from alerting.dispatch import EVENTS
from alerting.errors import DeliveryError
from alerting.notice import Event
from alerting.notifiers import NOTIFIERS, Notifier
from alerting.notifiers.webhook import WebhookConfig
from alerting.routes import build_routes
from tests.doubles.alerting import a_notice
from tests.doubles.receiver import Answer, Misbehaviour, Receiver
from tests.doubles.webhook_contract import FIELDS

#: Kind -> its settings for a receiver. The canaries must never be seen outside the request.
SETTINGS: Mapping[str, Callable[[Receiver], dict[str, Any]]] = {
    "log": lambda _: {"kind": "log"},
    "webhook": lambda receiver: {
        "kind": "webhook",
        "url": f"{receiver.url}/canary-path?token=canary-token",
        "secret": receiver.secret,
        "headers": {"Authorization": "Bearer canary-header"},
        "timeout": 0.5,
    },
}

REMOTE = sorted(set(SETTINGS) - {"log"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A strict receiver that checks signatures; nothing that it was sent may break the contract."""
    with Receiver(secret="canary-secret") as receiver:
        yield receiver
    assert receiver.violations == []


def built(kind: str, receiver: Receiver) -> Notifier:
    """The notifier of this kind, built as the daemon builds it."""
    return build_routes({"subject": SETTINGS[kind](receiver)})["subject"]


def failure(kind: str, receiver: Receiver, behaviour: Answer | Misbehaviour) -> DeliveryError:
    """The error that the notifier raises when the receiver behaves like this."""
    receiver.script.append(behaviour)
    with pytest.raises(DeliveryError) as caught:
        built(kind, receiver).notify(a_notice())
    assert receiver.accepted == []
    return caught.value


def test_the_suite_covers_the_table() -> None:
    """Whoever adds a kind adds it here."""
    assert sorted(SETTINGS) == sorted(NOTIFIERS)


@pytest.mark.parametrize("event", get_args(Event))
@pytest.mark.parametrize("kind", sorted(NOTIFIERS))
def test_it_delivers(kind: str, event: Event, receiver: Receiver) -> None:
    """Trigger, update and resolve: it returns, and the receiver has it or the log does."""
    with capture_logs() as logs:
        built(kind, receiver).notify(a_notice(event=event))

    assert receiver.events == ([("i", event)] if kind in REMOTE else [])
    assert [line["key"] for line in logs] == ([] if kind in REMOTE else ["i:page:hook:0"])


@pytest.mark.parametrize("kind", REMOTE)
def test_a_repeated_delivery_can_be_recognised(kind: str, receiver: Receiver) -> None:
    """The same notice carries the same key; another one of the same problem shares the problem's key only."""
    notifier = built(kind, receiver)
    notifier.notify(a_notice("i:page:hook:0"))
    notifier.notify(a_notice("i:page:hook:0"))
    notifier.notify(a_notice("i:resolve:hook:0", "resolve"))

    keys = [(one.body["dedup_key"], one.headers["idempotency-key"]) for one in receiver.accepted]
    assert keys == [("i", "i:page:hook:0"), ("i", "i:page:hook:0"), ("i", "i:resolve:hook:0")]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("kind", REMOTE)
def test_any_2xx_is_delivered(kind: str, status: int, receiver: Receiver) -> None:
    """The receiver says that it has it."""
    receiver.script.append(Answer(status))
    built(kind, receiver).notify(a_notice())

    assert len(receiver.accepted) == 1


@pytest.mark.parametrize("status", [307, 400, 403, 404, 410])
@pytest.mark.parametrize("kind", REMOTE)
def test_a_refusal_is_permanent(kind: str, status: int, receiver: Receiver) -> None:
    """The same request would be refused again; a redirect is not followed."""
    error = failure(kind, receiver, Answer(status, {"Location": "/elsewhere"}))

    assert error.permanent
    assert str(status) in str(error)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
@pytest.mark.parametrize("kind", REMOTE)
def test_trouble_of_the_receiver_is_temporary(kind: str, status: int, receiver: Receiver) -> None:
    """It is tried again, after the pause that it asks for."""
    error = failure(kind, receiver, Answer(status, {"Retry-After": "7"}))

    assert (error.permanent, error.retry_after) == (False, 7.0)


@pytest.mark.parametrize("behaviour", sorted(set(get_args(Misbehaviour)) - {"drip_after_202"}))
@pytest.mark.parametrize("kind", REMOTE)
def test_no_receiver_holds_it_up(kind: str, behaviour: Misbehaviour, receiver: Receiver) -> None:
    """Hanging, resetting, dripping a byte at a time in headers or text, flooding: an error in bounded time, to be tried again."""
    assert not failure(kind, receiver, behaviour).permanent


@pytest.mark.parametrize("kind", REMOTE)
def test_the_status_is_the_delivery(kind: str, receiver: Receiver) -> None:
    """Who said 202 has it, however long the text that follows may take: it is not sent again for that."""
    receiver.script.append("drip_after_202")
    built(kind, receiver).notify(a_notice())

    assert len(receiver.accepted) == 1


@pytest.mark.parametrize("kind", REMOTE)
def test_nobody_listening_is_temporary(kind: str) -> None:
    """The receiver may come back."""
    with Receiver(secret="canary-secret") as gone:
        pass
    with pytest.raises(DeliveryError, match="cannot be reached") as caught:
        built(kind, gone).notify(a_notice())

    assert not caught.value.permanent


@pytest.mark.parametrize(
    "behaviour", [Answer(202), Answer(400, text="canary-header canary-token canary-path"), "reset", "garbage"]
)
@pytest.mark.parametrize("kind", sorted(NOTIFIERS))
def test_no_secret_leaves_but_in_the_request(
    kind: str, behaviour: Answer | Misbehaviour, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in our log or that of a library at its most talkative, not in the error or its cause, not in the notifier's text."""
    caplog.set_level(logging.DEBUG)
    receiver.script.append(behaviour)
    notifier = built(kind, receiver)
    texts = [repr(notifier), str(notifier), repr(vars(notifier))]
    with capture_logs() as logs:
        try:
            notifier.notify(a_notice())
        except DeliveryError as error:
            texts += [repr(error), repr(error.__cause__)]

    assert "canary" not in " ".join([*texts, repr(logs), caplog.text])


def test_the_webhook_is_documented_field_by_field() -> None:
    """Who writes a receiver finds every field of the document and every key of the settings in docs/response.md."""
    text = (Path(__file__).parents[2] / "docs" / "response.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}

    assert set(FIELDS) <= documented
    assert set(WebhookConfig.model_fields) - {"kind"} <= documented
    assert set(EVENTS.values()) <= documented
