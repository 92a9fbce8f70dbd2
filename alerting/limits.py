"""How much of a value is sent: what comes from events may be of any length, and receivers refuse what is too long.

A page that was refused for its length is a page that nobody got, so everything is cut before it leaves: each text and list to
a generous limit first, and to tighter ones when the whole is still too large.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

#: Characters of one text and entries of one list or mapping, from generous to bare.
CUTS: Final = ((4000, 100), (1000, 50), (200, 20), (60, 5))

#: Characters of a name in a mapping.
NAME_LIMIT: Final = 255


def clip(text: str, limit: int) -> str:
    """`text`, or its beginning and an ellipsis: at most `limit` characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def fitted(document: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """Plain JSON data, cut as little as makes it `limit` bytes of ASCII JSON. The outermost names all stay."""
    fitting: dict[str, Any] = {}
    for text, items in CUTS:
        fitting = {name: _cut(value, text, items) for name, value in document.items()}
        if len(encoded(fitting)) <= limit:
            break
    return fitting


def encoded(document: object) -> bytes:
    """Plain data as JSON in ASCII, since a lone surrogate in an event's text has no UTF-8 form."""
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def _cut(value: Any, text: int, items: int) -> Any:  # noqa: ANN401  # JSON has no narrower static type
    if isinstance(value, str):
        return clip(value, text)
    if isinstance(value, Mapping):
        return {clip(str(key), min(text, NAME_LIMIT)): _cut(item, text, items) for key, item in islice(value.items(), items)}
    if isinstance(value, list | tuple):
        return [_cut(item, text, items) for item in islice(value, items)]
    return value
