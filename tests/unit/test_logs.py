"""Log lines: one form for ours and the libraries', no secrets, a bounded rate."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from daemon import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Give structlog and the standard library back as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in logs.QUIET:
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def out() -> io.StringIO:
    """Where JSON lines go, with everything from `info` up."""
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    return stream


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    """What was written, parsed, without the times."""
    parsed = [json.loads(line) for line in out.getvalue().splitlines()]
    return [{key: value for key, value in line.items() if key != "timestamp"} for line in parsed]


def test_a_line_is_one_json_object_with_its_event_name(out: io.StringIO) -> None:
    """A log line is a JSON object: the event's name, the level, the particulars."""
    structlog.get_logger().info("checkpoint_written", model="loan", offset=7)

    assert lines(out) == [{"event": "checkpoint_written", "level": "info", "model": "loan", "offset": 7}]


def test_the_time_is_utc(out: io.StringIO) -> None:
    """Each line carries its time in UTC."""
    structlog.get_logger().info("started")

    assert json.loads(out.getvalue())["timestamp"].endswith("Z") is True


def test_what_json_does_not_know_is_written_all_the_same(out: io.StringIO) -> None:
    """NaN becomes null and an unknown object its text: no line is lost for its content, and none is invalid JSON."""
    structlog.get_logger().info("judged", loss=float("nan"), error=ValueError("too few"))

    assert lines(out) == [{"event": "judged", "level": "info", "loss": None, "error": "too few"}]


def test_lines_below_the_level_are_left_out(out: io.StringIO) -> None:
    """`info` leaves debug lines out."""
    structlog.get_logger().debug("detail")

    assert lines(out) == []


def test_a_traceback_names_the_error_but_no_local_variables(out: io.StringIO) -> None:
    """An exception is written with its traceback; the values of local variables are not."""
    hunter = "hunter" + "2"
    try:
        raise RuntimeError("broken" if hunter else "")
    except RuntimeError:
        structlog.get_logger().exception("thread_died")

    written = lines(out)[0]["exception"]
    assert ("RuntimeError: broken" in written, hunter in written) == (True, False)


def test_secrets_are_masked_at_any_depth(out: io.StringIO) -> None:
    """Fields named like secrets and the user part of addresses never reach the log."""
    structlog.get_logger().info(
        "settings_loaded",
        http={"token": "abc", "port": 8080},
        sasl_password="abc",
        routes=[{"routing_key": "abc"}],
        url="https://user:abc@host/path",
        password=None,
    )

    assert lines(out) == [
        {
            "event": "settings_loaded",
            "level": "info",
            "http": {"token": "***", "port": 8080},
            "sasl_password": "***",
            "routes": [{"routing_key": "***"}],
            "url": "https://***@host/path",
            "password": None,
        }
    ]


def test_a_library_speaks_in_the_same_form(out: io.StringIO) -> None:
    """What kafka says through the standard library comes out as `library_message`."""
    logging.getLogger("kafka.conn").warning("node %s is away", 1)

    assert lines(out) == [{"event": "library_message", "level": "warning", "library": "kafka.conn", "message": "node 1 is away"}]


def test_a_library_is_heard_from_warning_up(out: io.StringIO) -> None:
    """The doings of httpx (addresses!) and kafka at level info are left out."""
    logging.getLogger("httpx").info("POST https://hooks.example/token")

    assert lines(out) == []


def test_a_library_line_that_does_not_fit_its_format_is_kept(out: io.StringIO) -> None:
    """Wrong arguments in a library's log call cost nothing but the arguments."""
    logs.LibraryHandler().emit(logging.LogRecord("kafka.conn", logging.ERROR, __file__, 1, "%d nodes", ("two",), None))

    assert lines(out) == [{"event": "library_message", "level": "error", "library": "kafka.conn", "message": "%d nodes"}]


@pytest.mark.parametrize(("number", "level"), [(5, "debug"), (25, "info"), (35, "warning"), (55, "critical")])
def test_a_library_level_of_its_own_is_rounded_down(number: int, level: str) -> None:
    """Levels between the known ones, which libraries may invent, count as the next lower one."""
    with structlog.testing.capture_logs() as captured:
        logs.LibraryHandler().emit(logging.LogRecord("library", number, __file__, 1, "said", None, None))

    assert captured == [{"event": "library_message", "log_level": level, "library": "library", "message": "said"}]


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def passed(limit: logs.RateLimit, count: int, method: str = "warning", **fields: object) -> list[dict[str, Any]]:
    """The lines out of `count` equal ones that `limit` lets through."""
    through: list[dict[str, Any]] = []
    for _ in range(count):
        try:
            through.append(dict(limit(None, method, {"event": "broken", **fields})))
        except structlog.DropEvent:
            continue
    return through


def test_repeated_lines_are_bounded() -> None:
    """A kind of line gets `BURST` lines a window; the first of the next window says how many were left out."""
    clock = Clock()
    limit = logs.RateLimit(clock)
    first = passed(limit, logs.BURST + 5)
    clock.now = logs.WINDOW
    second = passed(limit, 2)

    assert (len(first), second) == (logs.BURST, [{"event": "broken", "left_out": 5}, {"event": "broken"}])


def test_each_model_has_its_own_bound() -> None:
    """A noisy model does not silence another one."""
    limit = logs.RateLimit(Clock())
    passed(limit, logs.BURST + 1, model="noisy")

    assert passed(limit, 1, model="quiet") == [{"event": "broken", "model": "quiet"}]


def test_critical_lines_always_pass() -> None:
    """The bound never holds back what is critical."""
    assert len(passed(logs.RateLimit(Clock()), logs.BURST * 2, "critical")) == logs.BURST * 2


def test_kinds_of_line_are_bounded_too() -> None:
    """Data in an event's name cannot make the limiter grow without end: it starts counting anew."""
    limit = logs.RateLimit(Clock())
    passed(limit, logs.BURST, model="first")
    for number in range(logs.KINDS):
        passed(limit, 1, model=str(number))

    assert len(passed(limit, 1, model="first")) == 1


def test_auto_is_json_where_no_terminal_is() -> None:
    """Without a terminal the lines are for machines."""
    stream = io.StringIO()
    logs.configure("auto", "info", stream)
    structlog.get_logger().info("started")

    assert lines(stream) == [{"event": "started", "level": "info"}]


def test_auto_is_for_eyes_on_a_terminal() -> None:
    """On a terminal a person reads: no JSON, and a plain traceback without local variables."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    logs.configure("auto", "info", stream)
    structlog.get_logger().info("started", model="loan")

    assert ("started" in stream.getvalue(), stream.getvalue().startswith("{")) == (True, False)
