"""Requests of an executor to one server: each is made once, sent as it is or shown without its secrets, and its answer read.

What is sent and what a rehearsal shows are made from the same `Request`, so they cannot differ.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
from pydantic import SecretStr

from alerting.fields import shown
from alerting.limits import encoded
from alerting.post import Answer, Call, fetch, host_of, json_of, refused
from alerting.rollbacks.command import Sending, Tools

#: Bytes of an answer: a list of ReplicaSets is the longest that is read.
ANSWER_LIMIT: Final = 8_000_000

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: `path` is added to the server's address, `document` is sent as JSON of the media type `media`.

    `headers` are those that anybody may read.
    """

    method: str
    path: str
    document: Any = None
    media: str = JSON
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> str:
        """The query, encoded."""
        return urlencode(self.query)

    @property
    def content(self) -> bytes:
        """The body."""
        return b"" if self.document is None else encoded(self.document)


class Service:
    """A server. `secrets()` gives the headers that hold some, anew for each request, since tokens rotate."""

    def __init__(
        self,
        base: SecretStr,
        secrets: Callable[[Request], Mapping[str, SecretStr]],
        timeout: float,
        tools: Tools,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._base = base
        self._secrets = secrets
        self._timeout = timeout
        self._tools = tools
        self._trust = trust

    @property
    def host(self) -> str:
        """What may be said of its address."""
        return host_of(self._base.get_secret_value())

    def ask(self, request: Request) -> tuple[Call, Answer]:
        """Send it and give whatever answer came. Raises DeliveryError when none did."""
        call = self._call(request)
        return call, fetch(call)

    def send(self, request: Request) -> dict[str, Any]:
        """Send it and give the JSON object of a 2xx; of an empty one an empty object. Raises DeliveryError."""
        call, answer = self.ask(request)
        if not httpx.codes.is_success(answer.status):
            raise refused(call, answer, now=self._tools.clock())
        return json_of(call, answer) if answer.text.strip() else {}

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read something. Raises DeliveryError."""
        return self.send(Request(method="GET", path=path, query=query))

    def find(self, path: str, *, missing: frozenset[str] = frozenset(), **query: str) -> dict[str, Any] | None:
        """Read something that may not be there: None for a 404, and for an `error_code` that means it. Raises DeliveryError."""
        call, answer = self.ask(Request(method="GET", path=path, query=query))
        if httpx.codes.is_success(answer.status):
            return json_of(call, answer)
        if answer.status == httpx.codes.NOT_FOUND:
            return None
        if httpx.codes.is_client_error(answer.status) and any(f'"{code}"' in answer.text for code in missing):
            return None
        raise refused(call, answer, now=self._tools.clock())

    def shown(self, request: Request) -> Sending:
        """What would be sent, for a person to read."""
        headers = {**self._plain(request), **dict.fromkeys(self._secrets(request), "***")}
        address = self.host + ("/***" if self._hidden else "") + request.path
        return Sending(method=request.method, to=address, headers=headers, body=request.content.decode("ascii"))

    def _call(self, request: Request) -> Call:
        secret = shown(self._secrets(request))
        url = self._base.get_secret_value().rstrip("/") + request.path
        if request.query:
            url += ("&" if "?" in url else "?") + request.parameters
        return Call(
            method=request.method,
            url=url,
            body=request.content,
            headers={**secret, **self._plain(request), "User-Agent": "watchkeeper", "Accept": JSON},
            timeout=self._timeout,
            secrets=tuple(secret.values()),
            limit=ANSWER_LIMIT,
            trust=self._trust,
        )

    @property
    def _hidden(self) -> bool:
        """Whether the address has parts beyond its host, which may be a secret."""
        return bool(httpx.URL(self._base.get_secret_value()).raw_path.strip(b"/"))

    def _plain(self, request: Request) -> dict[str, str]:
        media = {} if request.document is None else {"Content-Type": request.media}
        return {**media, **request.headers}


def segment(text: str) -> str:
    """A name as one segment of a path: a name with a slash must not reach another object."""
    return quote(text, safe="")
