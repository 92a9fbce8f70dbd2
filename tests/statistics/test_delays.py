"""Labels until the alarm, beside ADWIN's: 400 seeds, errors from .10 to .20, a reference of 2,000, the default tolerance."""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest
from river.drift import ADWIN

from tests.statistics import streams

pytestmark = pytest.mark.statistics

SEEDS = 400
#: Half of one false page in 90 days, at a label a second.
BUDGET = 0.5 / (90 * 86_400)


def adwins_delay(before: float, after: float, seed: int, most: int = 20_000) -> int:
    """ADWIN learns its own reference from the 3,000 quiet labels."""
    rng = np.random.default_rng(seed)
    detector = ADWIN()
    for loss in streams.bernoulli(before)(rng, 3_000).tolist():
        detector.update(loss)
    for count, loss in enumerate(streams.bernoulli(after)(rng, most).tolist(), start=1):
        detector.update(loss)
        if detector.drift_detected:
            return count
    return most


@pytest.mark.parametrize(("increment", "most"), [(1e-5, 1.3), (BUDGET, 2.2)], ids=["one in 100,000 labels", "one in 90 days"])
def test_the_price_of_the_promise(increment: float, most: float) -> None:
    """At most 1.3 times ADWIN's median at a run length of 100,000; 2.2 times at the default budget, 120 times stricter."""
    ours = median(streams.delay(0.1, 0.2, increment, seed) for seed in range(SEEDS))
    adwins = median(adwins_delay(0.1, 0.2, seed) for seed in range(SEEDS))

    assert ours <= most * adwins
