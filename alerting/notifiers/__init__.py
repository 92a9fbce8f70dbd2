"""Ways to a person. A kind is one module, its config model on top and its class below, and one line in this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alerting.notifiers.alertmanager import AlertmanagerNotifier
from alerting.notifiers.apprise import AppriseNotifier
from alerting.notifiers.base import Notifier
from alerting.notifiers.log import LogNotifier
from alerting.notifiers.pagerduty import PagerDutyNotifier
from alerting.notifiers.webhook import WebhookNotifier

#: `kind` in the settings -> class; each is built with an instance of its `Config`.
NOTIFIERS: Final[Mapping[str, type[Any]]] = {
    "alertmanager": AlertmanagerNotifier,
    "apprise": AppriseNotifier,
    "log": LogNotifier,
    "pagerduty": PagerDutyNotifier,
    "webhook": WebhookNotifier,
}

__all__ = ["NOTIFIERS", "Notifier"]
