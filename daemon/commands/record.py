"""`watchkeeper record`: events from the topics to a file that `watchkeeper backtest` reads.

Each line is the event as its producer sent it, with `type` and with `at`, its arrival. Lines are in the order of arrival over all
topics and partitions. What is not a JSON object cannot be such a line; it is counted and left out, as the daemon too would have
refused it.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from daemon.commands.files import written
from daemon.errors import OK
from daemon.events import Rejected, arrival_of
from daemon.history import History
from daemon.settings import load_settings

if TYPE_CHECKING:
    from daemon.events import Kind
    from daemon.records import Record

log = structlog.get_logger()


def record(settings: Path | None, out: Path, *, since: float | None, until: float | None, model: str | None) -> int:
    """Write what the topics hold now.

    Args:
        settings: the settings file.
        out: the file to write; compressed when it ends in `.gz`. It appears under its name when it is complete.
        since: epoch seconds; nothing that arrived before it.
        until: epoch seconds; nothing that arrived after it.
        model: only the events of this model.

    Raises:
        CannotStart: the settings are wrong, the broker does not answer, a topic is missing, or the file cannot be written.
    """
    loaded = load_settings(settings)
    topics = loaded.kafka.topics
    kinds: dict[str, Kind] = {topics.predictions: "prediction", topics.labels: "label", topics.outcomes: "outcome"}
    history = History(loaded.kafka, list(kinds), since, optional=frozenset({topics.outcomes}))
    lines = Lines(kinds, since=since, until=until, model=model, largest=loaded.max_event_bytes)
    with written(out) as file, _progress() as (progress, bar):
        for batch in history.records():
            file.writelines(lines.of(batch, time.time()))
            progress.update(bar, advance=len(batch), total=history.total)
            while history.news:
                event = history.news.pop(0)
                log.warning("reading_disturbed", kind=event.kind, message=event.message, **event.details)
    typer.echo(f"{out}: {lines}", err=True)
    return OK


class Lines:
    """Turns records into lines, and counts.

    Args:
        kinds: what the records of each topic are.
        since: epoch seconds; what arrived before it is passed over.
        until: epoch seconds; what arrived after it is passed over.
        model: events of other models are passed over.
        largest: values of more bytes are left out, as the daemon refuses them.
    """

    def __init__(
        self, kinds: Mapping[str, Kind], *, since: float | None, until: float | None, model: str | None, largest: int
    ) -> None:
        self.written: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self._kinds = kinds
        self._since = 0.0 if since is None else since
        self._until = float("inf") if until is None else until
        self._model = model
        self._largest = largest

    def of(self, records: Iterable[Record], wall: float) -> Iterator[bytes]:
        """Give the lines of records in the order of time; `wall` (epoch seconds) is the arrival of those that have none."""
        for each in records:
            at = arrival_of(each.timestamp, wall)
            if not self._since <= at <= self._until:
                continue
            kind = self._kinds[each.topic]
            try:
                said = read_object(each.value, self._largest)
                line = _line(said, kind, at)
            except Rejected as rejected:
                self.left_out[rejected.reason] += 1
                continue
            if self._model is not None and said.get("model") != self._model:
                continue
            self.written[kind] += 1
            yield line

    def __str__(self) -> str:
        written = ", ".join(f"{self.written[kind]:,} {kind}s" for kind in ("prediction", "label", "outcome"))
        if not self.left_out:
            return written
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.left_out.items()))
        return f"{written}; left out, since they are no JSON objects: {reasons}"


def read_object(value: bytes | None, largest: int) -> dict[str, Any]:
    """Read a value of at most `largest` bytes, every field of it; NaN and infinities stay what they are.

    Raises:
        Rejected: it is no JSON object, with the reason that the daemon would give.
    """
    if not value:
        raise Rejected("empty", "the value is empty")
    if len(value) > largest:
        raise Rejected("too_large", f"the value has {len(value)} bytes")
    try:
        said = json.loads(value.decode())
    except UnicodeDecodeError:
        raise Rejected("not_utf8", "the value is not UTF-8") from None
    except RecursionError:
        raise Rejected("too_deep", "the value is nested too deeply") from None
    except ValueError:
        raise Rejected("not_json", "the value is not JSON") from None
    if not isinstance(said, dict):
        raise Rejected("not_an_object", "an event is a JSON object")
    return said


def _line(said: Mapping[str, Any], kind: Kind, at: float) -> bytes:
    try:
        # An event may have fields of these names, which mean nothing: ours are the ones that stay.
        return json.dumps({**said, "type": kind, "at": at}, separators=(",", ":")).encode() + b"\n"
    except RecursionError:
        raise Rejected("too_deep", "the value is nested too deeply") from None


@contextmanager
def _progress() -> Iterator[tuple[Progress, TaskID]]:
    columns = (TextColumn("recording events"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        yield progress, progress.add_task("", total=None)
