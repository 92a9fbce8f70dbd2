"""A model as the page shows it: plain data, made in the loop's own thread, that nobody changes afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daemon.task import Watched
    from daemon.versions import Version


def portrait(watched: Watched, now: float, verdicts: list[dict[str, Any]]) -> dict[str, Any]:
    """Give what is known of a model at `now`, the clock of events (epoch seconds), with its verdicts as the API shows them."""
    guardrail, monitor = watched.guardrail, watched.monitor
    versions = sorted(monitor.versions.values(), key=lambda version: version.traffic.last_seen, reverse=True)
    return {
        "model": guardrail.model,
        "clock": now,
        "measure": monitor.measure,
        "age": monitor.age,
        "task": guardrail.task,
        "owner": guardrail.owner,
        "runbook": guardrail.runbook,
        "why": guardrail.why or "",
        "mode": guardrail.mode,
        "guardrail_version": guardrail.version,
        "digest": guardrail.short_digest,
        "learns_from": guardrail.reference.events,
        "pending": watched.join.pending,
        "versions": [_version(version, watched) for version in versions],
        "verdicts": verdicts,
    }


def _version(version: Version, watched: Watched) -> dict[str, Any]:
    reference = version.reference or version.inherited
    return {
        "name": version.name,
        "stage": version.traffic.stage,
        "first_seen": version.traffic.first_seen,
        "last_seen": version.traffic.last_seen,
        "predictions": sum(version.traffic.predictions.values()),
        "mean": version.mean() if version.last else None,
        "labels": version.scored,
        "limit": None if version.harm is None else version.harm.limit,
        "reference": None if reference is None else reference.mean,
        "inherited": version.reference is None and reference is not None,
        "learned": version.builder.n if reference is None else reference.n,
        "gap": version.traffic.gap,
        "coverage": version.coverage,
        "coverage_floor": version.coverage_floor(watched.guardrail.labels.minimum_coverage),
        "good": version.good,
        "blamed": version.blamed,
        "trail": watched.trail.points(version.name),
    }
