"""Which version follows which: those known to be good, and the newer ones set against them.

A newer version is challenged by the last one known to be good when it appears, and is held to the same limit until it has a
reference of its own. It is known to be good itself once it has one, serves live, and nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from daemon.contest import Contest
from daemon.policy import Standing

if TYPE_CHECKING:
    from daemon.guardrails import Guardrail
    from daemon.join import Joined
    from daemon.spending import Spending
    from daemon.versions import Version

#: Two onsets are of one fault when they are no further apart than this: seconds, or so many of the version's mean gaps.
NEAR: Final = 600.0
NEAR_GAPS: Final = 500


class Succession:
    """The versions of one model, in the order in which they proved themselves.

    Args:
        guardrail: the tolerance between two versions.
        spending: gives each comparison its level.
        versions: all that are known, by name.
    """

    def __init__(self, guardrail: Guardrail, spending: Spending, versions: Mapping[str, Version]) -> None:
        self.contests: dict[str, Contest] = {}  # by the newer version
        self.good: list[str] = []  # the last one last
        self._guardrail = guardrail
        self._spending = spending
        self._versions = versions

    def older(self, name: str) -> Version | None:
        """Give the last version known to be good beside this one."""
        return self._versions.get(next((other for other in reversed(self.good) if other != name), ""))

    def challenge(self, version: Version) -> None:
        """Set a newer version against the last one known to be good, and hold it to the same limit."""
        self.contests.pop(version.name, None)
        older = self.older(version.name)
        reference = (older.reference or older.inherited) if older is not None else None
        if older is None or older.harm is None or reference is None:
            return
        version.inherit(reference, older.harm.limit)
        version.segments.inherit(older.segments.references)
        self.contests[version.name] = Contest(version.name, older.name, self._guardrail.tolerance_over(reference.mean))

    def of(self, name: str) -> list[Contest]:
        """Give the contests that a version is part of."""
        return [contest for contest in self.contests.values() if name in {contest.new, contest.old}]

    def compare(self, contest: Contest, version: Version, loss: float, joined: Joined) -> bool:
        """Show a contest the mature loss of one of its versions; True when that decided it."""
        stage, mark = joined.prediction.stage, joined.prediction.ts
        before = contest.decision
        if version.name == contest.old:
            contest.add_old(stage, joined.id, loss, mark, self._spending.level)
        else:
            old = self._versions[contest.old]
            reference = old.reference or old.inherited
            tau = reference.tau if reference is not None else 1.0
            contest.add_new(stage, joined.id, loss, mark, self._spending.level, lambda: old.recent.sample(tau))
        return contest.decision != before

    def promote(self, version: Version) -> None:
        """Count a version as known to be good: its own reference learned, live, and nothing against it."""
        if version.good or version.blamed or version.traffic.stage != "live" or version.alarm is not None:
            return
        if version.reference is None or not self.holds(version):
            return
        version.good = True
        self.good = [name for name in self.good if name != version.name] + [version.name]
        for other in self._versions.values():
            if other.traffic.first_seen > version.traffic.first_seen and not other.good and other.name not in self.contests:
                self.challenge(other)  # it came while this one was still learning what is normal

    def holds(self, version: Version) -> bool:
        """Whether a newer version was found not to be worse than the older one, or has none to be set against."""
        contest = self.contests.get(version.name)
        return contest is None or contest.decision == "not_worse"

    def targets(self, blamed: str) -> list[str]:
        """Give the versions known to be good that may be rolled back to, the last good one first."""
        names = [name for name in reversed(self.good) if name != blamed]
        return [name for name in names if not self._versions[name].blamed and not self._versions[name].over_limit()]

    def standings(self, now: float, left_after: float) -> dict[str, Standing]:
        """Give what is known of each version beside its verdicts; one without a prediction for `left_after` seconds has left."""
        return {name: self._standing(version, now, left_after) for name, version in self._versions.items()}

    def _standing(self, version: Version, now: float, left_after: float) -> Standing:
        contest = self.contests.get(version.name)
        older = None if contest is None else self._versions.get(contest.old)
        alarm = version.alarm
        return Standing(
            name=version.name,
            first_seen=version.traffic.first_seen,
            near=max(NEAR, NEAR_GAPS * version.traffic.gap),
            older=None if older is None else older.name,
            older_over_limit=older is not None and older.over_limit(),
            older_serves=older is not None and older.traffic.serves(now, left_after),
            proven=self.holds(version),
            fresh=contest is not None and contest.kind == "replacement" and contest.decision == "undecided",
            clearly_over=contest is not None
            and alarm is not None
            and older is not None
            and contest.clearly_over(alarm.mean, older.mean()),
        )

    def end_lost(self, name: str) -> None:
        """End the contest that a version lost: the incident about it is resolved."""
        contest = self.contests.get(name)
        if contest is not None and contest.decision == "worse":
            del self.contests[name]

    def forget(self, name: str) -> None:
        """Drop a version."""
        self.good = [other for other in self.good if other != name]
        self.contests = {new: contest for new, contest in self.contests.items() if name not in {new, contest.old}}

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {"contests": [contest.to_state() for contest in self.contests.values()], "good": self.good}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self.contests = {saved["new"]: Contest.from_state(saved) for saved in state["contests"]}
        self.good = list(state["good"])
