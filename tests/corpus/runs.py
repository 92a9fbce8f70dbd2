"""Running streams: through `backtest` as a user would, through the baselines, on several processes."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from alerting.incidents import Incident
from daemon.backtest import Backtest
from daemon.guardrails import Guardrail
from detectors.reference import ReferenceBuilder, limit_of
from tests.corpus.baselines import BASELINES
from tests.corpus.faults import Fault
from tests.corpus.models import Floats
from tests.corpus.results import DAEMON, KINDS, Page, Result, finite
from tests.corpus.streams import Key, Stream, make, world_of
from tests.corpus.table import FAULTS, ROLLBACKS
from tests.corpus.truth import fault_labels, truth_of

#: Seeds of each kind in each world.
SEEDS: Final = 10


def keys_of_faults(worlds: Sequence[str] = (), faults: Sequence[str] = (), seeds: Iterable[int] = range(SEEDS)) -> list[Key]:
    """Give the streams of the table of faults; an empty choice chooses all."""
    return [
        Key(world, fault.name, seed)
        for fault in FAULTS
        if not faults or fault.name in faults
        for world in fault.worlds
        if not worlds or world in worlds
        for seed in seeds
    ]


def keys_of_rollbacks(worlds: Sequence[str] = (), faults: Sequence[str] = (), share: int = 1) -> list[Key]:
    """Give the 200 streams in which no rollback is right, or one in `share` of them; the worlds take turns."""
    found = [
        Key(fault.worlds[seed % len(fault.worlds)], fault.name, seed)
        for fault, seeds in ROLLBACKS
        if not faults or fault.name in faults
        for seed in range(0, seeds, share)
    ]
    return [key for key in found if not worlds or key.world in worlds]


def stream_of(key: Key) -> Stream:
    """Make the stream of a key."""
    # Those of the second table are about the moment of a rollback, not about what follows.
    ends = False if any(fault.name == key.fault for fault, _ in ROLLBACKS) else None
    return make(KINDS[key.fault], world_of(key), key.seed, ends=ends)


def run(key: Key) -> Result:
    """Run one stream through the daemon and the baselines."""
    began = time.perf_counter()
    stream, fault = stream_of(key), KINDS[key.fault]
    backtest = Backtest(Guardrail.model_validate(stream.guardrail))
    backtest.run(stream.lines)
    truth = truth_of(stream, fault, limit_of_run(backtest, stream, fault))
    arrivals = fault_labels(stream, fault)
    told = [_page(incident, arrivals) for incident in backtest.found()]
    pages = {DAEMON: [page for page, paged in told if paged]}
    for name, baseline in BASELINES.items():
        alarms = baseline(stream.served)
        pages[name] = [Page(alarm.opened, alarm.resolved, _labels(arrivals, alarm.opened)) for alarm in alarms]
    return Result(
        world=key.world,
        fault=key.fault,
        seed=key.seed,
        level=stream.level,
        start=stream.start,
        end=finite(stream.end),
        mean=truth.mean,
        limit=truth.limit,
        labels=truth.labels,
        needed=finite(truth.needed),
        pages=pages,
        tickets=[page for page, paged in told if not paged],
        total=len(stream.lines),
        took=time.perf_counter() - began,
    )


def _labels(arrivals: Floats, until: float) -> int:
    return int(np.searchsorted(arrivals, until, "right"))


def _page(incident: Incident, arrivals: Floats) -> tuple[Page, bool]:
    """Give an incident as a page or ticket, and whether somebody was paged for it; it opens when they were."""
    done = (*incident.actions, *incident.would)
    paged = [action.at for action in done if action.kind == "page"]
    opened = min(paged, default=incident.opened)
    page = Page(
        opened,
        incident.resolved,
        _labels(arrivals, opened),
        incident.cause,
        incident.version,
        incident.segment,
        tuple(str(feature["name"]) for feature in incident.features),
        tuple(str(action.target) for action in done if action.kind == "rollback"),
        incident.reason,
    )
    return page, bool(paged)


def limit_of_run(backtest: Backtest, stream: Stream, fault: Fault) -> float:
    """Give the limit that the run printed for the version, or the segment, that the fault is about.

    Where it printed none (the version was not judged by `harm`, the segment not at all), it is worked out from the first labels.
    """
    world = world_of(stream.key)
    segment = f"{world.segment}={world.victim}" if fault.segment else None
    printed = {
        verdict.version: verdict.numbers.get("limit")
        for verdict in backtest.watched.verdicts
        if verdict.rule == "harm" and (verdict.segment or None) == segment
    }
    for version in (fault.watched, "7"):
        limit = printed.get(version)
        if limit is not None:
            return float(limit)
    return expected_limit(backtest.guardrail, stream, fault)


def expected_limit(guardrail: Guardrail, stream: Stream, fault: Fault) -> float:
    """Work the limit out from the labels before the fault."""
    served, builder = stream.served, ReferenceBuilder()
    before = np.flatnonzero((served.at < stream.start) & np.isfinite(served.labelled_at))[: guardrail.reference.events]
    for number in before.tolist():
        if served.victim[number] or not fault.segment:
            builder.add(
                float(served.loss[number]), float(served.labelled_at[number] - served.at[number]), float(served.at[number])
            )
    reference = builder.build(guardrail.labels.expected_within)
    return limit_of(reference, guardrail.tolerance_over(reference.mean), guardrail.limit)


# --- many -------------------------------------------------------------------------------------------------------------------


def _prepare() -> None:
    """Leave the machine to others, and the mathematics on one core: the processes are the parallel part."""
    with suppress(OSError):
        os.nice(10)


def run_all(keys: Sequence[Key], jobs: int, *, quiet: bool = False) -> list[Result]:
    """Run streams on some processes, with a progress bar; results come in the order of the keys."""
    columns: tuple[Any, ...] = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found: dict[str, Result] = {}
    with Progress(*columns, disable=quiet) as progress:
        bar = progress.add_task("streams", total=len(keys))
        for result in _results(keys, jobs):
            found[str(result.key)] = result
            progress.advance(bar)
    return [found[str(key)] for key in keys]


def _results(keys: Sequence[Key], jobs: int) -> Iterator[Result]:
    if jobs <= 1:
        yield from map(run, keys)
        return
    # Neighbours share their world's models and their fault's truth, which each process works out once.
    with multiprocessing.get_context("spawn").Pool(jobs, _prepare) as pool:
        yield from pool.imap_unordered(run, keys, chunksize=SEEDS)
