"""Streams of losses whose true mean is known, and what the detectors do on them.

Shared by the long runs here and by the small share of them in the unit tests. Every stream is a function of a generator
and a length; every run has a seed of its own.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.bounds import Blocks
from detectors.reference import Reference, ReferenceBuilder, limit_of
from detectors.sequential import EDetector

Losses = NDArray[np.float64]
Stream = Callable[[np.random.Generator, int], Losses]

#: Average run length to a false alarm that the increments buy; events of a run; so that a run may have two false alarms.
RUN_LENGTH: Final = 10_000
EVENTS: Final = 20_000
#: The number of standard errors below which a mean is at most 1 % of the time.
LOW_99: Final = 2.326

_ELECTRICITY: Final = Path(__file__).parents[2] / "daemon" / "demo" / "elec.csv.gz"


def bernoulli(p: float) -> Stream:
    """Independent errors."""
    return lambda rng, n: (rng.random(n) < p).astype(np.float64)


def beta(a: float, b: float) -> Stream:
    """Independent losses between 0 and 1."""
    return lambda rng, n: rng.beta(a, b, n)


def constant(x: float) -> Stream:
    """The same loss for ever."""
    return lambda _, n: np.full(n, x)


def swinging(p: float, amplitude: float, period: int = 4_000) -> Stream:
    """Independent errors whose mean swings about p like the hours of a day."""

    def stream(rng: np.random.Generator, n: int) -> Losses:
        phase = 2 * math.pi * (np.arange(n) / period + rng.random())
        return (rng.random(n) < p + amplitude * np.sin(phase)).astype(np.float64)

    return stream


def wandering(p: float, amplitude: float, correlation: float = 0.999) -> Stream:
    """Independent errors whose mean is AR(1) about p, clipped at the amplitude."""

    def stream(rng: np.random.Generator, n: int) -> Losses:
        step = rng.normal(0.0, amplitude / 2 * math.sqrt(1 - correlation**2), n)
        level, levels = 0.0, []
        for s in step.tolist():
            level = correlation * level + s
            levels.append(min(amplitude, max(-amplitude, level)))
        return (rng.random(n) < p + np.array(levels)).astype(np.float64)

    return stream


def autoregressive(mean: float, deviation: float, correlation: float) -> Stream:
    """Losses that are AR(1) themselves, clipped to [0, 1]."""

    def stream(rng: np.random.Generator, n: int) -> Losses:
        step = rng.normal(0.0, deviation * math.sqrt(1 - correlation**2), n)
        x, xs = rng.normal(0.0, deviation), []
        for s in step.tolist():
            x = correlation * x + s
            xs.append(mean + x)
        clipped: Losses = np.clip(np.array(xs), 0.0, 1.0)
        return clipped

    return stream


def markov(mean: float, correlation: float) -> Stream:
    """Errors that come in runs: autocorrelation at lag k is correlation^k."""

    def stream(rng: np.random.Generator, n: int) -> Losses:
        state, found = bool(rng.random() < mean), []
        for u in rng.random(n).tolist():
            state = u < (mean + correlation * (1 - mean) if state else mean * (1 - correlation))
            found.append(float(state))
        return np.array(found)

    return stream


@cache
def electricity_errors() -> Losses:
    """Errors of a fixed rule on the electricity market, in its own order: the price is above the median of the start."""
    with gzip.open(_ELECTRICITY, "rt") as file:
        rows = np.array(list(csv.reader(file))[1:], dtype=np.float64)
    price, rises = rows[:, 1], rows[:, -1] > 0
    errors: Losses = ((price > np.median(price[:5_000])) != rises).astype(np.float64)
    return errors


def electricity(length: int) -> Stream:
    """The same errors in pieces of that many half hours drawn at random: dependent as they are, and stationary."""

    def stream(rng: np.random.Generator, n: int) -> Losses:
        errors = electricity_errors()
        starts = rng.integers(0, len(errors) - length, n // length + 1)
        return np.concatenate([errors[start : start + length] for start in starts.tolist()])[:n]

    return stream


def tolerance(mean: float) -> float:
    """The default of the guardrail file: a quarter of the reference, at least 0.005."""
    return max(0.005, 0.25 * mean)


def learn(losses: Losses) -> Reference:
    """The reference of a run's first losses."""
    builder = ReferenceBuilder()
    for i, loss in enumerate(losses.tolist()):
        builder.add(loss, 0.0, float(i))
    return builder.build()


def alarms(losses: Losses, limit: float, block: int = 1, run_length: float = RUN_LENGTH) -> int:
    """False alarms of an e-detector that goes on after each, fed blocks."""
    detector, blocks = EDetector(limit, block / run_length), Blocks(block)
    for loss in losses.tolist():
        if (full := blocks.add(loss)) is not None:
            detector.update(full[0])
    return detector.alarms


def alarms_against_reference(stream: Stream, runs: int, reference: int = 2_000, seed: int = 0) -> list[int]:
    """False alarms of each run that can be judged: reference, limit and block length are learnt from its beginning."""
    counts = []
    for run in range(runs):
        losses = stream(np.random.default_rng([seed, run]), reference + EVENTS)
        learnt = learn(losses[:reference])
        if not learnt.too_dependent:
            counts.append(alarms(losses[reference:], limit_of(learnt, tolerance(learnt.mean)), learnt.block))
    return counts


def alarms_at_limit(stream: Stream, limit: float, runs: int, seed: int = 0) -> list[int]:
    """False alarms of each run against a limit that is the true mean: the dearest that the theorem allows."""
    return [alarms(stream(np.random.default_rng([seed, run]), EVENTS), limit) for run in range(runs)]


def lower_limit(counts: Sequence[int]) -> float:
    """The lower 99 % limit of the mean: no theorem is refuted by chance."""
    x = np.asarray(counts, dtype=np.float64)
    return float(x.mean() - LOW_99 * x.std() / math.sqrt(len(x)))


def delay_of(before: Stream, after: Stream, increment: float, seed: int, most: int = 20_000) -> int:
    """Labels from a change to the alarm, with a reference of 2,000 labels and 1,000 quiet ones; `most` if there is none."""
    rng = np.random.default_rng(seed)
    quiet, bad = before(rng, 3_000), after(rng, most)
    learnt = learn(quiet[:2_000])
    detector, blocks = EDetector(limit_of(learnt, tolerance(learnt.mean)), learnt.block * increment), Blocks(learnt.block)
    for count, loss in enumerate(np.concatenate((quiet[2_000:], bad)).tolist(), start=-999):
        full = blocks.add(loss)
        if full is None:
            continue
        detector.update(full[0])
        if detector.drift_detected and count > 0:
            return count
    return most


def delay(before: float, after: float, increment: float, seed: int) -> int:
    """The same of independent errors."""
    return delay_of(bernoulli(before), bernoulli(after), increment, seed)


def least_delay(before: float, after: float, increment: float) -> float:
    """Lorden's lower bound (1971), in labels: ln(1 / increment) over the Kullback-Leibler divergence of the two error rates."""
    divergence = after * math.log(after / before) + (1 - after) * math.log((1 - after) / (1 - before))
    return -math.log(increment) / divergence
