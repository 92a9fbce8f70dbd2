"""Every metric that the daemon exports, in one list, which is also their reference page (docs/metrics.md, by `make docs`).

The laws: prefix `watchkeeper_`, base units (seconds, ratios from 0 to 1), `_total` for what only grows, and never an id as a
label. `model`, `version`, `segment`, `rule` and `topic` are bounded by the guardrail files and the settings; a version that is
gone is forgotten with all its series. `telemetry.py` alone turns these lines into numbers, and a test holds that it uses each.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its exported name, kind and labels, the part of the daemon it tells of, and what it counts, with the unit."""

    group: str
    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


# fmt: off
METRICS: Final[tuple[Metric, ...]] = (
    Metric("Events", "watchkeeper_events_total", "counter", ("topic",), "Records read, good and bad, by topic."),
    Metric("Events", "watchkeeper_events_rejected_total", "counter", ("reason",),
           "Records sent to the dead-letter topic, by what was wrong with them."),
    Metric("Events", "watchkeeper_events_unmonitored_total", "counter", (), "Events of models that have no guardrail file."),
    Metric("Events", "watchkeeper_outcomes_total", "counter", ("model",), "Outcome events taken in."),

    Metric("Join", "watchkeeper_predictions_total", "counter", ("model", "version", "stage"), "Predictions taken in, each once."),
    Metric("Join", "watchkeeper_predictions_duplicate_total", "counter", ("model",),
           "Predictions that were sent again and count nothing."),
    Metric("Join", "watchkeeper_predictions_matured_total", "counter", ("model", "version", "stage", "labelled"),
           "Predictions that reached the age of judgement, labelled (true) or not (false): their ratio is the label coverage."),
    Metric("Join", "watchkeeper_predictions_expired_total", "counter", ("model", "reason"),
           "Predictions forgotten without a label: age (give_up_after has passed) or room (the store was full)."),
    Metric("Join", "watchkeeper_predictions_pending", "gauge", ("model",), "Predictions whose ids are still known."),
    Metric("Join", "watchkeeper_labels_total", "counter", ("model", "fate"),
           "Labels taken in: joined, late (after the age of judgement), duplicate, conflict (another label than the first) or "
           "orphan (its prediction never came)."),

    Metric("Judgement", "watchkeeper_mean_loss", "gauge", ("model", "version", "stage"),
           "Mean loss of the last 1,000 judged predictions, from 0 to 1."),
    Metric("Judgement", "watchkeeper_reference_loss", "gauge", ("model", "version"), "Mean loss of the reference, from 0 to 1."),
    Metric("Judgement", "watchkeeper_estimated_loss", "gauge", ("model", "version"),
           "Mean loss of the last 1,000 predictions as their scores let expect it, without their labels, from 0 to 1. It follows "
           "moved inputs; a changed concept it cannot see."),
    Metric("Judgement", "watchkeeper_loss_limit", "gauge", ("model", "rule", "version", "segment"),
           "Mean loss above which there is harm, from 0 to 1."),
    Metric("Judgement", "watchkeeper_performance", "gauge", ("model", "version", "metric"),
           "Rolling performance over the last 1,000 judged predictions, under the metric's own name and unit."),
    Metric("Judgement", "watchkeeper_guardrail_evidence_ratio", "gauge", ("model", "rule", "version", "segment"),
           "How near a rule is to its alarm: 0 is no evidence, 1 is the alarm. It is 1 - ln(mean M) / ln(mean increment)."),
    Metric("Judgement", "watchkeeper_guardrail_verdict", "gauge", ("model", "rule", "version", "segment", "state", "reason"),
           "1 for the verdict that stands now: ok, unknown or breach, with its reason."),
    Metric("Judgement", "watchkeeper_values_rejected_total", "counter", ("model", "version", "error"),
           "Values that break what the guardrail file declares of their feature, by error: wrong_type, out_of_bounds or "
           "unknown_category."),
    Metric("Judgement", "watchkeeper_features_not_updated", "gauge", ("model", "version"),
           "Features whose detectors were not updated of late although predictions came; 0 when all is well."),
    Metric("Judgement", "watchkeeper_detectors_restarted_total", "counter", ("kind",),
           "Diagnostic detectors that started over, because another River version had written their state."),

    Metric("Incidents", "watchkeeper_incidents_open", "gauge", ("model", "cause", "severity"),
           "Incidents that are not resolved."),
    Metric("Incidents", "watchkeeper_incidents_total", "counter", ("model", "cause", "severity"), "Incidents opened."),
    Metric("Incidents", "watchkeeper_incidents_judged_total", "counter", ("model", "rule", "verdict"),
           "Incidents that persons judged: real, false_alarm or duplicate; one counts for each of its rules."),
    Metric("Incidents", "watchkeeper_rule_precision_ratio", "gauge", ("model", "rule"),
           "Share of real ones among the incidents of a rule that persons judged, as long as the store is; duplicates left out."),
    Metric("Incidents", "watchkeeper_actions_total", "counter", ("kind", "status"),
           "Attempts to page, ticket, resolve or roll back: done, retry_later, failed (for good) or fenced (not ours any more)."),
    Metric("Incidents", "watchkeeper_actions_pending", "gauge", (), "Actions decided and not carried out yet."),
    Metric("Incidents", "watchkeeper_actions_oldest_seconds", "gauge", (),
           "Age of the oldest action not carried out yet; 0 without one."),

    Metric("Guardrails", "watchkeeper_guardrail_info", "gauge", ("model", "guardrail_version", "digest"),
           "1 for the guardrail file in force."),
    Metric("Guardrails", "watchkeeper_guardrail_load_success", "gauge", (),
           "1 when the guardrail files were last loaded whole, 0 when they were refused and the former ones stay in force."),
    Metric("Guardrails", "watchkeeper_guardrail_load_timestamp_seconds", "gauge", (),
           "When the guardrail files in force were loaded, in epoch seconds."),

    Metric("Kafka", "watchkeeper_consumer_lag_records", "gauge", ("topic", "partition"), "Records not read yet."),
    Metric("Kafka", "watchkeeper_lag_seconds", "gauge", (), "How far the event clock is behind wall time."),
    Metric("Kafka", "watchkeeper_consumer_rebuilds_total", "counter", ("reason",),
           "Times that the consumer was made anew after an error of its poll."),
    Metric("Kafka", "watchkeeper_corrupt_records_total", "counter", ("topic",),
           "Offsets passed over because the broker's data is corrupt."),

    Metric("Daemon", "watchkeeper_active", "gauge", (), "1 when this daemon owns partitions and acts, 0 when it stands by."),
    Metric("Daemon", "watchkeeper_clock_timestamp_seconds", "gauge", (),
           "The event clock: the largest arrival time seen, in epoch seconds."),
    Metric("Daemon", "watchkeeper_loop_last_progress_timestamp_seconds", "gauge", (),
           "When the loop last went round, in epoch seconds. /livez and the watchdog look at the same."),
    Metric("Daemon", "watchkeeper_heartbeats_total", "counter", ("status",),
           "Beats to the dead man's switch: sent, failed (it was not taken) or withheld (nothing went the whole way lately)."),
    Metric("Daemon", "watchkeeper_calendar_last_success_timestamp_seconds", "gauge", (),
           "When the calendar of the rota was last read, in epoch seconds; if never, when the daemon began to try; 0 without."),
    Metric("Daemon", "watchkeeper_checkpoint_duration_seconds", "histogram", (), "Time that a checkpoint takes."),
    Metric("Daemon", "watchkeeper_build_info", "gauge", ("version", "python", "river"), "1, with the versions that run."),
)
# fmt: on

_HEAD = """# Metrics

All that `/metrics` exports, from the one list in `daemon/metrics.py`; `make docs` writes this page and a test holds it true.
Names begin with `watchkeeper_`, units are seconds and ratios from 0 to 1, and no id is ever a label. An empty `segment` is the
whole of the traffic; a segment reads `region=north`. The series of a version leave when the version does. Memory, CPU time and
open files of the process come beside them as `process_...`. Rules over them are in `deploy/prometheus`, a dashboard in
`deploy/grafana`.
"""


def to_markdown() -> str:
    """The reference page, docs/metrics.md."""
    page = [_HEAD]
    for group, metrics in groupby(METRICS, key=lambda metric: metric.group):
        page.append(f"## {group}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|")
        for metric in metrics:
            labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
            page.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
        page.append("")
    return "\n".join(page)


if __name__ == "__main__":
    sys.stdout.write(to_markdown())
