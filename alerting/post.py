"""One request, bounded in every direction, and what its answer means.

Every notifier and executor that speaks HTTP goes through here, so that timeouts, limits and the reading of a status are
decided once: `post` for what its status delivers, `fetch` for what must be read, `post_all` for peers side by side. httpx
bounds each read, not the whole: a receiver that sends one byte every few seconds would hold the thread for ever. So the request
runs in an event loop of its own under one deadline, which cancels whatever it is waiting for. Redirects are not followed (they
would carry the headers, and so the secrets, elsewhere). The text of a 2xx is read only where the caller needs it; of another
answer only the beginning is, and not for long.

Errors name the host and the status, never the URL: the addresses of chat hooks are secrets.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx

from alerting.errors import DeliveryError

# httpx logs every URL at INFO, and a URL may be a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)

#: Bytes of an answer that are read; what a person needs of it stands at its beginning.
ANSWER_LIMIT: Final = 16_384

#: Seconds that the text of a refusal is waited for: it only helps a reader, the status decides.
TEXT_TIMEOUT: Final = 2.0

#: Characters of an answer that an error quotes.
QUOTE_LIMIT: Final = 200

#: Characters that a part of a URL or a header must have to be taken for a secret: shorter ones would blot out plain words.
SHORTEST_SECRET: Final = 6

#: The statuses of 400 and above, below 500, that may pass: request timeout, too early, too many requests.
PASSING: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, and the text: of a 2xx as much as was asked for, of another its beginning."""

    status: int
    text: str
    retry_after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `secrets` are texts that must not appear in an error, whatever the receiver echoes.

    `limit` is how many bytes of a 2xx's text are needed (0: none); a longer one is an error. `trust` replaces the system's
    certificates.
    """

    url: str
    body: bytes
    headers: Mapping[str, str]
    timeout: float
    secrets: tuple[str, ...] = ()
    method: str = "POST"
    limit: int = 0
    trust: ssl.SSLContext | None = None


def post(call: Call, *, now: float, transport: httpx.AsyncBaseTransport | None = None) -> Answer:
    """Send it and return the answer when it is a 2xx, within `call.timeout` seconds in all.

    Raises DeliveryError: permanent for an answer that will not change (a redirect, 4xx but 408, 425, 429) and for a request
    that cannot be made, else temporary. `now` (epoch seconds) turns a `Retry-After` date into a pause.
    """
    return _delivered(call, fetch(call, transport=transport), now)


def fetch(call: Call, *, transport: httpx.AsyncBaseTransport | None = None) -> Answer:
    """Send it and return whatever answer comes within `call.timeout` seconds in all. Raises DeliveryError when none does."""
    answer = asyncio.run(_tried(call, transport))
    if isinstance(answer, DeliveryError):
        raise answer
    return answer


def post_all(
    calls: Sequence[Call], *, now: float, transport: httpx.AsyncBaseTransport | None = None
) -> list[Answer | DeliveryError]:
    """`post` of all calls side by side, each under its own deadline; what it would raise stands in the place of its answer."""

    async def side_by_side() -> list[Answer | DeliveryError]:
        return await asyncio.gather(*(_tried(call, transport) for call in calls))

    answers = asyncio.run(side_by_side())
    return [
        answer if isinstance(answer, DeliveryError) else _judged(call, answer, now)
        for call, answer in zip(calls, answers, strict=True)
    ]


def refused(call: Call, answer: Answer, *, now: float) -> DeliveryError:
    """The error that an answer to `call` means, without what is secret in it."""
    return refusal(host_of(call.url), answer, now=now, quote=_quoted(answer.text, call))


def json_of(call: Call, answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer. Raises DeliveryError, a temporary one: a proxy's page in its place may go away."""
    document = _parsed(answer)
    if not isinstance(document, dict):
        raise DeliveryError(f"{host_of(call.url)} answered {answer.status} with something that is not a JSON object")
    return document


def list_of(call: Call, answer: Answer) -> list[Any]:
    """The JSON list of an answer. Raises DeliveryError likewise."""
    document = _parsed(answer)
    if not isinstance(document, list):
        raise DeliveryError(f"{host_of(call.url)} answered {answer.status} with something that is not a JSON list")
    return document


def refusal(host: str, answer: Answer, *, now: float, quote: str = "") -> DeliveryError:
    """The error that an answer other than 2xx means."""
    permanent = not httpx.codes.is_server_error(answer.status) and answer.status not in PASSING
    text = f"{host} answered {answer.status}" + (f": {quote}" if quote else "")
    return DeliveryError(text, permanent=permanent, retry_after=pause_of(answer.retry_after, now=now))


def pause_of(retry_after: str | None, *, now: float) -> float | None:
    """The seconds that a `Retry-After` header (a number of seconds, or a date) asks for; None when it cannot be read."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def host_of(url: str) -> str:
    """Scheme, host and port: what may be said of a URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "an invalid address"
    if not host:
        return "an invalid address"
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{'' if port is None else f':{port}'}"


def redacted(text: str, secrets: Iterable[str]) -> str:
    """`text` with each secret replaced, the longest first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def secrets_of_url(url: str) -> tuple[str, ...]:
    """The parts of a URL that may be secrets: all after the host, each longer path part, each query value, user and password."""
    parts = urlsplit(url)
    path = [part for part in parts.path.split("/") if len(part) >= SHORTEST_SECRET]
    query = [value for _, value in parse_qsl(parts.query) if len(value) >= SHORTEST_SECRET]
    tail = url.partition(parts.netloc)[2] if parts.netloc else url
    found = [url, tail if len(tail) > 1 else "", *path, *query, parts.username or "", parts.password or ""]
    return tuple(text for text in found if text)


def _delivered(call: Call, answer: Answer, now: float) -> Answer:
    judged = _judged(call, answer, now)
    if isinstance(judged, DeliveryError):
        raise judged
    return judged


def _parsed(answer: Answer) -> object:
    try:
        return json.loads(answer.text)
    except (ValueError, RecursionError):
        return None


def _judged(call: Call, answer: Answer, now: float) -> Answer | DeliveryError:
    return answer if httpx.codes.is_success(answer.status) else refused(call, answer, now=now)


async def _tried(call: Call, transport: httpx.AsyncBaseTransport | None) -> Answer | DeliveryError:
    host = host_of(call.url)
    try:
        return await _send(call, transport)
    except (TimeoutError, httpx.TimeoutException) as error:
        return _caused(DeliveryError(f"{host} did not answer within {call.timeout:g} s"), error)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        # The texts of these quote what was wrong, the URL or a header: they are no cause that may be printed.
        return DeliveryError(f"the request to {host} cannot be made ({type(error).__name__})", permanent=True)
    except httpx.ConnectError as error:
        return _caused(DeliveryError(f"{host} cannot be reached: {_quoted(str(error), call)}"), error)
    except httpx.HTTPError as error:
        return _caused(DeliveryError(f"{host} broke off ({type(error).__name__})"), error)
    except _TooLong:
        return DeliveryError(f"{host} answered with more than {call.limit} bytes")


def _caused(failure: DeliveryError, cause: BaseException) -> DeliveryError:
    failure.__cause__ = cause
    return failure


class _TooLong(Exception):
    """The text of a 2xx is longer than whoever asked for it can use."""


async def _send(call: Call, transport: httpx.AsyncBaseTransport | None) -> Answer:
    trust = _system_trust() if call.trust is None else call.trust
    async with (
        asyncio.timeout(call.timeout),
        httpx.AsyncClient(transport=transport, timeout=call.timeout, verify=trust) as client,
    ):
        # Identity: what is read here is counted before it could be unpacked.
        headers = {"Accept-Encoding": "identity", **call.headers}
        request = client.build_request(call.method, call.url, content=call.body, headers=headers)
        response = await client.send(request, stream=True)
        try:
            text = await _text(response, call.limit) if response.is_success else await _beginning(response)
        finally:
            await response.aclose()
    return Answer(response.status_code, text, response.headers.get("Retry-After"))


@cache
def _system_trust() -> ssl.SSLContext:
    # Once: to read all certificates takes longer than most requests do.
    return httpx.create_ssl_context()


async def _text(response: httpx.Response, limit: int) -> str:
    read = bytearray()
    if limit:
        async for chunk in response.aiter_raw():
            read += chunk
            if len(read) > limit:
                raise _TooLong
    return read.decode("utf-8", "replace")


async def _beginning(response: httpx.Response) -> str:
    read = bytearray()
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(TEXT_TIMEOUT):
            # Raw: a small compressed answer may be a large one unpacked.
            async for chunk in response.aiter_raw(ANSWER_LIMIT):
                read += chunk
                if len(read) >= ANSWER_LIMIT:
                    break
    return bytes(read[:ANSWER_LIMIT]).decode("utf-8", "replace")


def _quoted(text: str, call: Call) -> str:
    # Of "Bearer t0ken" a receiver may echo the token alone.
    words = [word for secret in call.secrets for word in secret.split() if len(word) >= SHORTEST_SECRET]
    clean = redacted(text, (*call.secrets, *words, *secrets_of_url(call.url)))
    line = " ".join("".join(char if char.isprintable() else " " for char in clean).split())
    return line[:QUOTE_LIMIT]
