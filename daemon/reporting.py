"""What others see of a task: metrics, verdicts and guardrails, as plain data made in the loop's own thread.

The task counts for itself and calls nobody; this listener reads its counts once a checkpoint and tells telemetry what is new.
The views of the API are built here too and swapped in as a whole, so that a request never reads a task that is at work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import nan
from typing import TYPE_CHECKING, Any, Final

import structlog

from alerting.report import precision
from daemon.portrait import portrait

if TYPE_CHECKING:
    from alerting.incidents import Judgement
    from daemon.join import Join
    from daemon.loop import Turn
    from daemon.records import Partition
    from daemon.rules.verdict import Verdict
    from daemon.task import Task, Watched
    from daemon.telemetry import Telemetry
    from daemon.versions import Version

log = structlog.get_logger()

#: Rolling metrics are worked out from a thousand labels: often enough for a scrape (seconds).
DETAILS_EVERY: Final = 10.0


class Reporter:
    """Tells telemetry what a task did since it was last asked. Counters begin with the process, not with the store."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self.verdicts: list[dict[str, Any]] = []
        self.guardrails: list[dict[str, Any]] = []
        self.models: list[dict[str, Any]] = []
        self._seen: dict[tuple[str, ...], int] = {}
        self._versions: dict[str, set[str]] = {}
        self._opened: dict[str, set[str]] = {}
        self._revisions: dict[str, int] = {}  # of each open incident, as last told
        self._baseline = False
        self._told = 0.0
        self._detailed = True

    def turn(self, turn: Turn) -> None:
        """Tell what a turn did."""
        for topic, n in turn.read.items():
            self.telemetry.event_read(topic, n)
        for reason, n in turn.rejected.items():
            self.telemetry.event_rejected(reason, n)
        for outcome in turn.outcomes:
            self.telemetry.action(outcome.kind, outcome.status)
        if turn.checkpoint is not None:
            self.telemetry.checkpoint(turn.checkpoint)

    def begin(self, task: Task) -> None:
        """Begin with a task that was just opened, before its first event: what its store counted before is not told again."""
        self.telemetry.active(True)
        self._seen.clear()
        self._opened = {name: set(watched.response.cases) for name, watched in task.models.items()}
        open_cases = [case for watched in task.models.values() for case in watched.response.cases.values()]
        self._revisions = {case.incident.id: case.incident.revision for case in open_cases}
        self._baseline = True
        self._counts(task)
        self._baseline = False
        self.guardrails = [_guardrail(name, watched) for name, watched in task.models.items()]
        for name, watched in task.models.items():
            self.telemetry.guardrail_info(name, watched.guardrail.version, watched.guardrail.short_digest)
            self.telemetry.detector_restarted("adwin", watched.monitor.evidence.restarted)

    def task(self, task: Task, lag: Mapping[Partition, int], wall: float) -> None:
        """Tell how a task stands, and how many records of each partition it has not read yet; `wall` is epoch seconds."""
        self._detailed = wall - self._told >= DETAILS_EVERY
        if self._detailed:
            self._told = wall
        for (topic, partition), n in lag.items():
            self.telemetry.consumer_lag(topic, partition, n)
        if task.clock is not None:
            self.telemetry.clock(task.clock, wall)
        created = [intent.created for intent in task.outbox.values() if intent.kind != "journal"]
        oldest = max(0.0, (task.clock or 0.0) - min(created)) if created else 0.0
        self.telemetry.actions_pending(len(created), oldest)
        self._counts(task)
        now = task.clock or wall
        verdicts: list[dict[str, Any]] = []
        models: list[dict[str, Any]] = []
        for name, watched in task.models.items():
            judged = watched.monitor.verdicts(now)  # as of now: between two ticks the evidence moves too
            self._judgement(name, watched, judged)
            self._incidents(name, watched)
            told = [_verdict(name, watched, verdict) for verdict in judged]
            verdicts += told
            models.append(portrait(watched, now, told))
        self.verdicts, self.models = verdicts, models

    def nothing(self) -> None:
        """Tell that this daemon owns nothing now."""
        self.telemetry.active(False)
        self.verdicts, self.models = [], []

    def _new(self, *what: str, n: int) -> int:
        """How much a count grew since it was last asked for."""
        before = self._seen.get(what, 0)
        self._seen[what] = n
        return 0 if self._baseline else max(0, n - before)

    def _counts(self, task: Task) -> None:
        self.telemetry.event_unmonitored(self._new("", "unmonitored", n=task.unmonitored))
        for name, watched in task.models.items():
            self._join(name, watched.join)
            self.telemetry.outcome(name, self._new(name, "outcomes", n=watched.outcomes))
            for version in watched.monitor.versions.values():
                self._traffic(name, version)
            for rule, counts in watched.response.judged.items():
                self._judged(name, rule, counts)

    def _join(self, name: str, join: Join) -> None:
        telemetry, counts = self.telemetry, join.counts
        telemetry.pending(name, join.pending)
        telemetry.prediction_duplicate(name, self._new(name, "duplicates", n=counts.duplicate_predictions))
        telemetry.prediction_expired(name, "age", self._new(name, "age", n=counts.expired - counts.expired_for_room))
        telemetry.prediction_expired(name, "room", self._new(name, "room", n=counts.expired_for_room))
        telemetry.label_joined(name, self._new(name, "joined", n=counts.joined - counts.late_labels))
        telemetry.label_late(name, self._new(name, "late", n=counts.late_labels))
        telemetry.label_duplicate(name, self._new(name, "again", n=counts.duplicate_labels))
        telemetry.label_conflict(name, self._new(name, "conflict", n=counts.label_conflicts))
        telemetry.label_orphan(name, self._new(name, "orphan", n=counts.orphan_labels))

    def _judged(self, name: str, rule: str, counts: Mapping[Judgement, int]) -> None:
        ratio = precision(counts)
        for verdict, n in counts.items():
            new = self._new(name, "judged", rule, verdict, n=n)
            self.telemetry.incident_judged(name, rule, verdict, new, nan if ratio is None else ratio)

    def _traffic(self, name: str, version: Version) -> None:
        for stage, n in version.traffic.predictions.items():
            self.telemetry.prediction(name, version.name, stage, self._new(name, "made", version.name, stage, n=n))
        for stage, (labelled, unlabelled) in version.matured.items():
            self.telemetry.prediction_matured(
                name,
                version.name,
                stage,
                labelled=self._new(name, "labelled", version.name, stage, n=labelled),
                unlabelled=self._new(name, "unlabelled", version.name, stage, n=unlabelled),
            )

    def _judgement(self, name: str, watched: Watched, verdicts: Sequence[Verdict]) -> None:
        telemetry = self.telemetry
        versions = watched.monitor.versions
        for gone in self._versions.get(name, set()) - versions.keys():
            telemetry.forget_version(name, gone)
            # Should it come back, it is a new one, and its counts begin anew.
            self._seen = {what: n for what, n in self._seen.items() if what[0] != name or what[2:3] != (gone,)}
        self._versions[name] = set(versions)
        for version in versions.values():
            reference = version.reference or version.inherited
            if reference is not None:
                telemetry.reference_loss(name, version.name, reference.mean)
            if version.last:
                telemetry.mean_loss(name, version.name, version.traffic.stage, version.mean())
                if self._detailed:
                    telemetry.performance(name, version.name, version.performance.values())
        if self._detailed:
            self._inputs(name, watched)
        for verdict in verdicts:
            scope = (name, verdict.rule, verdict.version, verdict.segment or "")
            telemetry.verdict(*scope, verdict.state, verdict.reason)
            telemetry.evidence_ratio(*scope, verdict.evidence)
            limit = verdict.numbers.get("limit")
            if limit is not None:
                telemetry.limit(*scope, limit)

    def _inputs(self, name: str, watched: Watched) -> None:
        """Tell what needs no labels."""
        telemetry, monitor = self.telemetry, watched.monitor
        for version in monitor.versions:
            estimate = monitor.estimates.value(version)
            if estimate is not None:
                telemetry.estimated_loss(name, version, estimate)
        idle = monitor.evidence.idle()
        for version, report in monitor.evidence.reports():
            telemetry.features_not_updated(name, version, len(idle.union(report.stale)))
            for error, n in report.errors.items():
                telemetry.values_rejected(name, version, error, self._new(name, error, version, n=n))

    def _incidents(self, name: str, watched: Watched) -> None:
        cases = watched.response.cases
        counts = Counter((case.incident.cause, case.incident.severity) for case in cases.values())
        self.telemetry.incidents_open(name, counts)
        for identity in cases.keys() - self._opened.setdefault(name, set()):
            incident = cases[identity].incident
            if cases[identity].returns:
                log.warning("incident_returned", model=name, incident=identity, reason=incident.reason)
                continue
            self.telemetry.incident_opened(name, incident.cause, incident.severity)
            log.warning(
                "incident_opened",
                model=name,
                incident=identity,
                cause=incident.cause,
                version=incident.version,
                severity=incident.severity,
                reason=incident.reason,
                guardrail=f"{incident.guardrail_version} ({incident.guardrail_digest})",
                offsets=incident.offsets,
            )
        for identity, case in cases.items():
            revision = case.incident.revision
            news = revision - self._revisions.get(identity, 0)
            for entry in case.incident.timeline[-news:] if news else ():
                log.info("incident_changed", model=name, incident=identity, what=entry.what, detail=entry.detail)
            self._revisions[identity] = revision
        for identity in self._opened[name] - cases.keys():
            log.info("incident_resolved", model=name, incident=identity)
            self._revisions.pop(identity, None)
        self._opened[name] = set(cases)


def _guardrail(name: str, watched: Watched) -> dict[str, Any]:
    guardrail = watched.guardrail
    return {
        "model": name,
        "version": guardrail.version,
        "digest": guardrail.digest,
        "mode": guardrail.mode,
        "owner": guardrail.owner,
        "path": str(guardrail.path),
    }


def _verdict(name: str, watched: Watched, verdict: Verdict) -> dict[str, Any]:
    guardrail = watched.guardrail
    return {
        "model": name,
        **asdict(verdict),
        "guardrail_version": guardrail.version,
        "digest": guardrail.short_digest,
    }
