"""What a notifier is: one method, and an error that says whether to try again."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from alerting.notice import Notice


class RouteConfig(BaseModel):
    """What all routes of the settings have in common. Their errors never show a value: it may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Notifier(Protocol):
    """A way to a person. It keeps no state between notices and may be used from any one thread at a time."""

    Config: ClassVar[type[Any]]

    def notify(self, notice: Notice) -> None:
        """Deliver it, in bounded time. Returns when the receiver has taken it, raises DeliveryError when it has not."""
        ...
