"""What is normal for a segment: how its reference is learned from few labels, and the limit that follows.

A segment has a fraction of the labels, so it cannot wait until they are as many as the whole has: it gets a limit from its first
few hundred, and looks again each time they have doubled. The looks share the one in a hundred that a bound may be wrong, and a
later look can only lower the limit. Memory is bounded whatever comes: a season of heavy traffic is thinned as it is gathered.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from detectors.base import State
from detectors.bounds import INDEPENDENT, autocorrelation_time, upper_bound_of
from detectors.reference import Reference, ReferenceBuilder, limit_of

#: Labels from which a segment has a limit.
LEAST: Final = 300
#: Looks at a reference that grows, each after twice the labels of the one before; the last ends the learning.
LOOKS: Final = 5
#: All looks of a segment together are wrong one time in a hundred at most.
CONFIDENCE: Final = 1.0 - 0.01 / LOOKS
#: A limit that is more tolerances than this over the reference is too wide to call a segment healthy.
WIDE: Final = 3.0


@dataclass(frozen=True, slots=True)
class Standard:
    """What the segments of a model are held to.

    Attributes:
        tolerance: The rise of the mean loss over a reference mean that does no harm.
        cap: The owner's own limit, if there is one.
        events: Labels that a reference is learned from when all goes well.
        span: The least event time that they cover, seconds.
    """

    tolerance: Callable[[float], float]
    cap: float | None
    events: int
    span: float

    @property
    def least(self) -> int:
        """Labels at the first look."""
        return max(1, min(self.events, LEAST))

    @property
    def most(self) -> int:
        """Labels at the last look."""
        return self.least << (LOOKS - 1)

    def limit(self, reference: Reference) -> float:
        """The largest harmless mean loss of a segment with this reference.

        The owner's limit is a word on the whole. A segment that lies over it when all is well would be a page that never ends,
        so it is held to its own reference.
        """
        cap = None if self.cap is None or reference.mean >= self.cap else self.cap
        return limit_of(reference, self.tolerance(reference.mean), cap)

    def too_wide(self, reference: Reference, limit: float) -> bool:
        """Whether a rise of several tolerances would pass unseen."""
        return limit - reference.mean > WIDE * self.tolerance(reference.mean)


class Learner:
    """Gathers a segment's reference in bounded memory.

    Where the labels come faster than the span passes, only every second of them is kept, then every fourth, and so on. What
    that hides of their dependence was measured before it was thrown away.
    """

    def __init__(self, first_look: int) -> None:
        self._builder = ReferenceBuilder()
        self._next = first_look
        self._stride = 1
        self._passed = 0
        self._tau = 1.0

    @property
    def n(self) -> int:
        """Losses kept."""
        return self._builder.n

    def add(self, loss: float, delay: float, at: float, standard: Standard) -> bool:
        """Take a mature loss; True when it is time for a look."""
        self._passed += 1
        if self._passed < self._stride:
            return False
        self._passed = 0
        builder = self._builder
        builder.add(loss, delay, at)
        if builder.n < self._next:
            return False
        if builder.ready(self._next, standard.span):
            return True
        if builder.n >= standard.most:
            self._thin()
        return False

    def look(self, most: int) -> Reference:
        """The reference so far; the next look is due at twice its labels, at `most` the last one."""
        state = self._builder.to_state()
        self._next = min(2 * self.n, most)
        # Every one of these labels was there at the age at which losses are tested: none is left out as late.
        found = ReferenceBuilder.from_state({**state, "delays": [0.0] * self.n}).build()
        tau, n = found.tau, found.n
        if self._stride > 1:
            dependent = tau >= INDEPENDENT
            n, tau = (n * self._stride, max(self._tau, tau * self._stride)) if dependent else (n, self._tau)
        # The bound of a look in place of the usual one: it is what limits are made of, inherited ones too.
        bound = upper_bound_of(state["losses"], CONFIDENCE, max(found.tau, self._tau / self._stride))
        return replace(found, n=n, tau=tau, bound=bound)

    def postpone(self, standard: Standard) -> None:
        """Put the look off by a few labels."""
        self._next = min(self.n + math.ceil(standard.least / 4), standard.most)

    def without(self, age: float, first_look: int) -> Learner:
        """The same without labels that came later than at this age."""
        state = self._builder.to_state()
        kept = [(loss, delay) for loss, delay in zip(state["losses"], state["delays"], strict=True) if delay <= age]
        learner = Learner(first_look)
        learner._stride, learner._passed, learner._tau = self._stride, self._passed, self._tau
        learner._builder = ReferenceBuilder.from_state(
            {**state, "losses": [loss for loss, _ in kept], "delays": [delay for _, delay in kept]}
        )
        return learner

    def _thin(self) -> None:
        state = self._builder.to_state()
        tau = autocorrelation_time(state["losses"])
        if self._stride == 1 or tau >= INDEPENDENT:
            self._tau = max(self._tau, tau * self._stride)
        self._builder = ReferenceBuilder.from_state({**state, "losses": state["losses"][1::2], "delays": state["delays"][1::2]})
        self._stride *= 2

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "builder": self._builder.to_state(),
            "next": self._next,
            "stride": self._stride,
            "passed": self._passed,
            "tau": self._tau,
        }

    @classmethod
    def from_state(cls, state: State) -> Learner:
        """Rebuild what `to_state` described."""
        learner = cls(state["next"])
        learner._builder = ReferenceBuilder.from_state(state["builder"])
        learner._stride, learner._passed, learner._tau = state["stride"], state["passed"], state["tau"]
        return learner
