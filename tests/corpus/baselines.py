"""What the daemon is compared with: three detectors as they are commonly set up, each a pager of its own.

    ks      every column and the score, windows of 1,000 predictions against the first 2,000: a two-sample Kolmogorov-Smirnov test
            at p < 0.05, or its distance at 0.1 (for categories the largest change of a share). It lasts until a quiet window.
    drop    the mean loss of the last 500 labels, in order of arrival, is 0.05 over that of the first 2,000, until it is less than
            half of that over it.
    adwin   River's ADWIN with its defaults on the losses in order of arrival; a change for the worse raises the alarm, one for
            the better ends it. (Taken as it is, it raises alarms for both.)

They see what the daemon sees. None of them names a cause. Their alarms are judged by the daemon's own scorer (`score.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN
from scipy.special import kolmogi

from tests.corpus.models import Floats
from tests.corpus.streams import Served

#: Predictions, or labels, that a baseline learns what is normal from.
REFERENCE: Final = 2_000
#: Predictions of a window of `ks`, and labels of one of `drop`.
WINDOW: Final = 1_000
LABELS: Final = 500
P_VALUE: Final = 0.05
DISTANCE: Final = 0.1
DROP: Final = 0.05


@dataclass(frozen=True, slots=True)
class Alarm:
    """A page of a baseline; epoch seconds, and no end if there was none."""

    opened: float
    resolved: float | None


def _alarms(times: Sequence[float], firing: Sequence[bool]) -> list[Alarm]:
    """Join what fires without a pause to alarms."""
    found: list[Alarm] = []
    since: float | None = None
    for at, fires in zip(times, firing, strict=True):
        if fires and since is None:
            since = at
        elif not fires and since is not None:
            found.append(Alarm(since, at))
            since = None
    return found if since is None else [*found, Alarm(since, None)]


# --- columns ----------------------------------------------------------------------------------------------------------------


def _distance(before: NDArray[Any], now: NDArray[Any]) -> tuple[float, float]:
    """Give the distance of two samples and the number that its chance depends on."""
    if before.dtype == object:
        return _category_distance(before.tolist(), now.tolist())
    before, now = np.sort(before[~np.isnan(before)]), np.sort(now[~np.isnan(now)])
    if not len(before) or not len(now):
        return 1.0, 1.0
    every = np.concatenate([before, now])
    gap = np.searchsorted(before, every, "right") / len(before) - np.searchsorted(now, every, "right") / len(now)
    return float(np.abs(gap).max()), len(before) * len(now) / (len(before) + len(now))


def _category_distance(before: Sequence[object], now: Sequence[object]) -> tuple[float, float]:
    first, second = Counter(before), Counter(now)
    gap = max(abs(first[kind] / len(before) - second[kind] / len(now)) for kind in first | second)
    return gap, len(before) * len(now) / (len(before) + len(now))


def _ks(served: Served, fires: Callable[[float, float], bool]) -> list[Alarm]:
    columns: dict[str, NDArray[Any]] = {**served.columns, "score": served.output}
    ends = range(REFERENCE + WINDOW, len(served.at) + 1, WINDOW)
    firing = [
        any(fires(*_distance(values[:REFERENCE], values[end - WINDOW : end])) for values in columns.values()) for end in ends
    ]
    return _alarms([float(served.at[end - 1]) for end in ends], firing)


def ks_p(served: Served) -> list[Alarm]:
    """Kolmogorov-Smirnov at p < 0.05 in any column."""
    critical = float(kolmogi(P_VALUE))
    return _ks(served, lambda distance, n: distance * n**0.5 > critical)


def ks_distance(served: Served) -> list[Alarm]:
    """Kolmogorov-Smirnov distance of 0.1 in any column."""
    return _ks(served, lambda distance, _: distance >= DISTANCE)


# --- losses -----------------------------------------------------------------------------------------------------------------


def _by_arrival(served: Served) -> tuple[Floats, Floats]:
    """Give arrivals of labels and the losses, in the order of arrival; nothing after the last prediction."""
    order = np.argsort(served.labelled_at, kind="stable")
    order = order[served.labelled_at[order] <= served.at[-1]]
    return served.labelled_at[order], served.loss[order]


def drop(served: Served) -> list[Alarm]:
    """A rolling mean loss that is 0.05 over that of the first labels."""
    times, losses = _by_arrival(served)
    if len(losses) < REFERENCE + LABELS:
        return []
    total = np.concatenate([[0.0], np.cumsum(losses)])
    rolling = (total[LABELS:] - total[:-LABELS])[REFERENCE:] / LABELS
    rises = rolling - losses[:REFERENCE].mean()
    fires, firing = False, []
    for rise in rises.tolist():
        fires = rise > (DROP / 2 if fires else DROP)
        firing.append(fires)
    return _alarms(times[REFERENCE + LABELS - 1 :].tolist(), firing)


def adwin(served: Served) -> list[Alarm]:
    """River's ADWIN on the losses."""
    times, losses = _by_arrival(served)
    detector = ADWIN()
    found: list[Alarm] = []
    since: float | None = None
    before = 0.0
    for at, loss in zip(times.tolist(), losses.tolist(), strict=True):
        detector.update(loss)
        now = detector.estimation
        if detector.drift_detected and now > before and since is None:
            since = at
        elif detector.drift_detected and now < before and since is not None:
            found.append(Alarm(since, at))
            since = None
        before = now
    return found if since is None else [*found, Alarm(since, None)]


BASELINES: Final[Mapping[str, Callable[[Served], list[Alarm]]]] = {
    "KS per column, p < 0.05": ks_p,
    "KS per column, D >= 0.1": ks_distance,
    "accuracy drop of 0.05": drop,
    "ADWIN on the errors": adwin,
}
