"""Values and small doubles that the tests of `alerting` share."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, ClassVar

import httpx

from alerting import notice
from alerting.errors import DeliveryError
from alerting.incidents import Finding, Incident, Terms, open_incident
from alerting.intents import Intent, Kind
from alerting.journal import incident_entry
from alerting.notice import Event, Notice
from alerting.rollbacks.command import RollbackCommand, to_record

NOON = 1_790_856_000.0  # 2026-10-01T12:00:00Z

FINDING = Finding(
    model="loan-approval",
    cause="new_version",
    severity="page",
    reason="mean loss 0.31 against 0.2 of version 7",
    rules=("version",),
    version="8",
    onset=NOON - 1500,
    labels_to_alarm=412,
    numbers={"mean_loss": 0.31, "limit": 0.22},
    features=({"name": "age", "effect": 0.41, "what": "missing"},),
    examples=("id-1", "id-2"),
)

TERMS = Terms(
    version=3,
    digest="0123456789abcdef",
    owner="team-credit",
    runbook="https://wiki.example/loan-approval",
    why="A wrong approval costs 4,000.",
)


def an_incident(**changes: Any) -> Incident:  # noqa: ANN401  # any field of Finding
    """An incident that was opened at NOON."""
    fields = {name: getattr(FINDING, name) for name in FINDING.__slots__}
    return open_incident(Finding(**{**fields, **changes}), TERMS, ordinal=0, at=NOON)


def a_notice(key: str = "i:page:hook:0", event: Event = "trigger", **changes: Any) -> Notice:  # noqa: ANN401  # of Finding
    """A notice of such an incident, a minute later."""
    return notice.notice_of(an_incident(**changes), event=event, key=key, at=NOON + 60, dedup_key=key.partition(":")[0])


def a_command(key: str = "i:rollback:kafka:0", **changes: Any) -> RollbackCommand:  # noqa: ANN401  # any field of the command
    """A command to take loan-approval from 8 to 7."""
    fields: dict[str, Any] = {
        "model": "loan-approval",
        "blamed": "8",
        "target": "7",
        "key": key,
        "incident": "0123456789ab",
        "reason": "mean loss 0.31 against 0.2 of version 7",
        "guardrail_version": 3,
        "guardrail_digest": "0123456789ab",
        "at": NOON,
    }
    return RollbackCommand(**{**fields, **changes})


def an_intent(kind: Kind = "page", key: str = "", destination: str = "", **changes: Any) -> Intent:  # noqa: ANN401  # of Intent
    """An intent with the body that its kind asks for."""
    destination = destination or {"rollback": "kafka", "journal": "journal"}.get(kind, "hook")
    key = key or f"i:{kind}:{destination}:0"
    if kind == "rollback":
        body = to_record(a_command(key))
    elif kind == "journal":
        body = incident_entry(an_incident()).body()
    else:
        body = notice.to_record(a_notice(key, "resolve" if kind == "resolve" else "trigger"))
    fields: dict[str, Any] = {"model": "loan-approval", "incident": "0123456789ab", "created": NOON, "generation": 1}
    return Intent(key=key, kind=kind, destination=destination, **{**fields, "body": body, **changes})


def an_answer(status: int, text: str = "", headers: Mapping[str, str] | None = None) -> httpx.Response:
    """An HTTP answer that streams, as one from the network does."""

    async def content() -> AsyncIterator[bytes]:
        yield text.encode()

    return httpx.Response(status, content=content(), headers=headers)


class Time:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class MemoryJournal:
    """A journal in memory: `entries` by key, as the compacted log keeps them. `failures` are raised first, one a write."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.failures: deque[DeliveryError] = deque()

    def write(self, key: str, record: Mapping[str, Any]) -> None:
        """Keep the record, or fail as told."""
        if self.failures:
            raise self.failures.popleft()
        self.entries[key] = dict(record)


class Inbox:
    """A notifier that keeps what it gets. `before` runs first on each notice and may raise."""

    Config: ClassVar[type[Any]] = object

    def __init__(self, before: Callable[[Notice], None] | None = None) -> None:
        self.notices: list[Notice] = []
        self.failures: deque[Exception] = deque()
        self._before = before

    def notify(self, notice: Notice) -> None:
        """Keep it, or fail as told."""
        if self._before is not None:
            self._before(notice)
        if self.failures:
            raise self.failures.popleft()
        self.notices.append(notice)

    @property
    def keys(self) -> list[str]:
        """The keys of what came, in order."""
        return [notice.key for notice in self.notices]
