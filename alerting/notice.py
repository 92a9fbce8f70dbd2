"""What a person is told: one value that every notifier gets, and the words for it in one place.

The reader has been woken up. `summary` is one sentence with what is wrong, since when, and whether anything is left to do;
`describe` adds what else a page must carry, a line for each thing, in the order in which it is needed. Both are pure, so that
log, page and chat say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from alerting.formats import plain, read_record, rfc3339, write_record
from alerting.incidents import Action, Incident, Severity

Event = Literal["trigger", "update", "acknowledge", "resolve", "digest"]

#: What PagerDuty takes of a summary; chats take more.
SUMMARY_LIMIT: Final = 1024

#: Columns and ids that a page shows: more are not read at night. The incident itself has them all.
SHOWN: Final = 5

#: Cause -> what it means for the one who reads it. A cause that is not here is shown by its name.
CAUSES: Final[Mapping[str, str]] = {
    "label_fault": "the labels look wrong, not the model",
    "input_fault": "its inputs are broken",
    "new_version": "the new version predicts worse than the one before it",
    "concept": "it predicts worse in every version, with clean inputs",
    "blind": "it cannot be judged",
    "drift": "its inputs have moved, its loss has not",
}

#: Kind of action -> what was done, with its `target` and `reason` filled in. Notices themselves are not told again.
ACTIONS: Final[Mapping[str, str]] = {
    "rollback": "rollback to version {target} ordered",
    "rollback_confirmed": "rollback confirmed: live traffic carries version {target}",
    "rollback_unconfirmed": "rollback to version {target} not confirmed: {reason}",
    "rollback_failed": "rollback to version {target} failed: {reason}",
    "rollback_blocked": "not rolled back: {reason}",
    "rollback_awaits_approval": "rollback to version {target} waits for a person: watchkeeper rollback {incident}",
    "retrain_hint": "retraining suggested: {reason}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A page, a ticket, news of one, its end, or a digest of many of these.

    `key` names this one notice (receivers deduplicate on it), `dedup_key` the problem that it is about: trigger, updates and
    resolve of one problem share it. Times are epoch seconds. `model` is None when the daemon itself is in trouble. `done` holds
    sentences on what was done about it. `changes` are sentences on what has just changed in the serving system and is proven by
    live traffic: a confirmed rollback. A digest stands for no problem of its own: what it tells of is in `notices`, one mapping a
    problem (event, key, dedup_key, incident, severity, model, summary), and each ends under its own `dedup_key`.
    `url` and `acknowledge_url` (a secret) are links that it gets when it is delivered; they are in no record. Empty: not known.
    """

    key: str
    dedup_key: str
    event: Event
    severity: Severity
    cause: str
    reason: str
    at: float
    model: str | None = None
    version: str | None = None
    segment: str | None = None
    incident: str | None = None
    rules: tuple[str, ...] = ()
    onset: float | None = None
    opened: float | None = None
    labels_to_alarm: int = 0
    numbers: dict[str, float | None] = field(default_factory=dict)
    features: tuple[dict[str, Any], ...] = ()
    examples: tuple[str, ...] = ()
    guardrail_version: int | None = None
    guardrail_digest: str = ""
    owner: str = ""
    runbook: str = ""
    why: str = ""
    done: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    notices: tuple[dict[str, Any], ...] = ()
    url: str = ""
    acknowledge_url: str = field(default="", repr=False)


def notice_of(
    incident: Incident, *, event: Event, key: str, at: float, dedup_key: str | None = None, reason: str | None = None
) -> Notice:
    """The notice of an incident as it is now, under the key of its present problem and with its own reason unless told others."""
    return Notice(
        key=key,
        dedup_key=incident.dedup_key if dedup_key is None else dedup_key,
        event=event,
        severity=incident.severity,
        cause=incident.cause,
        reason=_reason(incident, event) if reason is None else reason,
        at=at,
        model=incident.model,
        version=incident.version,
        segment=incident.segment,
        incident=incident.id,
        rules=incident.rules,
        onset=incident.onset,
        opened=incident.opened,
        labels_to_alarm=incident.labels_to_alarm,
        numbers=incident.numbers,
        features=incident.features,
        examples=incident.examples,
        guardrail_version=incident.guardrail_version,
        guardrail_digest=incident.guardrail_digest,
        owner=incident.owner,
        runbook=incident.runbook,
        why=incident.why,
        done=tuple(told for action in incident.actions if (told := _told(action, incident.id))),
        changes=tuple(
            f"Rolled back {incident.model} from version {incident.version} to {action.target}"
            for action in incident.actions
            if action.kind == "rollback_confirmed" and action.at == at  # told with this notice, and with no later one
        ),
    )


def summary(notice: Notice) -> str:
    """One sentence or two, on one line, of at most SUMMARY_LIMIT characters."""
    subject, reason = _subject(notice), notice.reason.rstrip(". ")
    if notice.event == "resolve":
        lasted = "" if notice.opened is None else f" after {duration(notice.at - notice.opened)}"
        return _line(f"{subject}: resolved{lasted}: {reason}.")
    if notice.event in {"acknowledge", "digest"}:
        return _line(f"{subject}: {reason}.")
    news = "news: " if notice.event == "update" else ""
    meaning = CAUSES.get(notice.cause, notice.cause.replace("_", " "))
    done = f" Done: {notice.done[-1]}." if notice.done else ""
    return _line(f"{subject}: {news}{meaning}: {reason}.{done}")


def describe(notice: Notice) -> str:
    """The summary and, a line each, whatever else is known; lines without content are left out."""
    lines = [
        summary(notice),
        _labelled("Began", _since(notice)),
        _labelled("Numbers", ", ".join(f"{name} {_number(value)}" for name, value in notice.numbers.items())),
        _labelled("Moved", ", ".join(map(_feature, notice.features[:SHOWN]))),
        _labelled("Look at", ", ".join(notice.examples[:SHOWN])),
        _labelled("Done", "; ".join(notice.done)),
        _labelled("Why it matters", notice.why),
        _labelled("Runbook", notice.runbook),
        _labelled("Owner", notice.owner),
        _labelled("Judged by", _judged_by(notice)),
        _labelled("Incident", notice.incident or ""),
        *(_line(f"- {told['severity']} {told['incident'] or ''}: {told['summary']}") for told in notice.notices),
    ]
    return "\n".join(line for line in lines if line)


def document_of(notice: Notice) -> dict[str, Any]:
    """All of it but its links as plain JSON data. What is not known is null or empty, never left out."""
    guardrails = {"version": notice.guardrail_version, "digest": notice.guardrail_digest}
    return {
        "v": 1,
        "event": notice.event,
        "key": notice.key,
        "dedup_key": notice.dedup_key,
        "incident": notice.incident,
        "severity": notice.severity,
        "summary": summary(notice),
        "description": describe(notice),
        "model": notice.model,
        "version": notice.version,
        "segment": notice.segment,
        "cause": notice.cause,
        "rules": list(notice.rules),
        "reason": notice.reason,
        "onset": _time(notice.onset),
        "opened": _time(notice.opened),
        "at": _time(notice.at),
        "labels_to_alarm": notice.labels_to_alarm,
        "numbers": plain(notice.numbers),
        "features": plain(notice.features),
        "examples": list(notice.examples),
        "guardrails": None if notice.guardrail_version is None else guardrails,
        "owner": notice.owner,
        "runbook": notice.runbook,
        "why": notice.why,
        "done": list(notice.done),
        "notices": plain(notice.notices),
    }


def duration(seconds: float) -> str:
    """A length of time in its one or two largest units: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{rest} s"


def to_record(notice: Notice) -> dict[str, Any]:
    """The notice as plain JSON data, without its links: the body of its intent."""
    return {name: value for name, value in write_record(notice).items() if name not in {"url", "acknowledge_url"}}


def from_record(record: Mapping[str, Any]) -> Notice:
    """The notice of `to_record`. Raises InvalidRecord."""
    return read_record(record, Notice)


def _reason(incident: Incident, event: Event) -> str:
    if event == "resolve" and incident.resolution:
        return incident.resolution
    if event == "acknowledge":
        return f"acknowledged by {incident.acknowledged_by or 'somebody'}: {incident.reason}"
    return incident.reason


def _subject(notice: Notice) -> str:
    parts = [notice.model or "watchkeeper", notice.version and f"version {notice.version}", notice.segment]
    return " ".join(part for part in parts if part)


def _since(notice: Notice) -> str:
    if notice.onset is None:
        return ""
    if notice.opened is None or notice.opened <= notice.onset:
        return rfc3339(notice.onset)
    labels = f" and {notice.labels_to_alarm} labels" if notice.labels_to_alarm else ""
    return f"{rfc3339(notice.onset)}, found after {duration(notice.opened - notice.onset)}{labels}"


def _judged_by(notice: Notice) -> str:
    if notice.guardrail_version is None:
        return ""
    return f"guardrail version {notice.guardrail_version} ({notice.guardrail_digest[:12]}), rules {', '.join(notice.rules)}"


def _told(action: Action, incident: str) -> str:
    text = ACTIONS.get(action.kind, "")
    return text.format(target=action.target or "?", reason=action.reason or "no reason given", incident=incident)


def _feature(feature: Mapping[str, Any]) -> str:
    effect = feature.get("effect")
    size = f", effect {_number(effect)}" if isinstance(effect, int | float) else ""
    return f"{feature.get('name', '?')} ({feature.get('what', 'moved')}{size})"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _labelled(label: str, text: str) -> str:
    return f"{label}: {_line(text)}" if text else ""


def _line(text: str) -> str:
    """`text` on one line: names of columns and ids come from events, and an event must not write lines into a page."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= SUMMARY_LIMIT else f"{line[: SUMMARY_LIMIT - 1]}…"


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
