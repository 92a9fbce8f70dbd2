"""The errors of this package, each with one sentence for a person.

A failed delivery says whether trying again makes sense (`permanent`): the whole retry logic hangs on that one bit, and only
the notifier or executor that saw the answer can know it. No message ever holds a secret: whoever raises says a host, a
status and a cause, not a URL or a header.
"""

from __future__ import annotations


class AlertingError(Exception):
    """Something in the reaction to a breach went wrong; `str(e)` is one clear sentence."""


class DeliveryError(AlertingError):
    """A page, a rollback or a journal entry did not arrive.

    `permanent` is true when the same request can never succeed (a refused body, a wrong address, a revoked key). `retry_after`
    is the pause in seconds that the receiver asked for, or None.
    """

    def __init__(self, message: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class Fenced(AlertingError):
    """The lease of the intent's generation is gone: another daemon acts now, and this one must not."""


class IllegalTransition(AlertingError):
    """An incident was asked to do what its state does not allow."""


class InvalidAct(AlertingError):
    """What a person asked for is not complete, or not sound; the sentence names each key and what is wrong with it."""


class InvalidCalendar(AlertingError):
    """What should be a calendar is none, or more than can be looked through; nothing of it is quoted."""


class InvalidRecord(AlertingError):
    """A stored record (journal, outbox, ledger) does not have the shape that it should have."""


class InvalidRoute(AlertingError):
    """A route or an executor of the settings cannot be built; the sentence names it and the key."""


class InvalidSilence(AlertingError):
    """A silence was asked for that cannot be, or ended that is over; the sentence names every key that is wrong."""


class LedgerUnavailable(AlertingError):
    """The ledger's file cannot be opened or written; the sentence names it and says what to do."""
