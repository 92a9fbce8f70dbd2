"""What stands on the first page: how the watch itself is, what is open, and every model with the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from daemon.page import words
from daemon.page.sight import Sight

#: Open incidents and ended ones that are listed.
OPEN_SHOWN: Final = 100
ENDED_SHOWN: Final = 5
#: A clock of events so far behind that of the wall (seconds) is told: what is shown is no longer the present.
BEHIND: Final = 60.0
#: A version without a prediction for so long (seconds, or this many of its mean gaps) is said to get none now.
QUIET: Final = 5.0
QUIET_GAPS: Final = 30.0
#: Reasons for `unknown` that leave nothing unseen: there is nothing to judge.
MOOT: Final = frozenset({"no_older_version"})
#: Unknown things that one line names.
NAMED: Final = 2
#: What a person wants to know first; rules that a file adds come after these.
FIRST: Final = ("harm", "labels", "traffic", "version", "records", "completeness", "drift")

Data = dict[str, Any]
_SEVERITIES: Final = ("log", "ticket", "page")
_STATES: Final = ("breach", "unknown", "ok")


@dataclass(frozen=True, slots=True)
class Banner:
    """A state and a sentence, in large letters."""

    state: str
    text: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A model on the first page, in a line or two.

    `nearest` is the verdict that is closest to an alarm, None where nothing is near; `open` counts its open incidents.
    """

    name: str
    path: str
    state: str
    text: str
    traffic: str
    nearest: Data | None
    open: int


def live(sight: Sight, model: str | None = None) -> list[Data]:
    """The incidents that are not resolved, in the order of the commands and the API (`alerting.priority`)."""
    return sight.queue(model, None, OPEN_SHOWN)


def front(sight: Sight, now: float) -> Data:
    """Everything on the first page; `now` is wall time, epoch seconds."""
    queue, models = live(sight), sight.models()
    tiles = sorted((tile(model, queue) for model in models), key=_worst_first)
    return {
        "now": now,
        "banners": [*watch(sight, now), *_verdict(queue, tiles)],
        "on_call": sight.on_call(now),
        "queue": queue,
        "tiles": tiles,
        "ended": sight.incidents(None, "resolved", ENDED_SHOWN),
    }


def watch(sight: Sight, now: float) -> list[Banner]:
    """What keeps this page from showing the present; nothing while all is well."""
    alive, ready, models = sight.alive(), sight.ready(), sight.models()
    found = []
    if not alive.ok:
        found.append(Banner("breach", f"watchkeeper hangs: {alive.reason}. Nothing below is sure to be current."))
    if not ready.ok:
        found.append(Banner("breach", f"watchkeeper does not watch: {ready.reason}."))
    elif not models:
        found.append(Banner("unknown", f"No model is watched from here: {ready.reason}. Incidents below may have changed since."))
    clock = max((model["clock"] for model in models), default=now)
    if now - clock > BEHIND:
        text = f"Behind: events are read up to {words.moment(clock, now)} UTC, {words.span(now - clock)} ago."
        found.append(Banner("unknown", text))
    return found


def _verdict(queue: Sequence[Data], tiles: Sequence[Tile]) -> list[Banner]:
    if queue:
        counts = [(sum(one["severity"] == severity for one in queue), severity) for severity in reversed(_SEVERITIES)]
        parts = ", ".join(_count(count, severity) for count, severity in counts if count)
        return [Banner("breach", f"{_count(len(queue), 'incident')} open: {parts}.")]
    if not tiles:
        return []
    dark = sum(tile.state != "ok" for tile in tiles)
    if dark:
        what = f"{dark} of {_count(len(tiles), 'model')} cannot be judged in full"
        return [Banner("unknown", f"No incident is open. {what}.")]
    which = "the model is" if len(tiles) == 1 else f"all {len(tiles)} models are"
    return [Banner("ok", f"All quiet. No incident is open, {which} within limits.")]


def _count(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def _worst_first(tile: Tile) -> tuple[bool, int, float, str]:
    nearest = 0.0 if tile.nearest is None else float(tile.nearest["evidence"])
    return not tile.open, _STATES.index(tile.state), -nearest, tile.name


def arrives(version: Mapping[str, Any], clock: float) -> bool:
    """Whether predictions of a version come now."""
    return clock - float(version["last_seen"]) <= max(QUIET, QUIET_GAPS * float(version["gap"]))


def current(model: Data) -> list[Data]:
    """The verdicts that count now: of the model as a whole, and of the versions that get predictions (all where none does)."""
    names = {version["name"] for version in model["versions"] if arrives(version, model["clock"])}
    return [one for one in model["verdicts"] if not one["version"] or not names or one["version"] in names]


def state_of(verdicts: Sequence[Data]) -> str:
    """The worst of some verdicts; without any, nothing is known."""
    states = {one["state"] for one in verdicts if one["state"] != "unknown" or one["reason"] not in MOOT}
    return next((state for state in _STATES if state in states), "unknown")


def rate(version: Mapping[str, Any]) -> float | None:
    """Predictions a second of late, None where that is not known."""
    trail = version["trail"]
    if len(trail) < 2:  # noqa: PLR2004 - between two
        return None
    last = trail[-1]
    first = next((point for point in reversed(trail) if last.at - point.at >= 10.0), trail[0])  # noqa: PLR2004 - seconds
    return float((last.predictions - first.predictions) / (last.at - first.at))


def tile(model: Data, queue: Sequence[Data]) -> Tile:
    """A model on the first page."""
    verdicts = current(model)
    state = state_of(verdicts)
    mine = [one for one in queue if one["model"] == model["model"]]
    return Tile(
        name=model["model"],
        path=words.model_path(model["model"]),
        state=state,
        text=_said(verdicts, state),
        traffic=_traffic(model),
        nearest=max((one for one in verdicts if one["evidence"] > 0.0), key=lambda one: float(one["evidence"]), default=None),
        open=len(mine),
    )


def weight(verdict: Data) -> int:
    """The place of a verdict's rule among those that a person asks for first."""
    return FIRST.index(verdict["rule"]) if verdict["rule"] in FIRST else len(FIRST)


def _said(verdicts: Sequence[Data], state: str) -> str:
    """Why a model is in its state: the sentences behind it."""
    if state == "ok":
        rules = list(dict.fromkeys(one["rule"] for one in verdicts if one["state"] == "ok"))
        return f"{', '.join(rules)} within limits"
    behind = [one for one in verdicts if one["state"] == state and one["reason"] not in MOOT]
    if not behind:
        return "nothing was judged yet"
    behind.sort(key=weight)
    texts = list(dict.fromkeys(f"{one['rule']}: {words.clean(one['text'], 200)}" for one in behind))
    more = f" (and {len(texts) - NAMED} more)" if len(texts) > NAMED else ""
    return "; ".join(texts[:NAMED]) + more


def _traffic(model: Data) -> str:
    """Which versions get predictions."""
    serving = [version for version in model["versions"] if arrives(version, model["clock"])]
    if not serving:
        seen = max((float(version["last_seen"]) for version in model["versions"]), default=None)
        return "no prediction yet" if seen is None else f"no prediction for {words.span(model['clock'] - seen)}"
    parts = []
    for version in serving[:3]:
        per_second = rate(version)
        speed = "" if per_second is None else f" {pace(per_second)}"
        parts.append(f"version {words.name(version['name'])} {version['stage']}{speed}")
    return ", ".join(parts) + (f" and {len(serving) - 3} more" if len(serving) > 3 else "")  # noqa: PLR2004 - as above


def pace(per_second: float) -> str:
    """A rate in a unit that gives a number over one."""
    for factor, unit in ((1.0, "s"), (60.0, "min"), (3600.0, "h")):
        if per_second * factor >= 1.0 or unit == "h":
            return f"{words.number(round(per_second * factor, 1))}/{unit}"
    return ""
