"""The parts of a guardrail file: labels, reference, features, rules and responses, each with its checks and its documentation.

Defaults are written as a file would write them and validated like what a file says, so that the documentation, the error
messages and the code read the same text. Checks between two keys sit on the later of the two (see `daemon.schema`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from alerting.periods import Rate
from daemon.events import as_text
from daemon.schema import (
    Name,
    Names,
    PositiveSeconds,
    Seconds,
    Section,
    SomeNames,
    Text,
    default,
    positive,
    rate,
    seconds,
    shown,
    suggestion,
    tuple_of_list,
    wrong,
)
from detectors.registry import DETECTORS, make

Severity = Literal["page", "ticket", "log"]
Setting = Literal["page", "ticket", "log", "off"]
Task = Literal["binary", "multiclass", "regression"]
Loss = Literal["error", "brier", "log", "cost", "absolute", "squared"]

#: The default rules and their severities; a rule of a kind that the file adds opens tickets unless it says otherwise.
DEFAULT_RULES: Final[Mapping[str, Severity]] = {
    "harm": "page",
    "version": "page",
    "records": "page",
    "completeness": "ticket",
    "labels": "page",
    "traffic": "page",
    "drift": "ticket",
}
LOSSES: Final[Mapping[Task, tuple[Loss, ...]]] = {
    "binary": ("error", "brier", "log", "cost"),
    "multiclass": ("error", "brier", "log", "cost"),
    "regression": ("absolute", "squared"),
}

Share = Annotated[float, Field(ge=0, le=1)]
RateText = Annotated[Rate, BeforeValidator(rate)]
Label = Annotated[Text, BeforeValidator(lambda value: as_text(value) if isinstance(value, str | int | float) else value)]


class Costs(Section):
    """What each kind of error costs, in any unit; both are divided by the larger one."""

    false_positive: Annotated[float, Field(ge=0)] = Field(description="Cost of predicting the positive class wrongly.")
    false_negative: Annotated[float, Field(ge=0)] = Field(description="Cost of missing the positive class.")

    @field_validator("false_negative")
    @classmethod
    def _not_both_free(cls, value: float, info: ValidationInfo) -> float:
        if value == 0 and info.data.get("false_positive") == 0:
            wrong("one of the two costs must be more than 0")
        return value


class Labels(Section):
    """When the truth about a prediction arrives."""

    expected_within: PositiveSeconds = default("1h", "Most labels are there by then.")
    give_up_after: PositiveSeconds = default("7d", "Then the prediction counts as unlabelled, and its id is forgotten.")
    minimum_coverage: Share = Field(0.2, description="Labelled share below which the verdict is unknown.")

    @field_validator("give_up_after")
    @classmethod
    def _after_expected(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("expected_within", value):
            wrong("must not be shorter than labels.expected_within", at="expected_within")
        return value


def _silence(value: object) -> object:
    return value if value is None or value == "off" else positive(seconds(value))


class Traffic(Section):
    """When silence is a fault."""

    silent_after: Annotated[float | Literal["off"] | None, BeforeValidator(_silence)] = Field(
        None,
        description="A model that predicts nothing for so long is reported; or `off`. Default: the longest of 1h, 30 mean gaps "
        "and twice the week's longest gap.",
    )


class ReferenceSetting(Section):
    """What a first version is measured against: its own first weeks, or a profile of the training set."""

    events: int = Field(
        2000, ge=20, le=1_000_000, description="Mature labelled events that a first version learns its reference from ..."
    )
    span: Seconds = default("0s", "... and the least time that they cover: a season, say 24h.")
    profile: Text | None = Field(None, description="A reference profile instead, as `watchkeeper profile` writes it.")


class Feature(Section):
    """What is known of a feature beforehand; what is not listed is inferred from the reference."""

    type: Literal["number", "category"] = Field(description="`number` or `category`.")
    minimum: float | None = Field(None, description="A number below is a hard error.")
    maximum: float | None = Field(None, description="A number above is a hard error.")
    missing: Share | None = Field(None, description="Share of missing values that is normal.")
    values: Annotated[tuple[Label, ...], BeforeValidator(tuple_of_list), Field(min_length=1)] | None = Field(
        None, description="Every category there is; another one is a hard error."
    )

    @field_validator("minimum", "maximum")
    @classmethod
    def _bounds(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("type") == "category":
            wrong("a category has no bounds; list its `values`")
        least = info.data.get("minimum")
        if value is not None and least is not None and value < least:
            wrong(f"must not be below minimum, {least:g}")
        return value

    @field_validator("values")
    @classmethod
    def _of_category(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if value is not None and info.data.get("type") == "number":
            wrong("a number has no list of values; give `minimum` and `maximum`")
        return value


class DefaultRule(Section):
    """Switches a default rule off, or changes its severity."""

    rule: str = Field(description="The name of a default rule; or `outcome` or `detector`, which add one.")
    enabled: bool = Field(True, description="`false` switches the rule off.")
    severity: Setting | None = Field(None, description="`page`, `ticket`, `log` or `off`, instead of the rule's own.")

    @field_validator("rule", mode="before")
    @classmethod
    def _known_rule(cls, value: object) -> object:
        known = (*DEFAULT_RULES, "outcome", "detector")
        if value not in known:
            wrong(f"must be one of {', '.join(known)}, not {shown(value)}{suggestion(value, known)}")
        return value

    @field_validator("severity")
    @classmethod
    def _drift_never_pages(cls, value: Setting | None, info: ValidationInfo) -> Setting | None:
        if value == "page" and info.data.get("rule") == "drift":
            wrong("drift opens tickets at most: moved features are evidence, harm is the alarm; write ticket, log or off")
        return value


class OutcomeRule(Section):
    """Watches a product metric that arrives as outcome events."""

    rule: Literal["outcome"] = Field(description="`outcome`.")
    name: Name = Field(description="The name of this rule in incidents and metrics.")
    outcome: Name = Field(description="The `name` of the outcome events.")
    direction: Literal["up", "down"] = Field(description="Where the metric should go: `down` for chargebacks, `up` for sales.")
    bounds: Annotated[tuple[float, float], BeforeValidator(tuple_of_list)] = Field(
        description="The least and the largest value of an event; what lies outside counts as the nearer one."
    )
    tolerance: Annotated[float, Field(ge=0)] = Field(description="Change of the mean, in its own unit, that does no harm.")
    enabled: bool = Field(True, description="`false` switches the rule off.")
    severity: Setting = Field("ticket", description="`page`, `ticket`, `log` or `off`.")

    @field_validator("bounds")
    @classmethod
    def _ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] >= value[1]:
            wrong(f"must be [least, largest], not [{value[0]:g}, {value[1]:g}]")
        return value

    @field_validator("tolerance")
    @classmethod
    def _within_bounds(cls, value: float, info: ValidationInfo) -> float:
        bounds = info.data.get("bounds")
        if bounds is not None and value >= bounds[1] - bounds[0]:
            wrong(f"must be less than the width of bounds, {bounds[1] - bounds[0]:g}, or the rule could never fire")
        return value


class DetectorSetting(Section, extra="allow"):
    """A drift detector of River by its kind; every further key is a parameter of that kind."""

    kind: Name = Field(description="The kind of detector, say `adwin`.")

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        if value not in DETECTORS:
            wrong(f"must be one of {', '.join(DETECTORS)}, not {shown(value)}{suggestion(value, DETECTORS)}")
        return value

    @model_validator(mode="after")
    def _usable(self) -> Self:
        """The detector itself says what is wrong with its parameters; nothing else in this section can be."""
        try:
            make(self.kind, **self.parameters)
        except ValueError as error:
            wrong(str(error))
        return self

    @property
    def parameters(self) -> dict[str, Any]:
        """What the file says beside `kind`."""
        return dict(self.model_extra or {})


class DetectorRule(Section):
    """Runs one more drift detector on one stream of numbers."""

    rule: Literal["detector"] = Field(description="`detector`.")
    name: Name = Field(description="The name of this rule in incidents and metrics.")
    watch: Name = Field(description="`score`, `loss`, or the name of a numeric feature.")
    detector: DetectorSetting = Field(description="`{kind: adwin, delta: 0.002}`: a River detector and its parameters.")
    enabled: bool = Field(True, description="`false` switches the rule off.")
    severity: Setting = Field("ticket", description="`page` (with `watch: loss` only), `ticket`, `log` or `off`.")

    @field_validator("severity")
    @classmethod
    def _only_losses_page(cls, value: Setting, info: ValidationInfo) -> Setting:
        if value == "page" and info.data.get("watch", "loss") != "loss":
            wrong("a detector on anything but the loss opens tickets at most: moved values are evidence, harm is the alarm")
        return value


def _kind_of_rule(value: object) -> str:
    rule = value.get("rule") if isinstance(value, Mapping) else getattr(value, "rule", None)
    return f"({rule})" if rule in ("outcome", "detector") else "(default)"


RuleSetting = Annotated[
    Annotated[DefaultRule, Tag("(default)")]
    | Annotated[OutcomeRule, Tag("(outcome)")]
    | Annotated[DetectorRule, Tag("(detector)")],
    Discriminator(_kind_of_rule),
]


class Rollback(Section):
    """Who takes a bad version back, to what, and how often at most."""

    with_: Name = Field(alias="with", description="The name of one executor of the daemon's settings; `kafka` always exists.")
    args: dict[Name, Any] = Field({}, description="What that kind of executor needs to know of this model.")
    fallbacks: Names = default([], "Versions to try, in this order, after the last known good one.")
    approval: Literal["automatic", "manual"] = Field("automatic", description="`manual`: a person has to say yes first.")
    cooldown: Seconds = default("1h", "Least time between two rollbacks of this model.")
    at_most: RateText = default("2 per 24h", "Rollbacks of this model at most; then people are paged instead.")
    confirm_within: PositiveSeconds = default("10m", "Live traffic must carry the target by then; else a page.")


class Respond(Section):
    """Who hears of an incident, and what is done about it."""

    page: SomeNames | None = Field(None, description="Routes of the daemon's settings for pages; `log` always exists.")
    ticket: SomeNames | None = Field(None, description="Routes for tickets.")
    rollback: Rollback | None = Field(None, description="No such block, no rollback.")
