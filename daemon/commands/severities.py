"""Severities as a person types them."""

from __future__ import annotations

from enum import StrEnum


class FailOn(StrEnum):
    """From which severity on an incident makes a command fail."""

    page = "page"
    ticket = "ticket"
    log = "log"
