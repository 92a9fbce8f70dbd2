"""From the settings to the notifiers and executors they name.

The tables are literal (`notifiers.NOTIFIERS`, `rollbacks.EXECUTORS`); an unknown kind is an error that lists the known ones,
never a fallback. Every problem of a section is said at once, each as `routes.<name>.<key>: what is wrong`, and no value is
repeated, as it may be a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from alerting.errors import InvalidRoute
from alerting.notifiers import NOTIFIERS, Notifier
from alerting.periods import Rate
from alerting.rollbacks import EXECUTORS, Executor, Tools
from alerting.rollbacks.command import problems_of
from alerting.routing import FALLBACK

#: The executor that always exists.
DEFAULT_EXECUTOR: Final = "kafka"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTerms:
    """How a route is used, whatever its kind: who stands in for it (in order, the log last), its budget, its repetition.

    `repeat_interval` is in seconds. `escalates`: whoever receives it has a rota and an escalation of its own.
    """

    fallbacks: tuple[str, ...] = (FALLBACK,)
    at_most: Rate | None = None
    repeat_interval: float | None = None
    escalates: bool = False


def build_routes(config: Mapping[str, object]) -> dict[str, Notifier]:
    """The notifiers of `routes` in the settings, by name, and `log`. Raises InvalidRoute with every problem."""
    return {name: NOTIFIERS[kind](model) for name, (kind, model) in _routes(config).items()}


def terms_of(config: Mapping[str, object]) -> dict[str, RouteTerms]:
    """The terms of `routes` in the settings, by name, and those of `log`. Raises InvalidRoute with every problem."""
    configs = {name: model for name, (_, model) in _routes(config).items()}
    return {
        name: RouteTerms(
            fallbacks=_chain(name, configs),
            at_most=model.at_most,
            repeat_interval=model.repeat_interval,
            escalates=model.ESCALATES,
        )
        for name, model in configs.items()
    }


def build_executors(config: Mapping[str, object], tools: Tools) -> dict[str, Executor]:
    """The executors of `executors` in the settings, by name, and `kafka`. Raises InvalidRoute with every problem."""
    known = {DEFAULT_EXECUTOR: {"kind": "kafka"}, **config}
    configs, problems = _configs("executors", known, EXECUTORS, reserved=DEFAULT_EXECUTOR)
    if problems:
        raise InvalidRoute("; ".join(problems))
    return {name: EXECUTORS[kind](model, tools) for name, (kind, model) in configs.items()}


def check_routes(config: Mapping[str, object]) -> list[str]:
    """The problems of `routes`, without building anything."""
    configs, problems = _configs("routes", config, NOTIFIERS, reserved=FALLBACK)
    return problems + _lost({name: model for name, (_, model) in configs.items()}, {FALLBACK, *config})


def check_executors(config: Mapping[str, object]) -> list[str]:
    """The problems of `executors`, without building anything."""
    return _configs("executors", config, EXECUTORS, reserved=DEFAULT_EXECUTOR)[1]


def check_args(executor: str, args: Mapping[str, Any], config: Mapping[str, object]) -> list[str]:
    """What is wrong with `respond.rollback.args` of a guardrail file for the executor of this name; nothing when that is unknown.

    `config` is `executors` in the settings.
    """
    known: dict[str, object] = {DEFAULT_EXECUTOR: {"kind": "kafka"}, **config}
    settings = known.get(executor)
    kind = settings.get("kind") if isinstance(settings, Mapping) else None
    return problems_of(EXECUTORS[kind].Args, args) if isinstance(kind, str) and kind in EXECUTORS else []


def _routes(config: Mapping[str, object]) -> dict[str, tuple[str, Any]]:
    """Name -> (kind, config) of all routes and `log`. Raises InvalidRoute with every problem."""
    problems = check_routes(config)
    if problems:
        raise InvalidRoute("; ".join(problems))
    return _configs("routes", {FALLBACK: {"kind": "log"}, **config}, NOTIFIERS, reserved=FALLBACK)[0]


def _chain(name: str, configs: Mapping[str, Any]) -> tuple[str, ...]:
    """Who stands in for a route, and for that one, up to the log, which takes everything."""
    chain = [name]
    while (following := _fallback(chain[-1], configs)) not in chain:
        chain.append(following)
    return (FALLBACK,) if name == FALLBACK else tuple(chain[1:])


def _fallback(name: str, configs: Mapping[str, Any]) -> str:
    return (name in configs and configs[name].fallback) or FALLBACK


def _lost(configs: Mapping[str, Any], known: Collection[str]) -> list[str]:
    """What is wrong with the fallbacks of these: they lead nowhere, or in a circle."""
    problems = []
    for name, model in configs.items():
        if model.fallback is not None and model.fallback not in known:
            problems.append(f"routes.{name}.fallback: there is no route {model.fallback}; known: {', '.join(sorted(known))}")
        elif name != FALLBACK and FALLBACK not in _chain(name, configs):
            problems.append(f"routes.{name}.fallback: leads in a circle and never to the log")
    return problems


def _configs(
    section: str, config: Mapping[str, object], table: Mapping[str, type[Any]], *, reserved: str
) -> tuple[dict[str, tuple[str, BaseModel]], list[str]]:
    """Name -> (kind, config), and what is wrong. The reserved name stands for the kind of that name only."""
    configs: dict[str, tuple[str, BaseModel]] = {}
    problems: list[str] = []
    for name, settings in config.items():
        kinds = [reserved] if name == reserved else sorted(table)
        kind = settings.get("kind") if isinstance(settings, Mapping) else None
        if kind not in kinds:
            what = "missing" if kind is None else f"{kind!r} is not known here"
            problems.append(f"{section}.{name}.kind: {what}; use {_listed(kinds)}")
            continue
        try:
            configs[name] = (kind, table[kind].Config.model_validate(settings))
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
            problems += [_sentence(f"{section}.{name}", problem["loc"], problem["msg"]) for problem in found]
    return configs, problems


def _listed(kinds: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))


def _sentence(prefix: str, location: tuple[int | str, ...], message: str) -> str:
    return ".".join((prefix, *map(str, location))) + f": {message.removeprefix('Value error, ')}"
