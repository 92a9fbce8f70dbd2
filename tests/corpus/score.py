"""The scorer: event by event, the same for the daemon and the baselines.

An event is a fault. The first page between its beginning and its end (and two hours, for labels that are on their way) is its
detection where a page is right; further ones are repetitions. Every other page is false: before the fault, after it, or about a
fault that does no harm. Windows, columns and minutes are not counted: a person is woken by pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from scipy.special import betaincinv

from tests.corpus.made import WORLDS
from tests.corpus.results import DAEMON, Page, Result

#: A page may come so long after the end of a fault, seconds: labels are late.
GRACE: Final = 7_200.0
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Judged:
    """How a method answered a stream.

    Attributes:
        result: The stream.
        first: The page that found the fault, where one was right.
        again: Further pages about it.
        false: Pages that were wrong.
    """

    result: Result
    first: Page | None
    again: tuple[Page, ...]
    false: tuple[Page, ...]

    @property
    def found(self) -> bool:
        """Whether somebody was paged for the fault."""
        return self.first is not None

    @property
    def missed(self) -> bool:
        """Whether somebody should have been."""
        return self.result.owed and self.first is None

    @property
    def cause_right(self) -> bool:
        """Whether the page ended with a right cause."""
        return self.first is not None and self.first.cause in self.result.causes

    @property
    def reset(self) -> float | None:
        """Seconds from the end of the fault to the resolution of the page; 0 where that came first, None where one is lacking."""
        end = self.result.end
        if self.first is None or self.first.resolved is None or end is None:
            return None
        return max(0.0, self.first.resolved - end)

    @property
    def never_reset(self) -> bool:
        """Whether the fault ended and the page did not."""
        return self.first is not None and self.result.end is not None and self.first.resolved is None

    @property
    def named(self) -> bool | None:
        """Whether the columns, or the segment, were named; None where there is nothing to name."""
        kind, world = self.result.kind, WORLDS[self.result.world]
        if self.first is None or not (kind.segment or kind.columns):
            return None
        if kind.segment:
            return self.first.segment == f"{world.segment}={world.victim}"
        return set(world.roles[kind.columns]) <= set(self.first.columns)


def rollbacks(result: Result) -> list[str]:
    """Give the targets of the rollbacks that were sent in a stream."""
    return [target for page in (*result.pages[DAEMON], *result.tickets) for target in page.rollbacks]


def judge(result: Result, method: str = DAEMON) -> Judged:
    """Judge a method's pages in a stream."""
    pages = sorted(result.pages[method], key=lambda page: page.opened)
    until = float("inf") if result.end is None else result.end + GRACE
    about = [page for page in pages if result.allowed and result.start <= page.opened <= until]
    false = [page for page in pages if page not in about]
    again = [
        later
        for earlier, later in pairwise(about)
        if not result.kind.returns or earlier.resolved is None or later.opened < earlier.resolved
    ]
    return Judged(result, about[0] if about else None, tuple(again), tuple(false))


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the interval of Clopper and Pearson at 95 %."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share."""
        return self.hits / self.of if self.of else float("nan")

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        tail = (1.0 - CONFIDENCE) / 2.0
        return 0.0 if self.hits == 0 else float(betaincinv(self.hits, self.of - self.hits + 1, tail))

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        tail = (1.0 - CONFIDENCE) / 2.0
        return 1.0 if self.hits >= self.of else float(betaincinv(self.hits + 1, self.of - self.hits, 1.0 - tail))

    def __str__(self) -> str:
        if not self.of:
            return "-"
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f}; {self.hits}/{self.of})"


def share(judged: Iterable[Judged], holds: Callable[[Judged], bool]) -> Share:
    """Count those of which something holds."""
    answers = [holds(one) for one in judged]
    return Share(sum(answers), len(answers))


@dataclass(frozen=True, slots=True)
class Score:
    """What is said of a method over some streams.

    Attributes:
        recall: Of the harmful and detectable faults.
        rules: Of the faults for which a page is owed although the loss does not show them.
        precision: Of the pages; a repetition counts as right.
        once: Of the faults that were found, those that woke somebody once.
        quiet: Pages in the streams of the kinds whose right answer is none, and the number of these.
        harmless: The same in streams of the other kinds whose fault did no harm.
        cause: Of the faults that were found.
        named: Of the faults with columns or a segment to name.
        labels: Median number of labels from the change to the page.
        reset: Median hours from the end of a fault to the resolution.
        unreset: Of the found faults that ended, those whose page did not.
    """

    recall: Share
    rules: Share
    precision: Share
    once: Share
    quiet: tuple[int, int]
    harmless: tuple[int, int]
    cause: Share
    named: Share
    labels: float | None
    reset: float | None
    unreset: Share


def score(results: Sequence[Result], method: str = DAEMON) -> Score:
    """Score a method."""
    judged = [judge(result, method) for result in results]
    found = [one for one in judged if one.found]
    wrong = sum(len(one.false) for one in judged)
    right = sum(len(one.result.pages[method]) for one in judged) - wrong
    quiet = [one for one in judged if one.result.quiet]
    harmless = [one for one in judged if not one.result.allowed and not one.result.quiet]
    resets = [one.reset / 3600.0 for one in found if one.reset is not None]
    labels = [one.first.labels for one in found if one.first is not None and one.result.detectable]
    return Score(
        recall=share((one for one in judged if one.result.detectable), lambda one: one.found),
        rules=share((one for one in judged if one.result.owed and not one.result.detectable), lambda one: one.found),
        precision=Share(right, right + wrong),
        once=share(found, lambda one: not one.again),
        quiet=(sum(len(one.false) for one in quiet), len(quiet)),
        harmless=(sum(len(one.false) for one in harmless), len(harmless)),
        cause=share(found, lambda one: one.cause_right),
        named=share((one for one in found if one.named is not None), lambda one: one.named is True),
        labels=median(labels) if labels else None,
        reset=median(resets) if resets else None,
        unreset=share((one for one in found if one.result.end is not None), lambda one: one.never_reset),
    )
