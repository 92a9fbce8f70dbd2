"""The monitor of one model: what happens to its events between the join and the verdicts.

A prediction is looked at twice. When it arrives, its features and score go to the detectors of inputs, which only ever give
evidence, and its version is seen to have traffic. At the fixed age h it comes back from the join, with its label or without
one: then its loss goes to the reference, to the detectors of its version and to the contests between versions. What else a rule
wants to see at these moments, it sees through its own hooks. `release` says when something crossed a line, and `verdicts` what is
to be thought of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from daemon.estimates import Estimates
from daemon.evidence import Evidence
from daemon.healing import Healing
from daemon.learning import Learning
from daemon.losses import loss_of
from daemon.rules.base import listening
from daemon.rules.table import rules_of
from daemon.rules.verdict import Verdict
from daemon.spending import Spending
from daemon.succession import Succession
from daemon.traffic import Traffic
from daemon.versions import Version
from detectors.performance import RollingPerformance
from detectors.segments import SegmentNames, SegmentWatch, segments_of

if TYPE_CHECKING:
    from daemon.contest import Contest
    from daemon.events import Label, Outcome, Prediction
    from daemon.guardrails import Guardrail
    from daemon.join import Join, Joined
    from daemon.policy import Standing

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
        self.healings: dict[str, Healing] = {}  # by open incident about losses
        self.troubles: set[str] = set()  # open incidents while which nothing is learned
        self.evidence = Evidence(guardrail)
        self.estimates = Estimates(guardrail)
        self.measure = _MEASURES[guardrail.loss]
        self.rules = rules_of(guardrail, self)
        self.segment_names = SegmentNames()
        self._learning = Learning(guardrail)
        self._loss = loss_of(guardrail)
        self._spending = Spending(guardrail.false_pages.per_second)
        self.succession = Succession(guardrail, self._spending, self.versions)
        rules = self.rules.values()
        self._observing, self._joining = listening(rules, "observe"), listening(rules, "joined")
        self._maturing, self._taking_outcomes = listening(rules, "mature"), listening(rules, "outcome")

    @property
    def age(self) -> float:
        """The age h (seconds) at which a prediction is judged, labelled or not."""
        return self._learning.age

    @property
    def contests(self) -> Mapping[str, Contest]:
        """The newer versions set against an older one, by the newer version."""
        return self.succession.contests

    # --- arrival

    def predict(self, event: Prediction) -> None:
        """Take a prediction in, unless it was there already."""
        guardrail = self.guardrail
        segments = (
            segments_of(guardrail.segments, event.segments, event.features, self.segment_names) if guardrail.segments else ()
        )
        if self.join.predict(event, segments):
            self.observe(event)

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
            self.succession.challenge(version)
        self.estimates.predicted(event)
        if event.stage != "shadow":
            older = self.succession.older(event.version)
            self.evidence.sample(event, None if older is None else older.name, not self.troubles)
        for rule in self._observing:
            rule.observe(event)

    def label(self, event: Label) -> None:
        """Take a label in."""
        for found in self.join.label(event):
            for rule in self._joining:
                rule.joined(found)

    def outcome(self, event: Outcome) -> bool:
        """Take a product metric in; True when a verdict may have changed for it."""
        return sum(rule.outcome(event) for rule in self._taking_outcomes) > 0  # every rule must see it

    def _meet(self, name: str, at: float) -> Version:
        if len(self.versions) >= VERSIONS:
            oldest = min(self.versions.values(), key=lambda version: version.traffic.last_seen)
            self.forget(oldest.name)
        version = self.versions[name] = Version(
            name, Traffic(at), RollingPerformance(self.guardrail.task, self.guardrail.positive), self._segments()
        )
        if self.guardrail.limit is not None:
            version.set_limit(self.guardrail.limit)
        self.succession.challenge(version)
        if version.inherited is None:
            self._learning.begin(version)
        return version

    def _segments(self) -> SegmentWatch:
        guardrail = self.guardrail
        wanted = guardrail.reference
        watch = SegmentWatch(guardrail.tolerance_over, guardrail.limit, wanted.events, wanted.span)
        if self._learning.settled:
            watch.settle_age(self.age)
        return watch

    def forget(self, name: str) -> None:
        """Drop all that is known of a version."""
        del self.versions[name]
        self.evidence.forget(name)
        self.estimates.forget(name)
        self.succession.forget(name)

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
        contests = self.succession.of(version.name)
        for contest in contests:
            contest.released(version.name, waiting.stage)
        loss = None
        if joined.label is not None:
            loss = self._loss(waiting.prediction, waiting.score, waiting.scores, joined.label)
            version.labelled(loss is not None)
        if loss is not None and joined.label is not None:
            version.scored += 1
            version.last.append(loss)
            version.recent.add(loss)
            version.performance.update(waiting.prediction, waiting.score, joined.label, loss)
            version.remember(joined.id, loss, waiting.ts)
            if not self.troubles:
                self.estimates.learn(waiting, loss)
        changed = sum(rule.mature(joined, loss) for rule in self._maturing) > 0  # every rule must see it
        self._learning.take(version, loss, joined, not self.troubles, self.succession.holds(version))
        if loss is None or not version.well_covered(self.guardrail.labels.minimum_coverage):
            return changed
        changed = self._heal(loss, joined) or changed
        changed = self._test(version, loss, joined, clock) or changed
        for contest in contests:
            changed = self.succession.compare(contest, version, loss, joined) or changed
        return changed

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
            changed = healing.take(joined.prediction, loss) or changed
        return changed

    def _test(self, version: Version, loss: float, joined: Joined, clock: float) -> bool:
        family = "shadow" if version.traffic.stage == "shadow" else "served"
        waiting = joined.prediction
        changed = version.take(loss, waiting.ts, self._spending.since_last_input(family, waiting.at), clock)
        if waiting.segments:
            rate, seconds = self._spending.segments(waiting.at)
            marks = joined.delay, waiting.ts, waiting.at
            changed = version.segments.add(waiting.segments, loss, *marks, rate, not self.troubles, seconds) or changed
        self.succession.promote(version)
        return changed

    # --- verdicts

    def verdicts(self, now: float) -> list[Verdict]:
        """Judge every rule on every scope, sorted by rule, version and segment."""
        return sorted((verdict for rule in self.rules.values() for verdict in rule.verdicts(now)), key=lambda found: found.scope)

    def standings(self, now: float) -> dict[str, Standing]:
        """Give what is known of each version beside its verdicts."""
        return self.succession.standings(now, STAGE_LEFT_AFTER)

    def serving(self, now: float) -> set[str]:
        """Give the versions whose predictions users get."""
        return {name for name, version in self.versions.items() if version.traffic.serves(now, STAGE_LEFT_AFTER)}

    def follow_guardrail(self) -> None:
        """Set the limits anew after the guardrail file changed: that is a person's decision, so they may rise."""
        self._learning.follow(self.versions.values())

    def settle(self, names: set[str]) -> None:
        """Take the alarms of versions back, and end the contests that they lost: the incident about them is resolved."""
        for name in names & self.versions.keys():
            self.versions[name].clear()
            self.succession.end_lost(name)

    # --- state

    def to_state(self) -> dict[str, Any]:
        """Give everything but what the join keeps itself; River's own state is bytes, the rest plain data."""
        return {
            "v": 2,
            "versions": {name: version.to_state() for name, version in self.versions.items()},
            "performance": {name: version.performance.to_state() for name, version in self.versions.items()},
            "succession": self.succession.to_state(),
            "learning": self._learning.to_state(),
            "spending": self._spending.to_state(),
            "evidence": self.evidence.to_state(),
            "estimates": self.estimates.to_state(),
            "loss": self._loss_terms(),
            "segment_names": self.segment_names.to_state(),
            "rules": {name: rule.to_state() for name, rule in self.rules.items()},
        }

    def _loss_terms(self) -> list[Any]:
        guardrail = self.guardrail
        costs = None if guardrail.costs is None else guardrail.costs.model_dump()
        return [guardrail.task, guardrail.positive, guardrail.loss, costs, guardrail.loss_bound]

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave; a rule that the guardrail file has added since then begins anew.

        Where the file counts losses otherwise now, nothing that was learned from them holds any more, and all is learned anew.
        """
        if state["loss"] != self._loss_terms():
            return
        task, positive = self.guardrail.task, self.guardrail.positive
        wanted = self.guardrail.reference
        for name, saved in state["versions"].items():
            performance = RollingPerformance.from_state(state["performance"][name]) or RollingPerformance(task, positive)
            segments = SegmentWatch.from_state(
                saved["segments"], self.guardrail.tolerance_over, self.guardrail.limit, wanted.events, wanted.span
            )
            self.versions[name] = Version.from_state(name, saved, performance, segments)
        self.succession.restore(state["succession"])
        self._learning.restore(state["learning"])
        self._spending.restore(state["spending"])
        self.evidence.restore(state["evidence"])
        self.estimates.restore(state["estimates"])
        self.segment_names = SegmentNames.from_state(state["segment_names"])
        for name, saved in state["rules"].items():
            if name in self.rules:
                self.rules[name].restore(saved)
