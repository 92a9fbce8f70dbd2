"""Metrics: what happened is on the page under the listed names, and what is gone has left it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from daemon.metrics import METRICS, to_markdown
from daemon.telemetry import Telemetry

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry of the test's own."""
    return CollectorRegistry()


@pytest.fixture
def telemetry(registry: CollectorRegistry) -> Telemetry:
    """Telemetry over that registry."""
    return Telemetry(registry)


def page(registry: CollectorRegistry) -> set[str]:
    """The samples of watchkeeper on the page, as `name{labels} value`, without histogram buckets and help."""
    lines = generate_latest(registry).decode().splitlines()
    return {line for line in lines if line.startswith("watchkeeper_") and "_bucket{" not in line}


def everything_happens(telemetry: Telemetry) -> None:
    """Call each method once."""
    telemetry.event_read("predictions", 3)
    telemetry.event_rejected("json")
    telemetry.event_unmonitored()
    telemetry.outcome("loan")
    telemetry.prediction("loan", "8", "live", 3)
    telemetry.prediction_duplicate("loan")
    telemetry.prediction_matured("loan", "8", "live", labelled=2, unlabelled=1)
    telemetry.prediction_expired("loan", "age")
    telemetry.pending("loan", 3)
    telemetry.label_joined("loan")
    telemetry.label_late("loan")
    telemetry.label_duplicate("loan")
    telemetry.label_conflict("loan")
    telemetry.label_orphan("loan")
    telemetry.mean_loss("loan", "8", "live", 0.2)
    telemetry.reference_loss("loan", "8", 0.1)
    telemetry.limit("loan", "harm", "8", "", 0.15)
    telemetry.performance("loan", "8", {"accuracy": 0.8})
    telemetry.evidence_ratio("loan", "harm", "8", "", 0.5)
    telemetry.verdict("loan", "harm", "8", "", "ok", "within_limit")
    telemetry.estimated_loss("loan", "8", 0.12)
    telemetry.values_rejected("loan", "8", "wrong_type", 2)
    telemetry.features_not_updated("loan", "8", 1)
    telemetry.detector_restarted("adwin")
    telemetry.incidents_open("loan", {("new_version", "page"): 1})
    telemetry.incident_opened("loan", "new_version", "page")
    telemetry.incident_judged("loan", "harm", "real", 1, 1.0)
    telemetry.action("page", "done")
    telemetry.actions_pending(1, 2.5)
    telemetry.guardrail_info("loan", 3, "0123456789ab")
    telemetry.guardrail_load(1000.0, success=True)
    telemetry.consumer_lag("predictions", 0, 7)
    telemetry.clock(1000.0, 1002.0)
    telemetry.consumer_rebuilt("CorruptRecordError")
    telemetry.corrupt_range("predictions", 10)
    telemetry.active(True)
    telemetry.loop_progress(1002.0)
    telemetry.checkpoint(0.004)
    telemetry.heartbeat("sent")
    telemetry.calendar_read(1000.0)
    telemetry.build_info("0.1.0", "0.26.1")


def test_every_listed_metric_is_used(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    """When all has happened, each metric of the list is on the page with a sample, and no other watchkeeper metric is."""
    everything_happens(telemetry)
    samples = {re.split(r"[{ ]", line)[0] for line in page(registry)}
    named = {re.sub(r"_(count|sum)$", "", name) if name.startswith("watchkeeper_checkpoint") else name for name in samples}

    assert named == {metric.name for metric in METRICS}


def test_the_list_keeps_its_laws() -> None:
    """Prefix, units, `_total` exactly for counters, no id as a label, names once."""
    names = [metric.name for metric in METRICS]

    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"watchkeeper_[a-z_]+", name)] == []
    assert [m.name for m in METRICS if m.name.endswith("_total") != (m.kind == "counter")] == []
    assert [m.name for m in METRICS if re.search(r"_(ms|millis|minutes|hours|percent|kb|mb)(_|$)", m.name)] == []
    assert [m.name for m in METRICS if {"id", "incident", "key", "offset"} & set(m.labels)] == []
    assert [m.name for m in METRICS if not m.help.endswith(".")] == []


def test_the_reference_page_is_the_list() -> None:
    """docs/metrics.md is what the list says; `make docs` writes it."""
    assert DOCS.read_text(encoding="utf-8") == to_markdown()


def test_counts_add_up(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    """Counts of several batches add up; a batch without any adds no series."""
    telemetry.event_read("predictions", 3)
    telemetry.event_read("predictions", 4)
    telemetry.event_read("labels", 0)

    assert {line for line in page(registry) if line.startswith("watchkeeper_events_total")} == {
        'watchkeeper_events_total{topic="predictions"} 7.0'
    }


def test_what_an_alert_waits_for_begins_at_zero(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    """The first failed page, corrupt record or prediction without room is an increase: its counter was there before, at zero."""
    telemetry.event_read("predictions")
    telemetry.pending("loan", 1)

    assert page(registry) >= {
        'watchkeeper_actions_total{kind="page",status="failed"} 0.0',
        'watchkeeper_corrupt_records_total{topic="predictions"} 0.0',
        'watchkeeper_predictions_expired_total{model="loan",reason="room"} 0.0',
    }


def test_a_verdict_replaces_the_one_before(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    """A scope has one verdict at a time, with its reason."""
    telemetry.verdict("loan", "harm", "8", "", "unknown", "too_few_labels")
    telemetry.verdict("loan", "harm", "8", "", "breach", "over_limit")
    telemetry.verdict("loan", "harm", "8", "", "breach", "over_limit")

    assert {line for line in page(registry) if line.startswith("watchkeeper_guardrail_verdict")} == {
        'watchkeeper_guardrail_verdict{model="loan",reason="over_limit",rule="harm",segment="",state="breach",version="8"} 1.0'
    }


def test_a_version_has_the_mean_loss_of_its_present_stage(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    """A shadow that went live left its last number as a shadow behind; it may be forgotten and come back as one."""
    telemetry.mean_loss("loan", "8", "shadow", 0.3)
    telemetry.mean_loss("loan", "8", "live", 0.1)
    live = {line for line in page(registry) if line.startswith("watchkeeper_mean_loss")}
    telemetry.forget_version("loan", "8")
    telemetry.mean_loss("loan", "8", "shadow", 0.2)

    assert live == {'watchkeeper_mean_loss{model="loan",stage="live",version="8"} 0.1'}
    assert {line for line in page(registry) if line.startswith("watchkeeper_mean_loss")} == {
        'watchkeeper_mean_loss{model="loan",stage="shadow",version="8"} 0.2'
    }


def test_incidents_that_closed_are_zero(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    """A kind of incident that was open once stays on the page as zero: an alert on it resolves instead of losing its series."""
    telemetry.incidents_open("loan", {("new_version", "page"): 1})
    telemetry.incidents_open("loan", {("concept", "page"): 2})

    assert {line for line in page(registry) if line.startswith("watchkeeper_incidents_open")} == {
        'watchkeeper_incidents_open{cause="new_version",model="loan",severity="page"} 0.0',
        'watchkeeper_incidents_open{cause="concept",model="loan",severity="page"} 2.0',
    }


def test_a_new_guardrail_file_replaces_the_former(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    """One guardrail file a model is in force."""
    telemetry.guardrail_info("loan", 3, "aaaaaaaaaaaa")
    telemetry.guardrail_info("loan", 4, "bbbbbbbbbbbb")

    assert {line for line in page(registry) if line.startswith("watchkeeper_guardrail_info")} == {
        'watchkeeper_guardrail_info{digest="bbbbbbbbbbbb",guardrail_version="4",model="loan"} 1.0'
    }


def test_refused_guardrails_keep_the_time_of_those_in_force(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    """A refused load sets the success gauge to zero and leaves the time of the files in force."""
    telemetry.guardrail_load(1000.0, success=True)
    telemetry.guardrail_load(2000.0, success=False)

    assert {line for line in page(registry) if line.startswith("watchkeeper_guardrail_load")} == {
        "watchkeeper_guardrail_load_success 0.0",
        "watchkeeper_guardrail_load_timestamp_seconds 1000.0",
    }


def test_a_version_that_is_gone_leaves_the_page(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    """All series of a forgotten version leave, those of another one and of the model stay, and it may come back."""
    everything_happens(telemetry)
    telemetry.mean_loss("loan", "7", "live", 0.1)
    telemetry.forget_version("loan", "8")

    assert [line for line in page(registry) if 'model="loan"' in line and 'version="8"' in line] == []
    assert 'watchkeeper_mean_loss{model="loan",stage="live",version="7"} 0.1' in page(registry)
    assert 'watchkeeper_predictions_pending{model="loan"} 3.0' in page(registry)
    telemetry.verdict("loan", "harm", "8", "", "ok", "within_limit")
    assert any('version="8"' in line for line in page(registry) if line.startswith("watchkeeper_guardrail_verdict"))


def test_a_standby_reports_what_it_counts_itself_and_nothing_of_the_models(
    registry: CollectorRegistry, telemetry: Telemetry
) -> None:
    """Gauges of models and partitions are the owner's to report: when a daemon becomes a standby its last numbers leave."""
    everything_happens(telemetry)
    telemetry.active(False)
    names = {re.split(r"[{ ]", line)[0] for line in page(registry)}
    gone = {m.name for m in METRICS if m.kind == "gauge" and m.group != "Guardrails" and {"model", "partition"} & set(m.labels)}

    assert "watchkeeper_active 0.0" in page(registry)
    assert {m.name for m in METRICS} - names - {"watchkeeper_checkpoint_duration_seconds"} == gone - {
        "watchkeeper_guardrail_info"
    }


def test_an_owner_that_comes_back_reports_again(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    """The same verdict is on the page again after a time as a standby."""
    telemetry.verdict("loan", "harm", "8", "", "ok", "within_limit")
    telemetry.active(False)
    telemetry.verdict("loan", "harm", "8", "", "ok", "within_limit")

    assert [line for line in page(registry) if line.startswith("watchkeeper_guardrail_verdict")] == [
        'watchkeeper_guardrail_verdict{model="loan",reason="within_limit",rule="harm",segment="",state="ok",version="8"} 1.0'
    ]


def test_the_clock_never_reads_as_negative_lag(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    """Events a moment ahead of wall time are no lag."""
    telemetry.clock(1002.0, 1000.0)

    assert "watchkeeper_lag_seconds 0.0" in page(registry)


def test_two_daemons_in_one_process_do_not_meet() -> None:
    """Each Telemetry keeps to its own registry."""
    first, second = CollectorRegistry(), CollectorRegistry()
    Telemetry(first).event_read("predictions")
    Telemetry(second)

    assert [line for line in page(second) if line.startswith("watchkeeper_events_total")] == []
