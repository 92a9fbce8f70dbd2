"""What is normal for the versions of a model: learned once, from mature labels of quiet times; only a person lets it rise.

A reference that followed the stream would forgive every slow harm. So a version learns once, while no incident is open. Later a
long quiet stretch may show that the version has become better; then its limit falls. Each such look spends half of what is left
of one chance in a hundred to be wrong, so that many looks are not many chances.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from detectors.reference import RecentLosses, Reference, ReferenceBuilder, limit_of

if TYPE_CHECKING:
    from daemon.guardrails import Guardrail
    from daemon.join import Joined
    from daemon.versions import Version

#: A quiet stretch that may lower a limit has so many labels, and covers so many seconds: a week, with its weekend.
REFIT_LABELS: Final = RecentLosses.CHUNK * RecentLosses.CHUNKS
REFIT_SPAN: Final = 7 * 86400.0
#: The chance that the first reference of a version bounds its mean too low; all later ones together have as much.
DOUBT: Final = 0.01


class Learning:
    """Learns references, and sets the limits that follow.

    Args:
        guardrail: how much is to be learned, and the tolerance.
    """

    def __init__(self, guardrail: Guardrail) -> None:
        self.guardrail = guardrail
        self.age = guardrail.labels.expected_within  # the age h at which labels are looked at
        self._learned = False

    def begin(self, version: Version) -> None:
        """Hold a version that follows none to the profile that the guardrail file names, if that has losses."""
        profile, labels = self.guardrail.profile, self.guardrail.labels
        reference = None if profile is None else profile.reference(self.age, labels.minimum_coverage)
        if profile is None or reference is None:
            return
        if profile.timed and not self._learned:
            self.age, self._learned = reference.delay, True
            version.segments.settle_age(self.age)
        version.inherit(reference, self.limit(reference))

    def take(self, version: Version, loss: float | None, joined: Joined, quiet: bool, holds: bool) -> None:
        """Take a prediction at age h.

        Args:
            version: whose it is.
            loss: where it has a label.
            joined: the prediction.
            quiet: no incident is open.
            holds: a newer version was found not to be worse than the older one, or has none to be set against.
        """
        if version.reference is not None:
            if loss is not None:
                self._refit(version, joined.prediction.at, quiet)
            return
        if not quiet and version.inherited is not None:
            version.builder = ReferenceBuilder()  # a reference must not be learned from harm
            return
        builder = version.builder
        if loss is None:
            builder.add_unlabelled(joined.prediction.at)
            return
        builder.add(loss, joined.delay, joined.prediction.at)
        wanted = self.guardrail.reference
        if not builder.ready(wanted.events, wanted.span) or not holds:
            return
        reference = builder.build(self.age, self.age if self._learned else None)
        version.builder = ReferenceBuilder()
        if not self._learned:
            self.age, self._learned = reference.delay, True
            version.segments.settle_age(self.age)
        version.learn(reference, self.limit(reference))
        if version.inherited is None:
            version.set_coverage(reference.coverage)

    def _refit(self, version: Version, at: float, quiet: bool) -> None:
        """Let the limit fall after a long quiet stretch."""
        if not quiet:
            version.calm = (0, at)
            return
        labels, since = version.calm
        version.calm = (labels + 1, since or at)
        if labels < REFIT_LABELS or at - since < max(REFIT_SPAN, self.guardrail.reference.span) or version.harm is None:
            return
        version.refits += 1
        version.calm = (0, at)
        sample = version.recent.sample(1.0 if version.reference is None else version.reference.tau)
        doubt = DOUBT * 0.5**version.refits
        limit = limit_of(sample, self.guardrail.tolerance_over(sample.mean), self.guardrail.limit, 1.0 - doubt)
        if limit < version.harm.limit:
            version.set_limit(limit)

    @property
    def settled(self) -> bool:
        """Whether the age h was learned."""
        return self._learned

    def limit(self, reference: Reference) -> float:
        """Give the limit that follows from a reference."""
        return limit_of(reference, self.guardrail.tolerance_over(reference.mean), self.guardrail.limit)

    def follow(self, versions: Iterable[Version]) -> None:
        """Set the limits anew after the guardrail file changed: that is a person's decision, so they may rise."""
        self.age = min(self.age, self.guardrail.labels.expected_within)
        for version in versions:
            reference = version.reference or version.inherited
            if reference is not None:
                version.set_limit(self.limit(reference))
            wanted = self.guardrail.reference
            version.segments.hold_to(self.guardrail.tolerance_over, self.guardrail.limit, wanted.events, wanted.span)

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {"age": self.age, "learned": self._learned}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self.age, self._learned = state["age"], state["learned"]
