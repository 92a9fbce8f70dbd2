"""A receiver of webhooks that is stricter than any real one: it holds every request against the documented shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.doubles.stand import Answer, Misbehaviour, Request, Stand
from tests.doubles.webhook_contract import violations_of

__all__ = ["Answer", "Misbehaviour", "Received", "Receiver"]


@dataclass(frozen=True, slots=True)
class Received:
    """A request that was answered with a 2xx."""

    headers: Mapping[str, str]
    body: dict[str, Any]


class Receiver(Stand):
    """`url` is where to POST. With `secret`, unsigned or wrongly signed requests are refused."""

    def __init__(self, *, secret: str | None = None) -> None:
        super().__init__()
        self.secret = secret
        self.accepted: list[Received] = []

    @property
    def url(self) -> str:
        """The address of the receiver."""
        return f"{self.address}/hooks/pages"

    @property
    def events(self) -> list[tuple[str, str]]:
        """(dedup key, event) of what was accepted, in order."""
        return [(one.body["dedup_key"], one.body["event"]) for one in self.accepted]

    def violations_of(self, request: Request) -> Sequence[str]:
        """A redirect followed, a wrong method, or what the webhook's contract does not allow."""
        if request.method != "POST":
            return [f"{request.method} {request.path}"]
        return violations_of(request.headers, request.content, secret=self.secret)

    def serve(self, request: Request) -> Answer:
        """Keep it."""
        self.accepted.append(Received(request.headers, request.json()))
        return Answer(202)
