"""Log lines are an interface: each has a stable event name, and its particulars are fields.

    log = structlog.get_logger()
    log.warning("consumer_rebuilt", reason="CorruptRecordError", topic="predictions", offset=4711)

The first argument is the event's name in snake_case and never changes with the data, so that a person can search for it and a
rule can count it. Whoever logs needs structlog alone; only the program's entry calls `configure`, once. What libraries say
through the standard library (Kafka, uvicorn) comes out in the same form, as `library_message`.

Three things hold for every line: no secrets in it, no more than `BURST` of a kind in `WINDOW` seconds (a broken broker must not
fill the disk), and no values of local variables in tracebacks.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Style = Literal["auto", "json", "console"]

#: Lines of one event, level and model that are let through in `WINDOW` seconds. Far above what a healthy daemon says; the
#: next line after the window tells how many were left out.
BURST: Final = 60
WINDOW: Final = 60.0
#: Kinds of line that are told apart. More than these means that data got into an event's name: start counting anew.
KINDS: Final = 4096

#: Libraries whose INFO lines are about their own doings; httpx would also name addresses that hold a token.
QUIET: Final = ("kafka", "uvicorn", "httpx", "httpcore", "asyncio")

_SECRET_KEY: Final = re.compile(r"password|passwd|secret|token|authorization|api_?key|routing_?key|credential", re.IGNORECASE)
_SECRET_IN_URL: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_MASK: Final = "***"


def configure(style: Style = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Send all log lines to `stream` (default: standard error), as JSON or for a person's eyes.

    `auto` is console on a terminal, else json. `level` is debug, info, warning, error or critical. Calling it again replaces
    what was configured before.
    """
    out = sys.stderr if stream is None else stream
    least = logging.getLevelNamesMapping()[level.upper()]
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
        RateLimit(time.monotonic),
        *_renderers(_resolve(style, out)),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _StandardError()) if stream is None else stream),
        cache_logger_on_first_use=False,  # a test that captures logs must reach the loggers that modules already hold
    )
    logging.basicConfig(handlers=[LibraryHandler()], level=least, force=True)
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))


class _StandardError:
    """Standard error as it is when a line is written: whoever has replaced it meanwhile (a capture, a test) gets the line."""

    def write(self, text: str) -> int:
        """Write to it."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush it."""
        sys.stderr.flush()


def _resolve(style: Style, out: TextIO) -> Literal["json", "console"]:
    """Which of the two forms `style` means for this stream."""
    if style == "auto":
        return "console" if out.isatty() else "json"
    return style


def _renderers(style: Literal["json", "console"]) -> list[Processor]:
    """The last processors, which make one line of text. Tracebacks go without local variables: those hold passwords."""
    if style == "console":
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]


def _to_json(event: Mapping[str, Any], **_: object) -> str:
    """One line of JSON; NaN and infinities become null, what JSON does not know becomes its text."""
    return msgspec.json.encode(event, enc_hook=str).decode()


class LibraryHandler(logging.Handler):
    """Says again through structlog what a library says through the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        """`library_message` with the library's logger, its level (rounded down to a known one) and its text."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # the library's arguments do not fit its own format: its text is still worth having
            message = str(record.msg)
        fields: dict[str, Any] = {"exc_info": record.exc_info} if record.exc_info else {}
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        structlog.get_logger().log(level, "library_message", library=record.name, message=message, **fields)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what is named like a secret, at any depth, and the user part of addresses (`https://user:password@host`)."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: object) -> object:
    """`value` as it may be written down under this `key`."""
    if _SECRET_KEY.search(key) and value is not None:
        return _MASK
    if isinstance(value, str):
        return _SECRET_IN_URL.sub(_MASK, value) if "://" in value else value
    if isinstance(value, Mapping):
        return {str(name): _redacted(str(name), item) for name, item in value.items()}
    if isinstance(value, list):
        return [_redacted(key, item) for item in value]
    return value


class RateLimit:
    """A structlog processor that drops lines over `BURST` of their kind in `WINDOW` seconds; critical ones always pass.

    The first line of a kind after its window carries `left_out`, the number of lines dropped before it. `clock` counts seconds
    and never goes back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kinds: dict[tuple[object, ...], _Window] = {}
        self._lock = threading.Lock()

    def __call__(self, _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """The event, perhaps with `left_out`. Raises structlog's DropEvent for a line too many."""
        if method == "critical":
            return event
        kind = (event.get("event"), method, event.get("model"), event.get("library"))
        with self._lock:
            left_out = self._left_out_before(kind, self._clock())
        if left_out:
            event["left_out"] = left_out
        return event

    def _left_out_before(self, kind: tuple[object, ...], now: float) -> int:
        """Count one line of this kind. Raises DropEvent when it is one too many."""
        window = self._kinds.get(kind)
        if window is None or now - window.since >= WINDOW:
            if len(self._kinds) >= KINDS:
                self._kinds.clear()
            self._kinds[kind] = _Window(since=now, passed=1)
            return window.dropped if window else 0
        if window.passed >= BURST:
            window.dropped += 1
            raise structlog.DropEvent
        window.passed += 1
        return 0


@dataclass(slots=True)
class _Window:
    """The lines of one kind since a moment."""

    since: float
    passed: int
    dropped: int = 0
