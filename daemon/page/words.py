"""How things are said on the page. Whatever comes from events is hostile text until it went through `clean`.

Escaping is Jinja's; this is about what escaping leaves: characters that no font shows, that turn the line round, or that have no
UTF-8 form, and ten thousand of them.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

from alerting.links import path_of

#: Characters of one text that are shown at most, and of a name.
LONGEST: Final = 600
LONGEST_NAME: Final = 64
#: What stands for a character that cannot be shown.
UNSHOWN: Final = "\N{REPLACEMENT CHARACTER}"
#: A space at which no line ends.
NARROW: Final = "\N{NARROW NO-BREAK SPACE}"
#: Categories of characters without a shape: controls, formats (these turn a line round), surrogates, unassigned, line ends.
_SHAPELESS: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: What stands for a number that is not known.
NOTHING: Final = "\N{EN DASH}"
#: Two moments are told without a date when they are no further apart (seconds).
NEAR: Final = 43200.0
#: From so many of a unit on the next smaller one is noise; from so large a number on, what is behind its point.
MANY: Final = 10
LARGE: Final = 1000.0

#: Largest unit first: its length in seconds, and its sign.
_UNITS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))

#: What a state looks like without its colour.
SHAPES: Final[Mapping[str, str]] = {
    "breach": "▲",
    "unknown": "○",
    "ok": "●",
    "open": "▲",
    "acknowledged": "◆",
    "mitigated": "▼",
    "resolved": "●",
}
_CAUSES: Final[Mapping[str, str]] = {
    "new_version": "a new version is worse",
    "concept": "the world has changed",
    "input_fault": "broken inputs",
    "label_fault": "broken labels",
    "blind": "cannot see",
    "drift": "drift",
    "outcome": "an outcome is off",
}
_EVENTS: Final[Mapping[str, str]] = {
    "opened": "alarm",
    "rollback": "rollback ordered",
    "would_rollback": "would have rolled back",
    "rollback_sent": "rollback sent",
    "rollback_awaits_approval": "rollback waits for approval",
    "rule_added": "more evidence",
    "evidence": "more evidence",
    "page": "paged",
    "ticket": "ticket",
    "resolved": "recovered",
    "retrain_hint": "think of retraining",
}


#: Lines of a timeline whose detail is a version.
_TO_VERSION: Final = frozenset({"rollback", "would_rollback", "rollback_confirmed"})


def clean(value: object, longest: int = LONGEST) -> str:
    """A text that can be shown: of a bounded length, without characters that have no shape."""
    text = str(value)
    cut = text[:longest]
    shown = "".join(UNSHOWN if unicodedata.category(sign) in _SHAPELESS and sign not in "\n\t" else sign for sign in cut)
    shown = shown.replace(" %", NARROW + "%")  # a number and its sign stay on one line
    return shown + "…" if len(text) > longest else shown


def name(value: object) -> str:
    """A name of a model, version or column."""
    return clean(value, LONGEST_NAME)


def moment(at: float | None, beside: float | None = None) -> str:
    """A time in UTC: of the day where `beside` is less than half a day away, else with its date. Nothing for None."""
    if at is None or not math.isfinite(at):
        return ""
    try:
        when = _EPOCH + timedelta(seconds=round(at))
    except OverflowError:
        return ""
    near = beside is not None and abs(at - beside) < NEAR
    return when.strftime("%H:%M:%S" if near else "%Y-%m-%d %H:%M:%S")


def machine(at: float | None) -> str:
    """A time for the attribute `datetime`."""
    said = moment(at)
    return said.replace(" ", "T") + "Z" if said else ""


def span(seconds: float | None) -> str:
    """A length of time in its two largest units: `3 h 20 min`. Nothing for None."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    left = abs(seconds)
    for length, sign in _UNITS:
        if left < length and sign != "s":
            continue
        count = int(left // length)
        small = next(((less, mark) for less, mark in _UNITS if less < length), None)
        rest = 0 if small is None or count >= MANY else int(left % length // small[0])
        return f"{count} {sign}" + (f" {rest} {small[1]}" if small is not None and rest else "")
    return "0 s"


def share(value: float | None) -> str:
    """A share in percent; a dash where it is not known."""
    return NOTHING if value is None or not math.isfinite(value) else f"{100 * value:.3g} %"


def number(value: float | None) -> str:
    """A number as a person writes it; a dash where it is not known."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.0f}" if value == int(value) or abs(value) >= LARGE else f"{value:.3g}"


def cause(word: object) -> str:
    """A cause in words."""
    return _CAUSES.get(str(word), clean(word).replace("_", " "))


def event(what: object) -> str:
    """What a line of a timeline is about."""
    return _EVENTS.get(str(what), clean(what).replace("_", " "))


def detail(entry: Mapping[str, Any]) -> str:
    """The particulars of a line of a timeline, as they follow its word."""
    found = clean(entry["detail"])
    if not found:
        return ""
    return f" to version {found}" if entry["what"] in _TO_VERSION else f": {found}"


def link(address: object) -> str | None:
    """An address that may be a link: only http and https, and only with a host; None for every other."""
    text = str(address)
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    fits = parts.scheme in {"http", "https"} and parts.netloc and clean(text) == text and not any(map(str.isspace, text))
    return text if fits else None


def model_path(model: object) -> str:
    """Where the page of a model is."""
    return "/models/" + quote(str(model), safe="", errors="replace")


def incident_path(identity: object) -> str:
    """Where the page of an incident is."""
    return path_of(str(identity))
