"""What the page of a model and that of an incident tell: charts over the right stretch of time, rules, versions, the timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from markupsafe import Markup

from daemon.page import words
from daemon.page.chart import Frame, Line, Mark, chart
from daemon.page.queue import MOOT, Banner, arrives, current, live, pace, rate, state_of, watch, weight
from daemon.page.sight import Sight
from daemon.trail import Point

Data = dict[str, Any]

#: Widths of the drawings: one for a phone, one for a desk. The style sheet shows the one that fits.
WIDTHS: Final = (("narrow", 296.0), ("wide", 760.0))
HEIGHT: Final = 200.0
SMALL: Final = 96.0
#: Versions that a chart shows at most; more are a tangle.
LINES: Final = 3
#: Rates in a chart at most.
SPEEDS: Final = 120
#: Seconds that are shown where there is no incident, and at least before one.
HOURS: Final = 4 * 3600.0
BEFORE: Final = 20.0
#: An incident that ended less long ago (seconds) is still what the page of its model is about.
LATELY: Final = 3600.0
#: Verdicts that are listed, of each state.
RULES: Final = 60
#: A second pair of charts shows everything there is, where that is so many times as long.
LONGER: Final = 2.0

#: Lines of a timeline that are marked in the chart, by the word there.
_MARKED: Final = {"opened": "alarm", "rollback": "rollback", "rollback_confirmed": "rollback confirmed", "resolved": "recovered"}
_STATES: Final = ("breach", "unknown", "ok")


def of_model(sight: Sight, name: str, now: float) -> Data | None:
    """Everything on the page of a model; None when it is not watched and no incident of it is known."""
    model = next((one for one in sight.models() if one["model"] == name), None)
    incidents = sight.incidents(name, None, 20)
    if model is None and not incidents:
        return None
    opened = live(sight, name)
    about = _about(opened, incidents, now if model is None else model["clock"])
    page: Data = {"now": now, "name": name, "banners": watch(sight, now), "queue": opened, "model": model}
    page |= {"ended": [one for one in incidents if one["state"] == "resolved"], "about": about}
    if model is not None:
        page |= _charts(model, about) | _rules(model) | {"versions": [_version(one, model) for one in model["versions"]]}
        verdicts = current(model)
        page["state"] = state_of(verdicts)
        page["labels"] = next((one for one in model["verdicts"] if one["rule"] == "labels" and not one["version"]), None)
    return page


def of_incident(sight: Sight, identity: str, now: float) -> Data | None:
    """Everything on the page of an incident; None when there is none of that id."""
    incident = sight.incident(identity)
    if incident is None:
        return None
    model = next((one for one in sight.models() if one["model"] == incident["model"]), None)
    page: Data = {"now": now, "incident": incident, "banners": watch(sight, now), "model": model}
    page |= {"path": words.model_path(incident["model"]), "runbook": words.link(incident["runbook"])}
    page |= {"timeline": _timeline(incident), "done": _done(incident), "charts": []}
    if model is not None:
        page |= _charts(model, incident)
    return page


def _about(opened: Sequence[Data], incidents: Sequence[Data], clock: float) -> Data | None:
    """The incident that a model's page is about: the worst open one, else the latest if it ended lately."""
    if opened:
        return opened[0]
    last = next(iter(incidents), None)
    ended = None if last is None else last["resolved"]
    return last if ended is not None and clock - ended < LATELY else None


# --- the charts


def _charts(model: Data, about: Data | None) -> Data:
    """The charts of a model around an incident, or of the last hours, and of all that is known."""
    first = min((version["trail"][0].at for version in model["versions"] if version["trail"]), default=None)
    if first is None:
        return {"charts": [], "longer": [], "marks": []}
    until = model["clock"]
    since = max(first, until - HOURS)
    marks = [] if about is None else _marks(about)
    if about is not None:
        until = min(until, (about["resolved"] or until) + max(BEFORE, 0.25 * ((about["resolved"] or until) - about["onset"])))
        since = max(first, about["onset"] - max(BEFORE, until - about["onset"]))
    since = min(since, until - 1.0)
    whole = until - first > LONGER * (until - since)
    return {
        "charts": _drawn(model, about, (since, until), marks, "now"),
        "longer": _drawn(model, about, (first, model["clock"]), marks, "all") if whole else [],
        "marks": marks,
    }


def _drawn(model: Data, about: Data | None, span: tuple[float, float], marks: Sequence[Data], identity: str) -> list[Data]:
    versions = _chosen(model, about, span)
    if not versions:
        return []
    places = [Mark(one["number"], one["at"]) for one in marks]
    held = _held(versions)
    losses = [Line("harm", "limit", [(point.at, point.limit) for point in held], steps=True)]
    losses.append(Line("usual", "reference", [(point.at, point.reference) for point in held], steps=True))
    losses += [_line(one, n, [(point.at, point.mean) for point in one["trail"]]) for n, one in enumerate(versions)]
    least = max(1.0, (span[1] - span[0]) / SPEEDS)
    speeds = [_line(one, n, _speeds(one, least)) for n, one in enumerate(versions)]
    covered = [_line(one, n, [(point.at, point.coverage) for point in one["trail"]]) for n, one in enumerate(versions)]
    measure = str(model["measure"])
    return [
        {
            "title": f"{measure[:1].upper()}{measure[1:]} against its limit",
            "what": "Mean over the last 1,000 labels. Dashes: where harm begins. Dots: what is usual.",
            "drawings": _both(losses, places, span, HEIGHT, words.share, f"{identity}-loss", _told(model, versions, about)),
        },
        {
            "title": "Traffic",
            "what": "Predictions a second.",
            "drawings": _both(speeds, [], span, SMALL, words.number, f"{identity}-traffic", "Predictions a second."),
        },
        {
            "title": "Labels in time",
            "what": f"The share of predictions with a label after {words.span(model['age'])}.",
            "drawings": _both(covered, [], span, SMALL, words.share, f"{identity}-labels", "Share of predictions with a label."),
        },
    ]


def _both(
    lines: Sequence[Line],
    marks: Sequence[Mark],
    span: tuple[float, float],
    height: float,
    write: Callable[[float], str],
    identity: str,
    told: str,
) -> list[tuple[str, Markup]]:
    """One drawing for each width."""
    title = identity.partition("-")[2]
    return [
        (kind, chart(lines, marks, Frame(*span, width, height, write, f"{identity}-{kind}"), title, told))
        for kind, width in WIDTHS
    ]


def _chosen(model: Data, about: Data | None, span: tuple[float, float]) -> list[Data]:
    """The versions to draw: that of the incident first, then those with the latest traffic."""
    known = [one for one in model["versions"] if any(span[0] <= point.at <= span[1] for point in one["trail"])]
    blamed = None if about is None else about["version"]
    return sorted(known, key=lambda one: one["name"] != blamed)[:LINES]


def _held(versions: Sequence[Data]) -> list[Point]:
    """What the first version was held to; before and after its time, what the others were."""
    found: list[Point] = []
    for version in versions:
        trail: list[Point] = version["trail"]
        before = [point for point in trail if not found or point.at < found[0].at]
        found = [*before, *found, *(point for point in trail if found and point.at > found[-1].at)]
    return found


def _line(version: Data, number: int, points: list[tuple[float, float | None]]) -> Line:
    return Line("v" + words.clean(version["name"], 6), f"l{number}", points)


def _speeds(version: Data, least: float) -> list[tuple[float, float | None]]:
    """Predictions a second, over stretches of at least so many seconds: over a moment a rate is noise."""
    found: list[tuple[float, float | None]] = []
    trail: list[Point] = version["trail"]
    before = 0
    for index, point in enumerate(trail):
        long = point.at - trail[before].at
        if long >= least:
            found.append((point.at, (point.predictions - trail[before].predictions) / long))
            before = index
    return found


def _told(model: Data, versions: Sequence[Data], about: Data | None) -> str:
    """What is to be seen in the chart of losses, for who cannot see it."""
    parts = [
        f"Version {words.name(one['name'])}: {words.share(one['mean'])} now, limit {words.share(one['limit'])}, "
        f"usual {words.share(one['reference'])}."
        for one in versions
    ]
    marks = [] if about is None else _marks(about)
    parts += [f"Mark {one['number']}: {one['word']} at {words.moment(one['at'], model['clock'])} UTC." for one in marks]
    return " ".join(parts)


def _marks(incident: Data) -> list[Data]:
    """The moments of an incident that its charts show."""
    ordered = next((one["at"] for one in incident["timeline"] if one["what"] == "rollback"), None)
    moments = (
        ("onset", incident["onset"]),
        ("alarm", incident["opened"]),
        ("rollback", ordered),
        ("rollback confirmed", incident["mitigated"]),
        ("recovered", incident["resolved"]),
    )
    known = [(word, at) for word, at in moments if at is not None]
    return [{"number": number, "word": word, "at": at} for number, (word, at) in enumerate(known, start=1)]


# --- rules, versions, the timeline


def _rules(model: Data) -> Data:
    """The verdicts that count now by state, the nearest to an alarm first; those of versions without traffic apart."""
    counting = current(model)
    scopes = {(one["rule"], one["version"], one["segment"]) for one in counting}
    others = [one for one in model["verdicts"] if (one["rule"], one["version"], one["segment"]) not in scopes]
    ordered = sorted(
        counting, key=lambda one: (_STATES.index(one["state"]), one["reason"] in MOOT, -one["evidence"], weight(one))
    )
    return {"rules": ordered[:RULES], "more_rules": len(ordered[RULES:]), "other_rules": others[:RULES]}


def _version(version: Data, model: Data) -> Data:
    """A version with its traffic in words."""
    arriving = arrives(version, model["clock"])
    per_second = rate(version)
    if not arriving:
        traffic = f"none for {words.span(model['clock'] - version['last_seen'])}"
    else:
        traffic = version["stage"] + ("" if per_second is None else f", {pace(per_second)}")
    standing = "blamed" if version["blamed"] else "known to be good" if version["good"] else "not yet known to be good"
    return version | {"arrives": arriving, "traffic": traffic, "standing": standing}


def _timeline(incident: Data) -> list[Data]:
    """The lines of an incident's timeline, its onset first; those that its charts mark carry their number."""
    marks = {(one["word"], one["at"]): one["number"] for one in _marks(incident)}
    lines = [{"at": incident["onset"], "word": "onset", "detail": ": the first label that counts against it", "number": 1}]
    for entry in incident["timeline"]:
        number = marks.get((_MARKED.get(entry["what"], ""), entry["at"]))
        line = {"at": entry["at"], "word": words.event(entry["what"]), "detail": words.detail(entry), "number": number}
        lines.append(line)
    return lines


def _done(incident: Data) -> list[Data]:
    """What was done, each with what became of it."""
    ends = {act["key"]: act for act in incident["acts"]}
    found = []
    for action in (*incident["actions"], *incident["would"]):
        end = ends.pop(action["key"], None)
        became = "" if action["key"] is None else "under way" if end is None else f"{end['status']}: {end['detail']}"
        word = words.event(("would_" if incident["observe"] else "") + action["kind"])
        to = f"to version {action['target']}" if action["target"] else f"to {action['route']}" if action["route"] else ""
        found.append({"word": word, "to": to, "reason": action["reason"] or "", "became": became, "at": action["at"]})
    for end in ends.values():
        became = f"{end['status']}: {end['detail']}"
        found.append({"word": end["action"], "to": f"to {end['destination']}", "reason": "", "became": became, "at": end["at"]})
    return found


def missing(sight: Sight, now: float, text: str) -> Data:
    """A page that says that there is none."""
    return {"now": now, "banners": watch(sight, now), "missing": Banner("unknown", text)}
