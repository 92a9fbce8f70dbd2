"""The executor for KServe's InferenceServices: take a canary's traffic away, or put the storage address of the target back.

Which patch is right depends on how far the version came, and a wrong one is worse than none: `canaryTrafficPercent: 0` goes to
the revision that was rolled out last, whatever it holds, and does nothing once the canary was promoted. So what each patch leads
to is read first, from the Knative revision or the service itself, and nothing is sent when that is not the target.

A version is known by its storage address, `storage_uri` of the args with the version filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from pydantic import Field, field_validator

from alerting.errors import DeliveryError
from alerting.rollbacks.command import Plan, RollbackCommand, Tools, args_of, until
from alerting.rollbacks.kubernetes import Cluster, KubernetesArgs, KubernetesConfig, at, is_marked, items, marked, merged
from alerting.rollbacks.service import Request, segment

GROUP: Final = "serving.kserve.io/v1beta1"
KNATIVE: Final = "serving.knative.dev/v1"

#: Where KServe leaves the storage address on a Knative revision.
SOURCE: Final = "internal.serving.kserve.io/storage-initializer-sourceuri"
MODE: Final = "serving.kserve.io/deploymentMode"

_VERSION: Final = "{version}"


class KserveConfig(KubernetesConfig):
    """`{kind: kserve}` in the cluster; elsewhere with `server` and a token."""

    kind: Literal["kserve"] = "kserve"


class KserveArgs(KubernetesArgs):
    """`args: {name: fraud, namespace: models, storage_uri: "s3://models/fraud/{version}"}`."""

    storage_uri: str = Field(description="The storage address of a version, with `{version}` where the version stands.")

    @field_validator("storage_uri")
    @classmethod
    def _has_a_version(cls, value: str) -> str:
        if _VERSION not in value:
            raise ValueError(f"must contain {_VERSION}")
        return value

    def uri(self, version: str) -> str:
        """The storage address of a version."""
        return self.storage_uri.replace(_VERSION, version)


class KserveRollback:
    """Patches an InferenceService."""

    Config: ClassVar = KserveConfig
    Args: ClassVar = KserveArgs

    def __init__(self, config: KserveConfig, tools: Tools) -> None:
        self.config = config
        self._tools = tools
        self._cluster = Cluster(config, tools)

    def plan(self, command: RollbackCommand) -> Plan:
        """The patch, when the blamed version serves. Raises DeliveryError."""
        found, requests = self._requests(command)
        return Plan(found=found, sendings=tuple(map(self._cluster.service.shown, requests)))

    def execute(self, command: RollbackCommand) -> str:
        """Patch it, and look until the traffic is where it should be. Raises DeliveryError."""
        found, requests = self._requests(command)
        for request in requests:
            self._cluster.patch(request)
        name = self._name(command)
        late = f"{name} does not serve version {command.target} alone after {self.config.settle:g} s"
        told = until(lambda: self._look(command), self._tools, self.config.settle, late)
        return told if requests else f"{found}; nothing was sent"

    def already_done(self, command: RollbackCommand) -> bool:
        """Whether the service carries the rollback's mark and the blamed version is to get no traffic. Raises DeliveryError."""
        service = self._find(command)
        return service is not None and is_marked(service, command) and not self._is_to_serve(service, command)

    def _requests(self, command: RollbackCommand) -> tuple[str, list[Request]]:
        service, args, name = self._find(command), args_of(KserveArgs, command), self._name(command)
        if service is None:
            raise DeliveryError(f"there is no {name}; nothing was done", permanent=True)
        uri, blamed, target = _uri(at(service, "spec", "predictor")), args.uri(command.blamed), args.uri(command.target)
        beside = [one for one in items(service, "spec", "canary") if _uri(at(one, "predictor")) == blamed]
        if uri == target and not beside:
            return f"{name} is to serve version {command.target} already", []
        if uri == target:
            left = [one for one in items(service, "spec", "canary") if one not in beside]
            return f"{name} serves version {command.blamed} as a canary", [
                self._patch(service, command, {"canary": left or None})
            ]
        if uri != blamed:
            raise DeliveryError(
                f"{name} is to serve {uri}, not {blamed}: somebody moved it, and nothing was done", permanent=True
            )
        if not _is_canary(service):
            back: dict[str, Any] = {"model": {"storageUri": target}}
            if at(service, "spec", "predictor", "canaryTrafficPercent") is not None:
                back["canaryTrafficPercent"] = None
            return f"{name} serves version {command.blamed} alone", [self._patch(service, command, {"predictor": back})]
        return self._end_of_canary(service, command, target)

    def _end_of_canary(self, service: Mapping[str, Any], command: RollbackCommand, target: str) -> tuple[str, list[Request]]:
        name, before = self._name(command), at(service, "status", "components", "predictor", "latestRolledoutRevision")
        holds = self._source_of(service, str(before))
        if holds != target:
            raise DeliveryError(
                f"to end the canary of {name} would lead to revision {before} with {holds}, not {target}; nothing was done",
                permanent=True,
            )
        if at(service, "spec", "predictor", "canaryTrafficPercent") == 0:
            return f"the canary of {name} gets no traffic already", []
        found = f"{name} serves version {command.blamed} as a canary beside revision {before}"
        return found, [self._patch(service, command, {"predictor": {"canaryTrafficPercent": 0}})]

    def _patch(self, service: Mapping[str, Any], command: RollbackCommand, spec: Mapping[str, Any]) -> Request:
        path = args_of(KserveArgs, command).path(GROUP, "inferenceservices", command, self.config)
        return merged(path, {"metadata": marked(service, command), "spec": spec})

    def _is_to_serve(self, service: Mapping[str, Any], command: RollbackCommand) -> bool:
        """Whether the blamed version is to get traffic."""
        blamed = args_of(KserveArgs, command).uri(command.blamed)
        beside = any(_uri(at(one, "predictor")) == blamed for one in items(service, "spec", "canary"))
        ended = _is_canary(service) and at(service, "spec", "predictor", "canaryTrafficPercent") == 0
        return beside or (_uri(at(service, "spec", "predictor")) == blamed and not ended)

    def _look(self, command: RollbackCommand) -> str | None:
        service = self._find(command)
        if service is None or self._is_to_serve(service, command) or not _is_settled(service):
            return None
        return f"{self._name(command)} serves version {command.target}"

    def _source_of(self, service: Mapping[str, Any], revision: str) -> str | None:
        namespace = at(service, "metadata", "namespace") or self.config.namespace
        found = self._cluster.find(f"/apis/{KNATIVE}/namespaces/{segment(namespace)}/revisions/{segment(revision)}")
        source = at(found, "metadata", "annotations", SOURCE)
        return source if isinstance(source, str) else None

    def _find(self, command: RollbackCommand) -> dict[str, Any] | None:
        return self._cluster.find(args_of(KserveArgs, command).path(GROUP, "inferenceservices", command, self.config))

    def _name(self, command: RollbackCommand) -> str:
        args = args_of(KserveArgs, command)
        return f"InferenceService {args.namespace or self.config.namespace}/{args.name or command.model}"


def _uri(predictor: object) -> str | None:
    uri = at(predictor, "model", "storageUri")
    return uri if isinstance(uri, str) else None


def _is_canary(service: Mapping[str, Any]) -> bool:
    """Whether two revisions share the traffic, or could: without Knative the percentage means nothing."""
    percent = at(service, "spec", "predictor", "canaryTrafficPercent")
    status = at(service, "status", "components", "predictor")
    before, latest = at(status, "latestRolledoutRevision"), at(status, "latestCreatedRevision")
    raw = at(service, "metadata", "annotations", MODE) in {"RawDeployment", "Standard"}
    return isinstance(percent, int) and percent < 100 and bool(before) and before != latest and not raw  # noqa: PLR2004  # all of it


def _is_settled(service: Mapping[str, Any]) -> bool:
    """Whether the controller has seen the service as it is, and the traffic goes where it should."""
    seen = at(service, "status", "observedGeneration")
    if isinstance(seen, int) and seen < (at(service, "metadata", "generation") or 0):
        return False
    if not any(one.get("type") == "Ready" and one.get("status") == "True" for one in items(service, "status", "conditions")):
        return False
    status = at(service, "status", "components", "predictor")
    wanted = at(status, "latestRolledoutRevision" if _is_canary(service) else "latestCreatedRevision")
    shares = {str(one.get("revisionName")): one.get("percent") for one in items(status, "traffic") if one.get("percent")}
    return not shares or shares == {str(wanted): 100}
