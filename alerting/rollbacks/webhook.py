"""The executor for a serving system of one's own: the command as a signed POST, and a GET that says what serves.

The receiver's part of the contract is small: obey a `key` once, whatever comes how often, and refuse what is not signed freshly.
Then a request that was recorded and sent again does nothing, and neither does one of ours whose answer got lost. With `status`
the world is read before and after; without it only live traffic can say whether the rollback happened, and it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import ConfigDict, Field, SecretStr

from alerting.errors import DeliveryError
from alerting.fields import Address, Headers, Timeout
from alerting.rollbacks.command import Args, ExecutorConfig, Plan, RollbackCommand, Tools, until
from alerting.rollbacks.service import Request, Service
from alerting.signing import signed


class WebhookRollbackConfig(ExecutorConfig):
    """`{kind: webhook, url: https://…, secret: …, status: https://…}`."""

    kind: Literal["webhook"] = "webhook"
    url: Address = Field(description="Where to POST the command, http or https.")
    secret: SecretStr = Field(
        min_length=16, description="Key of the signature, 16 characters or more; what moves traffic is signed."
    )
    status: Address | None = Field(default=None, description="Where to GET what serves, and whether a command was obeyed.")
    headers: Headers = Field(default={}, description="Sent as well, an Authorization for example.")
    timeout: Timeout = Field(default=10.0, description="Seconds for each request, answer included.")
    settle: float = Field(default=30.0, ge=0, le=120, description="Seconds that `status` may take to show the target.")


class WebhookArgs(Args):
    """Whatever the receiver needs: it is sent along as `args`."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)


class WebhookRollback:
    """Orders by POST, believes `status`."""

    Config: ClassVar = WebhookRollbackConfig
    Args: ClassVar = WebhookArgs

    def __init__(self, config: WebhookRollbackConfig, tools: Tools) -> None:
        self.config = config
        self._tools = tools
        self._orders = Service(config.url, self._secrets, config.timeout, tools)
        self._status = None if config.status is None else Service(config.status, self._secrets, config.timeout, tools)

    def plan(self, command: RollbackCommand) -> Plan:
        """The order, when the blamed version serves. Raises DeliveryError."""
        found, requests = self._requests(command)
        return Plan(found=found, sendings=tuple(map(self._orders.shown, requests)))

    def execute(self, command: RollbackCommand) -> str:
        """Order it and look whether it happened. Raises DeliveryError."""
        found, requests = self._requests(command)
        for request in requests:
            self._orders.send(request)
        if self._status is None:
            return f"order to take {command.model} from {command.blamed} to {command.target} was taken"
        if not requests:
            return f"{found}; nothing was sent"
        late = f"the order was taken, but {command.model} is not at version {command.target} after {self.config.settle:g} s"
        return until(lambda: self._arrived(command), self._tools, self.config.settle, late)

    def already_done(self, command: RollbackCommand) -> bool:
        """Whether the receiver says that it obeyed the key; without `status` no, since to send a key again is harmless."""
        return self._status is not None and self._look(command).get("done") is True

    def _requests(self, command: RollbackCommand) -> tuple[str, list[Request]]:
        document = {**command.body(), "args": command.args}
        # Printable ASCII, whatever the model is called.
        headers = {"Idempotency-Key": quote(command.key, safe=":/@-_.~")}
        order = Request(method="POST", path="", document=document, headers=headers)
        if self._status is None:
            return "what serves cannot be read without `status`", [order]
        serves = self._look(command).get("version")
        if serves == command.target:
            return f"{command.model} is at version {command.target} already", []
        if serves != command.blamed:
            raise DeliveryError(
                f"{command.model} is at version {serves}, not {command.blamed}: somebody moved it, and nothing was done",
                permanent=True,
            )
        return f"{command.model} is at version {serves}", [order]

    def _arrived(self, command: RollbackCommand) -> str | None:
        serves = self._look(command).get("version")
        return f"{command.model} is at version {serves}" if serves == command.target else None

    def _look(self, command: RollbackCommand) -> dict[str, Any]:
        if self._status is None:
            return {}
        return self._status.get("", model=command.model, key=command.key)

    def _secrets(self, request: Request) -> Mapping[str, SecretStr]:
        # What is read has no body: its query is signed instead.
        content = request.content if request.method == "POST" else request.parameters.encode("ascii")
        headers = signed(self.config.secret.get_secret_value(), self._tools.clock(), content)
        return {**self.config.headers, **{name: SecretStr(value) for name, value in headers.items()}}
