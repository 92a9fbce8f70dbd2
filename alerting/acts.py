"""What a person does to an incident, as plain data: one act with an id, and the one sentence that answers it.

An act names what is wanted, never how it came here: a command, a page in a browser and a pager's webhook all give the same. Its
id makes it safe to ask again: an act that was done is answered as before, and nothing is done a second time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from alerting.errors import InvalidAct
from alerting.incidents import Incident, Judgement, from_record
from alerting.journal import VERSION, JournalEntry

#: `rehearse` changes nothing: it asks what `approve` would send.
Kind = Literal["acknowledge", "resolve", "silence", "unsilence", "approve", "clear", "rehearse"]
#: `unchanged`: it was so before. `refused`: the state does not allow it. `unknown`: what it is about is not there.
Status = Literal["done", "unchanged", "refused", "unknown"]

#: Characters of an id, and of a name or a reason.
ID_LIMIT: Final = 100
TEXT_LIMIT: Final = 1000

#: What each kind must say beside id, kind, by and at.
REQUIRED: Final[dict[Kind, tuple[str, ...]]] = {
    "acknowledge": ("incident",),
    "resolve": ("incident", "reason"),
    "silence": ("reason", "until"),
    "unsilence": ("silence",),
    "approve": ("incident",),
    "clear": ("model", "version"),
    "rehearse": ("incident",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that a person wants done. `at` and `until` (of a silence) are epoch seconds of wall time.

    `incident` is an id; `problem` the key under which it was told: a new problem inside it has a new one, and what was meant for
    the old is refused. `model`, `cause` and `owner` are what a silence is over, `model` and `version` what is cleared; `silence`
    is the id of the one that is ended. `record` is the incident as the ledger has it, since it may be over and a judgement
    can be given afterwards.
    """

    id: str
    kind: Kind
    by: str
    at: float
    reason: str = ""
    incident: str | None = None
    problem: str | None = None
    model: str | None = None
    version: str | None = None
    cause: str | None = None
    owner: str | None = None
    silence: str | None = None
    verdict: Judgement | None = None
    until: float | None = None
    record: dict[str, Any] | None = None

    @property
    def known(self) -> Incident | None:
        """The incident as the ledger has it. Raises InvalidRecord."""
        return None if self.record is None else from_record(self.record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of an act, in one sentence without its full stop.

    `silence` is the silence as it stands (a record), `command` what a rehearsal is about: `executor`, and the
    record of the `command`.
    """

    status: Status
    text: str
    silence: dict[str, Any] | None = None
    command: dict[str, Any] | None = None

    @property
    def good(self) -> bool:
        """Whether it is now as was asked for."""
        return self.status in {"done", "unchanged"}


def check(act: Act) -> None:
    """Raise InvalidAct with every problem of what was asked for, `key: what is wrong`."""
    found = list(_problems(act))
    if found:
        raise InvalidAct("; ".join(found))


def act_entry(act: Act, answer: Answer) -> JournalEntry:
    """The act and its answer, under `act/<id>`: who did what stays to be read."""
    fields = (
        "id",
        "kind",
        "by",
        "at",
        "reason",
        "incident",
        "problem",
        "model",
        "version",
        "cause",
        "owner",
        "silence",
        "verdict",
        "until",
    )
    said = {name: getattr(act, name) for name in fields}
    record = {"v": VERSION, "kind": "act", "act": said, "status": answer.status, "text": answer.text}
    return JournalEntry(key=f"act/{act.id}", record=record)


def _problems(act: Act) -> Iterator[str]:
    if act.kind not in REQUIRED:
        yield f"kind: must be one of {', '.join(REQUIRED)}"
        return
    for name in ("id", "by", *REQUIRED[act.kind]):
        said = getattr(act, name)
        if said is None or (isinstance(said, str) and not said.strip()):
            yield f"{name}: must be there"
    for name in ("id", "by", "reason", "incident", "problem", "model", "version", "cause", "owner", "silence"):
        limit = ID_LIMIT if name == "id" else TEXT_LIMIT
        if len(getattr(act, name) or "") > limit:
            yield f"{name}: must not be longer than {limit}"
    if act.verdict is not None and act.verdict not in get_args(Judgement):
        yield f"verdict: must be one of {', '.join(get_args(Judgement))}"
    if act.until is not None and not math.isfinite(act.until):
        yield "until: must be a time"
