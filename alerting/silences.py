"""Silences: who wants no pages of what, why, and until when.

A silence mutes pages and tickets. It never hides the incident, which opens, is acknowledged and resolves as ever, and it holds up
no rollback: whoever silences a model that is being worked on does not want it to do harm meanwhile. Nor does it mute the end of
what was told before.

People forget silences, and a forgotten one hides the next real drop. So each has an author, a reason and an end that is at most
a month away, it can be ended sooner and never prolonged (make another), and what it muted is told when it ends while the
incident is still open.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from alerting.errors import InvalidSilence
from alerting.facts import Facts, fits
from alerting.formats import read_record, rfc3339, write_record

#: Seconds that a silence may last. What is never to page again belongs into the guardrail file, with `severity: log`.
LONGEST: Final = 31 * 86_400.0
#: Characters of an author, a reason, a matcher.
TEXT_LIMIT: Final = 1000

#: The matcher that everything fits.
ANY: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Mute what fits all three globs, from `starts` up to `ends` (epoch seconds). `made` says when it was asked for.

    `ended_by` is who ended it sooner than it was to end.
    """

    id: str
    author: str
    reason: str
    made: float
    starts: float
    ends: float
    model: str = ANY
    cause: str = ANY
    owner: str = ANY
    ended_by: str | None = None

    def mutes(self, facts: Facts, at: float) -> bool:
        """Whether a page or a ticket of this is muted at `at` (epoch seconds)."""
        asked = ((self.model, facts.model), (self.cause, facts.cause), (self.owner, facts.owner))
        # The daemon's own trouble has no model: a silence that names one never mutes it.
        return self.starts <= at < self.ends and all(pattern == ANY or fits(value, [pattern]) for pattern, value in asked)

    def __str__(self) -> str:
        named = ((name, getattr(self, name)) for name in ("model", "cause", "owner"))
        what = " ".join(f"{name}={pattern}" for name, pattern in named if pattern != ANY) or "everything"
        return f"silence {self.id} of {self.author} over {what} until {rfc3339(self.ends)}: {self.reason}"


def new_silence(
    *,
    author: str,
    reason: str,
    at: float,
    ends: float,
    starts: float | None = None,
    model: str | None = None,
    cause: str | None = None,
    owner: str | None = None,
) -> Silence:
    """A silence that is asked for at `at`, from then on unless `starts` is later. Times are epoch seconds.

    What is not named may be any, but one must be named: `model="*"` silences everything. The id is made from what is asked for:
    asked for twice, it is one silence. Raises InvalidSilence with every problem, a sentence each.
    """
    begins = at if starts is None else max(starts, at)
    texts = {"author": author, "reason": reason, "model": model, "cause": cause, "owner": owner}
    problems = [f"{name}: must not be empty" for name, text in texts.items() if text is not None and not text.strip()]
    problems += [f"{name}: must not be longer than {TEXT_LIMIT}" for name, text in texts.items() if len(text or "") > TEXT_LIMIT]
    if model is None and cause is None and owner is None:
        problems.append("model: name a model, a cause or an owner; `*` is all of them")
    problems += [f"ends: {wrong}" for wrong in _wrong_end(at, begins, ends)]
    if problems:
        raise InvalidSilence("; ".join(problems))
    said = json.dumps([author, reason, starts, ends, model, cause, owner], separators=(",", ":"))
    return Silence(
        id=hashlib.sha256(said.encode("ascii")).hexdigest()[:12],
        author=author,
        reason=reason,
        made=at,
        starts=begins,
        ends=ends,
        model=ANY if model is None else model,
        cause=ANY if cause is None else cause,
        owner=ANY if owner is None else owner,
    )


def ended(silence: Silence, by: str, at: float) -> Silence:
    """The silence, ended by a person at `at`. Raises InvalidSilence when it was over before."""
    if at >= silence.ends:
        raise InvalidSilence(f"silence {silence.id} was over at {rfc3339(silence.ends)}")
    if not by.strip():
        raise InvalidSilence("by: say who ends it")
    return replace(silence, ends=at, starts=min(silence.starts, at), ended_by=by)


def merged(silences: Iterable[Silence]) -> dict[str, Silence]:
    """Each silence by its id; of two records of one the earlier end holds, since a silence is never prolonged."""
    known: dict[str, Silence] = {}
    for silence in silences:
        before = known.get(silence.id)
        if before is None or silence.ends < before.ends:
            known[silence.id] = silence
    return known


def not_over(silences: Iterable[Silence], at: float) -> tuple[Silence, ...]:
    """Those that mute at `at` or will, the first to end first."""
    return tuple(sorted((silence for silence in silences if at < silence.ends), key=lambda each: (each.ends, each.id)))


def silenced(facts: Facts, silences: Iterable[Silence], at: float) -> Silence | None:
    """The silence that mutes this at `at`; of several the one that ends last; None when it is to be told."""
    muting = [silence for silence in silences if silence.mutes(facts, at)]
    return max(muting, key=lambda each: (each.ends, each.id), default=None)


def to_record(silence: Silence) -> dict[str, Any]:
    """The silence as plain JSON data: for the journal, the store and the API."""
    return write_record(silence)


def from_record(record: Mapping[str, Any]) -> Silence:
    """The silence of `to_record`. Raises InvalidRecord."""
    return read_record(record, Silence)


def _wrong_end(at: float, begins: float, ends: float) -> list[str]:
    if not (math.isfinite(at) and math.isfinite(begins) and math.isfinite(ends)):
        return ["must be a time"]
    if ends <= begins:
        return ["must be later than the beginning" if begins > at else "must be later than now"]
    if ends - begins > LONGEST:
        return ["must be at most 31 days away; what is never to page again is severity: log in the guardrail file"]
    return []
