"""Parts of the settings: what all groups of keys are, and who is told of what.

The environment holds nothing but text, so a group reads more generously than a guardrail file does: one name stands for a list
of one, and `a,b` for a list of two.
"""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from alerting.escalation import Step
from alerting.fields import checked_address
from alerting.hours import Hours, read_hours, read_zone
from alerting.routing import Rule
from daemon.schema import Name, PositiveSeconds, Section, default, tuple_of_list, wrong


class Group(Section, strict=False):
    """Settings that belong together. Not strict: the environment holds nothing but text."""


def split(value: object) -> object:
    """The environment has no lists: `a:9092,b:9092` stands for one."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _listed(value: object) -> object:
    """One of something stands for a list of it."""
    return (value,) if isinstance(value, str) else tuple_of_list(value)


def _span(value: object) -> object:
    if isinstance(value, Hours):
        return value
    try:
        return read_hours(str(value))
    except ValueError as error:
        wrong(str(error))


def _zone(name: str) -> str:
    try:
        read_zone(name)
    except ValueError as error:
        wrong(str(error))
    return name


def _address(url: SecretStr) -> SecretStr:
    try:
        return checked_address(url)
    except ValueError as error:
        wrong(str(error))


def _public(text: str) -> str:
    """The same without a slash at its end, when links can be made of it by writing a path behind it."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        fits = False
    if not (fits and text.isascii() and text.isprintable() and not set(text) & set(' ?#@"<>\\')):
        wrong("must be an http or https address with a host, such as https://watchkeeper.internal, without ? # @")
    return text.rstrip("/")


PublicAddress = Annotated[Name, AfterValidator(_public)]
SecretAddress = Annotated[SecretStr, AfterValidator(_address)]
RouteNames = Annotated[tuple[Name, ...], BeforeValidator(split), Field(min_length=1)]
Patterns = Annotated[tuple[Name, ...], BeforeValidator(_listed)]
Zone = Annotated[Name, AfterValidator(_zone)]
Spans = Annotated[tuple[Annotated[Hours, BeforeValidator(_span)], ...], BeforeValidator(_listed)]


class DefaultRoute(Group):
    """Where incidents go that no guardrail file and no rule names a route for."""

    page: RouteNames = default(["log"], "Routes of pages; the daemon's own pages too.")
    ticket: RouteNames = default(["log"], "Routes of tickets.")


class RoutingRule(Group):
    """Whom to tell of what, when its guardrail file names no route: the first rule that fits all that it says decides."""

    severity: Literal["page", "ticket"] | None = Field(None, description="Only pages, or only tickets.")
    models: Patterns = Field((), description="Only these models; globs such as `fraud-*`.")
    owners: Patterns = Field((), description="Only what these own; globs.")
    hours: Spans = Field((), description="Only then: `mon-fri 08:00-18:00`, `sat,sun`, `22:00-06:00`, or a list of these.")
    zone: Zone = Field("UTC", description="The time zone of `hours`, such as `Europe/Berlin`.")
    to: RouteNames = Field(description="The routes that are told.")
    continue_: bool = Field(False, alias="continue", description="Let the rules after it add theirs.")

    def rule(self) -> Rule:
        """The same as `alerting` wants it."""
        return Rule(
            to=self.to,
            severity=self.severity,
            models=self.models,
            owners=self.owners,
            hours=self.hours,
            zone=read_zone(self.zone) if self.hours else UTC,
            further=self.continue_,
        )


class EscalationStep(Group):
    """Whom to tell next of a page that nobody has acknowledged. Not while it is with PagerDuty, which escalates by itself."""

    after: PositiveSeconds = Field(description="So long after the page: `15m`.")
    to: RouteNames = Field(description="The routes that are told; `on-call` is whoever is on call then.")
    models: Patterns = Field((), description="Only pages of these models; globs.")
    owners: Patterns = Field((), description="Only pages of what these own; globs.")

    def step(self) -> Step:
        """The same as `alerting` wants it."""
        return Step(after=self.after, to=self.to, models=self.models, owners=self.owners)


class Heartbeat(Group):
    """The watch on the watch: a beat to a dead man's switch, sent only while events go the whole way."""

    url: SecretAddress | None = Field(
        None,
        description="Where to POST a beat; without it none is sent. Kept as a secret: whoever knows it can beat.",
    )
    every: PositiveSeconds = default("1m", "How often.")
    within: PositiveSeconds = default("5m", "So lately an event must have gone the whole way, or none have been left to read.")


class InboundPagerDuty(Group):
    """PagerDuty's webhooks (v3), POSTed to `/api/v1/inbound/pagerduty`: what is acknowledged or resolved there is so here."""

    secrets: Annotated[tuple[Annotated[SecretStr, Field(min_length=16)], ...], BeforeValidator(split)] = Field(
        (), description="The secrets of the webhook subscriptions, as PagerDuty shows them once; without one nothing is taken."
    )


class Inbound(Group):
    """What others may tell the daemon."""

    pagerduty: InboundPagerDuty = default({}, "PagerDuty's webhooks.")
