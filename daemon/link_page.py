"""The link in a page, for who got it: one page with one button that says "I have seen it".

    GET    /incidents/{id}/acknowledge?problem=…&until=…&token=…      asks for a name
    POST   the same                                                    acknowledges that problem

The link is the proof, so it needs no token of the daemon, and it does nothing else. Looking changes nothing: chats fetch what is
written in them for a preview, and mail goes through scanners that follow every link. Whoever presses the button gets the desk's
answer as a sentence, as after the command.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import structlog
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from alerting.acts import Act
from alerting.limits import encoded
from daemon.http_parts import content_of, full_stop
from daemon.inbox import NoAnswer
from daemon.page.routes import headers, render

if TYPE_CHECKING:
    from daemon.changes import Door

log = structlog.get_logger()

OK: Final = 200
WHERE: Final = "/incidents/{identity}/acknowledge"

#: Bytes of a form: a name and a number. Characters of the name that are kept.
BODY_LIMIT: Final = 8_192
NAME_LIMIT: Final = 100

REFUSED: Final = "This link is not genuine, or it has lapsed: acknowledge with watchkeeper ack, or by the link of a newer page."
NAMELESS: Final = "Say who you are: the others are told."


def add_link(app: FastAPI, door: Door) -> None:
    """Add the page."""

    @app.get(WHERE, include_in_schema=False)
    def ask(identity: str, problem: str = "", until: str = "", token: str = "") -> Response:
        """Ask who has seen it."""
        if not door.links.is_genuine(identity, problem, until, token, door.clock()):
            return _told(door, 403, REFUSED)
        return _asked(door, identity)

    @app.post(WHERE, include_in_schema=False)
    async def acknowledge(request: Request, identity: str, problem: str = "", until: str = "", token: str = "") -> Response:
        """Acknowledge this problem of this incident."""
        if not door.links.is_genuine(identity, problem, until, token, door.clock()):
            return _told(door, 403, REFUSED)
        form = parse_qs((await content_of(request, BODY_LIMIT)).decode("utf-8", "replace"), errors="replace")
        name, once = (" ".join(form.get(key, [""])[0].split()) for key in ("by", "once"))
        if not name:
            return _asked(door, identity, 422, NAMELESS)
        act = Act(
            id=f"link:{hashlib.sha256(encoded([problem, until, name, once])).hexdigest()[:32]}",
            kind="acknowledge",
            by=f"{name[:NAME_LIMIT]} by the link",
            at=door.clock(),
            incident=identity,
            problem=problem,
            record=door.known(identity),
        )
        reply = await door.inbox.answer(act, door.patience)
        if isinstance(reply, NoAnswer):
            return _told(door, 503, full_stop(reply.text), identity)
        log.info("person_acted", kind=act.kind, by=act.by, status=reply.status, text=reply.text, id=act.id)
        return _told(door, OK if reply.good else 409, full_stop(reply.text), identity)


def _asked(door: Door, identity: str, status: int = OK, complaint: str = "") -> Response:
    """The form. What is sent `once` is sent once, however often its button is pressed; who asks anew is answered anew."""
    return _page(door, status, complaint, identity, incident=door.known(identity), once=uuid.uuid4().hex)


def _told(door: Door, status: int, text: str, identity: str = "") -> Response:
    """What came of it; only who had a genuine link is told how to go on from there."""
    return _page(door, status, text, identity, incident=None, once="")


def _page(door: Door, status: int, text: str, identity: str, **more: Any) -> Response:  # noqa: ANN401  # what the template asks for
    told = [{"state": "ok" if status == OK else "breach", "text": text}] if text else []
    page = {"now": door.clock(), "identity": identity, "told": told}
    return HTMLResponse(render("acknowledge.html", page | more), status, headers("'self'"))
