"""Who is told: a pure function of what happened and when.

What the guardrail file says comes first, since its owners know whom to wake for their model. Then the rules of the settings, in
their order: the first that takes it decides, and one that says `continue` lets the following ones add theirs. What no rule takes
goes to the default routes. So nothing is ever told to nobody.

The name `on-call` stands wherever that of a route may, for the routes of those whose turn it is at that moment (`alerting.rota`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Final

from alerting.escalation import Step, due
from alerting.facts import Facts, fits
from alerting.hours import Hours, within
from alerting.incidents import Severity
from alerting.rota import Duty, Rota, Shift, on_call

#: The route that always exists and takes what every other route refused.
FALLBACK: Final = "log"
#: Stands for the routes of whoever is on call, where there is a rota.
ON_CALL: Final = "on-call"


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

    `repeat` are the routes that say a page again that nobody has acknowledged, and after how many seconds; `steps` are those of
    the escalation, and `escalating` the routes whose receivers do that by themselves. `calendar` gives the shifts that a calendar
    has just now, from any thread.
    """

    rules: tuple[Rule, ...] = ()
    page: tuple[str, ...] = (FALLBACK,)
    ticket: tuple[str, ...] = (FALLBACK,)
    repeat: Mapping[str, float] = field(default_factory=dict)
    rota: Rota | None = None
    calendar: Callable[[], Sequence[Shift]] = tuple
    steps: tuple[Step, ...] = ()
    escalating: frozenset[str] = frozenset()

    def routes_for(self, facts: Facts, at: float, written: Sequence[str] | None = None) -> tuple[str, ...]:
        """The names of the routes to tell at `at` (epoch seconds), each once, at least one.

        `written` is what the guardrail file says for this severity, None or empty when it says nothing.
        """
        if facts.severity == "log":
            return (FALLBACK,)
        if written:
            return self._people(written, at)
        found: list[str] = []
        for rule in self.rules:
            if rule.takes(facts, at):
                found += rule.to
                if not rule.further:
                    break
        return self._people(found or (self.page if facts.severity == "page" else self.ticket), at)

    def escalation(self, facts: Facts, at: float, waited: float, done: float) -> tuple[float, tuple[str, ...]] | None:
        """The time of the last step that is due at `at` (epoch seconds) and the routes of all that are; None when none is.

        `waited` and `done` are those of `alerting.escalation.due`.
        """
        ready = due(self.steps, facts, waited, done)
        return (ready[-1].after, self._people([name for step in ready for name in step.to], at)) if ready else None

    def duty(self, at: float) -> Duty | None:
        """Who is on call at `at` (epoch seconds); None without a rota."""
        return None if self.rota is None else on_call(self.rota, at, self.calendar())

    def _people(self, names: Sequence[str], at: float) -> tuple[str, ...]:
        """The same, each once, with the routes of those on call for their common name; the fallback for nobody."""
        duty = self.duty(at) if ON_CALL in names else None
        found: list[str] = []
        for name in names:
            found += self.rota.routes(duty) if name == ON_CALL and self.rota is not None and duty is not None else (name,)
        return tuple(dict.fromkeys(found)) or (FALLBACK,)
