"""Acknowledged where it was paged: a silence in Alertmanager that somebody made after the alert began.

Alertmanager knows no acknowledgement, and what its webhook sends says nothing of silences. The button that people press there at
night is "Silence", so that is what is read: each alert of ours with the silences that hold it (`/api/v2/alerts`), and who made
them (`/api/v2/silence/<id>`). One that was there before the alert is no acknowledgement: whoever made it cannot have seen it.

Alertmanager does not check who made a silence: the name is whatever was typed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from alerting.alerts import Alert

#: The query for the alerts that are silenced and nothing else.
SILENCED: Final = "/api/v2/alerts?active=false&inhibited=false&unprocessed=false&silenced=true"
#: Characters of a name and of a comment that are kept.
NAME_LIMIT: Final = 200
TEXT_LIMIT: Final = 500
#: Seconds by which two clocks may differ: a silence is not older than its alert because the other machine's clock is behind.
SKEW: Final = 5.0


@dataclass(frozen=True, slots=True)
class Held:
    """An alert of ours that silences hold: the key of its problem, when it began (epoch seconds), and the ids of these."""

    problem: str
    starts: float
    silences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What somebody acknowledged there: the key of the problem, who, why. `id` is the same however often it is read."""

    id: str
    problem: str
    by: str
    reason: str


def held(documents: Iterable[Any], firing: Iterable[Alert]) -> list[Held]:
    """Which of our alerts are silenced, as the answer to `SILENCED` says. What is not of the documented shape is passed over."""
    ours = {frozenset(alert.labels): alert for alert in firing}
    found = []
    for document in map(_mapping, documents):
        labels = frozenset((str(name), str(value)) for name, value in _mapping(document.get("labels")).items())
        alert = ours.get(labels)
        ids = _mapping(document.get("status")).get("silencedBy")
        if alert is not None and isinstance(ids, list) and ids:
            found.append(Held(alert.problem, alert.starts, tuple(map(str, ids))))
    return found


def path_of(silence: str) -> str:
    """Where a silence is to be read."""
    return f"/api/v2/silence/{quote(silence, safe='')}"


def acknowledged(silence: Mapping[str, Any], held: Held) -> Acknowledged | None:
    """The acknowledgement that a silence is for an alert; None when it was there before the alert."""
    try:
        began = datetime.fromisoformat(str(silence.get("startsAt"))).timestamp()
    except ValueError:
        return None
    if began < held.starts - SKEW:
        return None
    return Acknowledged(
        id=f"alertmanager:{silence.get('id')}:{held.problem}",
        problem=held.problem,
        by=f"{str(silence.get('createdBy') or 'somebody')[:NAME_LIMIT]} in Alertmanager",
        reason=str(silence.get("comment") or "silenced there")[:TEXT_LIMIT],
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
