"""What scenarios ask of a report (the document of `backtest --json`)."""

from __future__ import annotations

from typing import Any


def only(found: dict[str, Any]) -> dict[str, Any]:
    """Give the one incident of a report."""
    incidents: list[dict[str, Any]] = found["incidents"]
    assert len(incidents) == 1
    return incidents[0]


def signature(incident: dict[str, Any]) -> tuple[str, str | None, str]:
    """Give what makes two incidents the same, without the model; the version is None where the model as a whole is meant."""
    return incident["cause"], incident["version"], incident["severity"]


def kinds(incident: dict[str, Any]) -> set[str]:
    """Give the kinds of its actions."""
    return {action["kind"] for action in incident["actions"]}


def rollbacks(incident: dict[str, Any]) -> list[str]:
    """Give the targets of its rollbacks."""
    return [action["target"] for action in incident["actions"] if action["kind"] == "rollback"]


def state(found: dict[str, Any], rule: str, version: str) -> str:
    """Give the state of a verdict at the end."""
    (verdict,) = (verdict for verdict in found["verdicts"] if (verdict["rule"], verdict["version"]) == (rule, version))
    return str(verdict["state"])
