"""What a rule says: `ok`, `unknown` or `breach`, with a reason from a closed list and the numbers behind it.

Unknown is not healthy: no data, immature labels and too few samples never resolve anything, never promote and never roll back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Severity = Literal["log", "ticket", "page"]
State = Literal["ok", "unknown", "breach"]
Reason = Literal[
    "within_limit",
    "over_limit",
    "limit_too_wide",
    "too_dependent",
    "learning_reference",
    "too_few_labels",
    "low_coverage",
    "no_traffic",
    "feedback_loop",
    "not_scored",
    "not_worse",
    "worse_than_older",
    "undecided",
    "arms_differ",
    "no_older_version",
    "hard_errors",
    "inferred_errors",
    "swapped",
    "missing",
    "missing_moves_scores",
    "stopped",
    "uncovered",
    "sparse",
    "late",
    "flipped",
    "silent",
    "drifted",
    "drifted_slowly",
    "moved",
    "loss_moved",
    "outcome_over_limit",
]

#: A version without a prediction for this long (seconds, or this many of its mean gaps, beside the age of its labels) has nothing
#: left to judge.
GONE_AFTER: Final = 600.0
GONE_AFTER_GAPS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A column that is part of a finding: what is wrong with it, and how much, for ranking."""

    name: str
    effect: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a rule finds in a scope.

    `version` is "" where the model as a whole is judged. `onset` is event time in epoch seconds, `labels` the tested labels
    since then, `found` the clock at which a breach was found, where it is not the onset itself.
    """

    rule: str
    version: str
    segment: str | None
    state: State
    reason: Reason
    text: str
    severity: Severity
    evidence: float = 0.0
    onset: float | None = None
    found: float | None = None
    labels: int = 0
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()

    @property
    def scope(self) -> tuple[str, str, str]:
        """What was judged, in the order in which verdicts are listed."""
        return self.rule, self.version, self.segment or ""


def gone(last_seen: float, age: float, gap: float, now: float) -> bool:
    """Whether the last prediction of a version is so long ago (seconds) that nothing is left to judge."""
    return now - last_seen > age + max(GONE_AFTER, GONE_AFTER_GAPS * gap)


def share(value: float | None) -> str:
    """Write a share for a person."""
    return "unknown" if value is None else f"{100 * value:.3g} %"


def worst(severities: list[Severity]) -> Severity:
    """Give the highest of some severities."""
    return max(severities, key=("log", "ticket", "page").index)
