"""Who is told next of a page that nobody acknowledges: a pure function of how long it has waited.

A step is for a problem, not for an incident: a new problem inside an acknowledged incident begins at the first step again. Each
step is taken once. What is acknowledged, mitigated, silenced or only observed is not escalated, and nothing is when the page is
with a receiver that escalates by itself (`Routing.escalating`): two rotas that both escalate wake two people for one page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alerting.facts import Facts, fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Tell the routes `to` when a page has waited `after` seconds; `models` and `owners` are globs, none of them fits all."""

    after: float
    to: tuple[str, ...]
    models: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()

    def takes(self, facts: Facts) -> bool:
        """Whether it is for pages of this."""
        return (not self.models or fits(facts.model, self.models)) and (not self.owners or fits(facts.owner, self.owners))


def due(steps: Sequence[Step], facts: Facts, waited: float, done: float) -> tuple[Step, ...]:
    """The steps to be taken now, in the order of their time.

    Args:
        steps: of the settings.
        facts: of the incident.
        waited: seconds since the problem was first told.
        done: `after` of the last step that was taken, 0 where none was. All steps at that time were.
    """
    ready = (step for step in steps if done < step.after <= waited and step.takes(facts))
    return tuple(sorted(ready, key=lambda step: step.after))
