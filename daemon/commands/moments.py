"""Times as a person types them: RFC 3339, epoch seconds, or how long ago."""

from __future__ import annotations

import re
from typing import Final

from daemon.events import Rejected, parse_time

_AGO: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def moment(text: str, now: float) -> float:
    """Read a moment as epoch seconds.

    Args:
        text: `2026-05-01T12:00:00Z`, `1777636800`, or `2h`, which is two hours before `now`.
        now: epoch seconds.

    Raises:
        ValueError: it is none of these; the text is a sentence for a person.
    """
    said = text.strip()
    ago = _AGO.fullmatch(said)
    if ago is not None:
        return max(0.0, now - float(ago[1]) * _SECONDS[ago[2]])
    try:
        return parse_time(float(said) if _NUMBER.fullmatch(said) else said)
    except Rejected as rejected:
        raise ValueError(f"{rejected}; or write how long ago it was, as in 30m, 2h or 7d") from None
