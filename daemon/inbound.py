"""Acknowledged where it was paged: PagerDuty's webhooks, over HTTP.

    POST   /api/v1/inbound/pagerduty        a webhook v3 with its signature

The status of the answer is for PagerDuty: it repeats what got a 5xx for about 20 minutes, drops what got a 4xx, and switches a
webhook off for a day after three in a row were dropped. So whatever is genuine gets a 200 and a sentence, also when there is
nothing to do; 503 means that asking again may help; and only what is not genuine gets a 4xx.

Alertmanager is not here: its webhook says nothing of acknowledgements. It is asked for silences instead (`daemon.silence_watch`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import structlog
from fastapi import FastAPI, HTTPException, Request

from alerting.inbound_pagerduty import BODY_LIMIT, SIGNATURE, act_of, is_genuine
from daemon.http_parts import content_of, full_stop
from daemon.inbox import NoAnswer

if TYPE_CHECKING:
    from daemon.changes import Door

log = structlog.get_logger()

#: Seconds until the answer: PagerDuty waits for five.
PATIENCE: Final = 4.0

NOT_OPEN: Final = (
    "No secret of PagerDuty's webhook is set: set inbound.pagerduty.secrets in the settings, and start the daemon again."
)
NOT_GENUINE: Final = "The signature is not one under a secret of inbound.pagerduty.secrets."


def add_inbound(app: FastAPI, door: Door) -> None:
    """Add the route."""

    @app.post("/api/v1/inbound/pagerduty", tags=["changes"])
    async def pagerduty(request: Request) -> dict[str, Any]:
        """Take a webhook v3 of PagerDuty."""
        if not door.pagerduty:
            raise HTTPException(403, NOT_OPEN)
        content = await content_of(request, BODY_LIMIT)
        if not is_genuine(request.headers.get(SIGNATURE, ""), content, [each.get_secret_value() for each in door.pagerduty]):
            raise HTTPException(401, NOT_GENUINE)
        wanted = act_of(content, door.clock())
        if isinstance(wanted, str):
            log.info("pagerduty_heard", text=wanted)
            return {"status": "ignored", "text": full_stop(wanted)}
        record = door.known(wanted.incident or "") if wanted.kind == "resolve" else None
        reply = await door.inbox.answer(replace(wanted, record=record), min(PATIENCE, door.patience))
        if isinstance(reply, NoAnswer):
            raise HTTPException(503, full_stop(reply.text))
        log.info("person_acted", kind=wanted.kind, by=wanted.by, status=reply.status, text=reply.text, id=wanted.id)
        return {"status": reply.status, "text": full_stop(reply.text)}
