"""What a run of one stream gave: plain data that a file can hold, so that it can be judged again without running again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from tests.corpus.faults import Fault
from tests.corpus.streams import Key
from tests.corpus.table import FAULTS, ROLLBACKS

#: The method that this is all about; the others are baselines.
DAEMON: Final = "watchkeeper"
#: Kind -> the fault.
KINDS: Final[dict[str, Fault]] = {fault.name: fault for fault in (*FAULTS, *(fault for fault, _ in ROLLBACKS))}

#: What the rules were tuned on: these seeds of these worlds. Everything else is reported.
TUNED_SEEDS: Final = range(3)
TUNED_WORLDS: Final = ("electricity", "loans")


class Page(msgspec.Struct, frozen=True):
    """A page, or a ticket. Epoch seconds; `labels` after the change that were there when it opened."""

    opened: float
    resolved: float | None
    labels: int
    cause: str | None = None
    version: str | None = None
    segment: str | None = None
    columns: tuple[str, ...] = ()
    rollbacks: tuple[str, ...] = ()
    reason: str = ""


class Result(msgspec.Struct, frozen=True):
    """A stream and what every method made of it.

    `mean`, `limit`, `labels` and `needed` are those of `truth.Truth`; `needed` is None where no number of labels would do, `end`
    where the fault does not end. `total` is the number of events, `took` seconds.
    """

    world: str
    fault: str
    seed: int
    level: int
    start: float
    end: float | None
    mean: float
    limit: float
    labels: int
    needed: float | None
    pages: dict[str, list[Page]]
    tickets: list[Page]
    total: int
    took: float

    @property
    def key(self) -> Key:
        """What the stream was made from."""
        return Key(self.world, self.fault, self.seed)

    @property
    def kind(self) -> Fault:
        """The row of the table."""
        return KINDS[self.fault]

    @property
    def harmful(self) -> bool:
        """Whether the true mean loss is over the limit."""
        return self.mean > self.limit

    @property
    def detectable(self) -> bool:
        """Whether there were labels enough for that to be seen."""
        return self.harmful and self.needed is not None and self.labels >= self.needed

    @property
    def tuned(self) -> bool:
        """Whether somebody may have looked at it while the rules were made."""
        return self.seed in TUNED_SEEDS and self.world in TUNED_WORLDS

    @property
    def owed(self) -> bool:
        """Whether somebody must be paged."""
        return self.kind.answer == "page" or self.detectable

    @property
    def allowed(self) -> bool:
        """Whether a page is no mistake."""
        return self.harmful or self.kind.pages

    @property
    def quiet(self) -> bool:
        """Whether the right answer is: no page."""
        return self.kind.quiet and not self.harmful

    @property
    def causes(self) -> tuple[str, ...]:
        """The right ones."""
        return self.kind.causes or ("concept",)


def finite(value: float) -> float | None:
    """Give a number as JSON has it: infinity is nothing."""
    return value if math.isfinite(value) else None


def save(results: Iterable[Result], path: Path) -> None:
    """Write results, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(result) + b"\n" for result in results))


def load(path: Path) -> list[Result]:
    """Read what `save` wrote."""
    return [msgspec.json.decode(line, type=Result) for line in path.read_bytes().splitlines()]
