"""Against a real MLflow with a SQLite store: the alias moves, the race is seen, refusals are those of our double."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from alerting.errors import DeliveryError
from alerting.rollbacks import Executor
from tests.doubles.alerting import a_command
from tests.doubles.worlds import built
from tests.servers import mlflow

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

#: Long before this, it answers on a slow machine too.
PATIENCE = 120.0


class Registry:
    """A registry on the loopback."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, method: str, path: str, **document: str) -> dict[str, Any]:
        """One request of its own API, as any other client makes it."""
        request = urllib.request.Request(  # noqa: S310  # the loopback
            f"{self.address}/api/2.0/mlflow/{path}",
            json.dumps(document).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # the same
            told: dict[str, Any] = json.load(answer)
        return told

    def a_model(self, name: str) -> None:
        """A model with versions 1 to 9, of which `champion` names 8."""
        self.ask("POST", "registered-models/create", name=name)
        for number in range(1, 10):
            self.ask("POST", "model-versions/create", name=name, source=f"s3://models/{name}/{number}")
        self.move(name, "8")

    def move(self, name: str, version: str) -> None:
        """Somebody moves the alias."""
        self.ask("POST", "registered-models/alias", name=name, alias="champion", version=version)

    def champion(self, name: str) -> dict[str, Any]:
        """The version that the alias names."""
        with urllib.request.urlopen(  # noqa: S310  # the loopback
            f"{self.address}/api/2.0/mlflow/registered-models/alias?name={name}&alias=champion", timeout=30
        ) as answer:
            version: dict[str, Any] = json.load(answer)["model_version"]
        return version


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """A server that answers."""
    server = mlflow.start()
    registry = Registry(f"http://{server.bootstrap}")
    end = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                registry.ask("POST", "registered-models/create", name="first")
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert time.monotonic() < end, "MLflow does not answer"
        yield registry
    finally:
        server.close()


@pytest.fixture
def executor(registry: Registry) -> Executor:
    """The executor for it."""
    return built({"kind": "mlflow", "url": registry.address, "timeout": 30})


def refused(executor: Executor, name: str, **changes: Any) -> str:  # noqa: ANN401  # any field of a command
    """The sentence with which it was refused for good."""
    with pytest.raises(DeliveryError) as caught:
        executor.execute(a_command(model=name, **changes))
    assert caught.value.permanent
    return str(caught.value)


def test_the_alias_moves_and_the_registry_remembers(registry: Registry, executor: Executor) -> None:
    """Read, verified, moved, read again; a second attempt finds it done, another key finds nothing to do."""
    registry.a_model("loan")
    command = a_command(model="loan")
    assert not executor.already_done(command)
    assert executor.execute(command) == "alias champion of loan moved from version 8 to 7"

    champion = registry.champion("loan")
    assert (champion["version"], champion["tags"]) == ("7", [{"key": "watchkeeper.rollback", "value": command.key}])
    assert executor.already_done(command)
    assert not executor.already_done(a_command("another", model="loan"))
    assert (
        executor.execute(a_command("another", model="loan")) == "alias champion of loan is at version 7 already; nothing was sent"
    )


def test_who_moved_it_first_is_seen_and_nothing_is_done(registry: Registry, executor: Executor) -> None:
    """A person has put version 9 there meanwhile."""
    registry.a_model("fraud")
    registry.move("fraud", "9")

    assert refused(executor, "fraud") == (
        "alias champion of fraud is at version 9, not 8: somebody moved it, and nothing was done"
    )
    assert registry.champion("fraud")["version"] == "9"


def test_a_rehearsal_changes_nothing(registry: Registry, executor: Executor) -> None:
    """It says what would be sent."""
    registry.a_model("churn")
    plan = executor.plan(a_command(model="churn"))

    assert plan.sendings[-1].text().splitlines() == [
        f"POST {registry.address}/api/2.0/mlflow/registered-models/alias",
        "Content-Type: application/json",
        "",
        '{"name":"churn","alias":"champion","version":"7"}',
    ]
    assert registry.champion("churn")["version"] == "8"


def test_what_is_not_there_is_refused(registry: Registry, executor: Executor) -> None:
    """A model, an alias, a version: as our double of the registry says it."""
    registry.a_model("spam")

    assert refused(executor, "nowhere") == "there is no alias champion of nowhere"
    assert refused(executor, "spam", args={"alias": "challenger"}) == "there is no alias challenger of spam"
    assert refused(executor, "spam", target="77") == "version 77 of spam is not in the registry; nothing was done"
    assert not executor.already_done(a_command(model="nowhere"))


def test_an_alias_that_names_nothing_any_more_is_refused(registry: Registry, executor: Executor) -> None:
    """The blamed version was deleted."""
    registry.a_model("rank")
    registry.ask("DELETE", "model-versions/delete", name="rank", version="8")

    assert refused(executor, "rank") == "there is no alias champion of rank"
