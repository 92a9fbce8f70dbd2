"""What others see of a task: metrics, verdicts and guardrails, as plain data made in the loop's own thread.

The task counts for itself and calls nobody; this listener reads its counts once a checkpoint and tells telemetry what is new.
The views of the API are built here too and swapped in as a whole, so that a request never reads a task that is at work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from daemon.join import Counts
    from daemon.loop import Turn
    from daemon.records import Partition
    from daemon.task import Task, Watched
    from daemon.telemetry import Telemetry

log = structlog.get_logger()

#: Rolling metrics are worked out from a thousand labels: often enough for a scrape (seconds).
DETAILS_EVERY: Final = 10.0


class Reporter:
    """Tells telemetry what a task did since it was last asked. Counters begin with the process, not with the store."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self.verdicts: list[dict[str, Any]] = []
        self.guardrails: list[dict[str, Any]] = []
        self._seen: dict[tuple[str, ...], int] = {}
        self._versions: dict[str, set[str]] = {}
        self._opened: dict[str, set[str]] = {}
        self._task: Task | None = None
        self._told = 0.0
        self._detailed = True

    def turn(self, turn: Turn) -> None:
        """Tell what a turn read."""
        for topic, n in turn.read.items():
            self.telemetry.event_read(topic, n)
        for reason, n in turn.rejected.items():
            self.telemetry.event_rejected(reason, n)
        for outcome in turn.outcomes:
            self.telemetry.action(outcome.kind, outcome.status)

    def task(self, task: Task, lag: Mapping[Partition, int], wall: float) -> None:
        """Tell how a task stands, and how many records of each partition it has not read yet."""
        self.telemetry.active(True)
        for (topic, partition), n in lag.items():
            self.telemetry.consumer_lag(topic, partition, n)
        if task is not self._task:
            self._begin(task)
        self._detailed = wall - self._told >= DETAILS_EVERY
        if self._detailed:
            self._told = wall
        self.telemetry.event_unmonitored(self._new(("unmonitored",), task.unmonitored))
        if task.clock is not None:
            self.telemetry.clock(task.clock, wall)
        created = [intent.created for intent in task.outbox.values() if intent.kind != "journal"]
        oldest = max(0.0, (task.clock or 0.0) - min(created)) if created else 0.0
        self.telemetry.actions_pending(len(created), oldest)
        for name, watched in task.models.items():
            self._model(name, watched)
        self.verdicts = [
            {
                "model": name,
                **asdict(verdict),
                "guardrail_version": watched.guardrail.version,
                "digest": watched.guardrail.short_digest,
            }
            for name, watched in task.models.items()
            for verdict in watched.verdicts
        ]

    def nothing(self) -> None:
        """Tell that this daemon owns nothing now."""
        self.telemetry.active(False)
        self._task = None
        self.verdicts = []

    def _begin(self, task: Task) -> None:
        self._task = task
        self._seen.clear()
        self._opened = {name: set(watched.response.cases) for name, watched in task.models.items()}
        self._new(("unmonitored",), task.unmonitored)
        for name, watched in task.models.items():
            for what, n in self._counts(watched):
                self._new((name, *what), n)
        self.guardrails = [
            {
                "model": name,
                "version": watched.guardrail.version,
                "digest": watched.guardrail.digest,
                "mode": watched.guardrail.mode,
                "owner": watched.guardrail.owner,
                "path": str(watched.guardrail.path),
            }
            for name, watched in task.models.items()
        ]
        for name, watched in task.models.items():
            self.telemetry.guardrail_info(name, watched.guardrail.version, watched.guardrail.short_digest)

    def _new(self, what: tuple[str, ...], n: int) -> int:
        before = self._seen.get(what, 0)
        self._seen[what] = n
        return max(0, n - before)

    def _counts(self, watched: Watched) -> list[tuple[tuple[str, ...], int]]:
        """Everything that is counted of a model since its first event: (what it is called here, how many)."""
        counts: Counts = watched.join.counts
        found: list[tuple[tuple[str, ...], int]] = [
            (("joined",), counts.joined - counts.late_labels),
            (("late",), counts.late_labels),
            (("duplicate",), counts.duplicate_labels),
            (("conflict",), counts.label_conflicts),
            (("orphan",), counts.orphan_labels),
            (("again",), counts.duplicate_predictions),
            (("age",), counts.expired - counts.expired_for_room),
            (("room",), counts.expired_for_room),
            (("outcome",), watched.outcomes),
            (("restarted",), watched.monitor.evidence.restarted),
        ]
        for version in watched.monitor.versions.values():
            found += [(("prediction", version.name, stage), n) for stage, n in version.traffic.predictions.items()]
            for stage, (labelled, unlabelled) in version.matured.items():
                found += [(("labelled", version.name, stage), labelled), (("unlabelled", version.name, stage), unlabelled)]
        return found

    def _model(self, name: str, watched: Watched) -> None:
        telemetry = self.telemetry
        telemetry.pending(name, watched.join.pending)
        tellers: Mapping[str, Callable[[int], None]] = {
            "joined": lambda n: telemetry.label_joined(name, n),
            "late": lambda n: telemetry.label_late(name, n),
            "duplicate": lambda n: telemetry.label_duplicate(name, n),
            "conflict": lambda n: telemetry.label_conflict(name, n),
            "orphan": lambda n: telemetry.label_orphan(name, n),
            "again": lambda n: telemetry.prediction_duplicate(name, n),
            "age": lambda n: telemetry.prediction_expired(name, "age", n),
            "room": lambda n: telemetry.prediction_expired(name, "room", n),
            "outcome": lambda n: telemetry.outcome(name, n),
            "restarted": lambda n: telemetry.detector_restarted("adwin", n),
        }
        for what, total in self._counts(watched):
            n = self._new((name, *what), total)
            match what:
                case (kind,):
                    tellers[kind](n)
                case ("prediction", version, stage):
                    telemetry.prediction(name, version, stage, n)
                case (kind, version, stage):
                    labelled, unlabelled = (n, 0) if kind == "labelled" else (0, n)
                    telemetry.prediction_matured(name, version, stage, labelled=labelled, unlabelled=unlabelled)
        self._judgement(name, watched)
        self._incidents(name, watched)

    def _judgement(self, name: str, watched: Watched) -> None:
        telemetry = self.telemetry
        versions = watched.monitor.versions
        for gone in self._versions.get(name, set()) - versions.keys():
            telemetry.forget_version(name, gone)
        self._versions[name] = set(versions)
        for version in versions.values():
            reference = version.reference or version.inherited
            if reference is not None:
                telemetry.reference_loss(name, version.name, reference.mean)
            if version.last:
                telemetry.mean_loss(name, version.name, version.traffic.stage, version.mean())
                if self._detailed:
                    telemetry.performance(name, version.name, version.performance.values())
        for verdict in watched.verdicts:
            scope = (name, verdict.rule, verdict.version, verdict.segment or "")
            telemetry.verdict(*scope, verdict.state, verdict.reason)
            telemetry.evidence_ratio(*scope, verdict.evidence)
            limit = verdict.numbers.get("limit")
            if limit is not None:
                telemetry.limit(*scope, limit)

    def _incidents(self, name: str, watched: Watched) -> None:
        cases = watched.response.cases
        counts = Counter((case.incident.cause, case.incident.severity) for case in cases.values())
        self.telemetry.incidents_open(name, counts)
        for identity in cases.keys() - self._opened.setdefault(name, set()):
            incident = cases[identity].incident
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
        for identity in self._opened[name] - cases.keys():
            log.info("incident_resolved", model=name, incident=identity)
        self._opened[name] = set(cases)
