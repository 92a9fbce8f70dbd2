"""The monitor of one model: what happens to its events between the join and the verdicts.

A prediction is looked at twice. When it arrives, its features and score go to the drift detectors, which only ever give
evidence, and its version is seen to have traffic. At the fixed age h it comes back from the join, with its label or without
one: then its loss goes to the reference, to the detectors of its version and to the contests between versions. `release` says
when something crossed a line, and `verdicts` what is to be thought of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from daemon.contest import Contest
from daemon.evidence import DriftEvidence
from daemon.healing import Healing
from daemon.losses import loss_of
from daemon.policy import Facts, Verdict, judge
from daemon.readings import readings
from daemon.spending import Spending
from daemon.traffic import Traffic
from daemon.versions import Version
from detectors.performance import RollingPerformance
from detectors.reference import Reference, limit_of

if TYPE_CHECKING:
    from daemon.events import Prediction
    from daemon.guardrails import Guardrail
    from daemon.join import Join, Joined

#: Versions kept; those not seen for the longest time are forgotten first.
VERSIONS: Final = 50
#: A stage counts as left when nothing came in it for this long, seconds.
STAGE_LEFT_AFTER: Final = 600.0

_MEASURES: Final[Mapping[str, str]] = {
    "error": "error rate",
    "brier": "Brier score",
    "log": "log loss",
    "cost": "mean cost",
    "absolute": "mean absolute error",
    "squared": "mean squared error",
}


class Monitor:
    """All that is measured and judged of one model.

    Args:
        guardrail: what the model is held to.
        join: where its predictions wait for their labels.
    """

    def __init__(self, guardrail: Guardrail, join: Join) -> None:
        self.guardrail = guardrail
        self.join = join
        self.versions: dict[str, Version] = {}
        self.contests: dict[str, Contest] = {}  # by the newer version
        self.good: list[str] = []  # versions known to be good, the last one last
        self.age = guardrail.labels.expected_within
        self.healings: dict[str, Healing] = {}  # by open incident; while there is one, no reference is learned
        self.evidence = DriftEvidence()
        self.measure = _MEASURES[guardrail.loss]
        self._loss = loss_of(guardrail)
        self._spending = Spending(guardrail.false_pages.per_second)
        self._learned = False

    # --- arrival

    def observe(self, event: Prediction) -> None:
        """Look at a prediction as it arrives."""
        version = self.versions.get(event.version)
        if version is None:
            version = self._meet(event.version, event.at)
        afresh = version.traffic.see(event.stage, event.at, STAGE_LEFT_AFTER)
        came_back = version.blamed and event.stage != "shadow" and event.version not in self.contests
        if afresh:
            version.clear()
        if afresh or came_back:
            self._challenge(version)
        if event.stage != "shadow":
            self.evidence.sample(event)

    def _meet(self, name: str, at: float) -> Version:
        if len(self.versions) >= VERSIONS:
            oldest = min(self.versions.values(), key=lambda version: version.traffic.last_seen)
            self._forget(oldest.name)
        version = self.versions[name] = Version(
            name, Traffic(at), RollingPerformance(self.guardrail.task, self.guardrail.positive)
        )
        if self.guardrail.limit is not None:
            version.set_limit(self.guardrail.limit)
        self._challenge(version)
        return version

    def _challenge(self, version: Version) -> None:
        """Set a newer version against the last one known to be good, and hold it to the same limit."""
        self.contests.pop(version.name, None)
        older = self.versions.get(next((name for name in reversed(self.good) if name != version.name), ""))
        reference = (older.reference or older.inherited) if older is not None else None
        if older is None or older.harm is None or reference is None:
            return
        version.inherit(reference, older.harm.limit)
        self.contests[version.name] = Contest(version.name, older.name, self.guardrail.tolerance_over(reference.mean))

    def _forget(self, name: str) -> None:
        del self.versions[name]
        self.good = [other for other in self.good if other != name]
        self.contests = {new: contest for new, contest in self.contests.items() if name not in {new, contest.old}}

    # --- age h

    def release(self, clock: float) -> bool:
        """Test the predictions that reached age h; True when a verdict may have changed for it."""
        changed = False
        for joined in self.join.mature(clock, self.age):
            changed = self._mature(joined, clock) or changed
        return changed

    def _mature(self, joined: Joined, clock: float) -> bool:
        waiting = joined.prediction
        version = self.versions.get(waiting.version)
        if version is None or (waiting.stage == "shadow" and (version.traffic.stage != "shadow" or self.guardrail.feedback_loop)):
            return False
        version.covered(waiting.stage, joined.label is not None)
        contests = [contest for contest in self.contests.values() if version.name in {contest.new, contest.old}]
        for contest in contests:
            contest.released(version.name, waiting.stage)
        loss = None
        if joined.label is not None:
            loss = self._loss(waiting.prediction, waiting.score, waiting.scores, joined.label)
            version.unscored += loss is None
        if loss is None or joined.label is None:
            self._learn(version, None, joined)
            return False
        version.scored += 1
        version.last.append(loss)
        version.recent.add(loss)
        version.performance.update(waiting.prediction, waiting.score, joined.label, loss)
        version.remember(joined.id, loss, waiting.ts)
        self._learn(version, loss, joined)
        if not version.well_covered(self.guardrail.labels.minimum_coverage):
            return False
        changed = self._heal(loss, joined)
        changed = self._test(version, loss, joined, clock) or changed
        for contest in contests:
            changed = self._compare(contest, version, loss, joined) or changed
        return changed

    def _learn(self, version: Version, loss: float | None, joined: Joined) -> None:
        if version.reference is not None:
            return
        if self.healings and version.inherited is not None:
            version.builder = type(version.builder)()  # a reference must not be learned from harm
            return
        builder = version.builder
        if loss is None:
            builder.add_unlabelled(joined.prediction.at)
            return
        builder.add(loss, joined.delay, joined.prediction.at)
        wanted = self.guardrail.reference
        if not builder.ready(wanted.events, wanted.span) or not self._holds_its_own(version):
            return
        reference = builder.build(self.age, self.age if self._learned else None)
        version.builder = type(builder)()
        if not self._learned:
            self.age, self._learned = reference.delay, True
        version.learn(reference, self._limit(reference))
        if version.inherited is None:
            version.set_coverage(reference.coverage)

    def _heal(self, loss: float, joined: Joined) -> bool:
        changed = False
        for healing in self.healings.values():
            scope = self.versions.get(healing.scope)
            if (
                healing.since is None  # once its rollback is confirmed it has gone; should it come back, `since` is withdrawn
                and scope is not None
                and scope.name != joined.prediction.version
                and scope.traffic.serves(joined.prediction.at, STAGE_LEFT_AFTER)
            ):
                continue  # while the harmful version serves, only its own losses can show that it does no harm any more
            changed = healing.take(joined.prediction.stage, loss, joined.prediction.at, joined.prediction.ts) or changed
        return changed

    def _test(self, version: Version, loss: float, joined: Joined, clock: float) -> bool:
        family = "shadow" if version.traffic.stage == "shadow" else "served"
        budget = self._spending.since_last_input(family, joined.prediction.at)
        changed = version.take(loss, joined.prediction.ts, budget, clock)
        self._promote(version)
        return changed

    def _compare(self, contest: Contest, version: Version, loss: float, joined: Joined) -> bool:
        stage, mark = joined.prediction.stage, joined.prediction.ts
        before = contest.decision
        if version.name == contest.old:
            contest.add_old(stage, joined.id, loss, mark, self._spending.level)
        else:
            old = self.versions[contest.old]
            reference = old.reference or old.inherited
            tau = reference.tau if reference is not None else 1.0
            contest.add_new(stage, joined.id, loss, mark, self._spending.level, lambda: old.recent.sample(tau))
        return contest.decision != before

    def _promote(self, version: Version) -> None:
        """Count a version as known to be good: its own reference learned, live, and nothing against it."""
        if version.good or version.blamed or version.traffic.stage != "live" or version.alarm is not None:
            return
        if version.reference is None or not self._holds_its_own(version):
            return
        version.good = True
        self.good = [name for name in self.good if name != version.name] + [version.name]
        for other in self.versions.values():
            if other.traffic.first_seen > version.traffic.first_seen and not other.good and other.name not in self.contests:
                self._challenge(other)  # it came while this one was still learning what is normal

    def _holds_its_own(self, version: Version) -> bool:
        """Whether a newer version was found not to be worse than the older one, or has none to be set against."""
        contest = self.contests.get(version.name)
        return contest is None or contest.decision == "not_worse"

    # --- verdicts

    def verdicts(self, now: float) -> list[Verdict]:
        """Judge every rule on every version, sorted by rule and version."""
        found = [judge(reading, now) for reading in readings(self)]
        return sorted(found, key=lambda verdict: (verdict.rule, verdict.version))

    def facts(self, name: str, verdicts: list[Verdict]) -> Facts:
        """Give what the table of causes asks about a version."""
        breached = {verdict.rule for verdict in verdicts if verdict.version == name and verdict.state == "breach"}
        contest = self.contests.get(name)
        older = None if contest is None else self.versions.get(contest.old)
        alarm = self.versions[name].alarm
        # Just after a full replacement, harm says that the newer version is worse than the older one was; not where the older one
        # had been as bad of late, without an alarm yet.
        fresh = contest if contest is not None and contest.kind == "replacement" and contest.decision == "undecided" else None
        worse = fresh is not None and alarm is not None and older is not None and fresh.clearly_over(alarm.mean, older.mean())
        return Facts(
            worse="version" in breached or ("harm" in breached and worse),
            harm="harm" in breached,
            older_over_limit=older is not None and older.over_limit(),
        )

    def follow_guardrail(self) -> None:
        """Set the limits anew after the guardrail file changed: that is a person's decision, so they may rise."""
        self.age = min(self.age, self.guardrail.labels.expected_within)
        for version in self.versions.values():
            reference = version.reference or version.inherited
            if reference is not None:
                version.set_limit(self._limit(reference))

    def _limit(self, reference: Reference) -> float:
        return limit_of(reference, self.guardrail.tolerance_over(reference.mean), self.guardrail.limit)

    def targets(self, blamed: str) -> list[str]:
        """Give the versions known to be good that may be rolled back to, the last good one first."""
        names = [name for name in reversed(self.good) if name != blamed]
        return [name for name in names if not self.versions[name].blamed and not self.versions[name].over_limit()]

    def settle(self, names: set[str]) -> None:
        """Take the alarms of versions back, and end the contests that they lost: the incident about them is resolved."""
        for name in names & self.versions.keys():
            self.versions[name].clear()
            contest = self.contests.get(name)
            if contest is not None and contest.decision == "worse":
                del self.contests[name]

    # --- state

    def to_state(self) -> dict[str, Any]:
        """Give everything but what the join keeps itself; River's own state is bytes, the rest plain data."""
        return {
            "v": 1,
            "versions": {name: version.to_state() for name, version in self.versions.items()},
            "performance": {name: version.performance.to_state() for name, version in self.versions.items()},
            "contests": [contest.to_state() for contest in self.contests.values()],
            "good": self.good,
            "age": self.age,
            "learned": self._learned,
            "spending": self._spending.to_state(),
            "evidence": self.evidence.to_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        task, positive = self.guardrail.task, self.guardrail.positive
        for name, saved in state["versions"].items():
            performance = RollingPerformance.from_state(state["performance"][name]) or RollingPerformance(task, positive)
            self.versions[name] = Version.from_state(name, saved, performance)
        self.contests = {saved["new"]: Contest.from_state(saved) for saved in state["contests"]}
        self.good = list(state["good"])
        self.age, self._learned = state["age"], state["learned"]
        self._spending.restore(state["spending"])
        self.evidence.restore(state["evidence"])
