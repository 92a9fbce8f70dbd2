"""The executor for Argo Rollouts: abort while a version rolls out, undo once it has.

An abort returns the traffic to the *stable* ReplicaSet at once; so it is sent only when that one is the target, since what it
leads to cannot be chosen. After full promotion nothing is left to abort: the pod template of the target's ReplicaSet is put back,
and promoted in full, as steps that were made for a new version would only prolong the harm.

The version is a label of the pod template. There is no Rollouts API, only objects; a GitOps tool that heals itself will undo an
undo, see docs/response.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from alerting.errors import DeliveryError
from alerting.rollbacks.command import Plan, RollbackCommand, Tools, args_of, until
from alerting.rollbacks.kubernetes import (
    JSON_PATCH,
    MARK,
    Cluster,
    KubernetesArgs,
    KubernetesConfig,
    at,
    is_marked,
    items,
    marked,
    merged,
)
from alerting.rollbacks.service import Request

GROUP: Final = "argoproj.io/v1alpha1"
HASH: Final = "rollouts-pod-template-hash"
REVISION: Final = "rollout.argoproj.io/revision"


class ArgoRolloutsConfig(KubernetesConfig):
    """`{kind: argo_rollouts}` in the cluster; elsewhere with `server` and a token."""

    kind: Literal["argo_rollouts"] = "argo_rollouts"


class ArgoRolloutsArgs(KubernetesArgs):
    """`args: {name: fraud, namespace: models}`."""

    version_label: str = Field(
        default="app.kubernetes.io/version",
        min_length=1,
        description="The label of the pod template that holds the model's version.",
    )
    full: bool = Field(default=True, description="Promote an undo in full, without walking the steps of the rollout again.")


@dataclass(frozen=True, slots=True)
class Rollout:
    """A Rollout as it was found, and its ReplicaSets."""

    path: str
    label: str
    document: Mapping[str, Any]
    sets: tuple[Mapping[str, Any], ...]

    @property
    def version(self) -> str | None:
        """The version that it is to run."""
        return self._version_of(at(self.document, "spec", "template"))

    @property
    def stable(self) -> str | None:
        """The version of the stable ReplicaSet: the one that an abort leads to."""
        wanted = at(self.document, "status", "stableRS")
        named = [one for one in self.sets if at(one, "metadata", "labels", HASH) == wanted]
        return self._version_of(at(named[0], "spec", "template")) if named and wanted else None

    @property
    def rolling(self) -> bool:
        """Whether what it is to run is not the stable version yet."""
        return bool(at(self.document, "status", "currentPodHash") != at(self.document, "status", "stableRS"))

    @property
    def aborted(self) -> bool:
        """Whether the rollout under way was aborted."""
        return self.rolling and at(self.document, "status", "abort") is True

    @property
    def current(self) -> str | None:
        """The version that the controller works on: of the template that it has seen."""
        wanted = at(self.document, "status", "currentPodHash")
        named = [one for one in self.sets if at(one, "metadata", "labels", HASH) == wanted]
        return self._version_of(at(named[0], "spec", "template")) if named and wanted else None

    def template_of(self, version: str) -> dict[str, Any] | None:
        """The pod template of the latest ReplicaSet of a version, as it was before the controller added its hash."""
        fitting = [one for one in self.sets if self._version_of(at(one, "spec", "template")) == version]
        if not fitting:
            return None
        template: dict[str, Any] = at(max(fitting, key=_revision), "spec", "template")
        metadata = dict(template.get("metadata", {}))
        metadata["labels"] = {name: value for name, value in metadata.get("labels", {}).items() if name != HASH}
        return {**template, "metadata": metadata}

    def without_canary(self) -> bool:
        """Whether the version that rolls out gets no traffic any more, as far as the object says."""
        weights = at(self.document, "status", "canary", "weights", "canary", "weight")
        active = at(self.document, "status", "blueGreen", "activeSelector")
        return weights in {None, 0} and active in {None, "", at(self.document, "status", "stableRS")}

    def _version_of(self, template: object) -> str | None:
        version = at(template, "metadata", "labels", self.label)
        return version if isinstance(version, str) else None


class ArgoRolloutsRollback:
    """Aborts or undoes a rollout."""

    Config: ClassVar = ArgoRolloutsConfig
    Args: ClassVar = ArgoRolloutsArgs

    def __init__(self, config: ArgoRolloutsConfig, tools: Tools) -> None:
        self.config = config
        self._tools = tools
        self._cluster = Cluster(config, tools)

    def plan(self, command: RollbackCommand) -> Plan:
        """The patches, when the blamed version rolls out or has rolled out. Raises DeliveryError."""
        found, requests = self._requests(command)
        return Plan(found=found, sendings=tuple(map(self._cluster.service.shown, requests)))

    def execute(self, command: RollbackCommand) -> str:
        """Abort or undo, and look until the cluster shows it. Raises DeliveryError."""
        found, requests = self._requests(command)
        for request in requests:
            if at(request.document, "status", "promoteFull") is True:
                # Before the controller has seen the template, it would take this for a promotion of what it replaces.
                self._until(command, lambda rollout: rollout.current == command.target, "seen the template of")
            self._cluster.patch(request)
        told = self._until(command, lambda rollout: self._arrived(rollout, command), "gone back to")
        return told if requests else f"{found}; nothing was sent"

    def already_done(self, command: RollbackCommand) -> bool:
        """Whether the Rollout carries the rollback's mark and was aborted or put back. Raises DeliveryError."""
        rollout = self._find(command)
        if rollout is None or not is_marked(rollout.document, command):
            return False
        return rollout.aborted or (rollout.version == command.target and not self._to_promote(rollout, command))

    def _requests(self, command: RollbackCommand) -> tuple[str, list[Request]]:
        rollout = self._find(command)
        name = self._name(command)
        if rollout is None:
            raise DeliveryError(f"there is no {name}; nothing was done", permanent=True)
        if rollout.version == command.target:
            again = [_promotion(rollout)] if is_marked(rollout.document, command) and self._to_promote(rollout, command) else []
            return f"{name} is to run version {command.target} already", again
        if rollout.version != command.blamed:
            raise DeliveryError(
                f"{name} is to run version {rollout.version}, not {command.blamed}: somebody moved it, and nothing was done",
                permanent=True,
            )
        if rollout.rolling:
            return self._abortion(rollout, command, name)
        template = rollout.template_of(command.target)
        if template is None:
            raise DeliveryError(
                f"{name} has no ReplicaSet of version {command.target} any more; nothing was done", permanent=True
            )
        undo = [_undo(rollout, template, command)]
        full = [_promotion(rollout)] if args_of(ArgoRolloutsArgs, command).full else []
        return f"{name} runs version {command.blamed}, fully promoted", undo + full

    def _abortion(self, rollout: Rollout, command: RollbackCommand, name: str) -> tuple[str, list[Request]]:
        if rollout.stable != command.target:
            raise DeliveryError(
                f"to abort {name} would lead to version {rollout.stable}, not {command.target}; nothing was done", permanent=True
            )
        if rollout.aborted:
            return f"the rollout of version {command.blamed} in {name} was aborted already", []
        mark = merged(rollout.path, {"metadata": marked(rollout.document, command)})
        abort = merged(f"{rollout.path}/status", {"status": {"abort": True}})
        requests = [abort] if is_marked(rollout.document, command) else [mark, abort]
        return f"{name} rolls out version {command.blamed} beside {rollout.stable}", requests

    def _to_promote(self, rollout: Rollout, command: RollbackCommand) -> bool:
        full = args_of(ArgoRolloutsArgs, command).full
        return full and rollout.rolling and at(rollout.document, "status", "promoteFull") is not True

    def _arrived(self, rollout: Rollout, command: RollbackCommand) -> bool:
        if rollout.aborted:
            return rollout.without_canary()
        stepwise = not args_of(ArgoRolloutsArgs, command).full and rollout.current == command.target
        return rollout.version == command.target and (rollout.stable == command.target or stepwise)

    def _until(self, command: RollbackCommand, right: Callable[[Rollout], bool], what: str) -> str:
        name, target = self._name(command), command.target

        def look() -> str | None:
            rollout = self._find(command)
            return f"{name} has {what} version {target}" if rollout is not None and right(rollout) else None

        return until(
            look, self._tools, self.config.settle, f"{name} has not {what} version {target} after {self.config.settle:g} s"
        )

    def _find(self, command: RollbackCommand) -> Rollout | None:
        args = args_of(ArgoRolloutsArgs, command)
        path = args.path(GROUP, "rollouts", command, self.config)
        document = self._cluster.find(path)
        if document is None:
            return None
        labels = at(document, "spec", "selector", "matchLabels") or {}
        sets = path.partition("/rollouts/")[0].replace(GROUP, "apps/v1") + "/replicasets"
        listed = self._cluster.find(sets, ",".join(f"{name}={value}" for name, value in labels.items()))
        mine = at(document, "metadata", "uid")
        owned = [
            one for one in items(listed, "items") if any(at(o, "uid") == mine for o in items(one, "metadata", "ownerReferences"))
        ]
        return Rollout(path, args.version_label, document, tuple(owned))

    def _name(self, command: RollbackCommand) -> str:
        args = args_of(ArgoRolloutsArgs, command)
        return f"Rollout {args.namespace or self.config.namespace}/{args.name or command.model}"


def _undo(rollout: Rollout, template: Mapping[str, Any], command: RollbackCommand) -> Request:
    metadata = marked(rollout.document, command)
    annotations = {**(at(rollout.document, "metadata", "annotations") or {}), MARK: command.key}
    # Replacing the version with the one that was read makes the API refuse the patch when the object has changed since.
    patch = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
        {"op": "replace", "path": "/spec/template", "value": template},
    ]
    return Request(method="PATCH", path=rollout.path, document=patch, media=JSON_PATCH)


def _promotion(rollout: Rollout) -> Request:
    return merged(f"{rollout.path}/status", {"status": {"promoteFull": True}})


def _revision(replica_set: Mapping[str, Any]) -> int:
    text = str(at(replica_set, "metadata", "annotations", REVISION))
    return int(text) if text.isascii() and text.isdigit() else 0
