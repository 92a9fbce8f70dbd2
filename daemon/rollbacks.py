"""The rollback of a case on its way: whether it is due, whether live traffic shows it, whether it lasts and helps.

A rollback is believed when the world shows it, never when a call returned. One that is not confirmed in time, does not last
or does not help is told to a person; none of that sends a second one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from alerting import incidents
from alerting.incidents import Action
from alerting.rollbacks.command import RollbackCommand
from daemon.brake import BREAKER_WINDOW, Answer, Situation, may_roll_back
from daemon.cases import Case, Context, Rollback
from daemon.letters import Letters
from daemon.policy import EXPLAINED

if TYPE_CHECKING:
    from daemon.guardrails import Guardrail
    from daemon.monitor import Monitor

#: A version without a prediction for this long (seconds of the clock of events) may have lost its traffic: one tick.
SILENT: Final = 10.0


class RollbackWatch:
    """Follows the rollbacks of one model.

    Args:
        guardrail: whether and how to roll back.
        monitor: what is measured.
        letters: takes the command and the notices.
        recorded: the traffic was recorded and cannot obey, so nothing is judged unconfirmed.
    """

    def __init__(self, guardrail: Guardrail, monitor: Monitor, letters: Letters, recorded: bool) -> None:
        self.guardrail = guardrail
        self.monitor = monitor
        self.sent: list[float] = []  # clocks at which this model was rolled back
        self.cleared: dict[str, int] = {}  # version -> how often a person took the blame from it
        self._letters = letters
        self._recorded = recorded

    def consider(self, case: Case, context: Context) -> bool:
        """Decide on a rollback; True when the decision is new."""
        settings, blamed = self.guardrail.respond.rollback, case.incident.version
        if settings is None or blamed is None or case.healing is None or case.healing.shadow or not context.live:
            return False
        if case.incident.cause in EXPLAINED:
            return self._block(case, blamed, context)
        answer = self.ask(case, context)
        if answer.kind == "wait" or answer.reason in case.refused:
            return False
        if answer.kind == "rollback" and answer.target is not None:
            self._roll_back(case, settings.with_, answer.target, context)
            return True
        case.refused.append(answer.reason)
        action = Action(kind=answer.kind, at=context.now, target=answer.target, reason=answer.reason)
        case.incident = incidents.add_action(case.incident, action)
        return True

    def ask(self, case: Case, context: Context) -> Answer:
        """Whether the version of a case may be rolled back now, and to which one; else why not."""
        settings, incident, blamed = self.guardrail.respond.rollback, case.incident, case.incident.version
        if settings is None:
            return Answer("wait", "the guardrail file has no respond.rollback")
        if not context.live:
            return Answer("wait", "the daemon is behind the topics and does not know what serves now")
        if incident.cause != "new_version" or blamed is None:
            return Answer("wait", f"the cause is {incident.cause}, and only a new_version is rolled back")
        version = self.monitor.versions.get(blamed)
        contest = self.monitor.contests.get(blamed)
        if version is None or contest is None or contest.trial is None:
            return Answer("wait", f"version {blamed} has not been compared with an older one")
        situation = Situation(
            blamed=blamed,
            labels=contest.labels,
            serves=version.traffic.serves(context.now, self.monitor.age + BREAKER_WINDOW),
            rolled_back=version.blamed,
            targets=self.monitor.succession.targets(blamed),
            unfit=frozenset(name for name, other in self.monitor.versions.items() if other.blamed or other.over_limit()),
            sent=self.sent,
            breaking=context.breaking,
        )
        return may_roll_back(settings, situation, context.now)

    def approve(self, case: Case, by: str, context: Context) -> Answer:
        """Roll back on a person's word, where nothing but that was missing; else why not. In observe mode nothing is sent."""
        settings, answer = self.guardrail.respond.rollback, self.ask(case, context)
        if settings is None or answer.target is None or answer.kind not in {"rollback", "rollback_awaits_approval"}:
            return answer
        if case.incident.observe:
            return Answer("rollback_blocked", "in observe mode nothing is sent")
        self._roll_back(case, settings.with_, answer.target, context, f"approved by {by}")
        return Answer("rollback", f"approved by {by}", answer.target)

    def rehearsed(self, case: Case, context: Context) -> RollbackCommand | None:
        """Give the command that a rollback of the case would send now; None when there is nothing to roll back to."""
        settings, blamed = self.guardrail.respond.rollback, case.incident.version
        if settings is None or blamed is None:
            return None
        if case.rollback is not None:
            return self._letters.command(case.incident, case.rollback.target, case.rollback.key, case.rollback.at)
        target = next(iter(self.monitor.succession.targets(blamed)), None) or next(
            (name for name in settings.fallbacks if name != blamed), None
        )
        return None if target is None else self._letters.command(case.incident, target, self.key_of(blamed), context.now)

    def key_of(self, blamed: str) -> str:
        """Give the key under which a version is rolled back: one for ever, until a person clears it."""
        cleared = self.cleared.get(blamed, 0)
        return f"rollback:{self.guardrail.model}:{blamed}" + (f"#{cleared + 1}" if cleared else "")

    def clear(self, blamed: str) -> bool:
        """Take the blame from a version: it may be rolled back again, under a new key. False when it had none."""
        version = self.monitor.versions.get(blamed)
        if version is None or not version.blamed:
            return False
        version.blamed = False
        self.cleared[blamed] = self.cleared.get(blamed, 0) + 1
        if blamed not in self.monitor.contests:
            self.monitor.succession.challenge(version)
        return True

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {"sent": self.sent, "cleared": self.cleared}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self.sent, self.cleared = list(state["sent"]), dict(state["cleared"])

    def _block(self, case: Case, blamed: str, context: Context) -> bool:
        """Note that a newer version is not rolled back although it does harm; True when that is new."""
        reason = f"the cause is {case.incident.cause}, and no version was shown to be worse than another by itself"
        contest = self.monitor.contests.get(blamed)
        if contest is None or contest.decision == "not_worse" or reason in case.refused:
            return False
        case.refused.append(reason)
        action = Action(kind="rollback_blocked", at=context.now, reason=reason)
        case.incident = incidents.add_action(case.incident, action)
        return True

    def _roll_back(self, case: Case, executor: str, target: str, context: Context, reason: str | None = None) -> None:
        incident, blamed = case.incident, case.incident.version or ""
        key = self.key_of(blamed)
        action = Action(kind="rollback", at=context.now, target=target, key=key, reason=reason)
        case.incident = incidents.add_action(incident, action)
        case.rollback = Rollback(target, context.now, key)
        if incident.observe:
            return
        self.monitor.versions[blamed].blamed = True
        self.sent.append(context.now)
        self._letters.roll_back(case.incident, executor, target, key, context)

    def confirm(self, case: Case, rollback: Rollback, context: Context) -> None:
        """Believe the rollback when live traffic shows it; page when that takes too long."""
        settings, incident, now = self.guardrail.respond.rollback, case.incident, context.now
        blamed = self.monitor.versions.get(incident.version or "")
        target = self.monitor.versions.get(rollback.target)
        gone = blamed is None or not blamed.traffic.serves(now, SILENT)
        # The end of all traffic proves nothing: the target must have served after the blamed version's last prediction.
        last = max(rollback.at, blamed.traffic.last_served if blamed is not None else 0.0)
        back = target is not None and target.traffic.seen.get("live", 0.0) > last
        if now > rollback.at and gone and back:
            rollback.confirmed = now
            action = Action(kind="rollback_confirmed", at=now, target=rollback.target)
            case.incident = incidents.mitigate(
                incidents.add_action(incident, action), f"version {rollback.target} serves again", now
            )
            if case.healing is not None:
                case.healing.restart(now)
            self._letters.tell(case, "update", context)
            return
        patience = settings.confirm_within if settings is not None else 0.0
        if not self._recorded and not incident.observe and not rollback.overdue and now - rollback.at > patience:
            rollback.overdue = True
            self.complain(case, "rollback_unconfirmed", f"live traffic does not show it after {patience:.0f} s", context)

    def check(self, case: Case, rollback: Rollback, context: Context) -> None:
        """Page when the rollback does not last, or does not help: then it was not the version."""
        blamed = self.monitor.versions.get(case.incident.version or "")
        if rollback.confirmed is not None and blamed is not None and blamed.traffic.last_served > rollback.confirmed:
            reason = f"version {blamed.name} serves again after the rollback was confirmed"
            rollback.confirmed, rollback.overdue = None, True
            if case.healing is not None:
                case.healing.withdraw()
            self.complain(case, "rollback_unconfirmed", reason, context)
            self._reopen(case, reason, context)
            return
        target = self.monitor.versions.get(rollback.target)
        if case.incident.cause != "new_version" or target is None or target.alarm is None:
            return
        reason = f"the rollback did not help: version {rollback.target} is over its limit too"
        case.incident = incidents.change_cause(case.incident, "concept", reason, context.now)
        self._letters.press(case, reason, context)
        self._reopen(case, reason, context)

    def _reopen(self, case: Case, reason: str, context: Context) -> None:
        # After it was told: whoever acknowledged it must hear of this as of a new problem, and here that is forgotten.
        if case.incident.state == "mitigated":
            case.incident = incidents.relapse(case.incident, reason, context.now)

    def complain(self, case: Case, kind: str, reason: str, context: Context) -> None:
        """Page that a rollback is stuck, failed or did not last."""
        target = case.rollback.target if case.rollback is not None else None
        case.incident = incidents.add_action(case.incident, Action(kind=kind, at=context.now, target=target, reason=reason))
        before, case.incident = case.incident, incidents.raise_severity(case.incident, "page", context.now, reason)
        if case.incident.severity != before.severity:
            self._letters.renew(case, reason, context)
        else:
            self._letters.press(case, reason, context)
