"""What is true of a stream, from its generator alone: the mean loss after the change, and whether anybody could have seen it.

The limit is the one that the run printed: whether a fault is harmful is a question to the promise that was made. Whether it is
detectable is a question to information theory: an alarm at level c takes at least ln(1/c)/KL labels, whoever raises it, so that
twice as many are asked for. For losses that are not 0 or 1, KL becomes the largest rate at which a bet against "the mean is at
most the limit" can grow, which for 0/1 losses is the same (Honda and Takemura, "An asymptotically optimal bandit algorithm for
bounded support models", COLT 2010).
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize_scalar

from detectors.budget import HARM, SEGMENTS
from tests.corpus.chunks import cut
from tests.corpus.faults import Fault, Phase
from tests.corpus.models import Floats
from tests.corpus.streams import Stream, level_of, world_of
from tests.corpus.worlds import World

#: Rows from which the true mean loss is worked out: its standard error is at most 0.0025.
LARGE: Final = 40_000
#: The budget of the guardrail files, false pages a second.
BUDGET: Final = 1.0 / (90 * 86_400)
#: So many times the least number of labels make a fault detectable.
TWICE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a stream.

    Attributes:
        mean: Mean loss of the version after the change, in the segment if the fault is in one.
        limit: The limit that the run printed for it.
        harmful: Whether the mean is over the limit.
        labels: Labels after the change, while the fault was there at its full size.
        needed: Labels that make it detectable.
    """

    mean: float
    limit: float
    harmful: bool
    labels: int
    needed: float

    @property
    def detectable(self) -> bool:
        """Whether enough labels came."""
        return self.harmful and self.labels >= self.needed


def bad_phase(fault: Fault) -> Phase:
    """Give the phase that the truth is about: the last bad one in which the version predicts."""
    return [
        phase for phase in fault.phases if not phase.healthy and any(arm.version == fault.watched for arm in phase.arms)
    ][-1]  # fmt: skip


def true_losses(fault: Fault, world: World, level: int) -> Floats:
    """Losses of a large sample after the change."""
    key = (fault.name, world.name, level)
    if key not in _known:
        rng = np.random.default_rng([zlib.crc32(f"truth/{fault.name}/{world.name}".encode()), level])
        one = cut(world, bad_phase(fault), fault.always, rng, level, LARGE, 0.0)
        said = next(output for arm, output, _ in one.arms if arm.version == fault.watched)
        losses = world.losses(said, one.chunk.said)
        kept = np.arange(LARGE) >= fault.truth_from * LARGE
        _known[key] = losses[kept & one.victim] if fault.segment else losses[kept]
    return _known[key]


_known: dict[tuple[str, str, int], Floats] = {}


def growth(losses: Floats, limit: float) -> float:
    """The largest mean of ln(1 + bet (loss - limit)): KL(p, limit) for 0/1 losses; 0 when their mean is not over the limit."""
    if losses.mean() <= limit or limit <= 0.0:
        return 0.0
    found = minimize_scalar(
        lambda bet: -float(np.log1p(bet * (losses - limit)).mean()), bounds=(0.0, (1.0 - 1e-9) / limit), method="bounded"
    )
    return float(-found.fun)


def increment(world: World, fault: Fault) -> float:
    """Give c: what the budget brings from one label of the scope to the next."""
    seconds = world.every / world.coverage
    if not fault.segment:
        return BUDGET * HARM * seconds
    # Each segment has its share of the weight, and as rarely a label.
    return BUDGET * SEGMENTS * seconds


def truth_of(stream: Stream, fault: Fault, limit: float) -> Truth:
    """Work out what is true of a stream whose run printed this limit."""
    world = world_of(stream.key)
    losses = true_losses(fault, world, level_of(stream.key.seed))
    mean = float(losses.mean())
    rate = growth(losses, limit)
    needed = math.inf if rate <= 0.0 else TWICE * -math.log(increment(world, fault)) / rate
    labels = int(fault_labels(stream, fault).size * (1.0 - fault.truth_from))
    return Truth(mean, limit, mean > limit, labels, needed)


def fault_labels(stream: Stream, fault: Fault) -> Floats:
    """Give the arrivals, in order, of the labels of what the version predicted while the fault was there, and before its end."""
    served = stream.served
    mine = (served.version == fault.watched) & (served.at >= stream.start) & (served.at < stream.end)
    if fault.segment:
        mine &= served.victim
    arrivals: Floats = np.sort(served.labelled_at[mine])
    return arrivals[arrivals <= min(stream.end, float(served.at[-1]))]
