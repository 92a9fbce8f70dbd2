"""The budget of false pages, in time: who may spend how much of it.

The owner of a model states one number, false pages per time. Everything that can page spends from it at a rate, its
weight times the budget; as long as the weights of what is alive at any moment sum to at most 1, so does the spending,
with versions and segments that come and go at any traffic. Weights are therefore given by rule and not by detector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HARM: Final = 0.5
VERSION: Final = 0.25
SEGMENTS: Final = 0.25

#: The most that one input may bring. After a long silence the time that passed would else be worth an alarm by itself:
#: with this cap the inputs must still raise the bets a hundredfold. Less than the budget is always allowed.
MOST_AT_ONCE: Final = 0.01
#: The largest level of a test of new against old, however long ago the last one began.
HIGHEST_LEVEL: Final = 0.01


def increment(rate_per_second: float, weight: float, seconds: float) -> float:
    """The false alarms that an input may cost: `rate x weight x seconds`, at most `MOST_AT_ONCE`.

    Args:
        rate_per_second: The budget, in false pages a second.
        weight: The share of it that this detector may spend, 0 to 1.
        seconds: Event time since the detector's last input. Below 0 (events out of order) counts as 0: that time was
            given out already.
    """
    if not seconds > 0.0:
        return 0.0
    return min(rate_per_second * weight * seconds, MOST_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget of one model.

    Args:
        per_second: Allowed false pages a second, above 0 (one in 90 days is 1.286e-7).

    Raises:
        ValueError: If it is not above 0 and finite.
    """

    per_second: float

    def __post_init__(self) -> None:
        if not 0.0 < self.per_second < float("inf"):
            raise ValueError(f"a budget of false pages must be above 0 a second, not {self.per_second}")

    def harm(self) -> float:
        """False pages a second that the overall mean loss of a model's live versions may cost, together.

        With several live versions at a time, divide it among them by their number or by their traffic.
        """
        return HARM * self.per_second

    def version(self) -> float:
        """False pages a second that tests of a new version against an old one may cost."""
        return VERSION * self.per_second

    def segment(self, live: int) -> float:
        """False pages a second that one segment may cost while `live` of them are watched."""
        return SEGMENTS * self.per_second / max(live, 1)

    def test_level(self, seconds_since_last_test: float | None) -> float:
        """The level of a test of new against old that begins now.

        `min(HIGHEST_LEVEL, VERSION x budget x seconds)`: the levels of all tests up to a time T sum to at most
        `HIGHEST_LEVEL + VERSION x budget x T`, whatever the pace of deployments.

        Args:
            seconds_since_last_test: Event time since the last such test began; None for the model's first one, which
                gets the highest level (the one constant in the sum above).
        """
        if seconds_since_last_test is None:
            return HIGHEST_LEVEL
        return min(HIGHEST_LEVEL, self.version() * max(seconds_since_last_test, 0.0))
