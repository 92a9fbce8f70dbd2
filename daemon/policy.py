"""The policy: from the verdicts of all rules to what is wrong, and what that leads to. Pure functions and one literal table.

Breaches of one model with one cause belong together. What a version does to its losses comes first: other breaches that began
about when the harm did explain it, and go with it. The rest stands for itself. Which cause a group has is one table, most
specific first; the first row that holds wins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from daemon.rules.verdict import Severity, Verdict, worst

#: Labels since the onset before a rollback may be sent: a handful of bad luck is no reason to move traffic.
ROLLBACK_LABELS: Final = 50
#: Rules about the losses themselves. What the others find explains a harm or stands for itself.
LOSSES: Final = frozenset({"harm", "version"})
#: Rules whose breach is over when they say so; drift may stay for ever without harm, and holds no harm's incident open.
RECOVERING: Final = frozenset({"records", "completeness", "labels", "traffic"})

#: What a breach that stands for itself is about, by its reason.
_KINDS: Final[Mapping[str, str]] = {
    "hard_errors": "inputs",
    "swapped": "inputs",
    "missing": "inputs",
    "missing_moves_scores": "inputs",
    "flipped": "mirrored",
    "stopped": "blind",
    "uncovered": "blind",
    "sparse": "blind",
    "late": "blind",
    "silent": "blind",
    "over_limit": "harm",
    "outcome_over_limit": "outcome",
    "loss_moved": "harm",
    "drifted": "drift",
    "drifted_slowly": "drift",
    "moved": "drift",
}
#: In a segment the onset of harm is known the less exactly the smaller it is: a tenth of the traffic is a usual size.
SEGMENT_NEAR: Final = 10.0
#: Causes that are not in the losses themselves.
EXPLAINED: Final = frozenset({"label_fault", "input_fault"})
#: A breach that is only inferred never stands for itself.
EVIDENCE_ONLY: Final = frozenset({"inferred_errors"})

#: What a verdict is about: its rule, version and segment.
Scope = tuple[str, str, str]
Hit = Literal["none", "newer", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about a group of breaches; `older` is the version before it that was known to be good."""

    worse: bool = False
    harm: bool = False
    older_over_limit: bool = False
    mirrored: bool = False  # the labels rank as if they were turned round, for the older version too
    inputs: Hit = "none"  # which versions' inputs are broken
    outcome: bool = False
    blind: bool = False
    drift: bool = False


@dataclass(frozen=True, slots=True)
class Cause:
    """A row of the table: its name, when it holds, and what it leads to."""

    name: str
    holds: Callable[[Facts], bool]
    rollback: bool = False
    retrain: bool = False


#: Most specific first.
CAUSES: Final[tuple[Cause, ...]] = (
    Cause(
        "label_fault",
        lambda facts: facts.mirrored,
    ),
    Cause(
        "input_fault",
        lambda facts: facts.inputs == "all" or (facts.inputs == "newer" and not facts.worse),
    ),
    Cause(
        "new_version",
        lambda facts: facts.worse and not facts.older_over_limit,
        rollback=True,
    ),
    Cause(
        "concept",
        lambda facts: facts.worse or facts.harm,
        retrain=True,
    ),
    Cause(
        "outcome",
        lambda facts: facts.outcome,
    ),
    Cause(
        "blind",
        lambda facts: facts.blind,
    ),
    Cause(
        "drift",
        lambda facts: facts.drift,
    ),
)


def cause_of(facts: Facts) -> Cause | None:
    """Give the first row of the table that holds; None when nothing is in breach."""
    return next((cause for cause in CAUSES if cause.holds(facts)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a version beside the verdicts; times in epoch seconds."""

    name: str
    first_seen: float
    near: float  # so many seconds apart, two onsets may be of one fault
    older: str | None = None  # the version that it is set against
    older_over_limit: bool = False
    older_serves: bool = False
    proven: bool = True  # found to be no worse than the older one, or there was none to set it against
    fresh: bool = False  # it replaced the older one, and the comparison has not ended
    clearly_over: bool = False  # its losses since the alarm's onset are over what the older one had, of late too


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Breaches that belong together, the one that says it best first."""

    cause: Cause
    found: tuple[Verdict, ...]
    version: str | None

    @property
    def first(self) -> Verdict:
        """The verdict whose numbers are the incident's."""
        return self.found[0]

    @property
    def severity(self) -> Severity:
        """The highest of them."""
        return worst([verdict.severity for verdict in self.found])

    @property
    def reason(self) -> str:
        """One sentence: what is wrong; where something explains the harm, that first."""
        why = next((verdict for verdict in self.found if verdict.rule not in LOSSES), None)
        if self.first.rule not in LOSSES or why is None or self.cause.name not in EXPLAINED:
            return self.first.text
        return f"{why.text}; {self.first.text}"

    def onset(self, now: float) -> float:
        """When it began, event time: as the losses say, where they are part of it."""
        of_losses = [verdict.onset for verdict in self.found if verdict.rule in LOSSES and verdict.onset is not None]
        return min(of_losses or [verdict.onset for verdict in self.found if verdict.onset is not None], default=now)


def supersedes(diagnosis: Diagnosis, known: str) -> bool:
    """Whether an open incident changes its cause for that of a diagnosis.

    For a more specific one, as evidence comes in. A fault of labels or inputs stays one when its evidence fades before the harm
    does; only whether it is the version or the world may be judged anew. A newer version that does harm and alone gets broken
    inputs is the fault itself: the evidence of the inputs is still there then.
    """
    names = [row.name for row in CAUSES]
    cause = diagnosis.cause.name
    broken = any(_KINDS.get(verdict.reason) == "inputs" for verdict in diagnosis.found)
    return (
        names.index(cause) < names.index(known)
        or (known, cause) == ("new_version", "concept")
        or ((known, cause) == ("input_fault", "new_version") and broken)
    )


def diagnose(
    verdicts: Iterable[Verdict], standings: Mapping[str, Standing], told: Collection[Scope] = frozenset()
) -> list[Diagnosis]:
    """Put the breaches of a model together by their cause; what is in `told` was part of an incident that is over."""
    breaches = [verdict for verdict in verdicts if verdict.state == "breach" and verdict.scope not in told]
    found: dict[str, Diagnosis] = {}
    explained: set[tuple[str, str, str]] = set()
    for name in sorted({verdict.version for verdict in breaches if verdict.rule in LOSSES}):
        standing = standings[name]
        harmful, reasons = _of_version(name, breaches, standing)
        explained |= {verdict.scope for verdict in reasons}
        cause = cause_of(_facts(harmful, reasons, breaches, standing))
        if cause is not None:
            _add(found, cause, name, [*harmful, *reasons])
    for verdict in breaches:
        alone = verdict.rule not in LOSSES and verdict.scope not in explained and verdict.reason not in EVIDENCE_ONLY
        cause = cause_of(_facts_alone(verdict, breaches, standings)) if alone else None
        if cause is not None:
            _add(found, cause, verdict.version, [verdict])
    return list(found.values())


def _add(found: dict[str, Diagnosis], cause: Cause, version: str, verdicts: Sequence[Verdict]) -> None:
    """Join a group of the same cause; a version that may be rolled back has its own."""
    key = f"{cause.name}/{version if cause.rollback else ''}"
    known = found.get(key)
    if known is None:
        found[key] = Diagnosis(cause, tuple(verdicts), version or None)
    else:
        new = tuple(verdict for verdict in verdicts if verdict not in known.found)
        found[key] = Diagnosis(cause, (*known.found, *new), known.version or version or None)


def _of_version(name: str, breaches: Sequence[Verdict], standing: Standing) -> tuple[list[Verdict], list[Verdict]]:
    """Give the breaches about a version's losses, and those that may explain them."""
    harmful = [verdict for verdict in breaches if verdict.version == name and verdict.rule in LOSSES]
    harmful.sort(key=lambda verdict: (verdict.rule != "version", verdict.segment is not None, verdict.onset or 0.0))
    onset = min((verdict.onset for verdict in harmful if verdict.onset is not None), default=0.0)
    near = standing.near if any(verdict.segment is None for verdict in harmful) else SEGMENT_NEAR * standing.near
    # The onset of harm is an estimate: what began between it and the alarm made most of the evidence.
    latest = max([onset + near, *(verdict.found for verdict in harmful if verdict.found is not None)])
    # Inputs that have been broken for long and still are explain a harm that is only now seen, but not that a version is worse.
    compared = standing.fresh or any(verdict.rule == "version" for verdict in harmful)
    reasons = [
        verdict
        for verdict in breaches
        if verdict.rule not in LOSSES
        and verdict.version in {name, ""}
        and verdict.onset is not None
        and (verdict.onset >= onset - near or (_KINDS.get(verdict.reason) == "inputs" and not compared))
        and (verdict.rule not in {"records", "completeness"} or verdict.onset <= latest)
    ]
    return harmful, reasons


def _facts(
    harmful: Sequence[Verdict], reasons: Sequence[Verdict], breaches: Sequence[Verdict], standing: Standing
) -> Facts:  # fmt: skip
    rules = {verdict.rule for verdict in harmful}
    broken = [verdict for verdict in reasons if verdict.rule in {"records", "completeness"}]
    # Just after a full replacement, harm by itself says that the newer version is worse than the older one was.
    segment_only = all(verdict.segment is not None for verdict in harmful)
    inputs = _hit(broken, breaches, standing)
    # Arms that get other inputs are no fair contest; where only the newer one's are broken, that it does harm says enough.
    only_newer = inputs == "newer" and standing.older_serves
    fresh = standing.fresh and (standing.clearly_over or segment_only)
    return Facts(
        worse="version" in rules or ("harm" in rules and (fresh or only_newer)),
        harm="harm" in rules,
        older_over_limit=standing.older_over_limit,
        mirrored=_turned_round(breaches, standing),
        inputs=inputs,
    )


def _turned_round(breaches: Sequence[Verdict], standing: Standing) -> bool:
    """Tell whether it is the labels that turned round, and not a newer version that ranks the wrong way.

    While the older version predicts, its labels tell: a canary has too few of its own at first, and those of both come from the
    same people. Once it has gone, only a version that was found to be as good can have labels that turned.
    """
    flipped = {verdict.version for verdict in breaches if verdict.reason == "flipped"}
    if standing.older is not None and standing.older_serves:
        return standing.older in flipped
    return standing.proven and standing.name in flipped


def _hit(broken: Sequence[Verdict], breaches: Sequence[Verdict], standing: Standing) -> Hit:
    """Tell whether only the newer version gets broken inputs: the older one does not, or they began with the newer one."""
    if not broken:
        return "none"
    if standing.older is None:
        return "all"
    if standing.older_serves:
        same = any(verdict.version == standing.older and verdict.rule in {"records", "completeness"} for verdict in breaches)
        return "all" if same else "newer"
    began = min(verdict.onset or 0.0 for verdict in broken)
    return "newer" if standing.fresh and began - standing.first_seen <= standing.near else "all"


def _facts_alone(verdict: Verdict, breaches: Sequence[Verdict], standings: Mapping[str, Standing]) -> Facts:
    kind = _KINDS.get(verdict.reason, "drift")
    if verdict.rule == "drift" and verdict.version in standings:
        near = standings[verdict.version].near
        broken = (other for other in breaches if other.version == verdict.version and _KINDS.get(other.reason) == "inputs")
        if any(abs((other.onset or 0.0) - (verdict.onset or 0.0)) <= near for other in broken):
            kind = "inputs"  # what is broken is also distributed otherwise
    return Facts(
        harm=kind == "harm",
        mirrored=kind == "mirrored" and (verdict.version not in standings or _turned_round(breaches, standings[verdict.version])),
        inputs="all" if kind == "inputs" else "none",
        outcome=kind == "outcome",
        blind=kind == "blind",
        drift=kind == "drift",
    )


def cleared(scopes: Collection[Scope], verdicts: Sequence[Verdict], serving: Collection[str]) -> bool:
    """Whether the rules that opened an incident have found that it is over.

    Each scope must be `ok` now. A version that serves no more cannot become so: then the rule must be `ok` for all that serve,
    and for one at least.
    """
    now = {verdict.scope: verdict for verdict in verdicts}
    for scope in scopes:
        rule, version, _ = scope
        verdict = now.get(scope)
        if verdict is not None and verdict.state == "ok":
            continue
        if version == "" or version in serving:
            return False
        others = [other for other in verdicts if other.rule == rule and other.version in serving]
        if not others or any(other.state != "ok" for other in others):
            return False
    return True
