"""A route refused a notice for good and another one took it: that one knows of the problem now, so it must hear the end too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.routing import FALLBACK

if TYPE_CHECKING:
    from alerting.intents import Intent
    from daemon.cases import Context
    from daemon.response import Response


def told_instead(response: Response, refused: Intent, route: str, context: Context) -> list[Intent]:
    """Take that `route` was told what another one refused; gives what is to be told for that. The log needs no end."""
    if route == FALLBACK or refused.incident is None or refused.kind not in {"page", "ticket"}:
        return []
    case = response.cases.get(refused.incident)
    lately = response.aftermath.lately.get(refused.incident)
    if case is None and lately is not None and lately.returns:
        case = lately  # its end is still to be told
    response.letters.fell_back(case, refused, route, context)
    return response.letters.take()
