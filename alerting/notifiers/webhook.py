"""The generic notifier: one JSON document, POSTed to an address of the user's.

The body is a contract (docs/response.md shows it field by field) and only ever grows. A receiver tells a repeated
delivery by `Idempotency-Key`, which is the notice's key, and the sender by a signature: with a `secret`,
`X-Watchkeeper-Signature` is `sha256=` and the hex HMAC-SHA-256 of `<timestamp>.<body>`, where the timestamp is that of
`X-Watchkeeper-Timestamp`; a receiver that refuses old timestamps cannot be fed a recorded request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal
from urllib.parse import quote

import httpx
from pydantic import Field, SecretStr

from alerting.fields import Address, Headers, Timeout, shown
from alerting.limits import encoded, fitted
from alerting.links import token_in
from alerting.notice import Notice, document_of
from alerting.notifiers.base import RouteConfig
from alerting.post import Call, post
from alerting.signing import signed

#: Bytes of the document: receivers have limits, and often do not say which.
BODY_LIMIT: Final = 500_000


class WebhookConfig(RouteConfig):
    """`{kind: webhook, url: https://…}`. The address and every header are kept as secrets, since they often hold one."""

    kind: Literal["webhook"] = "webhook"
    url: Address = Field(description="Where to POST, http or https.")
    secret: SecretStr | None = Field(default=None, description="Key of the signature; without it nothing is signed.")
    headers: Headers = Field(default={}, description="Sent as well, an Authorization for example.")
    timeout: Timeout = Field(default=10.0, description="Seconds for the whole request, answer included.")


class WebhookNotifier:
    """Delivers by HTTP; any 2xx is delivered. `clock` gives epoch seconds, `transport` replaces the network."""

    Config: ClassVar = WebhookConfig

    def __init__(
        self,
        config: WebhookConfig,
        *,
        clock: Callable[[], float] = time.time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.config = config
        self._clock = clock
        self._transport = transport

    def notify(self, notice: Notice) -> None:
        """POST it once. Raises DeliveryError."""
        now = self._clock()
        content = encoded(body_of(notice))
        call = Call(
            url=self.config.url.get_secret_value(),
            body=content,
            headers=self._headers(notice, content, now),
            timeout=self.config.timeout,
            secrets=(*(secret.get_secret_value() for secret in self._secrets()), token_in(notice.acknowledge_url)),
        )
        post(call, now=now, transport=self._transport)

    def _headers(self, notice: Notice, content: bytes, now: float) -> dict[str, str]:
        headers = shown(self.config.headers)
        headers["Content-Type"] = "application/json"
        headers["User-Agent"] = "watchkeeper"
        headers["Idempotency-Key"] = quote(notice.key, safe=":/@-_.~")
        if self.config.secret is not None:
            headers |= signed(self.config.secret.get_secret_value(), now, content)
        return headers

    def _secrets(self) -> list[SecretStr]:
        own = [] if self.config.secret is None else [self.config.secret]
        return [*own, *self.config.headers.values()]


def body_of(notice: Notice) -> dict[str, Any]:
    """The webhook's document: the notice, cut to what a receiver takes, and its links, which lead nowhere when they are cut."""
    links = {"url": notice.url or None, "acknowledge_url": notice.acknowledge_url or None}
    return {**fitted(document_of(notice), BODY_LIMIT), **links}
