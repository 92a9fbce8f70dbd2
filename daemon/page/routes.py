"""Where the pages are, and the headers that keep them harmless: nothing but their own style, no frames, no referrer, and no forms
but on the one that has one.

A page that is asked for by a browser and is not there is a page that says so; programs get what the API gives.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from daemon.page import words
from daemon.page.queue import front
from daemon.page.sight import Sight
from daemon.page.story import missing, of_incident, of_model

_TEMPLATES: Final = Path(__file__).parent / "templates"
_NOT_FOUND: Final = 404

Now = Callable[[], float]


def _finalize(value: Any) -> Any:  # noqa: ANN401  # Jinja's own signature
    """Nothing reaches a page that did not go through `clean`, but what is markup already."""
    return value if isinstance(value, Markup) else words.clean(value)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cause": words.cause,
        "detail": words.detail,
        "event": words.event,
        "machine": words.machine,
        "moment": words.moment,
        "name": words.name,
        "number": words.number,
        "share": words.share,
        "span": words.span,
    }
    environment.globals |= {
        "shapes": words.SHAPES,
        "link": words.link,
        "model_path": words.model_path,
        "incident_path": words.incident_path,
        "style": Markup(style()),  # noqa: S704 - a file of ours
    }
    return environment


@cache
def style() -> str:
    """The style sheet, as it stands between the tags."""
    return (_TEMPLATES / "style.css").read_text(encoding="utf-8")


@cache
def headers(forms: str = "'none'") -> dict[str, str]:
    """What a browser may do with a page: show it, in the style whose digest this is, and send its forms to these addresses."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode("ascii")
    rules = f"default-src 'none'; img-src data:; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    return {
        "content-security-policy": f"{rules}; style-src 'sha256-{digest}'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }


def render(template: str, page: dict[str, Any]) -> bytes:
    """A page as UTF-8."""
    return _environment().get_template(template).render(page).encode()


def add_pages(app: FastAPI, sight: Sight, now: Now = time.time) -> None:
    """Put the pages into an app; `now` is wall time, epoch seconds."""

    @app.get("/", include_in_schema=False)
    def queue() -> Response:
        """What is open, and how every model stands."""
        return _page("front.html", front(sight, now()))

    @app.get("/models/{name:path}", include_in_schema=False)
    def model(name: str) -> Response:
        """One model."""
        found = of_model(sight, name, now())
        if found is None:
            return _missing(sight, now(), f"There is no model “{words.name(name)}” here.")
        return _page("model.html", found)

    @app.get("/incidents/{identity}", include_in_schema=False)
    def incident(identity: str) -> Response:
        """One incident."""
        found = of_incident(sight, identity, now())
        if found is None:
            return _missing(sight, now(), f"There is no incident “{words.name(identity)}”.")
        return _page("incident.html", found)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        """A browser that asked for an address that is not there gets a page."""
        reads = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
        if error.status_code == _NOT_FOUND and reads:
            return _missing(sight, now(), f"There is nothing at “{words.name(request.url.path)}”.")
        return await http_exception_handler(request, error)


def _page(template: str, page: dict[str, Any], status: int = 200) -> Response:
    return HTMLResponse(render(template, page), status, headers())


def _missing(sight: Sight, now: float, text: str) -> Response:
    return _page("missing.html", missing(sight, now, text), _NOT_FOUND)
