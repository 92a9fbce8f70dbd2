"""The story, as what must be seen from the outside, one step after the other; and what must never be seen.

A step looks at the world (topics, API, pages) and gives the words in which it happened, or None while it has not. Steps are
pure and stand in one literal table; who looks at the world is `lookout`, who makes it move is `story`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from daemon.demo.models import BAD, GOOD
from daemon.demo.traffic import MODEL

#: Judged predictions of the good version before the next one is deployed: enough for a narrow bound of its mean loss.
BASELINE: Final = 3000
#: Live predictions in a row before a version counts as the one that serves.
IN_A_ROW: Final = 50

Data = Mapping[str, Any]


@dataclass
class World:
    """What can be seen. Events of the topics are counted, everything else is as it was last answered."""

    predictions: Counter[str] = field(default_factory=Counter)  # by version
    serving: str | None = None  # the version of the last live prediction ...
    in_a_row: int = 0  # ... and for how many it has been the same
    commands: list[Data] = field(default_factory=list)
    ready: bool = False
    verdicts: Sequence[Data] = ()
    incidents: Sequence[Data] = ()
    pages: Sequence[Data] = ()

    def predicted(self, version: str) -> None:
        """See a live prediction."""
        self.predictions[version] += 1
        self.in_a_row = self.in_a_row + 1 if version == self.serving else 1
        self.serving = version

    def serves(self, version: str) -> bool:
        """Whether a version, and no other, serves now."""
        return self.serving == version and self.in_a_row >= IN_A_ROW

    def verdict(self, rule: str, version: str) -> Data | None:
        """What the daemon thinks of a version by a rule."""
        mine = (v for v in self.verdicts if (v["model"], v["rule"], v["version"]) == (MODEL, rule, version))
        return next(mine, None)

    def contest(self, version: str) -> Data | None:
        """What the daemon thinks of a version beside the one before it; None for the first version, which has none."""
        found = self.verdict("version", version)
        return None if found is None or found["reason"] == "no_older_version" else found

    @property
    def incident(self) -> Data | None:
        """The incident that the story is about."""
        return next((i for i in self.incidents if i["version"] == BAD and i["cause"] == "new_version"), None)

    def page(self, event: str) -> Data | None:
        """The first page of an event about that incident."""
        incident = self.incident
        if incident is None:
            return None
        return next((p for p in self.pages if p["event"] == event and p["incident"] == incident["id"]), None)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, what is waited for, and whether it has happened."""

    name: str
    waiting_for: str
    seen: Callable[[World], str | None]


def _serves(world: World) -> str | None:
    return f"live predictions carry version {GOOD}" if world.serves(GOOD) else None


def _watched(world: World) -> str | None:
    found = world.verdict("harm", GOOD)
    return f"ready, and watching {MODEL}" if world.ready and found is not None else None


def _learned(world: World) -> str | None:
    found = world.verdict("harm", GOOD)
    if found is None or found["state"] != "ok" or world.predictions[GOOD] < BASELINE:
        return None
    wrong_now, limit = (_share(found["numbers"][name]) for name in ("mean_loss", "limit"))
    return f"version {GOOD} is wrong in {wrong_now} of its predictions, harm begins at {limit}"


def _replaced(world: World) -> str | None:
    return f"live predictions carry version {BAD}" if world.serves(BAD) else None


def _alarm(world: World) -> str | None:
    incident = world.incident
    if incident is None or incident["severity"] != "page":
        return None
    return f"incident {incident['id']}: {incident['reason']}"


def _paged(world: World) -> str | None:
    page = world.page("trigger")
    if page is None:
        return None
    done = f", done so far: {page['done'][-1]}" if page["done"] else ""
    return f"the receiver got one of severity {page['severity']} for incident {page['incident']}{done}"


def _ordered(world: World) -> str | None:
    incident = world.incident
    for command in world.commands:
        if incident is not None and command.get("incident") == incident["id"]:
            return f"on the commands topic: from version {command.get('from')} to version {command.get('to')}"
    return None


def _obeyed(world: World) -> str | None:
    return f"live predictions carry version {GOOD} again" if world.serves(GOOD) else None


def _confirmed(world: World) -> str | None:
    incident = world.incident
    done = [] if incident is None else [action["kind"] for action in incident["actions"]]
    return "the daemon has seen it too: rollback confirmed" if "rollback_confirmed" in done else None


def _resolved(world: World) -> str | None:
    incident = world.incident
    if incident is None or incident["state"] != "resolved" or incident["resolved_by"]:
        return None
    return f"resolved by evidence: {incident['resolution']}"


def _told(world: World) -> str | None:
    page = world.page("resolve")
    return None if page is None else f"the receiver got the end of incident {page['incident']}"


#: In this order. The next version is deployed as soon as the step `healthy` has happened.
STEPS: Final[tuple[Step, ...]] = (
    Step("serving", f"the server to publish predictions of version {GOOD}", _serves),
    Step("watching", "the daemon to be ready and to judge the model", _watched),
    Step("healthy", f"the daemon to learn its reference from version {GOOD}", _learned),
    Step("bad retrain", f"version {BAD} to take over", _replaced),
    Step("alarm", f"an incident that blames version {BAD}", _alarm),
    Step("page", "a page at the receiver", _paged),
    Step("rollback", "a rollback command on the commands topic", _ordered),
    Step("obeyed", f"version {GOOD} in live traffic again", _obeyed),
    Step("confirmed", "the daemon to confirm the rollback", _confirmed),
    Step("resolved", "the daemon to find that the harm is gone", _resolved),
    Step("all clear", "the news of it at the receiver", _told),
)
#: The step after which version 8 is deployed.
DEPLOY_AFTER: Final = "healthy"


def wrong(world: World, *, deployed: bool) -> str | None:
    """Give what has happened and should never have, as a sentence; None while all is well."""
    if not deployed and (world.incidents or world.pages):
        return f"There was an alarm before version {BAD} was deployed."
    if len(world.commands) > 1:
        return f"There were {len(world.commands)} commands on the commands topic, where one was due."
    for command in world.commands:
        said = tuple(command.get(name) for name in ("command", "model", "from", "to"))
        if said != ("rollback", MODEL, BAD, GOOD):
            return f"There was a wrong command on the commands topic: {dict(command)}."
    others = [incident["cause"] for incident in world.incidents if incident is not world.incident]
    if others:
        return f"There were more incidents than one: also {', '.join(others)}."
    return None


def _share(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.1f} %"
