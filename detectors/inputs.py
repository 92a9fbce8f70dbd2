"""Everything that is measured on the inputs of one version: what is wrong, what is missing, what is swapped, what moved.

Rows go into blocks that close after a minute or 500 rows, and everything is counted at the close, for all columns at once: that
makes a row cost microseconds whatever is asked of it. What is declared is held to from the first row. Everything else needs a
profile: of the last good version at first, where there is one, and the version's own as soon as it is learned. A profile is
frozen then, because one that follows the stream calls every slow fault normal.

While it is learned, a fault that comes is not to become what is usual: learning starts over whenever one is found.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from typing import Final

from detectors.base import State, checked
from detectors.columns import clean
from detectors.comparison import Comparison
from detectors.faults import FaultWatch, limits_of
from detectors.findings import MOST, OUTPUT, ColumnFinding, InputReport, What, ranked
from detectors.histograms import bins_of
from detectors.pending import Pending
from detectors.profile import Profile, ProfileBuilder
from detectors.quality import FAULTS, Checks, Declared, Tally, watched
from detectors.rows import LONGEST_NAME, Layout, Row, block_of
from detectors.shares import Outputs

__all__ = ["OUTPUT", "ColumnFinding", "Declared", "InputReport", "InputWatch", "What"]

#: Findings after which learning starts over. Drift and soft errors are no faults: what they found may be usual from now on.
_FAULTS: Final = frozenset({"missing", "hard", "swapped"})
_NO_FEATURES: Final[Row] = {}

Found = frozenset[tuple[str, ...]]


class InputWatch:
    """Watches the inputs of a version.

    Args:
        declared: What the guardrail file says of its features, by name.
        per_second: False alarms a second that the detectors of all shares may cost together.
        events: Rows from which its profile is learned.
        span: Seconds that they cover at least.
        window: Seconds that a window of drift lasts at least: a season of the traffic.

    Attributes:
        profile: What the rows are held against; None before there is one.
        inherited: Whether it is another version's.
    """

    def __init__(
        self,
        declared: Mapping[str, Declared],
        per_second: float,
        events: int = 2000,
        span: float = 0.0,
        window: float = 0.0,
    ) -> None:
        self.profile: Profile | None = None
        self.inherited = False
        self._declared = declared
        self._events, self._span, self._window = events, span, window
        self._builder: ProfileBuilder | None = self._new_builder()
        self._faults = FaultWatch(limits_of(declared, {}), per_second)
        self._pending = Pending()
        self._rows = 0
        self._last = 0.0
        self._closed: float | None = None
        self._learn = True
        self._errors: Counter[str] = Counter()
        self._appeared: list[str] = []
        self._found: Found = frozenset()
        self._report: InputReport | None = None  # of the last row; it is asked for more often than rows come
        self._arrange()

    def _new_builder(self) -> ProfileBuilder:
        return ProfileBuilder({name: declared.kind for name, declared in self._declared.items()})

    def _arrange(self) -> None:
        """Make everything that depends on the profile."""
        columns = {} if self.profile is None else self.profile.columns
        self._known = columns.keys() | self._declared.keys()
        self._layout = Layout(watched(self._declared, columns), self._declared)
        self._checks = Checks(self._layout, self._declared, columns)
        self._comparison = Comparison(self._layout, self.profile, self._window)
        output = None if self.profile is None else self.profile.output
        self._outputs = Outputs(() if output is None else output.counts)

    def inherit(self, profile: Profile) -> None:
        """Hold the rows against another version's profile until this one's own is learned; nothing once it is."""
        if self.profile is None or self.inherited:
            self._adopt(profile, inherited=True)

    def _adopt(self, profile: Profile, *, inherited: bool) -> None:
        self.profile, self.inherited = profile, inherited
        self._appeared = []
        self._report = None
        self._arrange()
        self._faults.hold_to(limits_of(self._declared, profile.columns), rebinned=True)
        self._found = self._findings()

    def update(self, features: Row | None, output: float | str | None, mark: float, at: float, *, learn: bool = True) -> bool:
        """Take a row.

        Args:
            features: By name; values of any type.
            output: What the model said: a score, a number, or a class.
            mark: Event time, epoch seconds.
            at: When it came, epoch seconds; blocks close by it.
            learn: Whether the row is what is normal, as far as is known.

        Returns:
            Whether a finding came or went. A row with a time that is not finite is not looked at.
        """
        if not (math.isfinite(mark) and math.isfinite(at)):
            return False
        changed = self._close() if self._pending.due(at) else False
        self._report = None
        self._rows += 1
        self._last = max(self._last, at)
        self._learn = learn
        features = _NO_FEATURES if features is None else features
        if learn and self._builder is not None:
            self._builder.add(features, output, mark)
        self._pending.add(features, output, mark, at, self._layout.names)
        return self._close() or changed if self._pending.full else changed

    def _close(self) -> bool:
        """Count the block; gives whether a finding came or went."""
        pending, self._pending = self._pending, Pending()
        seconds = max(0.0, pending.at - (pending.began if self._closed is None else self._closed))
        self._closed = pending.at if self._closed is None else max(pending.at, self._closed)
        block = block_of(self._layout, pending.rows, pending.marks)
        tally = self._checks.tally(block)
        self._faults.take(self._layout, tally, seconds, block.marks[0])
        outputs = self._count_outputs(pending, tally)
        self._comparison.take(block, outputs, pending.began, pending.at)
        self._errors.update(dict(zip(FAULTS, tally.hard.sum(axis=0).tolist(), strict=True)))
        self._notice(pending.rows)
        before, self._found = self._found, self._findings()
        if self._builder is not None:
            self._learned(self._builder, {kind for kind, *_ in self._found - before})
        return self._found != before

    def _count_outputs(self, pending: Pending, tally: Tally) -> list[int]:
        """Show the outputs to the detectors of missing values; gives their counts, or nothing where the profile has none."""
        if self.profile is None or self.profile.output is None or not self._outputs.cells:
            return []
        bins = bins_of(self.profile.output, pending.outputs)
        self._faults.compare(self._layout, tally, bins, self._outputs)
        return self._outputs.count(bins)

    def _notice(self, rows: list[Row]) -> None:
        """Note columns that the profile does not know."""
        if self.profile is None or len(self._appeared) >= MOST:
            return
        for row in rows:
            if row.keys() <= self._known:
                continue
            new = [name for name, value in row.items() if name not in self._known and clean(value) is not None]
            fitting = [name for name in new if len(name) <= LONGEST_NAME and name not in self._appeared]
            self._appeared.extend(fitting[: MOST - len(self._appeared)])

    def _learned(self, builder: ProfileBuilder, came: set[str]) -> None:
        """Start over after a fault; take over what was learned once it is enough, and never while nothing may be learned."""
        if came & _FAULTS:
            self._builder = self._new_builder()
        elif self._learn and builder.ready(self._events, self._span):
            self._builder = None
            self._adopt(builder.build(), inherited=False)

    def _findings(self) -> Found:
        return frozenset(chain(self._faults.found(), self._comparison.found()))

    def report(self) -> InputReport:
        """Everything that is found now."""
        if self._report is None:
            self._report = self._new_report()
        return self._report

    def _new_report(self) -> InputReport:
        return InputReport(
            rows=self._rows,
            learned=self._events if self._builder is None else self._builder.n,
            needed=self._events,
            last=self._last,
            judged=self.profile is not None,
            hard=ranked(self._faults.findings("hard")),
            soft=ranked(self._faults.findings("soft")),
            missing=ranked(self._faults.findings("missing")),
            swapped=ranked(self._comparison.swapped(self._declared)),
            drifted=ranked(self._comparison.drifted()),
            evidence={
                "records": self._faults.evidence("hard", "soft"),
                "missing": self._faults.evidence("missing"),
                "drift": self._comparison.evidence(),
            },
            errors={fault: self._errors[fault] for fault in FAULTS},
            stale=tuple(self._faults.stale()),
            appeared=tuple(self._appeared),
        )

    def apart(self, other: InputWatch) -> str:
        """In what the traffic of this version differs materially from an older one's, in a few words; nothing where it does not.

        The last rows of both are compared column by column, 300 with a value at least, in the bins of the older one's profile.
        """
        profile = other.profile or self.profile
        found = None if profile is None else self._comparison.farthest(other._comparison, profile.columns)
        if found is None:
            return ""
        return f"{found[0]} is distributed otherwise in their predictions (population stability {found[1]:.2f})"

    def to_state(self) -> State:
        """Plain data for `from_state`."""
        return {
            "v": 1,
            "profile": None if self.profile is None else self.profile.to_state(),
            "inherited": self.inherited,
            "builder": None if self._builder is None else self._builder.to_state(),
            "faults": self._faults.to_state(),
            "comparison": self._comparison.to_state(),
            "outputs": self._outputs.to_state(),
            "pending": self._pending.to_state(),
            "rows": self._rows,
            "last": self._last,
            "closed": self._closed,
            "learn": self._learn,
            "errors": {fault: self._errors[fault] for fault in FAULTS},
            "appeared": list(self._appeared),
        }

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, object],
        declared: Mapping[str, Declared],
        per_second: float,
        events: int = 2000,
        span: float = 0.0,
        window: float = 0.0,
    ) -> InputWatch:
        """Rebuild what `to_state` described; what is declared may have changed. ValueError for another version."""
        s = checked(state, "input watch", 1)
        watch = cls(declared, per_second, events, span, window)
        if s["profile"] is not None:
            watch._adopt(Profile.from_state(s["profile"]), inherited=s["inherited"])
        watch._builder = None if s["builder"] is None else ProfileBuilder.from_state(s["builder"])
        watch._faults.restore(s["faults"])
        watch._comparison.restore(s["comparison"])
        watch._outputs = Outputs.from_state(s["outputs"])
        watch._pending = Pending.from_state(s["pending"])
        watch._rows, watch._last, watch._closed, watch._learn = s["rows"], s["last"], s["closed"], s["learn"]
        watch._errors, watch._appeared = Counter(s["errors"]), list(s["appeared"])
        watch._found = watch._findings()
        return watch
