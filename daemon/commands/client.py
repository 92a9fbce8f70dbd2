"""The commands' side of the daemon's API: one request, and what went wrong with it in a sentence that says what to do.

The token comes from the environment or a file, never from the command line, which every user of the machine can read.
"""

from __future__ import annotations

import getpass
import os
import uuid
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from daemon.errors import CannotStart, Declined

#: Where a daemon listens that nobody has told otherwise.
DEFAULT_URL: Final = "http://127.0.0.1:8080"
#: Seconds for an answer: the daemon itself gives an act ten.
PATIENCE: Final = 20.0
#: Times that an act is asked for when nothing is heard; its id makes that safe.
ATTEMPTS: Final = 3


class Client:
    """Talks to one daemon.

    Args:
        url: where it listens; default `WATCHKEEPER_URL`, else this machine.
        token_file: a file with the token; default `WATCHKEEPER_TOKEN`.
        transport: replaces the network.

    Raises:
        CannotStart: from every method: there is no daemon, no token, or the file cannot be read.
        Declined: likewise: the daemon says no.
    """

    def __init__(
        self, url: str | None = None, token_file: Path | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._url = (url or os.environ.get("WATCHKEEPER_URL") or DEFAULT_URL).rstrip("/")
        self._token_file = token_file
        self._transport = transport

    def get(self, path: str, *, secret: bool = False, **query: object) -> dict[str, Any]:
        """Read something; None in the query is left out. `secret`: only with the token."""
        given = {name: str(value) for name, value in query.items() if value is not None}
        return self._ask("GET", path, params=given, headers=self._headers() if secret else {})

    def post(self, path: str, **said: object) -> dict[str, Any]:
        """Have something done, once, however often it has to be asked for."""
        body = {name: value for name, value in said.items() if value is not None} | {"id": uuid.uuid4().hex}
        return self._insist("POST", path, json=body)

    def delete(self, path: str, **query: str) -> dict[str, Any]:
        """Have something ended."""
        return self._insist("DELETE", path, params=query)

    def standing(self) -> str | None:
        """Why what is read here may be old; None when this is the daemon that acts."""
        try:
            answer = self._send("GET", "/readyz")
        except httpx.HTTPError:
            return None
        reason = _text(answer, "reason")
        return None if answer.status_code == httpx.codes.OK and not reason.startswith("standing by") else reason

    def _insist(self, method: str, path: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401  # httpx's own
        headers = self._headers()
        for _ in range(ATTEMPTS - 1):
            try:
                return self._ask(method, path, headers=headers, **request)
            except NotHeard:
                continue
        return self._ask(method, path, headers=headers, **request)

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401  # httpx's own
        try:
            answer = self._send(method, path, **request)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise CannotStart(f"{self._url} is no address of a daemon ({error}); write one as {DEFAULT_URL}") from None
        except httpx.ConnectError as error:
            raise CannotStart(
                f"no daemon answers at {self._url} ({error}); start one with watchkeeper run, or name another with --url"
            ) from None
        except httpx.HTTPError as error:
            what = str(error) or type(error).__name__
            raise NotHeard(
                f"the daemon at {self._url} was asked and not heard ({what}); it may be done: look, or ask again"
            ) from None
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise NotHeard(_text(answer, "detail"))
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise CannotStart(_text(answer, "detail"))
        if not answer.is_success:
            raise Declined(_text(answer, "detail"))
        try:
            return dict(answer.json())
        except ValueError:
            raise CannotStart(f"{self._url} does not answer as a daemon does; is that its address?") from None

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401  # httpx's own
        # No proxy of the environment: a daemon on this machine, or in this cluster, is asked itself.
        with httpx.Client(timeout=PATIENCE, trust_env=False, transport=self._transport) as http:
            return http.request(method, self._url + path, **request)

    def _headers(self) -> dict[str, str]:
        token = os.environ.get("WATCHKEEPER_TOKEN", "")
        if self._token_file is not None:
            try:
                token = self._token_file.read_text("utf-8")
            except (OSError, ValueError) as error:
                raise CannotStart(f"the token file {self._token_file} cannot be read: {type(error).__name__}") from None
        if not token.strip():
            raise CannotStart("this needs the daemon's token (its http.token): set WATCHKEEPER_TOKEN, or use --token-file")
        if not token.strip().isascii() or len(token.split()) != 1:
            raise CannotStart("the token is not one word of plain characters")
        return {"Authorization": f"Bearer {token.strip()}"}


class NotHeard(CannotStart):
    """The daemon gave no answer in time; it may have done what was asked for."""


def name_of_user() -> str:
    """Who acts, unless they say otherwise: the login name. Raises CannotStart when there is none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise CannotStart("your login name is not known here; say who you are with --by") from None


def part(text: str) -> str:
    """A name as a part of a path."""
    return quote(text, safe="")


def _text(answer: httpx.Response, field: str) -> str:
    """The sentence of an answer, whoever gave it."""
    try:
        said = answer.json()[field]
    except (ValueError, KeyError, TypeError):
        said = None
    if isinstance(said, list):
        said = "; ".join(f"{'.'.join(map(str, each.get('loc', ())))}: {each.get('msg')}" for each in said)
    return str(said) if said else f"the daemon answered {answer.status_code} without a reason"
