"""The day by which a guardrail file is to be looked at again: once it is past, a ticket, once for each version of the file."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerting.intents import Intent
    from daemon.cases import Context
    from daemon.guardrails import Guardrail
    from daemon.letters import Letters


class Review:
    """Reminds of the review of one guardrail file.

    Args:
        guardrail: the file.
        letters: takes the ticket.
    """

    def __init__(self, guardrail: Guardrail, letters: Letters) -> None:
        self.asked = 0  # version of the file whose review was asked for
        self._guardrail = guardrail
        self._letters = letters

    def remind(self, context: Context) -> list[Intent]:
        """Open the ticket if it is due, while it is silenced later; who only observes is not told."""
        guardrail = self._guardrail
        due = guardrail.review_by
        if due is None or self.asked == guardrail.version:
            return []
        if context.now < datetime.combine(due, time.max, tzinfo=UTC).timestamp():
            return []
        sentence = f"the guardrail file of {guardrail.model} was to be reviewed by {due}"
        if guardrail.mode == "observe" or self._letters.remind(sentence, context):
            self.asked = guardrail.version
        return self._letters.take()
