"""The executor for MLflow's model registry: an alias is moved back.

The registry has no compare-and-swap and no history. So the alias is read right before it is moved, and moved only when it still
names the blamed version; it is read again afterwards. What happens between the two requests cannot be seen. That this rollback
was ordered is written on the target version as a tag, before the alias moves: the tag and the alias together tell a later
attempt that it was done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from alerting.errors import DeliveryError
from alerting.fields import Address, Headers, Timeout
from alerting.rollbacks.command import Args, ExecutorConfig, Plan, RollbackCommand, Tools, args_of
from alerting.rollbacks.service import Request, Service

API: Final = "/api/2.0/mlflow"

#: The tag of a version that a rollback went back to; its value is the rollback's key.
TAG: Final = "watchkeeper.rollback"

#: Error codes of "there is no such alias, model or version"; an unknown alias is called an invalid parameter.
MISSING: Final = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})


class MlflowRollbackConfig(ExecutorConfig):
    """`{kind: mlflow, url: https://mlflow.example, headers: {Authorization: Bearer …}}`."""

    kind: Literal["mlflow"] = "mlflow"
    url: Address = Field(description="The tracking server, with its path prefix if it has one.")
    headers: Headers = Field(default={}, description="Sent as well, an Authorization for example.")
    timeout: Timeout = Field(default=10.0, description="Seconds for each request, answer included.")


class MlflowArgs(Args):
    """`args: {name: fraud, alias: champion}`."""

    name: str | None = Field(default=None, min_length=1, description="The registered model; default: the model's own name.")
    alias: str = Field(default="champion", min_length=1, description="The alias that the serving system follows.")


class MlflowRollback:
    """Moves an alias."""

    Config: ClassVar = MlflowRollbackConfig
    Args: ClassVar = MlflowArgs

    def __init__(self, config: MlflowRollbackConfig, tools: Tools) -> None:
        self.config = config
        self._registry = Service(config.url, lambda _: config.headers, config.timeout, tools)

    def plan(self, command: RollbackCommand) -> Plan:
        """The tag and the alias, when the alias names the blamed version and the target is ready. Raises DeliveryError."""
        found, requests = self._requests(command)
        return Plan(found=found, sendings=tuple(map(self._registry.shown, requests)))

    def execute(self, command: RollbackCommand) -> str:
        """Move the alias and read it again. Raises DeliveryError."""
        found, requests = self._requests(command)
        if not requests:
            return f"{found}; nothing was sent"
        for request in requests:
            self._registry.send(request)
        now = self._version(command)
        if now != command.target:
            raise DeliveryError(f"{self._alias(command)} was moved to {command.target}, and is at {now} now", permanent=True)
        return f"{self._alias(command)} moved from version {command.blamed} to {command.target}"

    def already_done(self, command: RollbackCommand) -> bool:
        """Whether the alias names the target and the target carries the rollback's tag. Raises DeliveryError."""
        if self._version(command) != command.target:
            return False
        target = self._target(command)
        return target is not None and _is_tagged(target, command)

    def _requests(self, command: RollbackCommand) -> tuple[str, list[Request]]:
        alias, now = self._alias(command), self._version(command)
        if now == command.target:
            return f"{alias} is at version {now} already", []
        if now is None:
            raise DeliveryError(f"there is no {alias}", permanent=True)
        if now != command.blamed:
            raise DeliveryError(
                f"{alias} is at version {now}, not {command.blamed}: somebody moved it, and nothing was done", permanent=True
            )
        target = self._target(command)
        if target is None or target.get("status", "READY") != "READY":
            state = "is not in the registry" if target is None else f"is {target['status']}, not READY"
            raise DeliveryError(f"version {command.target} of {self._name(command)} {state}; nothing was done", permanent=True)
        name, args = self._name(command), args_of(MlflowArgs, command)
        tag = {"name": name, "version": command.target, "key": TAG, "value": command.key}
        move = {"name": name, "alias": args.alias, "version": command.target}
        tagging = Request(method="POST", path=f"{API}/model-versions/set-tag", document=tag)
        moving = Request(method="POST", path=f"{API}/registered-models/alias", document=move)
        return f"{alias} is at version {now}", [moving] if _is_tagged(target, command) else [tagging, moving]

    def _version(self, command: RollbackCommand) -> str | None:
        """The version that the alias names; None when there is no such alias or model."""
        alias = args_of(MlflowArgs, command).alias
        path = f"{API}/registered-models/alias"
        found = self._registry.find(path, missing=MISSING, name=self._name(command), alias=alias)
        return None if found is None else str(_version_of(found).get("version"))

    def _target(self, command: RollbackCommand) -> Mapping[str, Any] | None:
        path = f"{API}/model-versions/get"
        found = self._registry.find(path, missing=MISSING, name=self._name(command), version=command.target)
        return None if found is None else _version_of(found)

    def _name(self, command: RollbackCommand) -> str:
        return args_of(MlflowArgs, command).name or command.model

    def _alias(self, command: RollbackCommand) -> str:
        return f"alias {args_of(MlflowArgs, command).alias} of {self._name(command)}"


def _version_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    version = document.get("model_version")
    if not isinstance(version, Mapping):
        raise DeliveryError("the registry's answer holds no model_version")
    return version


def _is_tagged(version: Mapping[str, Any], command: RollbackCommand) -> bool:
    return {"key": TAG, "value": command.key} in version.get("tags", [])
