"""The guardrail file: what a model's owners promise about it, and what the daemon may do when the promise breaks.

One file a model, one schema, strict: a misspelt key that is silently ignored is a guardrail that silently is not there.
`load` reports every problem of a file with its line and column, in one go. What a sound file asks for and does not get is told by
`notices`, so that nobody believes that it is obeyed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PrivateAttr, ValidationError, ValidationInfo, field_validator

from daemon.errors import InvalidGuardrails, Problem, UnreadableFile
from daemon.events import as_text
from daemon.guardrail_parts import (
    DEFAULT_RULES,
    LOSSES,
    Costs,
    DefaultRule,
    DetectorRule,
    Feature,
    Label,
    Labels,
    Loss,
    OutcomeRule,
    RateText,
    ReferenceSetting,
    Respond,
    RuleSetting,
    Setting,
    Task,
    Traffic,
)
from daemon.schema import Name, Names, Section, Text, Tolerance, day, default, findings, text, tolerance, tuple_of_list, wrong
from daemon.yaml_lines import Document, Location, Node, read
from detectors.profile import Profile, ProfileError, load_profile

#: Lists whose items are names: once each.
_UNIQUE: Final[tuple[Location, ...]] = (
    ("segments",),
    ("respond", "page"),
    ("respond", "ticket"),
    ("respond", "rollback", "fallbacks"),
)

ToleranceText = Annotated[Tolerance, BeforeValidator(tolerance), PlainSerializer(str)]
Limit = Annotated[float, Field(gt=0, le=1)]


class Guardrail(Section):
    """One model's guardrail file. Attributes are its keys; durations are seconds, rates `Rate`, `with` is `with_`."""

    guardrails: Literal["v1"] = Field(description="The version of this schema: `v1`.")
    model: Name = Field(description="The model's name, as its events carry it.")
    version: int = Field(
        ge=1, le=2**53 - 1, description="Of this file: grows with every change; same number, other content = refused."
    )
    mode: Literal["enforce", "observe"] = Field("enforce", description="`observe`: judge, record what would be done, never act.")
    owner: Text = Field(description="The team that answers for the model.")
    runbook: Text = Field(description="Where a person who is paged reads on.")
    why: Text | None = Field(None, description="Why this matters, in a sentence; shown in every page.")
    review_by: Annotated[date, BeforeValidator(day)] | None = Field(
        None, description="Once past, a ticket: is this file still right?"
    )

    task: Task = Field(description="`binary`, `multiclass` or `regression`.")
    positive: Label | None = Field(None, description="The positive label, compared as text. Required for binary.")
    loss: Loss = default(
        None,
        "`error`, `brier`, `log` or `cost` (binary, multiclass); `absolute` or `squared` (regression). "
        "Default: `error`, for regression `absolute`.",
    )
    costs: Costs | None = Field(None, description="With `loss: cost`: `{false_positive: 1, false_negative: 40}`.")
    loss_bound: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Regression, required there: a loss of this size or more counts as 1."
    )
    tolerance: ToleranceText = default(
        "25%",
        "Rise of the mean loss (0..1) over the reference that still does no harm; or a share of the reference as text, at least "
        "0.005.",
    )
    limit: Limit | None = Field(None, description="A mean loss that is harm whatever the reference says.")
    false_pages: RateText = default("1 per 90d", "The budget of false pages of the whole model.")

    labels: Labels = default({}, "When the truth arrives.")
    traffic: Traffic = default({}, "When silence is a fault.")
    feedback_loop: bool = Field(
        False, description="`true`: users react to what they are shown, so a shadow has no label metrics."
    )
    reference: ReferenceSetting = default({}, "What a first version is measured against.")
    features: dict[Name, Feature] = default({}, "What is known of features beforehand.")
    segments: Names = default([], "Looked up in the event's segments, then its features; at most 50 values each.")
    rules: Annotated[tuple[RuleSetting, ...], BeforeValidator(tuple_of_list)] = default(
        [], "Switch a default rule off, change its severity, or add a rule."
    )
    respond: Respond = default({}, "Who hears of an incident, and what is done about it.")

    _path: Path | None = PrivateAttr(None)
    _profile: Profile | None = PrivateAttr(None)

    @field_validator("positive")
    @classmethod
    def _positive_class(cls, value: str | None, info: ValidationInfo) -> str | None:
        task = info.data.get("task")
        if value is None and task == "binary":
            wrong("is required with task binary: it is the label that counts as positive", at="task")
        if value is not None and task == "regression":
            wrong("is for classes; a regression has none")
        return value

    @field_validator("loss", mode="before")
    @classmethod
    def _default_loss(cls, value: object, info: ValidationInfo) -> object:
        if value is None:
            return "absolute" if info.data.get("task") == "regression" else "error"
        return value

    @field_validator("loss")
    @classmethod
    def _loss_of_task(cls, value: Loss, info: ValidationInfo) -> Loss:
        known = LOSSES.get(info.data.get("task", ""))
        if known is not None and value not in known:
            wrong(f"{value} is not a loss of task {info.data['task']}; write one of {', '.join(known)}")
        return value

    @field_validator("costs")
    @classmethod
    def _costs_with_cost(cls, value: Costs | None, info: ValidationInfo) -> Costs | None:
        loss = info.data.get("loss")
        if value is None and loss == "cost":
            wrong("is required with loss: cost", at="loss")
        if value is not None and loss not in (None, "cost"):
            wrong(f"is used with loss: cost only, and the loss here is {loss}")
        if loss == "cost" and info.data.get("positive", "") is None:
            wrong("needs the key positive: costs are those of one class against the rest")
        return value

    @field_validator("loss_bound")
    @classmethod
    def _bound_of_regression(cls, value: float | None, info: ValidationInfo) -> float | None:
        task = info.data.get("task")
        if value is None and task == "regression":
            wrong("is required with task regression: a loss of this size or more counts as 1", at="task")
        if value is not None and task in ("binary", "multiclass"):
            wrong("is for task regression; the losses of classes are bounded already")
        return value

    def model_post_init(self, context: object) -> None:
        """Keeps the path that `load` hands over."""
        self._path = context.get("path") if isinstance(context, dict) else None

    @property
    def path(self) -> Path | None:
        """The file it was loaded from."""
        return self._path

    @property
    def profile(self) -> Profile | None:
        """What `reference.profile` names; None where it names nothing, or nothing is there (see `notices`)."""
        return self._profile

    @cached_property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of the canonical JSON of what the file says.

        Comments, the order of keys and quoting do not change it, nor does `1h` for `60m`; the order of lists does, and so does
        writing a default out: a later version of this program may have another one.
        """
        said = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def short_digest(self) -> str:
        """The first 12 hex digits, as every verdict carries them."""
        return self.digest[:12]

    def severity_of(self, rule: str) -> Setting:
        """How a rule responds: one of the default rules, or one that the file adds, by its name.

        Raises:
            KeyError: there is no such rule.
        """
        for setting in self.rules:
            if rule == (setting.rule if isinstance(setting, DefaultRule) else setting.name):
                if not setting.enabled:
                    return "off"
                return setting.severity or DEFAULT_RULES[rule]
        return DEFAULT_RULES[rule]

    @property
    def added_rules(self) -> tuple[OutcomeRule | DetectorRule, ...]:
        """The rules that the file adds to the default ones."""
        return tuple(setting for setting in self.rules if not isinstance(setting, DefaultRule))

    def tolerance_over(self, reference_mean: float) -> float:
        """The rise of the mean loss over this reference mean that does no harm, on the scale of the loss (0..1)."""
        return self.tolerance.over(reference_mean)


# --- files ----------------------------------------------------------------------------------------------------------------


def load(path: Path | str, base: Path | None = None) -> Guardrail:
    """The guardrail in a file, with the profile that it names.

    Args:
        path: of the file.
        base: the directory that a relative `reference.profile` begins at; default: the file's own.

    Raises:
        InvalidGuardrails: with every problem of the file, each at its line and column.
    """
    try:
        document = read(Path(path))
    except UnreadableFile as error:
        raise InvalidGuardrails(error.problems) from None
    found = [*document.duplicates, *_repeats(document)]
    guardrail: Guardrail | None = None
    try:
        guardrail = Guardrail.model_validate(document.root.plain(), context={"path": Path(path)})
    except ValidationError as error:
        found += [finding.problem(document) for finding in findings(error)]
    if guardrail is not None:
        try:
            guardrail._profile = _profile(guardrail, base or Path(path).parent)  # noqa: SLF001  # this is its loader
        except ProfileError as error:
            found.append(document.problem(("reference", "profile"), str(error)))
    if guardrail is None or found:
        raise InvalidGuardrails(found)
    return guardrail


def _profile(guardrail: Guardrail, base: Path) -> Profile | None:
    """The profile that the file names; None when it is not there: `profile` reads the guardrail file before it can make one."""
    name = guardrail.reference.profile
    return load_profile(base / name) if name is not None and (base / name).exists() else None


def load_directory(path: Path | str) -> dict[str, Guardrail]:
    """Every `*.yaml` and `*.yml` of a directory, by model, in the order of file names; hidden files and folders are passed over.

    Raises:
        InvalidGuardrails: with every problem of every file; two files for one model are a problem of the later one.
    """
    directory = Path(path)
    if not directory.is_dir():
        what = "this is a file, not a directory" if directory.exists() else "there is no such directory"
        raise InvalidGuardrails([Problem(str(directory), 1, 1, "", what)])
    loaded: dict[str, Guardrail] = {}
    found: list[Problem] = []
    for file in sorted(directory.iterdir()):
        if file.name.startswith(".") or file.suffix not in {".yaml", ".yml"} or file.is_dir():
            continue
        try:
            guardrail = load(file)
        except InvalidGuardrails as error:
            found += error.problems
            continue
        first = loaded.setdefault(guardrail.model, guardrail)
        if first is not guardrail:
            message = f"{guardrail.model} has a guardrail file already, {first.path}; write one file a model"
            found.append(read(file).problem(("model",), message))
    if found:
        raise InvalidGuardrails(found)
    return loaded


def _repeats(document: Document) -> Iterator[Problem]:
    """Items that are twice in a list: harmless to the program, but never what their author meant."""
    for location in _UNIQUE:
        yield from _twice(document, location, [_as_said(node) for node in document.items(location)])
    for feature in document.keys_of(("features",)):
        location = ("features", feature, "values")
        yield from _twice(document, location, [as_text(_as_said(node)) for node in document.items(location)])
    names = [_name_of_rule(document, index) for index, _ in enumerate(document.items(("rules",)))]
    yield from _twice(document, ("rules",), names)
    for index, name in enumerate(names):
        if name in DEFAULT_RULES and document.find(("rules", index, "name")) is not None:
            yield document.problem(("rules", index, "name"), f"{name} is the name of a default rule; choose another")


def _twice(document: Document, location: Location, names: Sequence[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield document.problem((*location, index), f"{name[:60]} is there twice; remove one of them")
        elif name:
            seen.add(name)


def _as_said(node: Node | None) -> str:
    """A scalar as text; nothing for what is not a name at all, which the schema reports."""
    return str(text(node.value)) if node is not None and isinstance(node.value, str | int) else ""


def _name_of_rule(document: Document, index: int) -> str:
    rule = _as_said(document.find(("rules", index, "rule")))
    return _as_said(document.find(("rules", index, "name"))) if rule in {"outcome", "detector"} else rule


# --- what has no effect ---------------------------------------------------------------------------------------------------


def notices(guardrail: Guardrail) -> list[str]:
    """One sentence for each thing that the file asks for and that has no effect now."""
    profile = guardrail.reference.profile
    if profile is None or guardrail.profile is not None:
        return []
    return [f"reference.profile: there is no file {profile}: the reference is learned from live traffic until there is"]
