"""Worlds for the executors: each with an executor built as the daemon builds it, the ways in which it fails, and its memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from alerting.errors import DeliveryError
from alerting.rollbacks import Executor, Tools
from alerting.rollbacks.memory import MemoryCommandLog
from alerting.routes import build_executors
from tests.doubles.alerting import Time
from tests.doubles.deployer import Deployer
from tests.doubles.kubernetes import ROLLOUT, SERVICE, Argo, Kserve, Kubernetes, a_rollout, a_service, a_template, a_uri
from tests.doubles.mlflow import Mlflow
from tests.doubles.stand import Stand

#: In every secret of these worlds.
CANARY = "canary-0123456789"


@dataclass
class FlakyLog:
    """A command log that fails when told to: before the record is there, or after."""

    log: MemoryCommandLog = field(default_factory=MemoryCommandLog)
    away: bool = False
    lossy: bool = False

    def send(self, key: str, value: bytes) -> None:
        """Append the record, unless it fails before."""
        if self.away:
            raise DeliveryError("no leader")
        self.log.send(key, value)
        if self.lossy:
            raise DeliveryError("no acknowledgement")

    def find(self, model: str, rollback_key: str) -> bool:
        """As the log does, unless it fails."""
        if self.away:
            raise DeliveryError("no leader")
        return self.log.find(model, rollback_key)


@dataclass
class World:
    """An executor and what it acts on.

    `switch` breaks that: `away` before anything is done, `lossy` after. `moved` is what was moved there: (model, version), in
    order. `sent` are the bodies of whatever was to change it. `meddle` lets somebody else move it to version 9, where a world can
    say what serves; `stand` is there where it speaks HTTP.
    """

    executor: Executor
    switch: Any
    moved: Callable[[], list[tuple[str, str]]]
    sent: Callable[[], list[str]]
    args: dict[str, Any] = field(default_factory=dict)
    meddle: Callable[[], None] | None = None
    stand: Stand | None = None


def built(settings: dict[str, Any], log: FlakyLog | None = None) -> Executor:
    """An executor as the daemon builds it; time passes only while it naps."""
    clock = Time()

    def nap(seconds: float) -> None:
        clock.now += seconds

    tools = Tools(command_log=FlakyLog() if log is None else log, clock=clock, nap=nap)
    return build_executors({"subject": settings}, tools)["subject"]


@contextmanager
def kafka() -> Iterator[World]:
    """A topic in memory."""
    log = FlakyLog()

    def moved() -> list[tuple[str, str]]:
        commands = [json.loads(value) for _, value in log.log.records]
        return [(command["model"], command["to"]) for command in commands]

    yield World(built({"kind": "kafka"}, log), log, moved, lambda: [value.decode() for _, value in log.log.records])


@contextmanager
def webhook() -> Iterator[World]:
    """A serving system of one's own."""
    with Deployer(CANARY, Time(), {"loan-approval": "8"}) as stand:
        settings = {
            "kind": "webhook",
            "url": f"{stand.address}/deploy/rollback?token={CANARY}",
            "status": f"{stand.address}/deploy/status?token={CANARY}",
            "secret": CANARY,
            "headers": {"Authorization": f"Bearer {CANARY}"},
            "timeout": 0.5,
        }
        yield World(
            built(settings),
            stand,
            lambda: list(stand.obeyed.values()),
            lambda: stand.bodies,
            args={"region": "eu"},
            meddle=lambda: stand.versions.update({"loan-approval": "9"}),
            stand=stand,
        )


@contextmanager
def mlflow() -> Iterator[World]:
    """A registry whose alias names version 8."""
    statuses = dict.fromkeys("6789", "READY")
    with Mlflow("loan-approval", "champion", "8", statuses, CANARY) as stand:
        settings = {
            "kind": "mlflow",
            "url": stand.address,
            "headers": {"Authorization": f"Bearer {CANARY}"},
            "timeout": 0.5,
        }
        yield World(
            built(settings),
            stand,
            lambda: [("loan-approval", version) for _, version in stand.moves],
            lambda: stand.bodies,
            meddle=lambda: stand.aliases.update(champion="9"),
            stand=stand,
        )


@contextmanager
def cluster(
    kind: str, objects: dict[str, Any], controller: Argo | Kserve, meddle: Callable[[Kubernetes], None]
) -> Iterator[World]:
    """A Kubernetes cluster with one controller."""
    with Kubernetes(CANARY, objects, controller) as stand:
        settings = {"kind": kind, "server": stand.address, "token": CANARY, "namespace": "models", "timeout": 0.5}
        yield World(
            built(settings),
            stand,
            lambda: controller.moved,
            lambda: stand.bodies,
            args={"storage_uri": "s3://models/loan/{version}"} if kind == "kserve" else {},
            meddle=lambda: meddle(stand),
            stand=stand,
        )


def redeploy(stand: Kubernetes) -> None:
    """Somebody deploys version 9 by Argo Rollouts."""
    rollout = stand.objects[ROLLOUT]
    stand.change(ROLLOUT, {**rollout, "spec": {**rollout["spec"], "template": a_template("9")}})


def replace_model(stand: Kubernetes) -> None:
    """Somebody deploys version 9 by KServe."""
    service = stand.objects[SERVICE]
    stand.change(SERVICE, {**service, "spec": {"predictor": {"model": {"storageUri": a_uri("9")}}}})


WORLDS: Mapping[str, Callable[[], AbstractContextManager[World]]] = {
    "kafka": kafka,
    "mlflow": mlflow,
    "webhook": webhook,
    # A kind that does different things in different worlds has several: its name, a colon, which.
    "argo_rollouts:abort": lambda: cluster("argo_rollouts", a_rollout("8", stable="7"), Argo(), redeploy),
    "argo_rollouts:undo": lambda: cluster("argo_rollouts", a_rollout("8", stable="8"), Argo(), redeploy),
    "kserve:canary": lambda: cluster("kserve", a_service("8", percent=10), Kserve(), replace_model),
    "kserve:promoted": lambda: cluster("kserve", a_service("8"), Kserve(), replace_model),
    "kserve:standard": lambda: cluster("kserve", a_service("7", canary="8"), Kserve(), replace_model),
}
