"""From the settings to the notifiers and executors they name.

The tables are literal (`notifiers.NOTIFIERS`, `rollbacks.EXECUTORS`); an unknown kind is an error that lists the known ones,
never a fallback. Every problem of a section is said at once, each as `routes.<name>.<key>: what is wrong`, and no value is
repeated, as it may be a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from alerting.errors import InvalidRoute
from alerting.notifiers import NOTIFIERS, Notifier
from alerting.rollbacks import EXECUTORS, Executor, Tools
from alerting.rollbacks.command import problems_of

#: The route that always exists and takes what every other route refused.
FALLBACK: Final = "log"

#: The executor that always exists.
DEFAULT_EXECUTOR: Final = "kafka"


def build_routes(config: Mapping[str, object]) -> dict[str, Notifier]:
    """The notifiers of `routes` in the settings, by name, and `log`. Raises InvalidRoute with every problem."""
    configs, problems = _configs("routes", {FALLBACK: {"kind": "log"}, **config}, NOTIFIERS, reserved=FALLBACK)
    if problems:
        raise InvalidRoute("; ".join(problems))
    return {name: NOTIFIERS[kind](model) for name, (kind, model) in configs.items()}


def build_executors(config: Mapping[str, object], tools: Tools) -> dict[str, Executor]:
    """The executors of `executors` in the settings, by name, and `kafka`. Raises InvalidRoute with every problem."""
    known = {DEFAULT_EXECUTOR: {"kind": "kafka"}, **config}
    configs, problems = _configs("executors", known, EXECUTORS, reserved=DEFAULT_EXECUTOR)
    if problems:
        raise InvalidRoute("; ".join(problems))
    return {name: EXECUTORS[kind](model, tools) for name, (kind, model) in configs.items()}


def check_routes(config: Mapping[str, object]) -> list[str]:
    """The problems of `routes`, without building anything."""
    return _configs("routes", config, NOTIFIERS, reserved=FALLBACK)[1]


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
