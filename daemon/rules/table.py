"""The table of rules. A new rule is a file beside this one and a line here, and its default severity in `DEFAULT_RULES`, which
is what a guardrail file may name. The monitor, the metrics and the contract suite (tests/contract/test_rules.py) read it from
this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from daemon.rules.base import Model, Rule
from daemon.rules.detector import DetectorWatch
from daemon.rules.harm import Harm
from daemon.rules.inputs import Completeness, Drift, Records
from daemon.rules.labels import Labels
from daemon.rules.newer import Newer
from daemon.rules.outcome import OutcomeWatch
from daemon.rules.traffic import TrafficRule
from daemon.rules.verdict import Severity

if TYPE_CHECKING:
    from daemon.guardrails import Guardrail


Make = Callable[[str, Severity, Model], Rule]

#: The default rules, at work on every model unless its file switches them off.
RULES: Final[Mapping[str, Make]] = {
    "harm": Harm,
    "version": Newer,
    "records": Records,
    "completeness": Completeness,
    "labels": Labels,
    "traffic": TrafficRule,
    "drift": Drift,
}
#: The rules that a file adds, by the name that it gives them; each is made with what the file says of it.
ADDED: Final[Mapping[str, Callable[[str, Severity, Model, Any], Rule]]] = {
    "outcome": OutcomeWatch,
    "detector": DetectorWatch,
}


def rules_of(guardrail: Guardrail, model: Model) -> dict[str, Rule]:
    """Give the rules at work on a model, by name, in the order of the tables."""
    found: dict[str, Rule] = {}
    for name, make in RULES.items():
        severity = guardrail.severity_of(name)
        if severity != "off":
            found[name] = make(name, severity, model)
    for setting in guardrail.added_rules:
        severity = guardrail.severity_of(setting.name)
        if severity != "off":
            found[setting.name] = ADDED[setting.rule](setting.name, severity, model, setting)
    return found
