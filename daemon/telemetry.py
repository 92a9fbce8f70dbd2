"""Telemetry listens to the work: one method for each thing that happens, and no metric's name anywhere else.

The loop calls these once a batch or a tick with counts, never once an event: a labelled increment costs a microsecond or two,
which is more than a detector. Everything may be called from any thread.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from itertools import product
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from alerting.incidents import Severity
from alerting.intents import Kind, Status
from daemon.metrics import METRICS

#: A checkpoint is one write batch: milliseconds; seconds mean a slow disk.
_CHECKPOINT_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_Scope = tuple[str, str, str, str]

#: Gauges that only the owner of the partitions can tell; which guardrail files are in force, a standby knows too.
_OWNED: Final = tuple(
    metric.name
    for metric in METRICS
    if metric.kind == "gauge" and {"model", "partition"} & set(metric.labels) and metric.name != "watchkeeper_guardrail_info"
)


def _made(registry: CollectorRegistry) -> tuple[dict[str, Counter], dict[str, Gauge], dict[str, Histogram]]:
    """The metrics of the list, by kind and name."""
    listed = {kind: [metric for metric in METRICS if metric.kind == kind] for kind in ("counter", "gauge", "histogram")}
    buckets = _CHECKPOINT_BUCKETS
    return (
        {one.name: Counter(one.name, one.help, one.labels, registry=registry) for one in listed["counter"]},
        {one.name: Gauge(one.name, one.help, one.labels, registry=registry) for one in listed["gauge"]},
        {one.name: Histogram(one.name, one.help, one.labels, registry=registry, buckets=buckets) for one in listed["histogram"]},
    )


class Telemetry:
    """The daemon's metrics over a registry of their own, so that two daemons in one test do not meet.

    `version` is one of the watched model, "" where all of them are meant; `segment` is "region=north", "" for all of the traffic.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = CollectorRegistry() if registry is None else registry
        # A `_created` series beside each counter would double the page, and no list would name it.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client left this one without annotations
        self._counters, self._gauges, self._histograms = _made(registry)
        ProcessCollector(registry=registry)
        # A counter that appears with its first failure looks as if nothing had been added: what an alert waits for begins at 0.
        for kind, status in product(get_args(Kind), get_args(Status)):
            self._counters["watchkeeper_actions_total"].labels(kind, status)
        self._verdicts: dict[_Scope, tuple[str, str]] = {}
        self._stages: dict[tuple[str, str], str] = {}
        self._incidents: dict[str, set[tuple[str, Severity]]] = {}

    # Events ------------------------------------------------------------------------------------------------------------

    def event_read(self, topic: str, n: int = 1) -> None:
        """`n` records of `topic` were read."""
        self._count("watchkeeper_events_total", n, topic)
        self._counters["watchkeeper_corrupt_records_total"].labels(topic)

    def event_rejected(self, reason: str, n: int = 1) -> None:
        """`n` records went to the dead-letter topic."""
        self._count("watchkeeper_events_rejected_total", n, reason)

    def event_unmonitored(self, n: int = 1) -> None:
        """`n` events were of models without a guardrail file."""
        self._count("watchkeeper_events_unmonitored_total", n)

    def outcome(self, model: str, n: int = 1) -> None:
        """`n` outcomes were taken in."""
        self._count("watchkeeper_outcomes_total", n, model)

    # Join --------------------------------------------------------------------------------------------------------------

    def prediction(self, model: str, version: str, stage: str, n: int = 1) -> None:
        """`n` predictions were taken in."""
        self._count("watchkeeper_predictions_total", n, model, version, stage)

    def prediction_duplicate(self, model: str, n: int = 1) -> None:
        """`n` predictions were sent again."""
        self._count("watchkeeper_predictions_duplicate_total", n, model)

    def prediction_matured(self, model: str, version: str, stage: str, *, labelled: int, unlabelled: int) -> None:
        """So many predictions reached the age of judgement, with and without a label."""
        self._count("watchkeeper_predictions_matured_total", labelled, model, version, stage, "true")
        self._count("watchkeeper_predictions_matured_total", unlabelled, model, version, stage, "false")

    def prediction_expired(self, model: str, reason: Literal["age", "room"], n: int = 1) -> None:
        """`n` predictions were forgotten without a label."""
        self._count("watchkeeper_predictions_expired_total", n, model, reason)

    def pending(self, model: str, n: int) -> None:
        """`n` predictions are in the join now."""
        self._set("watchkeeper_predictions_pending", n, model)
        self._counters["watchkeeper_predictions_expired_total"].labels(model, "room")

    def label_joined(self, model: str, n: int = 1) -> None:
        """`n` labels met their predictions."""
        self._count("watchkeeper_labels_total", n, model, "joined")

    def label_late(self, model: str, n: int = 1) -> None:
        """`n` labels came after the age of judgement: counted, not judged."""
        self._count("watchkeeper_labels_total", n, model, "late")

    def label_duplicate(self, model: str, n: int = 1) -> None:
        """`n` labels came again."""
        self._count("watchkeeper_labels_total", n, model, "duplicate")

    def label_conflict(self, model: str, n: int = 1) -> None:
        """`n` labels were other than the first one of their id."""
        self._count("watchkeeper_labels_total", n, model, "conflict")

    def label_orphan(self, model: str, n: int = 1) -> None:
        """`n` labels were given up: their predictions never came."""
        self._count("watchkeeper_labels_total", n, model, "orphan")

    # Judgement ---------------------------------------------------------------------------------------------------------

    def mean_loss(self, model: str, version: str, stage: str, value: float) -> None:
        """The rolling mean loss of a version, which is judged in `stage`, is `value`; the stage before it leaves."""
        before = self._stages.get((model, version), stage)
        self._stages[model, version] = stage
        if before != stage:
            self._gauges["watchkeeper_mean_loss"].remove(model, version, before)
        self._set("watchkeeper_mean_loss", value, model, version, stage)

    def reference_loss(self, model: str, version: str, value: float) -> None:
        """The mean loss of a version's reference is `value`."""
        self._set("watchkeeper_reference_loss", value, model, version)

    def estimated_loss(self, model: str, version: str, value: float) -> None:
        """The scores of a version let expect a mean loss of `value`."""
        self._set("watchkeeper_estimated_loss", value, model, version)

    def limit(self, model: str, rule: str, version: str, segment: str, value: float) -> None:
        """A rule compares with `value`."""
        self._set("watchkeeper_loss_limit", value, model, rule, version, segment)

    def performance(self, model: str, version: str, values: Mapping[str, float]) -> None:
        """The rolling metrics of a version, by name."""
        for metric, value in values.items():
            self._set("watchkeeper_performance", value, model, version, metric)

    def evidence_ratio(self, model: str, rule: str, version: str, segment: str, value: float) -> None:
        """A rule is `value` of the way to its alarm."""
        self._set("watchkeeper_guardrail_evidence_ratio", value, model, rule, version, segment)

    def verdict(self, model: str, rule: str, version: str, segment: str, state: str, reason: str) -> None:
        """A rule was judged; the verdict before it leaves."""
        scope, verdict = (model, rule, version, segment), (state, reason)
        before = self._verdicts.get(scope)
        if before == verdict:
            return
        self._verdicts[scope] = verdict
        if before is not None:
            self._gauges["watchkeeper_guardrail_verdict"].remove(*scope, *before)
        self._set("watchkeeper_guardrail_verdict", 1, *scope, *verdict)

    def values_rejected(self, model: str, version: str, error: str, n: int) -> None:
        """`n` values broke what the guardrail file declares."""
        self._count("watchkeeper_values_rejected_total", n, model, version, error)

    def features_not_updated(self, model: str, version: str, n: int) -> None:
        """The detectors of `n` features stand still although predictions come."""
        self._set("watchkeeper_features_not_updated", n, model, version)

    def detector_restarted(self, kind: str, n: int = 1) -> None:
        """`n` diagnostic detectors started over."""
        self._count("watchkeeper_detectors_restarted_total", n, kind)

    # Incidents ---------------------------------------------------------------------------------------------------------

    def incidents_open(self, model: str, counts: Mapping[tuple[str, Severity], int]) -> None:
        """What is open of a model now, by (cause, severity); what is not named is zero."""
        known = self._incidents.setdefault(model, set())
        known.update(counts)
        for cause, severity in known:
            self._set("watchkeeper_incidents_open", counts.get((cause, severity), 0), model, cause, severity)

    def incident_opened(self, model: str, cause: str, severity: str) -> None:
        """An incident was opened."""
        self._count("watchkeeper_incidents_total", 1, model, cause, severity)

    def incident_judged(self, model: str, rule: str, verdict: str, n: int, precision: float) -> None:
        """Persons judged `n` more incidents of a rule; of all that they judged, the share `precision` was real (NaN: unknown)."""
        self._count("watchkeeper_incidents_judged_total", n, model, rule, verdict)
        self._set("watchkeeper_rule_precision_ratio", precision, model, rule)

    def action(self, kind: Kind, status: Status) -> None:
        """The dispatcher tried something, and this came of it."""
        self._count("watchkeeper_actions_total", 1, kind, status)

    def actions_pending(self, n: int, oldest: float) -> None:
        """`n` actions wait in the outbox, the oldest for `oldest` seconds."""
        self._set("watchkeeper_actions_pending", n)
        self._set("watchkeeper_actions_oldest_seconds", oldest)

    # Guardrails --------------------------------------------------------------------------------------------------------

    def guardrail_info(self, model: str, version: int, digest: str) -> None:
        """This file is in force for the model; `digest` in its short form."""
        self._gauges["watchkeeper_guardrail_info"].remove_by_labels({"model": model})
        self._set("watchkeeper_guardrail_info", 1, model, str(version), digest)

    def guardrail_load(self, at: float, *, success: bool) -> None:
        """The files were loaded at `at` (epoch seconds), or refused."""
        self._set("watchkeeper_guardrail_load_success", int(success))
        if success:
            self._set("watchkeeper_guardrail_load_timestamp_seconds", at)

    # Kafka and the daemon ----------------------------------------------------------------------------------------------

    def consumer_lag(self, topic: str, partition: int, n: int) -> None:
        """`n` records of a partition are not read yet."""
        self._set("watchkeeper_consumer_lag_records", n, topic, str(partition))

    def clock(self, at: float, now: float) -> None:
        """The event clock stands at `at` while wall time is `now` (epoch seconds)."""
        self._set("watchkeeper_clock_timestamp_seconds", at)
        self._set("watchkeeper_lag_seconds", max(0.0, now - at))

    def consumer_rebuilt(self, reason: str) -> None:
        """The consumer was made anew; `reason` is the class of the error."""
        self._count("watchkeeper_consumer_rebuilds_total", 1, reason)

    def corrupt_range(self, topic: str, n: int) -> None:
        """`n` offsets of a topic were passed over."""
        self._count("watchkeeper_corrupt_records_total", n, topic)

    def active(self, active: bool) -> None:
        """This daemon owns partitions, or stands by. What a standby knew of the models is no longer its to report."""
        self._set("watchkeeper_active", int(active))
        if not active:
            for name in _OWNED:
                self._gauges[name].clear()
            for known in (self._verdicts, self._stages, self._incidents):
                known.clear()

    def loop_progress(self, now: float) -> None:
        """The loop went round at `now` (epoch seconds)."""
        self._set("watchkeeper_loop_last_progress_timestamp_seconds", now)

    def checkpoint(self, seconds: float) -> None:
        """A checkpoint took `seconds`."""
        self._histograms["watchkeeper_checkpoint_duration_seconds"].observe(seconds)

    def heartbeat(self, status: Literal["sent", "failed", "withheld"]) -> None:
        """A beat was due, and this came of it."""
        self._count("watchkeeper_heartbeats_total", 1, status)

    def calendar_read(self, at: float) -> None:
        """The calendar of the rota was read at `at` (epoch seconds); or never, and it was then that the daemon began to try."""
        self._set("watchkeeper_calendar_last_success_timestamp_seconds", at)

    def build_info(self, version: str, river: str) -> None:
        """These versions run."""
        self._set("watchkeeper_build_info", 1, version, platform.python_version(), river)

    def forget_version(self, model: str, version: str) -> None:
        """A version is no longer watched: its series leave, or each release would add to the page for ever."""
        labels = {"model": model, "version": version}
        for metric in METRICS:
            if labels.keys() <= set(metric.labels):
                series = self._counters if metric.kind == "counter" else self._gauges
                series[metric.name].remove_by_labels(labels)
        for scope in [scope for scope in self._verdicts if (scope[0], scope[2]) == (model, version)]:
            del self._verdicts[scope]
        self._stages.pop((model, version), None)

    def _count(self, name: str, n: int, *labels: str) -> None:
        if n:
            counter = self._counters[name]
            (counter.labels(*labels) if labels else counter).inc(n)

    def _set(self, name: str, value: float, *labels: str) -> None:
        gauge = self._gauges[name]
        (gauge.labels(*labels) if labels else gauge).set(value)
