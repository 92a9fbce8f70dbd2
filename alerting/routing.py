"""Who is told: a pure function of what happened and when.

What the guardrail file says comes first, since its owners know whom to wake for their model. Then the rules of the settings, in
their order: the first that takes it decides, and one that says `continue` lets the following ones add theirs. What no rule takes
goes to the default routes. So nothing is ever told to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Final

from alerting.facts import Facts, fits
from alerting.hours import Hours, within
from alerting.incidents import Severity

#: The route that always exists and takes what every other route refused.
FALLBACK: Final = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Tell the routes `to` of what fits all that is given; `models` and `owners` are globs, `hours` go by the clock of `zone`.

    `further`: the rules after it are asked as well.
    """

    to: tuple[str, ...]
    severity: Severity | None = None
    models: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    hours: tuple[Hours, ...] = ()
    zone: tzinfo = UTC
    further: bool = False

    def takes(self, facts: Facts, at: float) -> bool:
        """Whether it is for this, at `at` (epoch seconds). A rule that names models takes nothing of the daemon's own."""
        return (
            self.severity in {None, facts.severity}
            and (not self.models or fits(facts.model, self.models))
            and (not self.owners or fits(facts.owner, self.owners))
            and within(self.hours, at, self.zone)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The rules in their order, and the routes of what none of them takes.

    `repeat` are the routes that say a page again that nobody has acknowledged, and after how many seconds.
    """

    rules: tuple[Rule, ...] = ()
    page: tuple[str, ...] = (FALLBACK,)
    ticket: tuple[str, ...] = (FALLBACK,)
    repeat: Mapping[str, float] = field(default_factory=dict)

    def routes_for(self, facts: Facts, at: float, written: Sequence[str] | None = None) -> tuple[str, ...]:
        """The names of the routes to tell at `at` (epoch seconds), each once, at least one.

        `written` is what the guardrail file says for this severity, None or empty when it says nothing.
        """
        if facts.severity == "log":
            return (FALLBACK,)
        if written:
            return tuple(dict.fromkeys(written))
        found: list[str] = []
        for rule in self.rules:
            if rule.takes(facts, at):
                found += rule.to
                if not rule.further:
                    break
        return tuple(dict.fromkeys(found)) or (self.page if facts.severity == "page" else self.ticket) or (FALLBACK,)
