"""A chat that takes messages as Apprise's `json://` sends them, as strict as Slack: a shape, a length, one line of title."""

from __future__ import annotations

from collections.abc import Sequence

from tests.doubles.stand import Answer, Request, Stand


class Chat(Stand):
    """`url` is its address as Apprise writes it; `token` must come in a header."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token
        self.messages: list[tuple[str, str, str]] = []  # title, body, type

    @property
    def url(self) -> str:
        """The address, with the header that the chat wants."""
        return self.address.replace("http://", "json://") + f"/room?+X-Token={self.token}"

    @property
    def events(self) -> list[tuple[str, str]]:
        """(nothing, since a chat knows no keys, and the first word of the title) of every message, in order."""
        return [("", title.partition(":")[0]) for title, _, _ in self.messages]

    def violations_of(self, request: Request) -> Sequence[str]:
        """What a chat would refuse."""
        if (request.method, request.path.rstrip("/")) != ("POST", "/room"):
            return [f"{request.method} {request.path}"]
        try:
            message = request.json()
        except ValueError as error:
            return [f"not strict JSON: {error}"]
        found = [] if request.headers.get("x-token") == self.token else ["X-Token is wrong"]
        if not (0 < len(message.get("title", "")) <= 250 and message["title"].isprintable()):
            found.append("the title is not one line of at most 250 characters")
        if not 0 < len(message.get("message", "")) <= 40_000:
            found.append("the message is empty or too long")
        if message.get("type") not in {"info", "success", "warning", "failure"}:
            found.append(f"type {message.get('type')!r}")
        return found

    def serve(self, request: Request) -> Answer:
        """Show it."""
        message = request.json()
        self.messages.append((message["title"], message["message"], message["type"]))
        return Answer(200, text="ok")
