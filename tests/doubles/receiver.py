"""A receiver of pages that is stricter than any real one, and misbehaves on demand.

It listens on a free port of the loopback, checks every request against the documented shape, and answers what a script tells
it: the next item of `script`, then 202. A request that breaks the contract is answered 400 with its violations whatever the
script says, and kept in `violations`, which a test asserts to be empty.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from tests.doubles.webhook_contract import violations_of

Misbehaviour = Literal["hang", "reset", "drip_headers", "drip_after_202", "drip_after_503", "garbage", "flood"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, with the headers and the text that go with it."""

    status: int
    headers: Mapping[str, str] | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """A request that was answered with a 2xx."""

    headers: Mapping[str, str]
    body: dict[str, Any]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # the base class's signature
        """A client that went away while it was kept waiting is what the test is about, not an error."""


class Receiver:
    """Use it as a context manager; `url` is where to POST. With `secret`, unsigned or wrongly signed requests are refused."""

    def __init__(self, *, secret: str | None = None) -> None:
        self.secret = secret
        self.script: deque[Answer | Misbehaviour] = deque()
        self.accepted: list[Received] = []
        self.violations: list[str] = []
        self.attempts = 0
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
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
    def url(self) -> str:
        """The address of the receiver."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/hooks/pages"

    @property
    def events(self) -> list[tuple[str, str]]:
        """(dedup key, event) of what was accepted, in order."""
        return [(one.body["dedup_key"], one.body["event"]) for one in self.accepted]


class _Handler(BaseHTTPRequestHandler):
    @property
    def receiver(self) -> Receiver:
        """The receiver that this request came to."""
        assert isinstance(self.server, _Server)
        return self.server.receiver

    def do_POST(self) -> None:
        """Check the request, then do as the script says."""
        receiver = self.receiver
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.attempts += 1
        violations = violations_of(headers, content, secret=receiver.secret)
        if violations:
            receiver.violations += violations
            self._answer(Answer(400, text=json.dumps({"errors": violations})))
            return
        behaviour = receiver.script.popleft() if receiver.script else Answer(202)
        if isinstance(behaviour, Answer):
            if 200 <= behaviour.status < 300:
                receiver.accepted.append(Received(headers, json.loads(content)))
            self._answer(behaviour)
        else:
            if behaviour == "drip_after_202":
                receiver.accepted.append(Received(headers, json.loads(content)))
            self._misbehave(behaviour)

    def do_GET(self) -> None:
        """A redirect followed, or a wrong method: never right."""
        self.receiver.violations.append(f"{self.command} {self.path}")
        self._answer(Answer(405))

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
        closing = self.receiver.closing
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
