"""Which incident comes first: one order over all models, so that whoever is on call has one queue and not one a model.

The order is a list of questions, asked one after the other until two incidents differ. A sum of weights would need weights that
nobody could defend at night; here the first difference is the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alerting.incidents import SEVERITIES, Incident, State

#: What nobody has in hand comes before what somebody has, and that before what has been mitigated.
_STATES: Final[tuple[State, ...]] = ("open", "acknowledged", "mitigated", "resolved")
#: What does harm for certain, and can be ended at once, comes before what needs a look; what only may do harm comes last.
_CAUSES: Final = ("new_version", "input_fault", "concept", "label_fault", "outcome", "blind", "drift")

Rank = tuple[bool, bool, int, int, float, int, float, str]


def rank(incident: Incident) -> Rank:
    """Give what to sort by, the most urgent first.

    Over or not; only observed or not; severity; who has it in hand; the share of the traffic that it affects (unknown counts as
    all of it); the cause; the older first.
    """
    return (
        not incident.live,
        incident.observe,
        -SEVERITIES.index(incident.severity),
        _STATES.index(incident.state),
        -(1.0 if incident.traffic is None else incident.traffic),
        _CAUSES.index(incident.cause) if incident.cause in _CAUSES else len(_CAUSES),
        incident.opened,
        incident.id,
    )


def by_priority(incidents: Iterable[Incident]) -> list[Incident]:
    """Sort incidents, the most urgent first."""
    return sorted(incidents, key=rank)
