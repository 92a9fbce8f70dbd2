"""A receiver of pages: the other end of a `webhook` route, on the loopback. It keeps what it gets, each notice once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

#: Bytes of a body that are read at most.
LARGEST: Final = 1_000_000


class Receiver:
    """Listens from the moment it is made until `close`."""

    def __init__(self) -> None:
        self._pages: dict[str, dict[str, Any]] = {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.inbox = self._keep
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="receiver", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where to POST."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/pages"

    def pages(self) -> list[dict[str, Any]]:
        """What was received, in order."""
        return list(self._pages.values())

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _keep(self, page: dict[str, Any]) -> None:
        self._pages.setdefault(str(page["key"]), page)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    inbox: Callable[[dict[str, Any]], None] | None = None


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """204 for a page, 400 for anything else."""
        inbox = self.server.inbox if isinstance(self.server, _Server) else None
        content = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), LARGEST))
        try:
            page = json.loads(content)
        except ValueError:
            page = None
        status = 400
        if inbox is not None and isinstance(page, dict) and "key" in page:
            inbox(page)
            status = 204
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the terminal belongs to the story."""
