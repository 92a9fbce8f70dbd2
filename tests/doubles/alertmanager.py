"""One Alertmanager as its API v2 has it: what it takes, what it refuses, and what fires at a given time."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.doubles.stand import Answer, Request, Stand, as_json

LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Labels = frozenset[tuple[str, str]]


class Alertmanager(Stand):
    """A peer. `now` is its clock, for telling which alerts are over; without one it goes by the machine's."""

    def __init__(self, now: float | None = None) -> None:
        super().__init__()
        self.now = now
        self.posts: list[list[dict[str, Any]]] = []
        self.alerts: dict[Labels, dict[str, Any]] = {}
        self.silences: dict[str, dict[str, Any]] = {}

    @property
    def events(self) -> list[tuple[str, str]]:
        """(incident, firing or resolved) of every alert that was taken, in order."""
        return [(alert["labels"]["incident"], self._state(alert)) for post in self.posts for alert in post]

    @property
    def firing(self) -> list[str]:
        """Names of the alerts that fire now."""
        return sorted(alert["labels"]["alertname"] for alert in self.alerts.values() if self._state(alert) == "firing")

    def silence(self, incident: str, by: str, at: float, comment: str = "on it") -> str:
        """Silence the alerts of an incident at a time, as its button does; gives the id."""
        identity = f"{len(self.silences):08x}-0000"
        matcher = {"name": "incident", "value": incident, "isRegex": False, "isEqual": True}
        said = {"id": identity, "createdBy": by, "comment": comment, "matchers": [matcher]}
        times = {"startsAt": datetime.fromtimestamp(at, UTC).isoformat(), "endsAt": "2099-01-01T00:00:00.000Z"}
        self.silences[identity] = said | times
        return identity

    def violations_of(self, request: Request) -> Sequence[str]:
        """What the API would answer 400 or 404 to."""
        path = request.path.removeprefix("/prefix")
        if request.method == "GET":
            known = {"/api/v2/alerts": {"active", "inhibited", "unprocessed", "silenced"}}
            right = path.startswith("/api/v2/silence/") or set(request.query) <= known.get(path, {""})
            return [] if right and not request.content else [f"GET {request.path} {request.query}"]
        if (request.method, request.path.removeprefix("/prefix")) != ("POST", "/api/v2/alerts"):
            return [f"{request.method} {request.path}"]
        if request.headers.get("content-type") != "application/json":
            return ["Content-Type is not application/json"]
        try:
            alerts = json.loads(request.content)
        except ValueError as error:
            return [f"not JSON: {error}"]
        if not isinstance(alerts, list) or not alerts:
            return ["not a list of alerts"]
        return [violation for alert in alerts for violation in _of_alert(alert)]

    def serve(self, request: Request) -> Answer:
        """Take the alerts, or tell which are silenced, or what a silence is."""
        path = request.path.removeprefix("/prefix")
        if path.startswith("/api/v2/silence/"):
            silence = self.silences.get(path.rpartition("/")[2])
            return Answer(404) if silence is None else as_json(200, silence)
        if request.method == "GET":
            return as_json(200, [found for alert in self.alerts.values() if (found := self._held(alert))])
        alerts = json.loads(request.content)
        self.posts.append(alerts)
        for alert in alerts:
            self.alerts[frozenset(alert["labels"].items())] = alert
        return Answer(200)

    def _held(self, alert: Mapping[str, Any]) -> dict[str, Any] | None:
        by = [i for i, one in self.silences.items() if one["matchers"][0]["value"] == alert["labels"]["incident"]]
        status = {"state": "suppressed", "silencedBy": by, "inhibitedBy": [], "mutedBy": []}
        return dict(alert) | {"fingerprint": "0", "receivers": [], "status": status} if by else None

    def _state(self, alert: Mapping[str, Any]) -> str:
        now = time.time() if self.now is None else self.now
        return "firing" if seconds(alert["endsAt"]) > now else "resolved"


def seconds(text: str) -> float:
    """RFC 3339 as epoch seconds."""
    return datetime.fromisoformat(text).timestamp()


def _of_alert(alert: object) -> list[str]:
    if not isinstance(alert, dict):
        return ["an alert is not an object"]
    found = [f"{name} is not documented" for name in set(alert) - {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}]
    for part in ("labels", "annotations"):
        pairs = alert.get(part, {})
        right = isinstance(pairs, dict) and all(LABEL.fullmatch(key) and isinstance(text, str) for key, text in pairs.items())
        found += [] if right else [f"{part} are not names with texts"]
    if not alert.get("labels", {}).get("alertname") or "" in alert.get("labels", {}).values():
        found.append("a label is empty, or alertname is missing")
    if not re.fullmatch(r"https?://[!-~]+", str(alert.get("generatorURL", "https://x"))):
        found.append("generatorURL is not an address")
    times = [alert.get(name, "") for name in ("startsAt", "endsAt")]
    if not all(TIME.fullmatch(text) for text in times):
        found.append(f"not RFC 3339: {times}")
    elif seconds(times[0]) > seconds(times[1]):
        found.append("start time must be before end time")
    return found
