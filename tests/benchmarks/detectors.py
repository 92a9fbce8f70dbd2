"""What a detector costs by itself: microseconds an update."""

from __future__ import annotations

import random
import time

from detectors.drift import FeatureDrift
from detectors.sequential import EDetector
from tests.benchmarks.output import say

UPDATES = 200_000


def report() -> None:
    """Print the cost of an e-detector's update and of the drift detectors on 20 features."""
    chance = random.Random(1)
    losses = [float(chance.random() < 0.1) for _ in range(UPDATES)]
    detector = EDetector(0.15)
    began = time.perf_counter()
    for loss in losses:
        detector.update(loss, 1e-9)
    say(f"e-detector: {(time.perf_counter() - began) / UPDATES * 1e6:.2f} us an event (goal: 1)")
    rows = [{f"feature_{number}": chance.random() for number in range(20)} for _ in range(UPDATES // 10)]
    drift = FeatureDrift()
    began = time.perf_counter()
    for row in rows:
        drift.update(row, 0.5)
    say(f"drift detectors: {(time.perf_counter() - began) / len(rows) * 1e6:.2f} us an event with 20 features")
