"""Ways to the serving system. A kind is one module, its config model on top and its class below, and one line in this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alerting.rollbacks.argo_rollouts import ArgoRolloutsRollback
from alerting.rollbacks.command import CommandLog, Executor, Plan, RollbackCommand, Tools
from alerting.rollbacks.kafka import KafkaRollback
from alerting.rollbacks.kserve import KserveRollback
from alerting.rollbacks.mlflow import MlflowRollback
from alerting.rollbacks.webhook import WebhookRollback

#: `kind` in the settings -> class; each is built with an instance of its `Config` and the `Tools`.
EXECUTORS: Final[Mapping[str, type[Any]]] = {
    "argo_rollouts": ArgoRolloutsRollback,
    "kafka": KafkaRollback,
    "kserve": KserveRollback,
    "mlflow": MlflowRollback,
    "webhook": WebhookRollback,
}

__all__ = ["EXECUTORS", "CommandLog", "Executor", "Plan", "RollbackCommand", "Tools"]
