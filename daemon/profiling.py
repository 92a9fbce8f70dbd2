"""A profile from recorded events: what went in, what came out, and what it cost where there are labels.

The labels go through the daemon's own join, so that the losses are those that the daemon would have learned from: in the order of
prediction, and only those whose label was there at the age at which it counts them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from daemon.errors import CannotStart
from daemon.events import Label, Prediction, Rejected
from daemon.join import Join, Joined
from daemon.losses import loss_of
from daemon.replay import parse_line
from daemon.store import MemoryStore
from detectors.profile import Kind, Profile, ProfileBuilder, output_of
from detectors.reference import ReferenceBuilder

if TYPE_CHECKING:
    from daemon.guardrails import Guardrail

#: Events between two savings of the join: what is saved takes a quarter of the room.
SAVE_EVERY: Final = 20_000


def kinds_of(guardrail: Guardrail) -> dict[str, Kind]:
    """Give what the file says that its features are."""
    return {name: feature.type for name, feature in guardrail.features.items()}


class EventProfile:
    """Makes a profile of one version from recorded events.

    Args:
        guardrail: of the model.
        version: only its events; None: there must be one version only.
        leave_out: names that are no features.
    """

    def __init__(self, guardrail: Guardrail, version: str | None = None, leave_out: frozenset[str] = frozenset()) -> None:
        self.others = 0
        self.rejected: Counter[str] = Counter()
        self.unscored = 0
        self._guardrail = guardrail
        self._version = version
        self._chosen = version is not None
        self._leave_out = leave_out
        self._loss = loss_of(guardrail)
        self._join = Join(MemoryStore(), guardrail.model)
        self._rows = ProfileBuilder(kinds_of(guardrail))
        self._losses = ReferenceBuilder()
        self._clock: float | None = None

    def run(self, lines: Iterable[bytes]) -> None:
        """Take lines in the order of arrival.

        Raises:
            CannotStart: there are predictions of more versions than one, and none was chosen.
        """
        age, join = self._guardrail.labels.expected_within, self._join
        for number, line in enumerate(lines, start=1):
            try:
                event = parse_line(line, self._clock)
            except Rejected as rejected:
                self.rejected[rejected.reason] += 1
                continue
            clock = self._clock = event.at if self._clock is None else max(self._clock, event.at)
            if event.model != self._guardrail.model:
                self.others += 1
            elif isinstance(event, Prediction):
                self._predicted(event)
            elif isinstance(event, Label):
                join.label(event)
            for joined in join.mature(clock, age):
                self._mature(joined)
            if number % SAVE_EVERY == 0:
                join.expire(clock, self._guardrail.labels.give_up_after)
                join.save()

    def _predicted(self, event: Prediction) -> None:
        if self._version is None:
            self._version = event.version
        if event.version != self._version:
            if not self._chosen:
                raise CannotStart(
                    f"the events hold predictions of more than one version of {event.model} ({self._version} and "
                    f"{event.version}); a profile is of one: name it with --version"
                )
            self.others += 1
        elif self._join.predict(event):
            guardrail, features = self._guardrail, None
            if self._rows.wanted:
                features = {name: value for name, value in event.features.items() if name not in self._leave_out}
            said = output_of(guardrail.task, guardrail.positive, event.prediction, event.score, event.scores)
            self._rows.add(features, said, event.at)

    def _mature(self, joined: Joined) -> None:
        prediction = joined.prediction
        if joined.label is not None:
            loss = self._loss(prediction.prediction, prediction.score, prediction.scores, joined.label)
            if loss is not None:
                self._losses.add(loss, joined.delay, prediction.at)
                return
            self.unscored += 1
        self._losses.add_unlabelled(prediction.at)

    def profile(self) -> Profile:
        """Give the profile of what was taken.

        Raises:
            CannotStart: there was no prediction.
        """
        if self._rows.n == 0:
            version = f", version {self._version}" if self._version is not None else ""
            raise CannotStart(f"the events hold no prediction of {self._guardrail.model}{version}{_also(self._left_out())}")
        timed = self._losses.n + self._losses.unlabelled > 0
        if not timed:
            # Nothing grew as old as labels may get: a file without real times, or a short one. Its labels tell of losses only.
            for joined in self._join.mature(math.inf, self._guardrail.labels.expected_within):
                if joined.label is not None:
                    self._mature(joined)
        profile = self._rows.build()
        if self._losses.n == 0:
            return profile
        loss = self._losses.build(self._guardrail.labels.expected_within)
        # A delay of nothing is no delay: predictions and labels were put side by side afterwards.
        return replace(profile, loss=loss, timed=timed and loss.delay > 0.0)

    def notes(self) -> list[str]:
        """Give what the reader of the profile should know, a sentence each."""
        notes = [f"left out: {', '.join(left)}"] if (left := self._left_out()) else []
        if self.unscored:
            notes.append(f"{self.unscored:,} labels gave no loss {self._guardrail.loss}: what it needs was not in the prediction")
        return notes

    def _left_out(self) -> list[str]:
        others = [f"{self.others:,} events of other models or versions"] if self.others else []
        return others + [f"{count:,} lines refused as {reason}" for reason, count in sorted(self.rejected.items())]


def _also(left_out: list[str]) -> str:
    return f"; there are {', '.join(left_out)}" if left_out else ""
