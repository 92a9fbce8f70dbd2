"""The detectors that a guardrail file may name: `detector: {kind: adwin, delta: 0.002}`.

One literal table from kind to class. To add a detector, write its class (one file, River's interface: `update(x)` and
`drift_detected`, and `Stateful`) and a line in `DETECTORS`; the contract suite in tests/unit/detectors then runs over it.

What the table's classes do not do themselves, `Watch` does for all of them: values that are not there never reach a
detector (one NaN silences most of River's for ever), a slow one sees every k-th value only, one whose threshold is in
units of the data sees standardised values, and the state leaves and comes back.
"""

from __future__ import annotations

import base64
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, Self, runtime_checkable

from river.base import DriftDetector
from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, EDDM, FHDDM, HDDMA, HDDMW

from detectors.base import State, checked, dumps, loads
from detectors.sequential import EDetector


@runtime_checkable
class Stateful(Protocol):
    """What a class of this package has besides River's interface, so that its state outlives River's versions."""

    def to_state(self) -> State:
        """Plain data for `from_state`."""

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Self:
        """Rebuild what `to_state` described."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A line of the table.

    Attributes:
        cls: The detector's class; its constructor's parameters are those of the guardrail file.
        takes: "number": any finite number; "unit": numbers in [0, 1]; "binary": 0 and 1 (errors).
        every: It sees every k-th value, unless the file says otherwise.
        standardised: Whether it sees values less the mean of its first ones, over their standard deviation.
        flipped: Whether it sees 1 - x.
        defaults: Parameters that differ from the class's own.
    """

    cls: type[Any]
    takes: Literal["number", "unit", "binary"] = "number"
    every: int = 1
    standardised: bool = False
    flipped: bool = False
    defaults: Mapping[str, object] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that a guardrail file may set."""
        return (*inspect.signature(self.cls).parameters, "every")


DETECTORS: Final[Mapping[str, Kind]] = {
    "adwin": Kind(ADWIN),
    # River's delta of 0.005 rings 58 times in 100,000 standard normal values; in units of a standard deviation, 0.1 is small.
    "page_hinkley": Kind(PageHinkley, standardised=True, defaults={"delta": 0.1}),
    # 200 us an update; without a seed no two runs would agree.
    "kswin": Kind(KSWIN, every=20, defaults={"seed": 1}),
    "ddm": Kind(DDM, "binary"),
    "eddm": Kind(EDDM, "binary"),
    # It looks for a fall of ones, although its documentation calls 1 an error.
    "fhddm": Kind(FHDDM, "binary", flipped=True),
    "hddm_a": Kind(HDDMA, "binary"),
    "hddm_w": Kind(HDDMW, "binary"),
    "e_detector": Kind(EDetector, "unit"),
}

#: Values that a new detector's twin is fed to see whether its parameters work.
_PROBES: Final = 200
_LARGEST_PARAMETER: Final = 100_000
_MAY_BE_ZERO: Final = frozenset({"delta", "limit", "seed", "threshold"})
_LARGEST: Final = 1e100
#: Values from which the mean and the standard deviation are taken, at first and after each change.
_WARM_UP: Final = 200
#: Standardised values are clipped here: one rogue value is no change.
_CLIP: Final = 100.0


def make(kind: str, **parameters: object) -> Watch:
    """A detector by its kind.

    Args:
        kind: A key of `DETECTORS`.
        parameters: Of its constructor, and `every` (it sees every k-th value only).

    Raises:
        ValueError: If the kind or a parameter is unknown (the message lists the known ones), or a value is refused.
    """
    known = DETECTORS.get(kind)
    if known is None:
        raise ValueError(f"unknown detector {kind!r}; known are {', '.join(DETECTORS)}")
    unknown = sorted(set(parameters) - set(known.parameters))
    if unknown:
        raise ValueError(f"detector {kind!r} has no parameter {unknown[0]!r}; it has {', '.join(known.parameters)}")
    every = parameters.pop("every", known.every)
    if type(every) is not int or every < 1:
        raise ValueError(f"`every` of detector {kind!r} is a whole number of 1 or more, not {every!r}")
    for name, value in parameters.items():
        _check_number(kind, name, value)
    settings = {**known.defaults, **parameters}
    try:
        # River checks few of its parameters, and those when they are first used: better now than on the first event.
        trial = known.cls(**settings)
        for i in range(_PROBES):
            trial.update(i % 2)
        detector = known.cls(**settings)
    except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
        raise ValueError(f"detector {kind!r} refuses its parameters: {error}") from error
    return Watch(kind, detector, every)


def _check_number(kind: str, name: str, value: object) -> None:
    """River hands numbers to its Rust code unseen, where a zero or a huge one ends in a panic or takes all memory."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    least = 1 if isinstance(value, int) and name not in _MAY_BE_ZERO else 0
    if not least <= value <= _LARGEST_PARAMETER:
        raise ValueError(f"`{name}` of detector {kind!r} is between {least} and {_LARGEST_PARAMETER}, not {value}")


class Watch(DriftDetector):
    """A detector of the table, safe to feed with whatever an event holds. Made by `make`.

    Attributes:
        kind: Its key in the table.
        detector: The detector itself.
        every: It sees every k-th value.
        taken: Values that reached it or its stride.
        rejected: Values that did not: None, text, NaN, infinities, out of its range.
    """

    def __init__(self, kind: str, detector: DriftDetector, every: int = 1) -> None:
        super().__init__()
        self.kind, self.detector, self.every = kind, detector, every
        self.taken = 0
        self.rejected = 0
        self.changed_at: float | None = None
        self._takes = DETECTORS[kind].takes
        self._standardised = DETECTORS[kind].standardised
        self._flipped = DETECTORS[kind].flipped
        self._n, self._mean, self._m2 = 0, 0.0, 0.0  # Welford's, over the warm-up

    def update(self, x: object, mark: float = 0.0) -> None:
        """Take one value of any type; what is no number that this kind takes is counted in `rejected`.

        Args:
            x: The value. A boolean is taken as 0 or 1 by the kinds that take these only.
            mark: Names the value to the caller; `changed_at` is the mark of the last change.
        """
        self._drift_detected = False
        value = self._usable(x)
        if value is None:
            self.rejected += 1
            return
        self.taken += 1
        if (self.taken - 1) % self.every:
            return
        if self._standardised:
            value = self._standardise(value)
            if value is None:
                return
        self.detector.update(1 - value if self._flipped else value)
        if self.detector.drift_detected:
            self._drift_detected = True
            self.changed_at = mark
            self._n, self._mean, self._m2 = 0, 0.0, 0.0

    def _usable(self, x: object) -> float | None:
        """The value as this kind takes it, or None."""
        if isinstance(x, bool):
            return None if self._takes == "number" else int(x)
        if not isinstance(x, int | float):
            return None
        if self._takes == "number":
            return x if -_LARGEST < x < _LARGEST else None
        if self._takes == "binary":
            return int(x) if x in (0, 1) else None
        return x if 0.0 <= x <= 1.0 else None

    def _standardise(self, x: float) -> float | None:
        if self._n < _WARM_UP:
            self._n += 1
            step = x - self._mean
            self._mean += step / self._n
            self._m2 += step * (x - self._mean)
            return None
        deviation = math.sqrt(max(self._m2, 0.0) / (self._n - 1))
        gap = x - self._mean
        if abs(gap) >= _CLIP * deviation:
            return math.copysign(_CLIP, gap) if gap else 0.0
        return gap / deviation

    def to_state(self) -> State:
        """Plain data for `from_state`; an object of River is in it as a pickle in base 64, bound to River's version."""
        d = self.detector
        inner = d.to_state() if isinstance(d, Stateful) else base64.b64encode(dumps(d)).decode()
        return {
            "v": 1,
            "kind": self.kind,
            "every": self.every,
            "detector": inner,
            "taken": self.taken,
            "rejected": self.rejected,
            "changed_at": self.changed_at,
            "alarm": self._drift_detected,
            "standard": [self._n, self._mean, self._m2],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Watch | None:
        """Rebuild what `to_state` described, or None when another version of River wrote it: start over, and say so.

        Raises:
            ValueError: If the state is of another version of ours, damaged, or of a kind that is not known.
        """
        s = checked(state, "detector", 1)
        if s["kind"] not in DETECTORS:
            raise ValueError(f"unknown detector {s['kind']!r}; known are {', '.join(DETECTORS)}")
        inner = s["detector"]
        ours = isinstance(inner, dict)
        detector = DETECTORS[s["kind"]].cls.from_state(inner) if ours else loads(base64.b64decode(inner))
        if detector is None:
            return None
        watch = cls(s["kind"], detector, s["every"])
        watch.taken, watch.rejected, watch.changed_at = s["taken"], s["rejected"], s["changed_at"]
        watch._drift_detected = s["alarm"]
        watch._n, watch._mean, watch._m2 = s["standard"]
        return watch
