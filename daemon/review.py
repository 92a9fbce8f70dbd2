"""The day by which somebody is to look at a guardrail file again: once it is past, a ticket says so."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.cases import Context
    from daemon.guardrails import Guardrail
    from daemon.letters import Letters


class Review:
    """Asks for the review of one guardrail file.

    Args:
        guardrail: says when it is due.
        letters: takes the ticket.
    """

    def __init__(self, guardrail: Guardrail, letters: Letters) -> None:
        self.reminded = 0  # version of the file whose review was asked for
        self._guardrail = guardrail
        self._letters = letters

    def remind(self, context: Context) -> None:
        """Open a ticket, once for each version of the file, when its day is past; while it is silenced, later."""
        guardrail, due = self._guardrail, self._guardrail.review_by
        if due is None or self.reminded == guardrail.version or context.now < _end_of(due):
            return
        sentence = f"the guardrail file of {guardrail.model} was to be reviewed by {due}"
        if guardrail.mode == "observe" or self._letters.remind(sentence, context):
            self.reminded = guardrail.version


def _end_of(day: date) -> float:
    """The first moment after a day in UTC, epoch seconds."""
    return datetime.combine(day, time.max, tzinfo=UTC).timestamp()
