"""PagerDuty, by its Events API v2: an incident of ours is one alert there, under one key from trigger to resolve.

News of an open problem is a trigger under the same key: PagerDuty adds it to the alert's log and pages nobody again, which is
why a *new* problem inside an open incident must come with a key of its own. A confirmed rollback is told a second time as a
change event, so that it stands on PagerDuty's timeline beside what it ended; that one pages nobody, and when it cannot be told
the page must not wait for it.

The API refuses what is too long, so every field is cut to its limit before it leaves.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

import httpx
import structlog
from pydantic import AfterValidator, Field, SecretStr

from alerting.errors import DeliveryError
from alerting.fields import Address, Timeout
from alerting.formats import rfc3339
from alerting.incidents import Severity
from alerting.limits import clip, encoded, fitted
from alerting.notice import Event, Notice, document_of, summary
from alerting.notifiers.base import RouteConfig
from alerting.post import Call, post

log = structlog.get_logger(__name__)

#: Bytes of the particulars: an event may have 512 KB in all.
DETAILS_LIMIT: Final = 400_000
#: Characters of the key, and of the short fields.
KEY_LIMIT: Final = 255
#: Characters of a key of an integration.
ROUTING_KEY: Final = 32

ACTIONS: Final[Mapping[Event, str]] = {
    "trigger": "trigger",
    "update": "trigger",
    "acknowledge": "acknowledge",
    "resolve": "resolve",
    "digest": "trigger",
}

SEVERITIES: Final[Mapping[Severity, str]] = {"page": "critical", "ticket": "warning", "log": "info"}

#: What of a notice stands in the event's own fields, or means nothing to a person.
_ELSEWHERE: Final = frozenset({"v", "event", "key", "dedup_key", "summary", "severity"})


def _routing_key(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if len(text) != ROUTING_KEY or not (text.isascii() and text.isalnum()):
        raise ValueError(f"must be the integration's key, {ROUTING_KEY} letters and digits")
    return key


class PagerDutyConfig(RouteConfig):
    """`{kind: pagerduty, routing_key: …}`."""

    GROUPS_ITSELF: ClassVar[str] = (
        "PagerDuty groups alerts and repeats pages itself, and a digest there would be one incident that hides many; "
        "set grouping and escalation in the service"
    )

    ESCALATES: ClassVar[bool] = True

    kind: Literal["pagerduty"] = "pagerduty"
    routing_key: Annotated[SecretStr, AfterValidator(_routing_key)] = Field(
        description="The integration key (Events API v2) of the service that is paged, 32 characters."
    )
    url: Address = Field(
        default=SecretStr("https://events.pagerduty.com"),
        description="Where the Events API is; accounts in the EU: `https://events.eu.pagerduty.com`.",
    )
    timeout: Timeout = Field(default=10.0, description="Seconds for the whole request, answer included.")


class PagerDutyNotifier:
    """Delivers events; 202 is delivered. `clock` gives epoch seconds, `transport` replaces the network."""

    Config: ClassVar = PagerDutyConfig

    def __init__(
        self,
        config: PagerDutyConfig,
        *,
        clock: Callable[[], float] = time.time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.config = config
        self._clock = clock
        self._transport = transport

    def notify(self, notice: Notice) -> None:
        """Send the event, and the change that it tells of, if any. Raises DeliveryError when the event was not taken."""
        self._enqueue("/v2/enqueue", event_of(notice))
        for change in notice.changes if self._takes_changes else ():
            try:
                self._enqueue("/v2/change/enqueue", change_of(notice, change))
            except DeliveryError as failure:
                # It is only a mark on a timeline: the pages behind it in the queue do not wait for it.
                log.warning("change_event_failed", key=notice.key, reason=str(failure))

    @property
    def _takes_changes(self) -> bool:
        # The keys of rulesets begin with R; they have no change events.
        return not self.config.routing_key.get_secret_value().startswith("R")

    def _enqueue(self, path: str, event: Mapping[str, Any]) -> None:
        key = self.config.routing_key.get_secret_value()
        call = Call(
            url=self.config.url.get_secret_value().rstrip("/") + path,
            body=encoded({"routing_key": key, **event}),
            headers={"Content-Type": "application/json", "User-Agent": "watchkeeper"},
            timeout=self.config.timeout,
            secrets=(key,),
        )
        post(call, now=self._clock(), transport=self._transport)


def event_of(notice: Notice) -> dict[str, Any]:
    """The event of a notice, without the routing key."""
    event: dict[str, Any] = {"event_action": ACTIONS[notice.event], "dedup_key": key_of(notice.dedup_key)}
    if event["event_action"] != "trigger":
        return event
    payload = {
        "summary": summary(notice),
        "source": clip(notice.model or "watchkeeper", KEY_LIMIT),
        "severity": SEVERITIES[notice.severity],
        "timestamp": rfc3339(notice.at),
        "component": clip(" ".join(filter(None, (notice.version and f"version {notice.version}", notice.segment))), KEY_LIMIT),
        "group": clip(notice.owner, KEY_LIMIT),
        "class": clip(notice.cause, KEY_LIMIT),
        "custom_details": fitted(
            {name: value for name, value in document_of(notice).items() if name not in _ELSEWHERE}, DETAILS_LIMIT
        ),
    }
    event |= {"client": "watchkeeper"} | ({"client_url": notice.url} if notice.url else {})
    event["payload"] = {name: value for name, value in payload.items() if value != ""}
    event["links"] = _links(notice)
    return event


def change_of(notice: Notice, change: str) -> dict[str, Any]:
    """The change event of one change that a notice tells of, without the routing key."""
    details = {"incident": notice.incident, "reason": notice.reason, "done": list(notice.done)}
    return {
        "payload": {
            "summary": clip(change, 1024),
            "timestamp": rfc3339(notice.at),
            "source": "watchkeeper",
            "custom_details": fitted(details, DETAILS_LIMIT),
        },
        "links": _links(notice),
    }


def key_of(dedup_key: str) -> str:
    """The key of a problem, or a digest of one that is too long: cut, two problems could share it."""
    if 0 < len(dedup_key) <= KEY_LIMIT:
        return dedup_key
    return hashlib.sha256(encoded(dedup_key)).hexdigest()


def _links(notice: Notice) -> list[dict[str, str]]:
    # Not the link that acknowledges: PagerDuty has its own button, and tells us (`inbound_pagerduty`).
    links = [(notice.runbook, "Runbook"), (notice.url, "Incident in watchkeeper")]
    web = [(href, text) for href, text in links if href.startswith(("https://", "http://")) and len(href) <= KEY_LIMIT * 8]
    return [{"href": href, "text": text} for href, text in web]
