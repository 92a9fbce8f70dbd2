"""A route's rate budget, and the one notice that takes the place of a flood.

When thirty models break at once, thirty pages tell less than one that lists them. So a route may say `at_most: 5 per 10m`: while
there is room each notice goes by itself, at once, and the last of the room is used for a digest of all that wait. What comes
while there is none is held for the next digest, for the length of the rate's period at most. Nobody waits for a group
to fill up before the first page.

Two things keep this honest. Pages and tickets are counted apart: a flood of tickets holds up no page. And what is told keeps
its order within a problem: a resolve is never held for want of room, but where the page before it still is, both are told in
the digest. The rest here is pure; only a lane knows what was sent, and forgets it with the process: after a crash it may send a
few more, and loses nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from alerting.incidents import SEVERITIES, Severity
from alerting.intents import Intent, Kind
from alerting.limits import clip, encoded
from alerting.notice import Notice, summary
from alerting.periods import Rate

#: Intents that one digest tells: receivers cut lists, and who reads at night reads no more.
MOST: Final = 100
#: Characters of the sentence about one of them.
SENTENCE_LIMIT: Final = 200
#: What a budget counts.
COUNTED: Final[tuple[Kind, ...]] = ("page", "ticket")


class Budget:
    """What a route may still be sent in the present. Times are epoch seconds."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._sent: dict[Kind, list[float]] = {kind: [] for kind in COUNTED}

    def room(self, now: float) -> dict[Kind, int]:
        """How many more of each kind may be sent at `now`; never less than none."""
        return {kind: max(0, self._rate.count - len(self._recent(kind, now))) for kind in COUNTED}

    def opens(self, now: float) -> float:
        """When there is room again for a kind that has none at `now`; `now` when each has some."""
        full = [sent for kind in COUNTED if len(sent := self._recent(kind, now)) >= self._rate.count]
        return min((sent[-self._rate.count] + self._rate.seconds for sent in full), default=now)

    def spend(self, intents: Iterable[Intent], now: float) -> None:
        """These were sent, in one notice."""
        for kind in {kind for intent in intents if (kind := counted(intent)) is not None}:
            self._sent[kind] = [*self._recent(kind, now), now]

    def _recent(self, kind: Kind, now: float) -> list[float]:
        # What lies in the future was sent before the clock was set back: it must not hold up a page.
        return [at for at in self._sent[kind] if at <= now < at + self._rate.seconds]


def choose(queue: Sequence[Intent], room: Mapping[Kind, int]) -> tuple[Intent, ...]:
    """What of a queue is to be sent now: nothing, one intent, or several as one digest.

    A kind that is not in `room` is never held.
    """
    held: dict[str, Intent] = {}
    for intent in queue:
        problem, kind = problem_of(intent), counted(intent)
        left = 2 if kind is None else room.get(kind, 2)
        if left <= 0:
            held.setdefault(problem, intent)
        elif kind == "page" or problem not in held:
            # Of its problem a ticket may be held: it goes before the page.
            together = _together(queue, intent) if left == 1 else ()
            return together or (held.get(problem, intent),)
    return ()


def counted(intent: Intent) -> Kind | None:
    """What a budget counts it as; None for what is never held: an end, an acknowledgement, and what is no notice."""
    return intent.kind if intent.kind in COUNTED and intent.body.get("event") != "acknowledge" else None


def problem_of(intent: Intent) -> str:
    """What joins page, news and end of one problem; of what is no notice, its own key."""
    return str(intent.body.get("dedup_key", intent.key))


def key_of(intents: Iterable[Intent]) -> str:
    """The key of a digest of these: the same when it is sent again."""
    return f"digest:{hashlib.sha256(encoded([intent.key for intent in intents])).hexdigest()[:12]}"


def digest_of(told: Mapping[str, Notice | None], *, key: str, at: float, rate: Rate | None) -> Notice:
    """One notice for many, `told` by the keys of their intents in order; None where one cannot be read.

    Of each problem the last news is told, pages first.
    """
    problems: dict[str, dict[str, Any]] = {}
    for own, notice in told.items():
        entry = _unreadable(own) if notice is None else _entry(notice)
        problems[entry["dedup_key"]] = entry
    entries = sorted(problems.values(), key=lambda entry: -SEVERITIES.index(entry["severity"]))
    counts = Counter(entry["severity"] for entry in entries)
    parts = [f"{counts[each]} {each}{'' if counts[each] == 1 else 's'}" for each in reversed(SEVERITIES) if counts[each]]
    why = "" if rate is None else f", over the {rate} that this route takes one by one"
    severity: Severity = entries[0]["severity"]
    return Notice(
        key=key,
        dedup_key=key,
        event="digest",
        severity=severity,
        cause="digest",
        reason=f"{' and '.join(parts)} at once{why}",
        at=at,
        notices=tuple(entries),
    )


def _together(queue: Sequence[Intent], first: Intent) -> tuple[Intent, ...]:
    """All that waits of the problems that `first` and its like are about, in order; nothing when it is one intent."""
    problems = {problem_of(intent) for intent in queue if counted(intent) == first.kind}
    found = tuple(intent for intent in queue if problem_of(intent) in problems and intent.kind != "journal")
    return found[:MOST] if len(found) > 1 else ()


def _entry(notice: Notice) -> dict[str, Any]:
    short = replace(notice, reason=clip(notice.reason, SENTENCE_LIMIT))
    return {
        "event": notice.event,
        "key": notice.key,
        "dedup_key": notice.dedup_key,
        "incident": notice.incident,
        "severity": notice.severity,
        "model": None if notice.model is None else clip(notice.model, SENTENCE_LIMIT),
        "summary": clip(summary(short), SENTENCE_LIMIT),
    }


def _unreadable(key: str) -> dict[str, Any]:
    return {
        "event": "trigger",
        "key": key,
        "dedup_key": key,
        "incident": None,
        "severity": "page",
        "model": None,
        "summary": clip(f"{key} cannot be read by this release", SENTENCE_LIMIT),
    }
