"""What routes and silences look at: how urgent it is, which model, whose, and why.

Both ask the same few questions of an incident, and of the daemon's own trouble, which is no incident. So they get these answers
and nothing else, and a rule of one cannot come to depend on what the other does not see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from alerting.incidents import Incident, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The subject of a notice. `model` is None, and `owner` empty, when the daemon itself is in trouble."""

    severity: Severity
    model: str | None = None
    owner: str = ""
    cause: str = ""


def facts_of(incident: Incident) -> Facts:
    """The facts of an incident as it is now: its cause and its severity may change while it is open."""
    return Facts(severity=incident.severity, model=incident.model, owner=incident.owner, cause=incident.cause)


def fits(value: str | None, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is this value, or a glob that it fits (`*`, `?`, `[ab]`), capitals told apart.

    The value itself is asked for first: a model that is called `a[1]` can be named. What is not there fits nothing.
    """
    return value is not None and any(value == pattern or fnmatchcase(value, pattern) for pattern in patterns)
