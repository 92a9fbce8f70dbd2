"""A server of ours that stands in for somebody else's, and misbehaves on demand.

It listens on a free port of the loopback and answers each request as the script says: the next item of `script`, else as it
should (`serve`). An item is an answer, a misbehaviour, `None` for once as it should, or `Late` for doing what was asked and then
misbehaving: what a client sees of an answer that was lost. A request that breaks the documented shape is refused with 400
whatever the script says, and what is wrong with it is kept in `violations`, which a test asserts to be empty.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

Misbehaviour = Literal["hang", "reset", "drip_headers", "drip_after_202", "drip_after_503", "garbage", "flood"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, with the headers and the text that go with it."""

    status: int
    headers: Mapping[str, str] | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Late:
    """Do what was asked, then answer like this."""

    behaviour: Answer | Misbehaviour


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: header names in lower case, the query as the last value of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> dict[str, Any]:
        """The body. Raises ValueError when it is not a JSON object, or holds a number that JSON does not have."""
        document = json.loads(self.content, parse_constant=_refuse)
        if not isinstance(document, dict):
            raise ValueError(f"a {type(document).__name__} instead of an object")  # noqa: TRY004  # one error for one meaning
        return document


def as_json(status: int, document: object) -> Answer:
    """An answer that is a JSON document."""
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(document))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    stand: Stand

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # the base class's signature
        """A client that went away while it was kept waiting is what the test is about, not an error."""


class Stand:
    """A context manager. Who inherits says in `violations_of` what is wrong with a request, and in `serve` what it does."""

    def __init__(self) -> None:
        self.script: deque[Answer | Misbehaviour | Late | None] = deque()
        self.away = False  # it answers 503 to everything
        self.lossy = False  # it does what is asked, and the answer to whatever changes something gets lost
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stand = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def events(self) -> list[tuple[str, str]]:
        """What was taken of notices: (key of the problem, what was told of it), in order."""
        return []

    @property
    def attempts(self) -> int:
        """How many requests came."""
        return len(self.requests)

    def violations_of(self, request: Request) -> Sequence[str]:
        """What is wrong with a request, by the documents of whoever this stands in for."""
        return []

    def serve(self, request: Request) -> Answer:
        """Do what was asked."""
        return Answer(202)


class _Handler(BaseHTTPRequestHandler):
    @property
    def stand(self) -> Stand:
        """The server that this request came to."""
        assert isinstance(self.server, _Server)
        return self.server.stand

    def _handle(self) -> None:
        """Check the request, then do as the script says."""
        stand, parts = self.stand, urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length") or "0"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers, content)
        stand.requests.append(request)
        violations = stand.violations_of(request)
        if violations:
            stand.violations += violations
            self._answer(as_json(400, {"errors": list(violations)}))
            return
        behaviour = stand.script.popleft() if stand.script else None
        if stand.away:
            behaviour = Answer(503)
        elif stand.lossy and request.method != "GET":
            behaviour = Late("reset")
        if behaviour is None:
            self._answer(stand.serve(request))
            return
        if isinstance(behaviour, Late):
            stand.serve(request)
            behaviour = behaviour.behaviour
        elif behaviour == "drip_after_202" or (isinstance(behaviour, Answer) and 200 <= behaviour.status < 300):
            stand.serve(request)  # who says that it has it, has it
        if isinstance(behaviour, Answer):
            self._answer(behaviour)
        else:
            self._misbehave(behaviour)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815  # the base class looks these names up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Keep the terminal clean."""

    def _answer(self, answer: Answer) -> None:
        content = answer.text.encode()
        self.send_response(answer.status)
        for name, value in (answer.headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _misbehave(self, behaviour: Misbehaviour) -> None:
        closing = self.stand.closing
        self.close_connection = True
        if behaviour == "hang":
            closing.wait()
        elif behaviour == "reset":
            # Lingering for no time: the close is a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif behaviour == "garbage":
            self.wfile.write(b"\x00\xffnot http at all\r\n\r\n")
        elif behaviour == "flood":
            self.wfile.write(b"HTTP/1.1 500 Flood\r\nContent-Length: 100000000\r\n\r\n")
            while not closing.is_set():
                self.wfile.write(b"x" * 65536)
        else:
            status = 503 if behaviour == "drip_after_503" else 202
            end = "" if behaviour == "drip_headers" else "Content-Length: 1000000\r\n\r\n"
            self.wfile.write(f"HTTP/1.1 {status} Slow\r\n{end}".encode())
            while not closing.wait(0.02):
                self.wfile.write(b"X-Drip: 1\r\n" if behaviour == "drip_headers" else b" ")
