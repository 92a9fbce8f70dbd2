"""What a rule is: a thing at work on one model, with a hook for each moment at which something can be measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from daemon.contest import Contest
    from daemon.events import Outcome, Prediction
    from daemon.evidence import Evidence
    from daemon.guardrails import Guardrail
    from daemon.join import Joined
    from daemon.rules.verdict import Severity, Verdict
    from daemon.versions import Version


class Model(Protocol):
    """What a rule may look at: the monitor of its model."""

    @property
    def guardrail(self) -> Guardrail:
        """What the model is held to."""

    @property
    def versions(self) -> Mapping[str, Version]:
        """The versions known, by name."""

    @property
    def contests(self) -> Mapping[str, Contest]:
        """The newer versions set against an older one, by the newer version."""

    @property
    def evidence(self) -> Evidence:
        """What was measured on the inputs."""

    @property
    def age(self) -> float:
        """Seconds after its prediction at which a label is looked at."""

    @property
    def measure(self) -> str:
        """What the loss is called."""


class Rule:
    """A rule at work on one model. A hook that a rule does not need stays as it is here, and costs nothing.

    Args:
        name: the rule's name in verdicts; of a rule that the guardrail file adds, the name given there.
        severity: what a breach of it is.
        model: what it may look at.
    """

    def __init__(self, name: str, severity: Severity, model: Model) -> None:
        self.name = name
        self.severity = severity
        self.model = model

    def observe(self, event: Prediction) -> None:
        """Look at a prediction as it arrives."""

    def joined(self, found: Joined) -> None:
        """Look at a prediction whose label has just arrived, however late; `found.delay` is how late (seconds)."""

    def mature(self, found: Joined, loss: float | None) -> bool:
        """Look at a prediction at age h, with its loss where it can be told; True when a verdict may have changed for it."""
        del found, loss
        return False

    def outcome(self, event: Outcome) -> bool:
        """Look at a product metric; True when a verdict may have changed for it."""
        del event
        return False

    def verdicts(self, now: float) -> Iterable[Verdict]:
        """Judge every scope at `now`, the clock of events (epoch seconds)."""
        del now
        return ()

    def to_state(self) -> dict[str, Any]:
        """Give what must outlive a restart, as plain data."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""

    def severity_of(self, stage: str) -> Severity:
        """Give the severity for a version in a stage: a shadow serves nobody, and nobody is woken for it."""
        return "ticket" if stage == "shadow" and self.severity == "page" else self.severity


Hook = Literal["observe", "joined", "mature", "outcome"]


def listening(rules: Iterable[Rule], hook: Hook) -> tuple[Rule, ...]:
    """Give the rules that have made a hook their own: the others are not called for every event."""
    return tuple(rule for rule in rules if getattr(type(rule), hook) is not getattr(Rule, hook))
