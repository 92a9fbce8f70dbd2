"""Alertmanager, by its API v2: every peer is told of every alert, and again each interval.

Peers of a cluster share silences and what was sent, not alerts, so each is posted to directly, side by side, never through a load
balancer. One peer that has it is a delivery: the cluster notifies from any of them, and the others hear of it an interval later.

Posts of one route go out one after the other, since a re-send that began before an end was told must not arrive after it.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Final, Literal

import httpx
import structlog
from pydantic import AfterValidator, Field

from alerting.alerts import Alert, Book, Labels
from alerting.errors import DeliveryError
from alerting.fields import Address, Headers, Timeout, shown
from alerting.inbound_alertmanager import SILENCED, Acknowledged, acknowledged, held, path_of
from alerting.limits import encoded
from alerting.notice import Notice
from alerting.notifiers.base import RouteConfig
from alerting.post import Call, json_of, list_of, post, post_all

log = structlog.get_logger(__name__)

#: Alerts of one request.
BATCH: Final = 100
#: Bytes of an answer that is read.
READ_LIMIT: Final = 4_000_000

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def _labels(labels: dict[str, str]) -> dict[str, str]:
    for name in labels:
        if not _LABEL.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a label: use a-z, A-Z, 0-9 and _")
    return labels


class AlertmanagerConfig(RouteConfig):
    """`{kind: alertmanager, peers: [http://alertmanager-0:9093, http://alertmanager-1:9093]}`."""

    GROUPS_ITSELF: ClassVar[str] = (
        "Alertmanager groups and repeats itself, and an alert that it is not told of cannot be silenced there; "
        "set group_by, group_interval and repeat_interval in its routes"
    )

    kind: Literal["alertmanager"] = "alertmanager"
    peers: Annotated[tuple[Address, ...], Field(min_length=1)] = Field(
        description="Every Alertmanager of the cluster, with the path prefix if it has one; no load balancer."
    )
    labels: Annotated[dict[str, str], AfterValidator(_labels)] = Field(
        default={}, description="Labels of every alert, `{cluster: eu-1}` for example."
    )
    headers: Headers = Field(default={}, description="Sent as well, an Authorization for example.")
    resend: float = Field(
        default=60.0, ge=1, le=3600, description="Seconds between two sendings of a firing alert; it lapses three of them later."
    )
    timeout: Timeout = Field(default=10.0, description="Seconds for the whole request, answer included.")
    silence_acknowledges: bool = Field(
        default=True, description="Whoever silences an alert there after it began has acknowledged its incident here."
    )


class AlertmanagerNotifier:
    """Tells all peers, and keeps telling. `clock` gives epoch seconds, `transport` replaces the network."""

    Config: ClassVar = AlertmanagerConfig

    def __init__(
        self,
        config: AlertmanagerConfig,
        *,
        clock: Callable[[], float] = time.time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.config = config
        self._clock = clock
        self._transport = transport
        self._sending = threading.Lock()  # held while a post is under way
        self._noting = threading.Lock()  # held while the book is looked at, never for long
        self._book = Book(config.labels)
        self._due: float | None = None

    def notify(self, notice: Notice) -> None:
        """Tell all peers; returns when one has it. Raises DeliveryError when none has."""
        with self._sending:
            with self._noting:
                alerts = self._note(notice, self._clock())
            try:
                self._post(alerts)
            except DeliveryError as failure:
                if failure.permanent:
                    with self._noting:
                        self._book.drop(alerts)
                raise

    def resend(self, now: float) -> float | None:
        """Send again all that fires or ended lately, when it is due; returns when it is due next, None with nothing to send.

        What fails is logged and tried again an interval later: an end lies three of them ahead.
        """
        with self._noting:
            if self._due is None or now < self._due:
                return self._due
            alerts = self._book.current(now)
            self._due = now + self.config.resend if alerts else None
        for start in range(0, len(alerts), BATCH):
            # The lock is let go of between the batches, so that a page waits for one request at most.
            with self._sending:
                try:
                    self._post(alerts[start : start + BATCH])
                except DeliveryError as failure:
                    log.warning("resend_failed", reason=str(failure))
        return self._due

    def resume(self, notices: Sequence[Notice]) -> None:
        """Know these problems, and no others: what fires when this daemon takes over."""
        with self._noting:
            self._book.clear()
            now = self._clock()
            for notice in notices:
                self._note(notice, now)
            self._due = now if notices else None

    def forget(self) -> None:
        """Send nothing again: another daemon does."""
        with self._noting:
            self._book.clear()
            self._due = None

    def acknowledgements(self) -> list[Acknowledged]:
        """What people acknowledged by a silence there. Raises DeliveryError when no peer could be asked."""
        with self._noting:
            firing = self._book.firing() if self.config.silence_acknowledges else []
        if not firing:
            return []
        failure = DeliveryError("there is no peer")
        for peer in self.config.peers:  # they share their silences, so one is enough
            try:
                return self._read(peer.get_secret_value(), firing)
            except DeliveryError as error:
                failure = error
        raise failure

    def _read(self, peer: str, firing: Sequence[Alert]) -> list[Acknowledged]:
        call = self._call(peer, SILENCED)
        found = []
        for alert in held(list_of(call, post(call, now=self._clock(), transport=self._transport)), firing):
            for silence in alert.silences:
                ask = self._call(peer, path_of(silence))
                document = json_of(ask, post(ask, now=self._clock(), transport=self._transport))
                known = acknowledged(document, alert)
                found += [] if known is None else [known]
        return found

    def _note(self, notice: Notice, now: float) -> list[Labels]:
        if self._due is None:
            self._due = now + self.config.resend
        return self._book.put(notice, now)

    def _post(self, alerts: Sequence[Labels]) -> None:
        now = self._clock()
        with self._noting:
            documents = self._book.documents(alerts, now, self.config.resend)
        if not documents:
            return
        content = encoded(documents)
        calls = [self._call(peer.get_secret_value(), "/api/v2/alerts", content) for peer in self.config.peers]
        answers = post_all(calls, now=now, transport=self._transport)
        failures = [answer for answer in answers if isinstance(answer, DeliveryError)]
        if len(failures) == len(answers):
            raise _worst(failures)
        for failure in failures:
            log.warning("peer_failed", reason=str(failure))

    def _call(self, peer: str, path: str, content: bytes = b"") -> Call:
        """A post of this content, or without any the question for what is there."""
        headers = {**shown(self.config.headers), "User-Agent": "watchkeeper"}
        return Call(
            url=peer.rstrip("/") + path,
            body=content,
            headers=headers | ({"Content-Type": "application/json"} if content else {}),
            timeout=self.config.timeout,
            secrets=tuple(shown(self.config.headers).values()),
            method="POST" if content else "GET",
            limit=0 if content else READ_LIMIT,
        )


def _worst(failures: Sequence[DeliveryError]) -> DeliveryError:
    """What the failure of all peers means: worth another attempt while one of them may take it, as soon as that one says."""
    passing = [failure for failure in failures if not failure.permanent]
    return min(passing, key=lambda failure: failure.retry_after or 0.0) if passing else failures[0]
