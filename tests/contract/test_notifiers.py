"""What every notifier keeps to, over each entry of the table and through a strict stand-in of what it delivers to.

A new notifier adds one line to `SUBJECTS`; those that speak HTTP are held to all of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
from structlog.testing import capture_logs

from alerting.dispatch import EVENTS
from alerting.errors import DeliveryError
from alerting.links import Links
from alerting.notice import Event
from alerting.notifiers import NOTIFIERS, Notifier
from alerting.notifiers.log import EVENTS as LOGGED
from alerting.rollbacks import EXECUTORS
from alerting.routes import build_routes
from tests.doubles.alerting import NOON, a_notice
from tests.doubles.alertmanager import Alertmanager
from tests.doubles.chat import Chat
from tests.doubles.pagerduty import PagerDuty
from tests.doubles.receiver import Receiver
from tests.doubles.stand import Answer, Misbehaviour, Stand
from tests.doubles.webhook_contract import FIELDS


@dataclass(frozen=True)
class Subject:
    """A notifier under test: its settings for a stand-in, the stand-in, what our events are called there when not as here.

    The canaries in the settings must never be seen outside the request; `secrets` are those that the stand-in may echo.
    """

    settings: Callable[[Any], dict[str, Any]]
    counterpart: Callable[[], Stand]
    words: Mapping[Event, str] = field(default_factory=dict)
    secrets: str = ""
    acknowledges: bool = False  # who gets it there may acknowledge by a link; else by a way of its own, or too many read it
    speaks_http: bool = True  # a library in between hides headers, has no keys, and waits for the text after a status

    def told(self, key: str, event: Event) -> tuple[str, str]:
        """What the other end knows of the event."""
        return (key if self.speaks_http else "", self.words.get(event, event))


SUBJECTS: Mapping[str, Subject] = {
    "log": Subject(lambda _: {"kind": "log"}, Receiver),
    "webhook": Subject(
        lambda receiver: {
            "kind": "webhook",
            "url": f"{receiver.url}/canary-path?token=canary-token",
            "secret": receiver.secret,
            "headers": {"Authorization": "Bearer canary-header"},
            "timeout": 0.5,
        },
        lambda: Receiver(secret="canary-secret"),
        secrets="canary-header canary-token canary-path canary-secret",
        acknowledges=True,
    ),
    "alertmanager": Subject(
        lambda peer: {
            "kind": "alertmanager",
            "peers": [peer.address.replace("//", "//canary-user:canary-word@")],
            "headers": {"X-Key": "canary-header"},
            "timeout": 0.5,
        },
        Alertmanager,
        {"trigger": "firing", "update": "firing", "acknowledge": "firing", "resolve": "resolved", "digest": "firing"},
        "canary-header",
    ),
    "apprise": Subject(
        lambda chat: {"kind": "apprise", "url": chat.url, "timeout": 3.0},
        lambda: Chat("canary-token"),
        {"trigger": "page", "update": "news", "acknowledge": "acknowledged", "resolve": "resolved", "digest": "digest"},
        "canary-token",
        acknowledges=True,
        speaks_http=False,
    ),
    "pagerduty": Subject(
        lambda account: {
            "kind": "pagerduty",
            "routing_key": account.routing_key,
            "url": account.address.replace("//", "//canary-user:canary-word@"),
            "timeout": 0.5,
        },
        lambda: PagerDuty("canary0routing0key00000000000000"),
        {"update": "trigger", "digest": "trigger"},
        "canary0routing0key00000000000000",
    ),
}

REMOTE = sorted(set(SUBJECTS) - {"log"})

LINKS = Links("https://wk.example", b"k" * 32)


@pytest.fixture
def receiver(kind: str) -> Iterator[Stand]:
    """The stand-in of the kind; nothing that it was sent may break what its documents say."""
    with SUBJECTS[kind].counterpart() as stand:
        yield stand
    assert stand.violations == []


def built(kind: str, receiver: Stand) -> Notifier:
    """The notifier of this kind, built as the daemon builds it."""
    return build_routes({"subject": SUBJECTS[kind].settings(receiver)})["subject"]


def failure(kind: str, receiver: Stand, behaviour: Answer | Misbehaviour) -> DeliveryError:
    """The error that the notifier raises when the receiver behaves like this."""
    receiver.script.append(behaviour)
    with pytest.raises(DeliveryError) as caught:
        built(kind, receiver).notify(a_notice())
    assert receiver.events == []
    return caught.value


def test_the_suite_covers_the_table() -> None:
    """Whoever adds a kind adds it here."""
    assert sorted(SUBJECTS) == sorted(NOTIFIERS)


@pytest.mark.parametrize("event", get_args(Event))
@pytest.mark.parametrize("kind", sorted(NOTIFIERS))
def test_it_delivers(kind: str, event: Event, receiver: Stand) -> None:
    """Trigger, update, acknowledgement and resolve: it returns, and the receiver has it or the log does."""
    with capture_logs() as logs:
        built(kind, receiver).notify(a_notice(event=event))

    assert receiver.events == ([SUBJECTS[kind].told("i", event)] if kind in REMOTE else [])
    assert [(line["event"], line["key"]) for line in logs] == ([] if kind in REMOTE else [(LOGGED[event], "i:page:hook:0")])


@pytest.mark.parametrize("event", get_args(Event))
@pytest.mark.parametrize("kind", sorted(NOTIFIERS))
def test_links_arrive_where_they_are_of_use(kind: str, event: Event, receiver: Stand) -> None:
    """The incident's page everywhere while it is open; what acknowledges only where those read it who were paged."""
    notice = LINKS.onto(a_notice(event=event), NOON)
    with capture_logs() as logs:
        built(kind, receiver).notify(notice)
    said = "".join(request.content.decode() for request in receiver.requests).replace("\\/", "/") + repr(logs)
    wanted = SUBJECTS[kind].acknowledges and event in {"trigger", "update"}

    assert (notice.url in said) == (kind != "pagerduty" or event not in {"acknowledge", "resolve"})
    assert [part in said for part in ("/acknowledge?", "token=")] == [wanted, wanted]
    assert notice.acknowledge_url in said or not wanted


@pytest.mark.parametrize("kind", REMOTE)
def test_what_belongs_together_can_be_recognised(kind: str, receiver: Stand) -> None:
    """A notice that is sent twice, and the end of its problem, come under the problem's key; another problem under another."""
    notifier = built(kind, receiver)
    for notice in (a_notice(), a_notice(), a_notice("j:page:hook:0"), a_notice("i:resolve:hook:0", "resolve")):
        notifier.notify(notice)

    told = SUBJECTS[kind].told
    assert receiver.events == [told("i", "trigger"), told("i", "trigger"), told("j", "trigger"), told("i", "resolve")]


HUGE = 'naïve \ud800\u2028"<&>\n\x00' * 20_000


@pytest.mark.parametrize("kind", sorted(NOTIFIERS))
def test_whatever_stands_in_an_event_can_be_told(kind: str, receiver: Stand) -> None:
    """Texts of any length and alphabet, and numbers that are none: the receiver takes it, cut to its limits."""
    notice = a_notice(
        reason=HUGE,
        version=HUGE,
        segment=HUGE,
        examples=(HUGE,) * 50,
        features=({"name": HUGE, "effect": float("nan"), "what": HUGE},) * 200,
        numbers={HUGE: float("inf"), "auc": None},
    )
    built(kind, receiver).notify(notice)

    assert receiver.events == ([SUBJECTS[kind].told("i", "trigger")] if kind in REMOTE else [])


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("kind", REMOTE)
def test_any_2xx_is_delivered(kind: str, status: int, receiver: Stand) -> None:
    """The receiver says that it has it."""
    receiver.script.append(Answer(status))
    built(kind, receiver).notify(a_notice())

    assert len(receiver.events) == 1


@pytest.mark.parametrize("status", [307, 400, 403, 404, 410])
@pytest.mark.parametrize("kind", REMOTE)
def test_a_refusal_is_permanent(kind: str, status: int, receiver: Stand) -> None:
    """The same request would be refused again; a redirect is not followed."""
    error = failure(kind, receiver, Answer(status, {"Location": "/elsewhere"}))

    assert error.permanent
    assert str(status) in str(error)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
@pytest.mark.parametrize("kind", REMOTE)
def test_trouble_of_the_receiver_is_temporary(kind: str, status: int, receiver: Stand) -> None:
    """It is tried again, after the pause that it asks for."""
    error = failure(kind, receiver, Answer(status, {"Retry-After": "7"}))

    assert (error.permanent, error.retry_after) == (False, 7.0 if SUBJECTS[kind].speaks_http else None)


@pytest.mark.parametrize("behaviour", sorted(set(get_args(Misbehaviour)) - {"drip_after_202"}))
@pytest.mark.parametrize("kind", REMOTE)
def test_no_receiver_holds_it_up(kind: str, behaviour: Misbehaviour, receiver: Stand) -> None:
    """Hanging, resetting, dripping a byte at a time in headers or text, flooding: an error in bounded time, to be tried again."""
    assert not failure(kind, receiver, behaviour).permanent


@pytest.mark.parametrize("kind", [kind for kind in REMOTE if SUBJECTS[kind].speaks_http])
def test_the_status_is_the_delivery(kind: str, receiver: Stand) -> None:
    """Who said 202 has it, however long the text that follows may take: it is not sent again for that."""
    receiver.script.append("drip_after_202")
    built(kind, receiver).notify(a_notice())

    assert len(receiver.events) == 1


@pytest.mark.parametrize("kind", REMOTE)
def test_nobody_listening_is_temporary(kind: str) -> None:
    """The receiver may come back."""
    with SUBJECTS[kind].counterpart() as gone:
        pass
    with pytest.raises(DeliveryError, match="cannot be reached") as caught:
        built(kind, gone).notify(a_notice())

    assert not caught.value.permanent


@pytest.mark.parametrize("behaviour", [Answer(202), Answer(400), "reset", "garbage"])
@pytest.mark.parametrize("kind", sorted(NOTIFIERS))
def test_no_secret_leaves_but_in_the_request(
    kind: str, behaviour: Answer | Misbehaviour, receiver: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in our log or that of a library at its most talkative, not in the error or its cause, not in the notifier's text."""
    caplog.set_level(logging.DEBUG)
    echo = isinstance(behaviour, Answer) and behaviour.status == 400
    receiver.script.append(Answer(400, text=SUBJECTS[kind].secrets) if echo else behaviour)
    notifier = built(kind, receiver)
    texts = [repr(notifier), str(notifier), repr(vars(notifier))]
    with capture_logs() as logs:
        try:
            notifier.notify(a_notice())
        except DeliveryError as error:
            texts += [repr(error), repr(error.__cause__)]

    assert "canary" not in " ".join([*texts, repr(logs), caplog.text])


def test_all_of_it_is_documented() -> None:
    """Who writes a receiver finds every field of the document, and every key of each kind, in docs/response.md."""
    text = (Path(__file__).parents[2] / "docs" / "response.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}

    assert set(FIELDS) <= documented
    assert {name for kind in (*NOTIFIERS.values(), *EXECUTORS.values()) for name in kind.Config.model_fields} <= documented
    assert {name for kind in EXECUTORS.values() for name in kind.Args.model_fields} <= documented
    assert set(EVENTS.values()) <= documented
