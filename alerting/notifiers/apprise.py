"""Chat, mail and a hundred other services through the library Apprise, an optional extra.

For tickets and news, not for paging: Apprise has no keys, so nothing is joined, acknowledged or ended at the other end; each
notice is a message. It brings plugins of many hands, each with its own HTTP, and no deadline for the whole. So it runs in a
process of its own, which is killed when the time is over; the address goes there through a pipe, where no list of processes
shows it.

One address a route: of two, one may have taken the message when the other did not, and the retry would tell the first one twice.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from alerting.errors import DeliveryError
from alerting.fields import Timeout
from alerting.incidents import Severity
from alerting.limits import clip, encoded
from alerting.notice import Event, Notice, describe
from alerting.notifiers.base import RouteConfig
from alerting.post import Answer, refusal

#: Characters of a message; each service cuts it further to what it takes.
BODY_LIMIT: Final = 30_000
TITLE_LIMIT: Final = 200

#: What Apprise calls it: a colour and a sign in most chats.
KINDS: Final[dict[Severity, str]] = {"page": "failure", "ticket": "warning", "log": "info"}

#: How the title of a message begins; the first of a problem begins with how urgent it is.
WORDS: Final[dict[Event, str]] = {"update": "news", "acknowledge": "acknowledged", "resolve": "resolved", "digest": "digest"}


def _address(url: SecretStr) -> SecretStr:
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://.", url.get_secret_value()):
        raise ValueError("must be an address of Apprise, such as slack://… or mailto://…")
    return url


class AppriseConfig(RouteConfig):
    """`{kind: apprise, url: slack://…}`. The address holds the key of the chat, so it is kept as a secret."""

    kind: Literal["apprise"] = "apprise"
    url: Annotated[SecretStr, AfterValidator(_address)] = Field(
        description="One address as Apprise writes it: `slack://…`, `msteams://…`, `mailto://…`."
    )
    timeout: Timeout = Field(default=20.0, description="Seconds for the whole of it; then it is broken off.")

    @model_validator(mode="before")
    @classmethod
    def _installed(cls, values: object) -> object:
        if find_spec("apprise") is None:
            raise ValueError("needs the package apprise, an extra: pip install 'watchkeeper[apprise]'")
        return values


class AppriseNotifier:
    """Delivers a message through a process of its own."""

    Config: ClassVar = AppriseConfig

    def __init__(self, config: AppriseConfig) -> None:
        self.config = config

    def notify(self, notice: Notice) -> None:
        """Send it once. Raises DeliveryError, a permanent one when Apprise says that the service refused it."""
        job = {
            "url": self.config.url.get_secret_value(),
            "timeout": self.config.timeout,
            "title": title_of(notice),
            "body": body_of(notice),
            "kind": "success" if notice.event == "resolve" else KINDS[notice.severity],
        }
        told = self._run(encoded(job))
        if told.get("taken") is not True:
            raise _failure(self._service, told.get("status"), str(told.get("fault", "")))

    @property
    def _service(self) -> str:
        return "apprise " + self.config.url.get_secret_value().partition("://")[0]

    def _run(self, job: bytes) -> dict[str, Any]:
        # -P: the directory that the daemon was started in is no place to load code from.
        command = [sys.executable, "-P", "-m", "alerting.notifiers.apprise_child"]
        secrets_stay_here = {name: value for name, value in os.environ.items() if not name.startswith("WATCHKEEPER_")}
        try:
            done = subprocess.run(  # noqa: S603  # our own interpreter and module, nothing of the settings
                command, input=job, capture_output=True, timeout=self.config.timeout, check=False, env=secrets_stay_here
            )
        except subprocess.TimeoutExpired:
            raise DeliveryError(f"{self._service} did not answer within {self.config.timeout:g} s") from None
        except OSError as error:
            raise DeliveryError(f"{self._service} cannot be started: {error.strerror}") from error
        try:
            told = json.loads(done.stdout)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            # What it printed may hold the address.
            raise DeliveryError(f"{self._service} ended with exit code {done.returncode}")
        return told


def title_of(notice: Notice) -> str:
    """One short line: how urgent it is, and what it is about."""
    about = " ".join(filter(None, (notice.model or "watchkeeper", notice.version)))
    if notice.event == "digest":
        about = f"{len(notice.notices)} at once"
    event = notice.severity if notice.event == "trigger" else WORDS[notice.event]
    line = "".join(char if char.isprintable() else " " for char in f"{event}: {about}")
    return clip(line, TITLE_LIMIT)


def body_of(notice: Notice) -> str:
    """What there is to say, cut to what is taken, and then the links, each on a line of its own."""
    links = [("Page", notice.url), ("I have seen it", notice.acknowledge_url)]
    return "\n".join([clip(describe(notice), BODY_LIMIT), *(f"{label}: {url}" for label, url in links if url)])


def _failure(service: str, status: object, fault: str) -> DeliveryError:
    if fault == "address":
        return DeliveryError(f"{service}: the address is not one that Apprise can use", permanent=True)
    if isinstance(status, int):
        return refusal(service, Answer(status, ""), now=0.0)
    return DeliveryError(f"{service} cannot be reached, or refused it without saying why")
