"""The daemon's own settings: one YAML file and the environment, every key with its default and its meaning.

`WATCHKEEPER_KAFKA__GROUP` overrides `kafka.group` of the file, which overrides the default; a secret need never be in a file.
What a *model* may do stands in its guardrail file instead, whose owners are other people. The fields below are also the
reference page, docs/settings.md (see `daemon.settings_page`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from alerting.rota import Shift
from alerting.routes import check_executors, check_routes, terms_of
from alerting.routing import ON_CALL, Routing
from daemon.errors import CannotStart, UnreadableFile
from daemon.rota_settings import RotaGroup
from daemon.schema import Finding, Name, PositiveSeconds, Text, default, findings, suggestion, tuple_of_list, wrong
from daemon.setting_parts import DefaultRoute, EscalationStep, Group, Heartbeat, Inbound, RoutingRule, split
from daemon.yaml_lines import Document, Location, dotted, read

PREFIX: Final = "WATCHKEEPER_"

_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_ADDRESS: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:,/\[\]]+):[0-9]{1,5}")

#: Files and directories; in a settings file they are relative to that file, wherever the daemon is started.
_PATHS: Final[tuple[Location, ...]] = (
    ("guardrails",),
    ("state",),
    ("kafka", "ssl_cafile"),
    ("kafka", "ssl_certfile"),
    ("kafka", "ssl_keyfile"),
)


class Options(dict[str, Any]):
    """What the settings say of a route or an executor. It may hold secrets, so only its kind is ever shown."""

    def __repr__(self) -> str:
        return f"Options(kind={self.get('kind')!r})"

    __str__ = __repr__


def _topic(name: str) -> str:
    if not _TOPIC.fullmatch(name) or name in {".", ".."}:
        wrong(f"must be the name of a topic, up to 249 of A-Z a-z 0-9 . _ -, not {name!r}")
    return name


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        wrong(f"must be host:port, such as 127.0.0.1:9092, not {value!r}")
    return value


def _options(value: dict[str, Any]) -> Options:
    return Options(value)


Topic = Annotated[Name, AfterValidator(_topic)]
Addresses = Annotated[tuple[Annotated[Text, AfterValidator(_address)], ...], BeforeValidator(split), Field(min_length=1)]
Destinations = dict[Name, Annotated[dict[str, Any], AfterValidator(_options)]]


class Topics(Group):
    """The names of the topics."""

    predictions: Topic = Field("predictions", description="What models predicted (read).")
    labels: Topic = Field("labels", description="What turned out to be true (read).")
    outcomes: Topic = Field("outcomes", description="Product metrics (read).")
    dead_letters: Topic = Field("watchkeeper.dead-letters", description="Events that could not be taken in (written).")
    commands: Topic = Field("watchkeeper.commands", description="Rollback commands of the executor `kafka` (written).")
    incidents: Topic = Field("watchkeeper.incidents", description="The journal, a compacted topic (written and read).")

    @field_validator("*")
    @classmethod
    def _distinct(cls, value: str, info: ValidationInfo) -> str:
        for other, name in info.data.items():
            if name == value:
                wrong(f"{value} is the topic of {other} already; every topic has one use")
        return value


class Kafka(Group):
    """How to reach the cluster, and how to read."""

    bootstrap: Addresses = default(["127.0.0.1:9092"], "Brokers to begin with, as `host:port`.")
    group: Name = Field("watchkeeper", description="The consumer group. Daemons of one group stand in for each other.")
    keyed_by: Literal["any"] = Field("any", description="How records are keyed. `any`: one daemon is active, others stand by.")
    topics: Topics = default({}, "The names of the topics.")
    create_topics: bool = Field(False, description="Create missing topics at start; else a missing one is an error.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="With `SASL_…`: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`."
    )
    sasl_username: Text | None = Field(None, description="With `SASL_…`: who the daemon is.")
    sasl_password: SecretStr | None = Field(None, description="With `SASL_…`: best given by the environment.")
    ssl_cafile: Path | None = Field(None, description="Certificates to trust (PEM); default: those of the system.")
    ssl_certfile: Path | None = Field(None, description="The daemon's own certificate (PEM), where the broker asks for one.")
    ssl_keyfile: Path | None = Field(None, description="The key of that certificate (PEM).")
    session_timeout: PositiveSeconds = default("45s", "A daemon that is silent for so long loses its partitions to a standby.")
    heartbeat_interval: PositiveSeconds = default("3s", "How often it says that it lives; at most a third of `session_timeout`.")
    start: Literal["earliest", "latest"] = Field(
        "earliest", description="Without a store: begin at the `earliest` or `latest` record."
    )
    max_poll_records: int = Field(5000, ge=1, le=1_000_000, description="Records of one turn of the loop at most.")
    idle_after: PositiveSeconds = default("2s", "A partition without data for so long is not waited for.")

    @field_validator("keyed_by", mode="before")
    @classmethod
    def _one_active(cls, value: object) -> object:
        if value == "model":
            wrong("model is not there yet: one daemon of a group is active and the others stand by; write any")
        return value

    @field_validator("sasl_mechanism", "sasl_username", "sasl_password")
    @classmethod
    def _complete(cls, value: object, info: ValidationInfo) -> object:
        protocol = str(info.data.get("security_protocol", ""))
        if value is None and protocol.startswith("SASL_"):
            wrong(f"is required with security_protocol: {protocol}", at="security_protocol")
        return value

    @field_validator("heartbeat_interval")
    @classmethod
    def _often_enough(cls, value: float, info: ValidationInfo) -> float:
        timeout = info.data.get("session_timeout")
        if timeout is not None and 3 * value > timeout:
            wrong("must be at most a third of session_timeout, or one lost message costs the partitions", at="session_timeout")
        return value


class DeadLetters(Group):
    """When bad events are so many that a person must know."""

    share: float = Field(0.05, gt=0, le=1, description="Share of bad events in the window from which the daemon pages.")
    window: PositiveSeconds = default("5m", "The window.")
    least: int = Field(100, ge=1, description="With fewer events in the window nothing is said.")


class Http(Group):
    """The page `/` and the endpoints: `/metrics`, `/livez`, `/readyz`, `/api/v1/…`."""

    host: Text = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for all.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Who shows it (`Authorization: Bearer …`) may acknowledge, resolve, silence and roll back; without one "
        "nobody may. Best given by the environment.",
    )


class Log(Group):
    """What the daemon says of itself, on standard error."""

    format: Literal["auto", "json", "console"] = Field("auto", description="`json` or `console`; `auto`: console on a terminal.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is said.")


class Settings(BaseSettings, Group):  # type: ignore[misc]  # it narrows the type of model_config, which no subclass can mend
    """Everything that the daemon must know beside the guardrail files."""

    guardrails: Path = default("guardrails", "Directory of guardrail files, one a model.")
    state: Path = default("state", "Directory of the store and the ledger; belongs to one daemon alone.")
    kafka: Kafka = default({}, "How to reach the cluster, and how to read.")
    checkpoint_every: PositiveSeconds = default("1s", "How often state and offsets are written, in one atomic batch.")
    watchdog_after: PositiveSeconds = default("120s", "A loop that has not turned for so long ends the process (exit code 75).")
    max_pending: int = Field(5_000_000, ge=1, description="Predictions without a label that are kept; then the oldest go.")
    max_event_bytes: int = Field(
        1_000_000, ge=1_000, le=100_000_000, description="Larger events go to the dead letters, truncated."
    )
    dead_letters: DeadLetters = default({}, "When bad events are so many that a person must know.")
    http: Http = default({}, "The endpoints.")
    log: Log = default({}, "What the daemon says of itself.")
    inbound: Inbound = default({}, "What others may tell the daemon.")
    heartbeat: Heartbeat = default({}, "A beat to a dead man's switch.")
    routes: Destinations = Field(
        {}, description="Ways to a person, by name: `{kind: webhook, url: …}`; see response.md. `log` always exists."
    )
    executors: Destinations = Field(
        {}, description="Ways to roll back, by name: `{kind: mlflow, url: …}`; see response.md. `kafka` always exists."
    )
    routing: tuple[RoutingRule, ...] = Field(
        (), description="Whom to tell, by model, owner, severity and time of day: a list of rules, see below and response.md."
    )
    rota: RotaGroup = default({}, "Who is on call.")
    escalation: tuple[EscalationStep, ...] = Field(
        (), description="Who is told next of a page that nobody has acknowledged: a list of steps, see below and response.md."
    )
    default_route: DefaultRoute = default({}, "Where incidents go that no guardrail file and no rule names a route for.")

    @field_validator("routing", "escalation", mode="before")
    @classmethod
    def _frozen(cls, value: object) -> object:
        return tuple_of_list(value)

    @field_validator("heartbeat")
    @classmethod
    def _longer_than_a_checkpoint(cls, value: Heartbeat, info: ValidationInfo) -> Heartbeat:
        if value.within <= info.data.get("checkpoint_every", 0.0):
            wrong("within: must be longer than checkpoint_every, or beats are withheld from a daemon that is well")
        return value

    def ways(self) -> set[str]:
        """The names that may stand where a route is named."""
        return {"log", *self.routes} | ({ON_CALL} if self.rota.primary else set())

    def lost_routes(self) -> Iterator[Finding]:
        """Say of each place that names routes which of them there is not."""
        if self.rota.primary and ON_CALL in self.routes:
            yield Finding(("routes", ON_CALL), f"{ON_CALL} stands for whoever is on call; give the route another name")
        yield from self.rota.lost_routes({"log", *self.routes})
        named: list[tuple[Location, tuple[str, ...]]] = [
            *((("routing", place, "to"), rule.to) for place, rule in enumerate(self.routing)),
            *((("escalation", place, "to"), step.to) for place, step in enumerate(self.escalation)),
            (("default_route", "page"), self.default_route.page),
            (("default_route", "ticket"), self.default_route.ticket),
        ]
        known = self.ways()
        for location, names in named:
            for name in names:
                if name not in known:
                    yield Finding(location, f"there is no route {name} in routes{suggestion(name, known)}")

    def who_is_told(self, calendar: Callable[[], Sequence[Shift]] = tuple) -> Routing:
        """The rules, the default routes and who is on call, as `alerting` wants them; `calendar` gives a calendar's shifts."""
        terms = terms_of(self.routes)
        return Routing(
            rules=tuple(rule.rule() for rule in self.routing),
            page=self.default_route.page,
            ticket=self.default_route.ticket,
            repeat={name: one.repeat_interval for name, one in terms.items() if one.repeat_interval is not None},
            rota=self.rota.rota(),
            calendar=calendar,
            steps=tuple(step.step() for step in self.escalation),
            escalating=frozenset(name for name, one in terms.items() if one.escalates),
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then the file; no others."""
        return (_Environment(settings_cls, env_prefix=PREFIX, env_nested_delimiter="__"), init_settings)


class _Environment(EnvSettingsSource):
    """What is not JSON stays text, and the field's own check says what is wrong with it."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ANN401 - the library's own
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def load_settings(path: Path | str | None = None) -> Settings:
    """The settings of a file (none: defaults) under those of the environment.

    Raises:
        CannotStart: with a sentence for each problem, naming the file and line, or the environment variable, and the key.
    """
    document: Document | None = None
    if path is not None:
        try:
            document = read(Path(path), may_be_empty=True)
        except UnreadableFile as error:
            raise CannotStart(str(error)) from None
    said = _said(document)
    found: list[Finding] = []
    settings: Settings | None = None
    try:
        settings = Settings(**said)
    except ValidationError as error:
        found = list(findings(error))
    else:
        parted = [problem.partition(": ") for problem in (*check_routes(settings.routes), *check_executors(settings.executors))]
        found = [*(Finding(tuple(key.split(".")), what) for key, _, what in parted), *settings.lost_routes()]
    complaints = [*_misspelt_variables(), *_complaints(found, document)]
    if settings is None or complaints:
        raise CannotStart("\n".join(complaints))
    return settings


def _said(document: Document | None) -> dict[str, Any]:
    if document is None:
        return {}
    said = document.root.plain()
    if not isinstance(said, dict):
        raise CannotStart(str(document.problem((), "must be a mapping (`key: value`)")))
    for name in said:
        if name.startswith("_"):  # pydantic-settings would take some of these for its own arguments
            raise CannotStart(str(document.problem((name,), "unknown key", of_key=True)))
    for *groups, key in _PATHS:
        inner: object = said
        for group in groups:
            inner = inner.get(group) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and isinstance(inner.get(key), str):
            inner[key] = str(Path(document.path).parent / inner[key])
    return said


def _misspelt_variables() -> Iterator[str]:
    """Only names with `__` are surely ours: in Kubernetes a service of our name sets WATCHKEEPER_PORT and its like."""
    known = Settings.written_keys()
    for name in sorted(os.environ):
        group, nested, _ = name.upper().removeprefix(PREFIX).partition("__")
        if name.upper().startswith(PREFIX) and nested and group.lower() not in known:
            near = suggestion(group.lower(), known) or f"; known: {', '.join(known)}"
            yield f"{name}: there is no setting {group.lower()}{near}"


def _complaints(found: Iterable[Finding], document: Document | None) -> list[str]:
    """A sentence each, that begins with where the value comes from: a variable, else a line of the file."""
    of_environment: list[str] = []
    of_file = list(document.duplicates) if document is not None else []
    for finding in found:
        variable = _variable(finding.location)
        if document is not None and variable is None:
            of_file.append(finding.problem(document))
        else:
            of_environment.append(f"{variable or 'settings'}: {dotted(finding.location)}: {finding.message}")
    return [*of_environment, *map(str, sorted(of_file))]


def _variable(location: Location) -> str | None:
    """The variable of the environment that sets this key, or a mapping around it."""
    variables = {name.upper(): name for name in os.environ}
    names = [PREFIX + "__".join(map(str, location[:end])).upper() for end in range(len(location), 0, -1)]
    return next((variables[name] for name in names if name in variables), None)
