"""What a fault is, and what the right answer to it is. The table itself is in `table.py`.

Answers:

    page      somebody must be woken, whatever the loss does
    harm      somebody must be woken where the true mean loss is over the limit that the run printed, and must not be elsewhere
    either    the same, but a page is no mistake elsewhere: broken inputs that move the scores, labels that tell nothing any more
    ticket    a ticket is right, a page is wrong
    nothing   neither

In a stream of the last two whose true mean loss is over the limit after all, a page is owed as for `harm`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tests.corpus.effects import Effect

Answer = Literal["page", "harm", "either", "ticket", "nothing"]

ALL: Final = ("electricity", "sea", "loans", "delivery", "tickets")
BINARY: Final = ("electricity", "sea", "loans")
#: Worlds whose columns differ enough for a swap to be seen in them.
UNLIKE: Final = ("electricity", "loans", "delivery", "tickets")
SEGMENTED: Final = ("loans", "tickets")
DECLARED: Final = ("electricity", "loans", "delivery")
CATEGORIES: Final = ("loans", "tickets")

#: Predictions of version 7 before anything happens, from which its reference is learned and against which it is watched.
SETTLE: Final = 4_000


@dataclass(frozen=True, slots=True)
class Arm:
    """A version at work: which model it is, in which stage, and its share of the live and canary predictions."""

    version: str
    model: str
    stage: str = "live"
    share: float = 1.0


#: What was there before, and whoever came to replace it.
OLD: Final = (Arm("7", "good"),)


def new(model: str) -> tuple[Arm, ...]:
    """Give a full replacement."""
    return (Arm("8", model),)


def beside(model: str, share: float = 0.25, stage: str = "canary") -> tuple[Arm, ...]:
    """Give a canary, or two live versions in turn."""
    return (Arm("7", "good", share=1.0 - share), Arm("8", model, stage, share))


def shadow(model: str) -> tuple[Arm, ...]:
    """Give a shadow."""
    return (Arm("7", "good"), Arm("8", model, "shadow"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A piece of a stream.

    Attributes:
        n: Predictions; 0: as many as the seed says, 3,000 to 6,000.
        arms: Who serves.
        effects: What is wrong.
        healthy: Whether it comes before the fault.
    """

    n: int = 0
    arms: tuple[Arm, ...] = OLD
    effects: tuple[Effect, ...] = ()
    healthy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A row of the table.

    Attributes:
        name: Of the kind.
        said_by: Who said so: participants of the interview study, or another source.
        what: What happens.
        answer: The right one.
        causes: The right ones; `()`: none, where no page is right.
        rollback: Whether a rollback is right, where it is harmful.
        worlds: Where it makes sense.
        phases: After the settling; the fault begins with the first that is not healthy. After the last one version 7 is back.
        always: Effects of the whole stream.
        watched: The version whose mean loss is the truth.
        truth_from: Share of the last phase after which the fault is at its full size.
        segment: Whether it hits one segment only, which is to be named.
        columns: The role whose columns are to be named.
        returns: Whether it goes and comes back: a page after a resolved one is no repetition.
        gap: Whether it is the gap before the last phase that is the fault.
        settle: Predictions before anything happens.
        guardrail: What the guardrail file says beyond that of the world.
    """

    name: str
    said_by: str
    what: str
    answer: Answer
    causes: tuple[str, ...] = ()
    rollback: bool = False
    worlds: tuple[str, ...] = ALL
    phases: tuple[Phase, ...]
    always: tuple[Effect, ...] = ()
    watched: str = "7"
    truth_from: float = 0.0
    segment: bool = False
    columns: str = ""
    returns: bool = False
    gap: bool = False
    settle: int = SETTLE
    guardrail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pages(self) -> bool:
        """Whether a page may be right although the loss is under its limit."""
        return self.answer in {"page", "either"}

    @property
    def quiet(self) -> bool:
        """Whether no page is the right answer."""
        return self.answer in {"ticket", "nothing"}


def hit(*effects: Effect, arms: tuple[Arm, ...] = OLD) -> tuple[Phase, ...]:
    """Give the one phase of a fault that is there at once."""
    return (Phase(effects=effects, arms=arms),)
