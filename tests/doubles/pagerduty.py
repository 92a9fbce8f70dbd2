"""PagerDuty's Events API v2 as its documents have it: what it takes, what it refuses, what becomes of a key's alert."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.doubles.stand import Answer, Request, Stand, as_json

BODY_LIMIT = 512_000

#: Field -> longest text, of the fields whose length is documented or that we hold to 255.
LONGEST = {"summary": 1024, "source": 255, "component": 255, "group": 255, "class": 255}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")


class PagerDuty(Stand):
    """An account with one service, whose integration key is `routing_key`."""

    def __init__(self, routing_key: str) -> None:
        super().__init__()
        self.routing_key = routing_key
        self.accepted: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.alerts: dict[str, str] = {}  # key -> triggered, acknowledged or resolved
        self.pages: list[str] = []  # keys under which somebody was woken up

    @property
    def events(self) -> list[tuple[str, str]]:
        """(key, action) of the events that were taken, in order."""
        return [(one["dedup_key"], one["event_action"]) for one in self.accepted]

    def violations_of(self, request: Request) -> Sequence[str]:
        """What the API would answer 400 to, and what its documents do not have."""
        if (request.method, request.path) not in {("POST", "/v2/enqueue"), ("POST", "/v2/change/enqueue")}:
            return [f"{request.method} {request.path}"]
        if request.headers.get("content-type") != "application/json":
            return ["Content-Type is not application/json"]
        if len(request.content) > BODY_LIMIT:
            return [f"a body of {len(request.content)} bytes"]
        try:
            event = request.json()
        except ValueError as error:
            return [f"not strict JSON: {error}"]
        found = [] if event.get("routing_key") == self.routing_key else ["routing_key is not the service's"]
        return found + (_of_change(event) if "change" in request.path else _of_event(event))

    def serve(self, request: Request) -> Answer:
        """Take it: a trigger opens an alert or goes into the open one's log; without an open alert the rest is dropped."""
        event = request.json()
        if "change" in request.path:
            self.changes.append(event)
            return as_json(202, {"status": "success", "message": "Change event processed"})
        self.accepted.append(event)
        key, action = event["dedup_key"], event["event_action"]
        is_open = self.alerts.get(key, "resolved") != "resolved"
        if action == "trigger" and not is_open:
            self.alerts[key] = "triggered"
            self.pages.append(key)
        elif action != "trigger" and is_open:
            self.alerts[key] = f"{action}d" if action == "resolve" else "acknowledged"
        return as_json(202, {"status": "success", "message": "Event processed", "dedup_key": key})


def _of_event(event: Mapping[str, Any]) -> list[str]:
    action, key = event.get("event_action"), event.get("dedup_key")
    found = [] if action in {"trigger", "acknowledge", "resolve"} else [f"event_action {action!r}"]
    if not (isinstance(key, str) and 0 < len(key) <= 255):
        found.append("dedup_key is not a text of 1 to 255 characters")
    known = {"routing_key", "event_action", "dedup_key"}
    if action == "trigger":
        known |= {"client", "client_url", "payload", "links", "images"}
        found += _of_payload(event.get("payload"), {"summary", "source", "severity"})
        if not str(event.get("client_url", "https://")).startswith(("https://", "http://")):
            found.append("client_url is no address")
        if isinstance(event.get("payload"), dict) and event["payload"].get("severity") not in {
            "critical",
            "error",
            "warning",
            "info",
        }:
            found.append("severity is none of the four")
    return found + _of_links(event) + [f"{name} is not documented" for name in event if name not in known]


def _of_change(event: Mapping[str, Any]) -> list[str]:
    found = [f"{name} is not documented" for name in event if name not in {"routing_key", "payload", "links", "images"}]
    return found + _of_payload(event.get("payload"), {"summary"}) + _of_links(event)


def _of_payload(payload: object, required: set[str]) -> list[str]:
    if not isinstance(payload, dict):
        return ["payload is not an object"]
    fields = {*LONGEST, "severity", "timestamp", "custom_details"}
    found = [f"{name} is missing" for name in sorted(required) if not payload.get(name)]
    found += [f"{name} is not documented" for name in payload if name not in fields]
    for name, longest in LONGEST.items():
        if name in payload and not (isinstance(payload[name], str) and len(payload[name]) <= longest):
            found.append(f"{name} is not a text of at most {longest} characters")
    if not TIME.fullmatch(str(payload.get("timestamp", "2026-10-01T12:00:00Z"))):
        found.append("timestamp is not ISO 8601")
    if not isinstance(payload.get("custom_details", {}), dict):
        found.append("custom_details is not an object")
    return found


def _of_links(event: Mapping[str, Any]) -> list[str]:
    links = event.get("links", [])
    right = isinstance(links, list) and all(
        isinstance(link, dict) and set(link) <= {"href", "text"} and str(link.get("href", "")).startswith("http")
        for link in links
    )
    return [] if right else ["links are not a list of addresses"]
