"""The end of harm: found, not assumed.

An incident is resolved by evidence that the mean loss of what users get is back under the limit, never by silence. Without a
rollback that is the mirrored e-detector in its time form, which calls harm over too early at most once in seven days of harm.
After a confirmed rollback, one test at level 0.05 on what was predicted since then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from detectors.budget import increment
from detectors.sequential import EProcess, Recovery

if TYPE_CHECKING:
    from daemon.join import Waiting

#: Harm is called over too early at most once in this time (seconds) of harm.
FALSE_RESOLVE_EVERY: Final = 7 * 86400.0
#: The level of the test after a confirmed rollback.
LEVEL: Final = 0.05


class Healing:
    """Watches whether the harm of one incident is over.

    Args:
        limit: the mean loss under which there is no harm.
        shadow: whether it is a shadow's incident; else only live and canary predictions count.
        scope: the version that does the harm; while it serves, the others' losses say nothing about it. Empty: all count.
        segment: where the harm is; None: everywhere.
    """

    def __init__(self, limit: float, shadow: bool, scope: str, segment: str | None = None) -> None:
        self.limit = limit
        self.scope = scope
        self.segment = segment
        self.shadow = shadow
        self.healed = False
        self.labels = 0
        self.total = 0.0
        self.since: float | None = None  # clock of the confirmed rollback
        self._recovery = Recovery(limit)
        self._test = EProcess.below(limit)
        self._last: float | None = None

    @property
    def mean(self) -> float:
        """Mean loss of what was taken since the last restart."""
        return self.total / self.labels if self.labels else 0.0

    def restart(self, at: float) -> None:
        """Start afresh with what is predicted after a confirmed rollback (clock, epoch seconds)."""
        self.since = at
        self.healed = False
        self.labels, self.total = 0, 0.0
        self._test = EProcess.below(self.limit)

    def withdraw(self) -> None:
        """Go back to before the rollback was confirmed: the blamed version serves again."""
        self.since = None
        self.labels, self.total = 0, 0.0

    def take(self, waiting: Waiting, loss: float) -> bool:
        """Take a mature loss of any version; True when it is the one that shows that harm is over."""
        at, mark = waiting.at, waiting.ts
        if self.healed or (waiting.stage == "shadow") != self.shadow or (self.since is not None and at <= self.since):
            return False
        if self.segment is not None and self.segment not in waiting.segments:
            return False
        self.labels += 1
        self.total += loss
        if self.since is not None:
            self._test.update(loss, mark)
            self.healed = self._test.rejected(LEVEL)
        else:
            seconds = 0.0 if self._last is None else at - self._last
            self._last = at if self._last is None else max(at, self._last)  # no time is given out twice
            self._recovery.update(loss, increment(1.0 / FALSE_RESOLVE_EVERY, 1.0, seconds), mark)
            self.healed = self._recovery.drift_detected
        return self.healed

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "v": 1,
            "limit": self.limit,
            "shadow": self.shadow,
            "scope": self.scope,
            "segment": self.segment,
            "healed": self.healed,
            "labels": self.labels,
            "total": self.total,
            "since": self.since,
            "recovery": self._recovery.to_state(),
            "test": self._test.to_state(),
            "last": self._last,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Healing:
        """Rebuild what `to_state` described."""
        healing = cls(state["limit"], state["shadow"], state["scope"], state["segment"])
        healing.healed, healing.labels, healing.total = state["healed"], state["labels"], state["total"]
        healing.since, healing._last = state["since"], state["last"]
        healing._recovery = Recovery.from_state(state["recovery"])
        healing._test = EProcess.from_state(state["test"])
        return healing
