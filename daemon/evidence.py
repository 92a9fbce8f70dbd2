"""What is measured on the inputs of one model as they arrive: what is wrong with them, what is missing, what moved.

One detector a version that serves holds its inputs against a profile; ADWIN beside it, over all versions, says within some tens
of predictions which numbers moved. None of this is an alarm about harm: it explains one, or opens a ticket.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from detectors.drift import FeatureChange, FeatureDrift
from detectors.inputs import InputReport, InputWatch
from detectors.profile import output_of
from detectors.quality import Declared

if TYPE_CHECKING:
    from daemon.events import Prediction
    from daemon.guardrails import Guardrail
    from daemon.versions import Version

#: Of a model that predicted `SPAN` times in less than `BUSY` seconds, the detectors see one prediction in `STRIDE`: at that pace
#: they lose nothing that matters, and the loop keeps a third of its time.
SPAN: Final = 1_000
BUSY: Final = 20.0
STRIDE: Final = 4
#: Arms of a canary whose label coverage differs by more than this share are no fair samples of the same traffic.
COVERAGE_APART: Final = 0.2
#: Predictions without a value after which a feature's detector counts as not updated, and after which the feature as gone.
LATE: Final = 640
GONE: Final = 10_000
#: Predictions of an arm before its coverage is compared.
COVERAGE_FROM: Final = 200


class Evidence:
    """Shows predictions to the detectors of inputs, and remembers what they found.

    Args:
        guardrail: declares features, and names a profile for the first version.
    """

    def __init__(self, guardrail: Guardrail) -> None:
        self.restarted = 0  # times that the detectors started over, because another River had written their state
        self._guardrail = guardrail
        self._declared = {
            name: Declared(
                feature.type,
                feature.minimum,
                feature.maximum,
                feature.missing,
                None if feature.values is None else frozenset(feature.values),
            )
            for name, feature in guardrail.features.items()
        }
        self._watches: dict[str, InputWatch] = {}
        self._drift = FeatureDrift()
        self._arrived = 0
        self._stride = 1
        self._span_began = 0.0

    def sample(self, event: Prediction, older: str | None, learn: bool) -> None:
        """Take a live or canary prediction.

        Args:
            event: the prediction.
            older: the version known to be good from which a newer one starts.
            learn: whether what is normal may be learned from it: no incident is open.
        """
        self._arrived += 1
        if self._arrived % SPAN == 0:
            self._stride = STRIDE if event.at - self._span_began < BUSY else 1
            self._span_began = event.at
        if self._arrived % self._stride:
            return
        self._drift.update(event.features, event.score, event.ts)
        watch = self._watches.get(event.version) or self._begin(event.version, older)
        said = output_of(self._guardrail.task, self._guardrail.positive, event.prediction, event.score, event.scores)
        watch.update(event.features, said, event.ts, event.at, learn=learn)

    def _begin(self, version: str, older: str | None) -> InputWatch:
        watch = self._watches[version] = self._watch()
        before = self._watches.get(older or "")
        profile = self._guardrail.profile if before is None else before.profile
        if profile is not None:
            watch.inherit(profile)
        return watch

    def _watch(self) -> InputWatch:
        reference = self._guardrail.reference
        return InputWatch(
            self._declared,
            self._guardrail.false_pages.per_second,
            reference.events,
            reference.span,
            window=reference.span,
        )

    def forget(self, version: str) -> None:
        """Drop a version."""
        self._watches.pop(version, None)

    def reports(self) -> Iterator[tuple[str, InputReport]]:
        """Give what was found on the inputs of each version."""
        for name, watch in self._watches.items():
            yield name, watch.report()

    def idle(self) -> set[str]:
        """Name the features whose drift detectors had no value of late although predictions came; not what left long ago."""
        return {name for name, known in self._drift.states().items() if LATE <= known.idle < GONE}

    def since(self, onset: float) -> list[FeatureChange]:
        """Give the features that moved since an event time, by size of effect."""
        return self._drift.changes(onset)

    def differ(self, new: Version, old: Version) -> str:
        """Say in what the traffic of two versions differs materially; nothing where it does not."""
        if min(len(new.last), len(old.last)) >= COVERAGE_FROM and abs(new.coverage - old.coverage) > COVERAGE_APART:
            return f"{100 * new.coverage:.0f} % and {100 * old.coverage:.0f} % of them have a label in time"
        one, other = self._watches.get(new.name), self._watches.get(old.name)
        return "" if one is None or other is None else one.apart(other)

    def to_state(self) -> dict[str, Any]:
        """Give everything; what River wrote is bytes."""
        return {
            "drift": self._drift.to_state(),
            "sampling": [self._arrived, self._stride, self._span_began],
            "watches": {name: watch.to_state() for name, watch in self._watches.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        saved = FeatureDrift.from_state(state["drift"])
        if saved is None:
            self.restarted += 1
        self._drift = saved or FeatureDrift()
        self._arrived, self._stride, self._span_began = state["sampling"]
        reference = self._guardrail.reference
        for name, kept in state.get("watches", {}).items():
            self._watches[name] = InputWatch.from_state(
                kept,
                self._declared,
                self._guardrail.false_pages.per_second,
                reference.events,
                reference.span,
                window=reference.span,
            )
