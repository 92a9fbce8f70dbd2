"""Whether a rollback may be sent: a pure decision that always says why not.

A rollback moves the traffic of users, so every one of these must be passed: a model's own brake (`cooldown`, `at_most`, once
per blamed version), labels enough, a blamed version that still serves, a target that is known to be good, a person's approval
where the file asks for it, and the breaker over all models: when several break at once the cause is shared, and moving traffic
would only hide it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from alerting.formats import rfc3339
from alerting.notice import duration
from daemon.policy import ROLLBACK_LABELS

if TYPE_CHECKING:
    from daemon.guardrail_parts import Rollback

#: Other models with a new page in the last `BREAKER_WINDOW` seconds from which on nothing is rolled back.
BREAKER_MODELS: Final = 2
BREAKER_WINDOW: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known when the question comes up; times are clocks of events, epoch seconds."""

    blamed: str
    labels: int  # tested since the onset
    serves: bool  # the blamed version gets live or canary traffic
    rolled_back: bool  # it was rolled back before
    targets: Sequence[str]  # known to be good, the last one first
    unfit: frozenset[str]  # versions that must not be rolled back to: blamed ones, and those over their own limit
    sent: Sequence[float]  # when this model was rolled back
    breaking: int  # other models with a new page


@dataclass(frozen=True, slots=True)
class Answer:
    """`wait` is asked again later; the others are recorded, once for each reason."""

    kind: Literal["rollback", "rollback_blocked", "rollback_awaits_approval", "wait"]
    reason: str
    target: str | None = None


def may_roll_back(settings: Rollback, situation: Situation, now: float) -> Answer:
    """Decide on a rollback of the blamed version at `now`."""
    if situation.labels < ROLLBACK_LABELS:
        return Answer("wait", f"{situation.labels} of {ROLLBACK_LABELS} labels since the onset")
    why = _objection(settings, situation, now)
    if why is not None:
        return Answer("rollback_blocked", why)
    target = choose_target(settings, situation)
    if target is None:
        return Answer("rollback_blocked", "no version is known to be good, and no fallback is left")
    if settings.approval == "manual":
        return Answer("rollback_awaits_approval", "the guardrail file asks for a person's approval", target)
    return Answer("rollback", f"version {target} is known to be good", target)


def choose_target(settings: Rollback, situation: Situation) -> str | None:
    """Give the last version known to be good, else the first fallback that is fit."""
    fallbacks = [name for name in settings.fallbacks if name != situation.blamed and name not in situation.unfit]
    return next(iter([*situation.targets, *fallbacks]), None)


def _objection(settings: Rollback, situation: Situation, now: float) -> str | None:
    if situation.rolled_back:
        return f"version {situation.blamed} was rolled back before, and came back: a person must look at it"
    if not situation.serves:
        return f"version {situation.blamed} gets no live traffic any more"
    if situation.breaking >= BREAKER_MODELS:
        return f"{BREAKER_MODELS} other models or more broke in the last {BREAKER_WINDOW / 60:.0f} minutes: the cause is shared"
    # A reason is told once for each text: no number in it may change from tick to tick.
    last = max(situation.sent, default=None)
    if last is not None and now - last < settings.cooldown:
        return f"the last rollback, at {rfc3339(last)}, is within the cooldown of {duration(settings.cooldown)}"
    recent = sum(1 for at in situation.sent if now - at < settings.at_most.seconds)
    if recent >= settings.at_most.count:
        return f"{recent} rollbacks in {duration(settings.at_most.seconds)} are as many as the guardrail file allows"
    return None
