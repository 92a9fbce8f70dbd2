"""The Kubernetes API for the objects that executors touch, with the controllers of Argo Rollouts and KServe behind it.

As strict as the real one about tokens, media types, resource versions, the status subresource and what a patch may name; the
controllers do at once what the real ones do after a while.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.doubles.stand import Answer, Request, Stand, as_json

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

Object = dict[str, Any]


class Kubernetes(Stand):
    """An API server. `controller` is called with the objects after every change; `token` must come as a bearer's."""

    def __init__(self, token: str, objects: Mapping[str, Object], controller: Callable[[dict[str, Object]], None]) -> None:
        super().__init__()
        self.token = token
        self.objects: dict[str, Object] = {path: copy.deepcopy(document) for path, document in objects.items()}
        self.controller = controller
        self.bodies: list[str] = []
        for document in self.objects.values():
            document["metadata"] |= {"resourceVersion": "100", "generation": 1}
        controller(self.objects)

    def violations_of(self, request: Request) -> Sequence[str]:
        """What no executor should send."""
        if request.method not in {"GET", "PATCH"}:
            return [f"{request.method} {request.path}"]
        if request.method == "GET":
            return [f"a query of {sorted(request.query)}"] if set(request.query) - {"labelSelector"} else []
        patch = json.loads(request.content)
        media = request.headers.get("content-type")
        if media not in {MERGE, JSON_PATCH} or (media == JSON_PATCH) != isinstance(patch, list):
            return [f"a {type(patch).__name__} as {media}"]
        if isinstance(patch, list):
            wrong = [step for step in patch if step["op"] not in {"add", "replace"} or set(step) != {"op", "path", "value"}]
            return [f"a step {step}" for step in wrong]
        of_status = request.path.endswith("/status")
        # Beside its subresource a status is silently dropped, and the other way round.
        return [f"{name} is dropped here" for name in patch if (name == "status") != of_status]

    def serve(self, request: Request) -> Answer:
        """Read or change an object."""
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _status(401, "Unauthorized")
        path = request.path.removesuffix("/status")
        if request.method == "GET":
            return self._read(request)
        if path not in self.objects:
            return _status(404, "NotFound")
        self.bodies.append(request.content.decode())
        before = self.objects[path]
        patch = json.loads(request.content)
        after = _stepwise(before, patch) if isinstance(patch, list) else _merge(before, patch)
        if after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]:
            return _status(409, "Conflict")
        self.change(path, after)
        return as_json(200, self.objects[path])

    def change(self, path: str, after: Object) -> None:
        """Put an object in another's place, and let the controller do its work."""
        before = self.objects[path]
        after = copy.deepcopy(after)
        after["metadata"]["resourceVersion"] = str(int(before["metadata"]["resourceVersion"]) + 1)
        after["metadata"]["generation"] = before["metadata"]["generation"] + (after.get("spec") != before.get("spec"))
        self.objects[path] = after
        self.controller(self.objects)

    def _read(self, request: Request) -> Answer:
        if request.path in self.objects:
            return as_json(200, self.objects[request.path])
        inside = [one for path, one in self.objects.items() if path.startswith(request.path + "/")]
        if not inside:
            return _status(404, "NotFound")
        wanted = dict(pair.split("=") for pair in request.query.get("labelSelector", "").split(",") if pair)
        return as_json(200, {"items": [one for one in inside if wanted.items() <= one["metadata"].get("labels", {}).items()]})


def _status(code: int, reason: str) -> Answer:
    return as_json(code, {"kind": "Status", "status": "Failure", "reason": reason, "code": code})


def _merge(before: Any, patch: Any) -> Any:  # noqa: ANN401  # JSON
    if not isinstance(patch, dict):
        return patch
    after = dict(before) if isinstance(before, dict) else {}
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        else:
            after[name] = _merge(after.get(name), value)
    return after


def _stepwise(before: Object, patch: Sequence[Object]) -> Object:
    after = copy.deepcopy(before)
    for step in patch:
        *way, last = (part.replace("~1", "/").replace("~0", "~") for part in step["path"].strip("/").split("/"))
        inner = after
        for part in way:
            inner = inner[part]
        assert step["op"] == "add" or last in inner, f"nothing to replace at {step['path']}"
        inner[last] = step["value"]
    return after


# --- Argo Rollouts

ROLLOUT = "/apis/argoproj.io/v1alpha1/namespaces/models/rollouts/loan-approval"
SETS = "/apis/apps/v1/namespaces/models/replicasets/loan-approval-"
HASH = "rollouts-pod-template-hash"


def a_template(version: str) -> Object:
    """The pod template of a version."""
    labels = {"app": "loan", "app.kubernetes.io/version": version}
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "model", "image": f"models/loan:{version}"}]}}


def a_replica_set(version: str, revision: int, owner: str = "u-1") -> Object:
    """The ReplicaSet that the controller made of a template."""
    template = a_template(version)
    template["metadata"]["labels"][HASH] = f"h{version}"
    metadata = {
        "labels": {"app": "loan", HASH: f"h{version}"},
        "annotations": {"rollout.argoproj.io/revision": str(revision)},
        "ownerReferences": [{"kind": "Rollout", "uid": owner}],
    }
    return {"metadata": metadata, "spec": {"template": template}}


def a_rollout(version: str, stable: str) -> dict[str, Object]:
    """A Rollout that runs `version`, with `stable` as its stable ReplicaSet, and the ReplicaSets of 6 to 9."""
    rollout = {
        "metadata": {"name": "loan-approval", "namespace": "models", "uid": "u-1", "annotations": {"team": "credit"}},
        "spec": {"selector": {"matchLabels": {"app": "loan"}}, "template": a_template(version)},
        "status": {"currentPodHash": f"h{version}", "stableRS": f"h{stable}"},
    }
    sets = {f"{SETS}{name}": a_replica_set(name, int(name)) for name in "6789"}
    return {ROLLOUT: rollout, **sets, f"{SETS}other": a_replica_set("7", 99, owner="u-2")}


class Argo:
    """The controller: `moved` is where it moved the traffic, in order."""

    def __init__(self) -> None:
        self.moved: list[tuple[str, str]] = []
        self.working = True

    def __call__(self, objects: dict[str, Object]) -> None:
        """Bring the status in line with what is asked for."""
        if not self.working:
            return
        rollout = objects[ROLLOUT]
        status, version = rollout["status"], rollout["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"]
        assert HASH not in rollout["spec"]["template"]["metadata"]["labels"], "the controller's own label in a template"
        if status["currentPodHash"] != f"h{version}":
            status |= {"currentPodHash": f"h{version}", "abort": False, "promoteFull": False}
            if version != "9":
                self.moved.append(("loan-approval", version))
        if status.get("abort") and status["currentPodHash"] != status["stableRS"]:
            status["canary"] = {"weights": {"canary": {"weight": 0}}}
            status["phase"] = "Degraded"
            if not self.moved:
                self.moved.append(("loan-approval", status["stableRS"].removeprefix("h")))
        if status.get("promoteFull"):
            status |= {"stableRS": status["currentPodHash"], "promoteFull": False}


# --- KServe

SERVICE = "/apis/serving.kserve.io/v1beta1/namespaces/models/inferenceservices/loan-approval"
REVISIONS = "/apis/serving.knative.dev/v1/namespaces/models/revisions/loan-approval-predictor-"
SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"


def a_uri(version: str) -> str:
    """The storage address of a version."""
    return f"s3://models/loan/{version}"


def a_service(version: str, percent: int | None = None, before: str = "7", canary: str | None = None) -> dict[str, Object]:
    """An InferenceService of `version`: a canary with `percent` of the traffic beside `before`, or a `canary` in its list."""
    predictor: Object = {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": a_uri(version)}}
    if percent is not None:
        predictor["canaryTrafficPercent"] = percent
    spec: Object = {"predictor": predictor}
    if canary is not None:
        spec["canary"] = [{"trafficPercent": 10, "predictor": {"model": {"storageUri": a_uri(canary)}}}]
    rolled_out = f"loan-approval-predictor-{before if percent is not None else version}"
    service: Object = {
        "metadata": {"name": "loan-approval", "namespace": "models"},
        "spec": spec,
        "status": {"components": {"predictor": {"latestRolledoutRevision": rolled_out}}},
    }
    revisions: dict[str, Object] = {
        f"{REVISIONS}{name}": {"metadata": {"annotations": {SOURCE: a_uri(name)}}} for name in {version, before}
    }
    return {SERVICE: service, **revisions}


class Kserve:
    """The controller: `moved` is what it gave all of the traffic to, in order."""

    def __init__(self) -> None:
        self.moved: list[tuple[str, str]] = []
        self.working = True

    def __call__(self, objects: dict[str, Object]) -> None:
        """Bring the status in line with what is asked for."""
        if not self.working:
            return
        service = objects[SERVICE]
        predictor, status = service["spec"]["predictor"], service["status"]["components"]["predictor"]
        version = predictor["model"]["storageUri"].rpartition("/")[2]
        latest = f"loan-approval-predictor-{version}"
        status |= {"latestCreatedRevision": latest, "latestReadyRevision": latest}
        percent = predictor.get("canaryTrafficPercent")
        if percent is None:
            status["latestRolledoutRevision"] = latest
        shares = {status["latestRolledoutRevision"]: 100 - (percent or 0)} | ({latest: percent} if percent else {})
        status["traffic"] = [{"revisionName": name, "percent": share} for name, share in shares.items()]
        service["status"]["observedGeneration"] = service["metadata"]["generation"]
        service["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
        alone = [name.rpartition("-")[2] for name, share in shares.items() if share == 100]
        if alone == ["7"] and not service["spec"].get("canary") and not self.moved:
            self.moved.append(("loan-approval", "7"))
