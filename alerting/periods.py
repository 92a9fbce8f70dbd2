"""Lengths of time and rates as people write them in a file: `30s`, `7d`, `5 per 10m`.

One grammar for guardrail files, settings and routes. Errors are ValueErrors that say what was expected; whoever reads the file
adds what stands there instead, where that can be no secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

UNITS: Final[dict[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smhd])")
_RATE: Final = re.compile(r"([0-9]{1,9}) +per +(\S+)")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in any `seconds`."""

    count: int
    seconds: float

    @property
    def per_second(self) -> float:
        """The same as a mean rate."""
        return self.count / self.seconds

    def __str__(self) -> str:
        return f"{self.count} per {duration_text(self.seconds)}"


def seconds(value: object) -> float:
    """A duration such as `30s`, `5m`, `1h` or `7d`, in seconds."""
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a duration such as 30s, 5m, 1h or 7d")
    return float(found[1]) * UNITS[found[2]]


def duration_text(value: float) -> str:
    """Whole seconds in the largest unit that divides them: `seconds(duration_text(x)) == x`."""
    whole = int(value)
    size, unit = max((size, unit) for unit, size in UNITS.items() if whole % size == 0 and (whole or size == 1))
    return f"{whole // size}{unit}"


def rate(value: object) -> Rate:
    """A rate such as `2 per 24h`."""
    found = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    period = _DURATION.fullmatch(found[2]) if found else None
    if found is None or period is None:
        raise ValueError("must be a rate such as 1 per 90d")
    if int(found[1]) == 0 or float(period[1]) == 0:
        raise ValueError("must be at least 1 per some time")
    return Rate(int(found[1]), seconds(found[2]))
