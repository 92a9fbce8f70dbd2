"""Do labels come, and in time? What is usual is the share of predictions that have theirs at age h.

The decision: labels are counted prediction by prediction, when a prediction reaches the age h at which it is judged. So a job
that brings all labels of a day at once is no outage, and a model without predictions lacks no labels. Nothing is found and
nothing is cleared by time that passes; only predictions with and without labels say anything.

Two questions. *Have labels stopped?* Then no label comes for so many predictions that under the usual share this is all but
impossible, and for twice as long as labels ever paused in a week while predictions went on (`detectors.stops`). *Is the share too
low?* It is counted in blocks that are longer than the pauses between two batches of labels (`detectors.shortfall`), once against
the least share with which anything can be judged, once against the usual one. Late labels are no test of their own: a label that
came later than age h is missing at that age. So it is said when most of those that are missing came later.

There is no theorem behind this rule as a whole. With predictions that are labelled independently, or dependent inside of blocks
that are alike, false alarms stay in the budget; a first long weekend is taken for a stop.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Final, Literal

from detectors.base import State, checked
from detectors.bounds import upper_bound
from detectors.budget import increment
from detectors.shortfall import Block, Shortfall
from detectors.silence import is_time
from detectors.stops import LEAST_RUN, Stop

What = Literal["stopped", "uncovered", "sparse", "late"]

#: Rise of the unlabelled share that does no harm, beside the error of what is usual.
TOLERANCE: Final = 0.05
#: Predictions and seconds in a block, at least.
LEAST_ROWS: Final = 100
LEAST_SECONDS: Final = 300.0
#: An unlabelled share that is usually so large cannot be seen to rise.
HIGHEST: Final = 0.98
#: Each of the three tests spends this share of the budget; the first one much less.
WEIGHT: Final = 1.0 / 3.0
#: Findings called over too early, a second: one in 7 days.
EARLY: Final = 1.0 / (7 * 86_400)
#: Delays that the recent quantile is taken from, and predictions that the recent share is taken over.
DELAYS: Final = 200
SPAN: Final = 500.0

_DELAY_QUANTILE: Final = 0.9
_CONFIDENCE: Final = 0.99
_HOUR: Final = 3600.0
_DAY: Final = 86_400.0
#: A delay that is always the same scatters by less than this, because times of day are doubles.
_ROUNDING: Final = 1e-3
#: What is usual counts as learned from so many predictions at least, and from so many at most.
_FEWEST: Final = 300
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class LabelFinding:
    """Something that is wrong with the labels.

    Attributes:
        what: "stopped": none comes any more. "uncovered": the labelled share is below the least one. "sparse": it is below its
            usual one. "late": as sparse, and most of the labels that are missing at age h come later.
        share: Since the onset, the share of predictions that had their label at age h. "late": of the labels, the share that
            came later.
        expected: What is usual of that; where it is not known yet, the least coverage.
        onset: Event time of the first prediction of it, epoch seconds.
        predictions: That reached age h since the onset.
        labels: That they had by then.
    """

    what: What
    share: float
    expected: float
    onset: float
    predictions: int
    labels: int


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What is known of the labels of a model.

    Attributes:
        findings: The most serious first.
        coverage: Share of the last 500 predictions or so that had their label at age h; None before the first.
        expected_coverage: The usual share, None before it is learned.
        delay: The 0.9 quantile of the last 200 delays in seconds, None before the first label.
    """

    findings: tuple[LabelFinding, ...]
    coverage: float | None
    expected_coverage: float | None
    delay: float | None


class LabelWatch:
    """Watches when the labels of a model come. Memory is bounded, whatever comes.

    Args:
        expected_within: Seconds by which most labels are there; the age h until another is learned.
        minimum_coverage: The labelled share below which nothing can be judged.
        per_second: False alarms a second that all of this may cost.
    """

    def __init__(self, expected_within: float, minimum_coverage: float, per_second: float) -> None:
        self.expected_within, self.minimum_coverage, self.per_second = expected_within, minimum_coverage, per_second
        self.age = expected_within
        self.coverage: float | None = None  # the usual one
        self._matured = self._labelled = 0
        self._recent = 0.0  # the labelled share of late
        self._delays: deque[float] = deque(maxlen=DELAYS)
        self._calm = [0.0, 0.0]  # labels in time and late, while nothing was found
        self._stop = Stop()
        self._uncovered = Shortfall(1.0 - minimum_coverage)
        self._sparse = Shortfall(1.0)
        self._block = Block()
        self._mostly_late = False  # most labels that `_sparse` misses came later

    def learn(self, coverage: float | None, age: float) -> None:
        """Take what is usual: the labelled share at age h, and h in seconds. What is no number is passed over."""
        if is_time(age) and age >= 0.0 and age != self.age:
            self.age = float(age)
            self._block = Block()  # its share at another age is another one
        if coverage is None or not 0.0 <= coverage <= 1.0:
            return
        self.coverage = float(coverage)
        n = min(max(self._matured, _FEWEST), _MOST)
        limit = upper_bound(1.0 - coverage, n, 0.0, binary=True, confidence=_CONFIDENCE) + TOLERANCE
        self._sparse.hold_to(limit if limit < HIGHEST else 1.0)

    def hold_to(self, expected_within: float, minimum_coverage: float, per_second: float) -> None:
        """Take what a person changed in the guardrail file; the age h stays unless it is longer than labels may take."""
        self.expected_within, self.minimum_coverage, self.per_second = expected_within, minimum_coverage, per_second
        self._uncovered.hold_to(1.0 - minimum_coverage)
        self.learn(None, min(self.age, expected_within))

    def arrived(self, delay: float, at: float, mark: float) -> None:
        """Note a label that found its prediction.

        Args:
            delay: From prediction to label in seconds; 0 if it was there before.
            at: The clock, epoch seconds.
            mark: Event time of the prediction. A call with something that is no time is passed over.
        """
        if not (is_time(delay) and is_time(at) and is_time(mark)):
            return
        delay = max(0.0, float(delay))
        self._delays.append(delay)
        self._stop.arrived(delay, float(at), self._usual)
        if delay <= self.age + _ROUNDING:
            return
        self._calm[1] += not self._sparse.found
        if self._block.rows and mark >= self._block.mark:
            self._block.late += 1
        else:
            self._uncovered.came_late(mark)
            self._sparse.came_late(mark)
            self._look_at_late()

    def matured(self, labelled: bool, at: float, mark: float) -> None:
        """Note a prediction that reached age h, in the order of predictions.

        Args:
            labelled: Whether it had its label by then.
            at: The clock at which it was taken, epoch seconds; h before now.
            mark: Its event time. A call with something that is no time is passed over.
        """
        if not (is_time(at) and is_time(mark)):
            return
        self._stop.matured(labelled, at + self.age, float(mark), self._usual)
        self._matured += 1
        self._labelled += labelled
        self._recent += (labelled - self._recent) / min(self._matured, SPAN)
        block = self._block
        if block.rows == 0 or at < block.start:
            block.start = float(at)
        if block.rows == 0:
            block.mark = float(mark)
        block.rows += 1
        block.labelled += labelled
        seconds = at - block.start
        if block.rows >= LEAST_ROWS and seconds >= LEAST_SECONDS and self._is_full(block, seconds):
            self._close(block, seconds)
            self._block = Block()

    def _is_full(self, block: Block, seconds: float) -> bool:
        return block.rows >= self._rows_needed and seconds >= self._seconds_needed

    @property
    def _usual(self) -> float | None:
        """The usual share: learned, or what was seen so far."""
        if self.coverage is not None:
            return self.coverage
        return self._labelled / self._matured if self._matured >= LEAST_RUN else None

    @property
    def _rows_needed(self) -> int:
        return max(LEAST_ROWS, min(_MOST, max(self._uncovered.rows_needed, self._sparse.rows_needed)))

    @property
    def _seconds_needed(self) -> float:
        """A block is longer than the pauses of labels; where these are hours, they follow the day."""
        pause = self._stop.pause
        return max(LEAST_SECONDS, 3.0 * pause) if pause < _HOUR else _DAY * max(1, round(pause / _DAY))

    def _close(self, block: Block, seconds: float) -> None:
        cost, early = increment(self.per_second, WEIGHT, seconds), increment(EARLY, 1.0, seconds)
        self._uncovered.update(block, cost, early)
        if self.coverage is not None:
            self._sparse.update(block, cost, early)
            self._look_at_late()
        if not self._sparse.found:
            self._calm[0] += block.labelled
        if self._calm[0] > _MOST:
            self._calm = [count / 2.0 for count in self._calm]

    def _look_at_late(self) -> None:
        """Late is said from half of the missing labels on, and until it is below a quarter: new blocks lack theirs yet."""
        test = self._sparse
        missing = (self.coverage or 0.0) * test.rows - test.labelled
        self._mostly_late = test.found and test.late >= missing * (0.25 if self._mostly_late else 0.5)

    def report(self, now: float) -> LabelReport:
        """What is known. That it is `now` changes nothing: predictions and their labels do."""
        del now
        delays = sorted(self._delays)
        return LabelReport(
            findings=tuple(self._findings()),
            coverage=self._recent if self._matured else None,
            expected_coverage=self.coverage,
            delay=delays[math.ceil(_DELAY_QUANTILE * len(delays)) - 1] if delays else None,
        )

    def _findings(self) -> list[LabelFinding]:
        found = []
        usual = self.minimum_coverage if self.coverage is None else self.coverage
        stop, sparse = self._stop, self._sparse
        if stop.found:
            found.append(LabelFinding("stopped", 0.0, usual, stop.onset, stop.run, 0))
        if self._uncovered.found:
            found.append(_low("uncovered", self._uncovered, usual))
        if self._mostly_late:
            known = sum(self._calm)
            late = sparse.late / max(1, sparse.late + sparse.labelled)
            expected = self._calm[1] / known if known else 0.0
            found.append(LabelFinding("late", late, expected, sparse.onset, sparse.rows, sparse.labelled))
        elif sparse.found:
            found.append(_low("sparse", sparse, usual))
        return found

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "settings": [self.expected_within, self.minimum_coverage, self.per_second],
            "age": self.age,
            "coverage": self.coverage,
            "matured": [self._matured, self._labelled],
            "recent": self._recent,
            "delays": list(self._delays),
            "calm": list(self._calm),
            "stop": self._stop.to_state(),
            "uncovered": self._uncovered.to_state(),
            "sparse": self._sparse.to_state(),
            "block": list(astuple(self._block)),
            "mostly_late": self._mostly_late,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> LabelWatch:
        """Rebuild what `to_state` described; ValueError for another version."""
        s = checked(state, "label watch", 1)
        watch = cls(*s["settings"])
        watch.age, watch.coverage = s["age"], s["coverage"]
        watch._matured, watch._labelled = s["matured"]
        watch._recent, watch._calm = s["recent"], list(s["calm"])
        watch._delays.extend(s["delays"])
        watch._stop = Stop.from_state(s["stop"])
        watch._uncovered, watch._sparse = Shortfall.from_state(s["uncovered"]), Shortfall.from_state(s["sparse"])
        watch._block = Block(*s["block"])
        watch._mostly_late = s["mostly_late"]
        return watch


def _low(what: What, test: Shortfall, usual: float) -> LabelFinding:
    return LabelFinding(what, test.labelled / max(1, test.rows), usual, test.onset, test.rows, test.labelled)
