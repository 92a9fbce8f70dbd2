"""A serving system of one's own behind the executor `webhook`, written from docs/response.md: it obeys each key once.

It refuses what is not signed, what was signed too long ago, and what is not a command, as a careful one would.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence

from tests.doubles.stand import Answer, Request, Stand, as_json

FIELDS = {"command", "model", "from", "to", "key", "incident", "reason", "guardrails", "at", "args"}

#: Seconds after which a signature is too old.
FRESH = 300


class Deployer(Stand):
    """Serves `versions` (model -> version). `clock` is what it holds timestamps against."""

    def __init__(self, secret: str, clock: Callable[[], float], versions: dict[str, str]) -> None:
        super().__init__()
        self.secret = secret
        self.clock = clock
        self.versions = versions
        self.obeyed: dict[str, tuple[str, str]] = {}  # key -> (model, version)
        self.bodies: list[str] = []  # of every order that was let in

    def violations_of(self, request: Request) -> Sequence[str]:
        """What it refuses."""
        timestamp = request.headers.get("x-watchkeeper-timestamp", "0")
        content = request.content
        if request.method == "GET":
            content = b"&".join(f"{name}={_quoted(value)}".encode() for name, value in request.query.items() if name != "token")
        expected = "sha256=" + hmac.new(self.secret.encode(), timestamp.encode() + b"." + content, hashlib.sha256).hexdigest()
        found = []
        if not hmac.compare_digest(expected, request.headers.get("x-watchkeeper-signature", "")):
            found.append("the signature does not fit")
        if abs(self.clock() - int(timestamp)) > FRESH:
            found.append("the signature is too old")
        if (request.method, request.path) == ("GET", "/deploy/status"):
            return found + ([] if {"model", "key"} <= set(request.query) else ["model and key are missing"])
        if (request.method, request.path) != ("POST", "/deploy/rollback"):
            return [f"{request.method} {request.path}"]
        command = request.json()
        found += [] if set(command) == FIELDS and command["command"] == "rollback" else [f"not a command: {sorted(command)}"]
        found += [] if request.headers.get("idempotency-key") == command.get("key") else ["Idempotency-Key is not the key"]
        return found

    def serve(self, request: Request) -> Answer:
        """Obey, once for each key; or say what serves."""
        if request.method == "GET":
            done = request.query["key"] in self.obeyed and self.obeyed[request.query["key"]][0] == request.query["model"]
            return as_json(200, {"version": self.versions.get(request.query["model"]), "done": done})
        command = request.json()
        self.bodies.append(request.content.decode())
        if command["key"] not in self.obeyed:
            self.obeyed[command["key"]] = (command["model"], command["to"])
            self.versions[command["model"]] = command["to"]
        return Answer(202)


def _quoted(text: str) -> str:
    return text.replace(":", "%3A").replace("/", "%2F")
