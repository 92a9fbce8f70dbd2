"""The part of the Kubernetes API that executors need: read an object, patch it, and see that somebody else changed it meanwhile.

Plain HTTP with the service account's token; a client library would bring more code than all executors together. The token is read
anew for each request, since the kubelet rotates it. A patch names the `resourceVersion` that it was decided on, so the API
refuses it when the object has changed since: then the world is read again.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from pydantic import Field, SecretStr

from alerting.errors import DeliveryError
from alerting.fields import Address, Timeout
from alerting.post import refused
from alerting.rollbacks.command import Args, ExecutorConfig, RollbackCommand, Tools
from alerting.rollbacks.service import Request, Service, segment

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"

#: The annotation of an object that was rolled back; its value is the rollback's key.
MARK: Final = "watchkeeper/rollback"


class KubernetesConfig(ExecutorConfig):
    """Where the cluster is, and who we are there. The defaults are those of a pod."""

    server: Address | None = Field(default=None, description="The API server; default: that of the cluster the daemon runs in.")
    token: SecretStr | None = Field(default=None, description="A bearer token, in place of `token_file`.")
    token_file: Path = Field(default=ACCOUNT / "token", description="The service account's token, read anew for each request.")
    ca_file: Path = Field(default=ACCOUNT / "ca.crt", description="Certificates to trust; without the file those of the system.")
    namespace: str = Field(default="default", min_length=1, description="Where models are, unless their `args` say otherwise.")
    timeout: Timeout = Field(default=10.0, description="Seconds for each request, answer included.")
    settle: float = Field(default=30.0, ge=0, le=120, description="Seconds that the cluster may take to show the target.")


class KubernetesArgs(Args):
    """Which object serves the model."""

    name: str | None = Field(default=None, min_length=1, description="The object's name; default: the model's own name.")
    namespace: str | None = Field(default=None, min_length=1, description="Its namespace; default: that of the settings.")

    def path(self, group: str, kind: str, command: RollbackCommand, config: KubernetesConfig) -> str:
        """The path of the object, of a `kind` (its plural) of an API `group` with version."""
        namespace, name = self.namespace or config.namespace, self.name or command.model
        return f"/apis/{group}/namespaces/{segment(namespace)}/{kind}/{segment(name)}"


class Cluster:
    """A Kubernetes API server."""

    def __init__(self, config: KubernetesConfig, tools: Tools) -> None:
        self._config = config
        self._tools = tools
        base = _in_cluster() if config.server is None else config.server
        self.service = Service(base, lambda _: self._authorization(), config.timeout, tools, _trust(base, config.ca_file))

    def find(self, path: str, selector: str = "") -> dict[str, Any] | None:
        """An object, or the list of those with the labels; None when there is none. Raises DeliveryError."""
        return self.service.find(path, labelSelector=selector) if selector else self.service.find(path)

    def patch(self, request: Request) -> None:
        """Change an object. Raises DeliveryError, a temporary one when the object has changed since it was read."""
        call, answer = self.service.ask(request)
        if answer.status == httpx.codes.NOT_FOUND and request.path.endswith("/status"):
            # A definition without the subresource keeps its status in the object itself.
            self.patch(_main(request))
        elif answer.status == httpx.codes.CONFLICT:
            raise DeliveryError(f"{self.service.host}: the object was changed meanwhile; it is read again")
        elif not httpx.codes.is_success(answer.status):
            raise refused(call, answer, now=self._tools.clock())

    def _authorization(self) -> Mapping[str, SecretStr]:
        if self._config.token is not None:
            token = self._config.token.get_secret_value()
        else:
            try:
                token = self._config.token_file.read_text(encoding="ascii").strip()
            except (OSError, UnicodeError):
                raise DeliveryError(f"the token of the service account, {self._config.token_file}, cannot be read") from None
        return {"Authorization": SecretStr(f"Bearer {token}")}


def merged(path: str, document: Mapping[str, Any]) -> Request:
    """A merge patch."""
    return Request(method="PATCH", path=path, document=document, media=MERGE)


def marked(found: Mapping[str, Any], command: RollbackCommand) -> dict[str, Any]:
    """The metadata of a patch that is refused when the object has changed since it was `found`, and that leaves the mark."""
    return {"resourceVersion": at(found, "metadata", "resourceVersion"), "annotations": {MARK: command.key}}


def is_marked(found: Mapping[str, Any], command: RollbackCommand) -> bool:
    """Whether the object carries the mark of this rollback."""
    return bool(at(found, "metadata", "annotations", MARK) == command.key)


def at(document: object, *path: str) -> Any:  # noqa: ANN401  # JSON has no narrower static type
    """What stands at a path of nested objects, or None: objects of others need not have the shape that we think."""
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def items(document: object, *path: str) -> list[Mapping[str, Any]]:
    """The objects of the list at a path; what else stands there is passed over."""
    found = at(document, *path)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def _main(request: Request) -> Request:
    return merged(request.path.removesuffix("/status"), request.document)


def _in_cluster() -> SecretStr:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    name = f"[{host}]" if ":" in host else host or "kubernetes.default.svc"
    return SecretStr(f"https://{name}:{port}")


def _trust(base: SecretStr, ca_file: Path) -> ssl.SSLContext | None:
    if not base.get_secret_value().startswith("https") or not ca_file.is_file():
        return None
    return ssl.create_default_context(cafile=str(ca_file))
