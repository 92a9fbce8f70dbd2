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

from alerting.alerts import Book, Labels
from alerting.errors import DeliveryError
from alerting.fields import Address, Headers, Timeout, shown
from alerting.limits import encoded
from alerting.notice import Notice
from alerting.notifiers.base import RouteConfig
from alerting.post import Call, post_all

log = structlog.get_logger(__name__)

#: Alerts of one request.
BATCH: Final = 100

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
        calls = [self._call(peer.get_secret_value(), encoded(documents)) for peer in self.config.peers]
        answers = post_all(calls, now=now, transport=self._transport)
        failures = [answer for answer in answers if isinstance(answer, DeliveryError)]
        if len(failures) == len(answers):
            raise _worst(failures)
        for failure in failures:
            log.warning("peer_failed", reason=str(failure))

    def _call(self, peer: str, content: bytes) -> Call:
        headers = {**shown(self.config.headers), "Content-Type": "application/json", "User-Agent": "watchkeeper"}
        secrets = tuple(shown(self.config.headers).values())
        return Call(
            url=f"{peer.rstrip('/')}/api/v2/alerts", body=content, headers=headers, timeout=self.config.timeout, secrets=secrets
        )


def _worst(failures: Sequence[DeliveryError]) -> DeliveryError:
    """What the failure of all peers means: worth another attempt while one of them may take it, as soon as that one says."""
    passing = [failure for failure in failures if not failure.permanent]
    return min(passing, key=lambda failure: failure.retry_after or 0.0) if passing else failures[0]
