"""MLflow's model registry over REST: aliases, versions and tags, with the statuses and error codes of the real one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from tests.doubles.stand import Answer, Request, Stand, as_json

API = "/api/2.0/mlflow"

#: (method, path) -> the fields that it takes, all of them texts, all of them required.
SHAPES = {
    ("GET", f"{API}/registered-models/alias"): {"name", "alias"},
    ("POST", f"{API}/registered-models/alias"): {"name", "alias", "version"},
    ("GET", f"{API}/model-versions/get"): {"name", "version"},
    ("POST", f"{API}/model-versions/set-tag"): {"name", "version", "key", "value"},
}


class Mlflow(Stand):
    """A registry with one model. `statuses` are those of its versions; `token` must come as a bearer's."""

    def __init__(self, name: str, alias: str, version: str, statuses: dict[str, str], token: str) -> None:
        super().__init__()
        self.name = name
        self.aliases = {alias: version}
        self.statuses = statuses
        self.tags: dict[str, dict[str, str]] = {}
        self.token = token
        self.moves: list[tuple[str, str]] = []  # (alias, version)
        self.bodies: list[str] = []
        self.before_move: Callable[[], None] = lambda: None

    def violations_of(self, request: Request) -> Sequence[str]:
        """What is not in the API."""
        fields = SHAPES.get((request.method, request.path))
        if fields is None:
            return [f"{request.method} {request.path}"]
        told: dict[str, Any] = dict(request.query) if request.method == "GET" else request.json()
        found = [] if set(told) == fields else [f"{request.path}: {sorted(told)} instead of {sorted(fields)}"]
        found += [f"{name} is not a text" for name, value in told.items() if not isinstance(value, str)]
        if request.method == "POST" and request.headers.get("content-type") != "application/json":
            found.append("Content-Type is not application/json")
        return found

    def serve(self, request: Request) -> Answer:
        """Answer as the registry does."""
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return as_json(401, {"error_code": "UNAUTHENTICATED", "message": "who are you?"})
        told: dict[str, Any] = dict(request.query) if request.method == "GET" else request.json()
        if told["name"] != self.name:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={told['name']} not found")
        if request.method == "GET":
            return self._read(told)
        self.bodies.append(request.content.decode())
        if told["version"] not in self.statuses:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", f"Model Version (version={told['version']}) not found")
        if "alias" in told:
            self.before_move()
            self.aliases[told["alias"]] = told["version"]
            self.moves.append((told["alias"], told["version"]))
        else:
            self.tags.setdefault(told["version"], {})[told["key"]] = told["value"]
        return as_json(200, {})

    def _read(self, told: dict[str, str]) -> Answer:
        version = self.aliases.get(told["alias"]) if "alias" in told else told["version"]
        if version is None or re.fullmatch(r"v\d+|latest", told.get("alias", "")):
            return _error(400, "INVALID_PARAMETER_VALUE", f"Registered model alias {told['alias']} not found.")
        if version not in self.statuses:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", f"Model Version (name={self.name}, version={version}) not found")
        tags = [{"key": key, "value": value} for key, value in self.tags.get(version, {}).items()]
        aliases = [alias for alias, named in self.aliases.items() if named == version]
        fields = {"name": self.name, "version": version, "status": self.statuses[version], "tags": tags, "aliases": aliases}
        return as_json(200, {"model_version": fields})


def _error(status: int, code: str, message: str) -> Answer:
    return as_json(status, {"error_code": code, "message": message})
