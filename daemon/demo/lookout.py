"""Looks at the world from the outside: reads the topics as any consumer would, asks the daemon's API, counts pages."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx

from daemon.demo.config import COMMANDS, PREDICTIONS, Loopback
from daemon.demo.receiver import Receiver
from daemon.demo.world import World
from daemon.wire import Consumer

#: Seconds that the API may take to answer; it is asked again anyway.
PATIENCE: Final = 2.0


class Lookout:
    """Keeps a `World` up to date.

    Args:
        bootstrap: `host:port` of the broker.
        api: address of the daemon's endpoints.
        receiver: gets the pages.
    """

    def __init__(self, bootstrap: str, api: str, receiver: Receiver) -> None:
        self.world = World()
        self._receiver = receiver
        self._topics = Consumer(Loopback((bootstrap,)))
        self._topics.assign({(PREDICTIONS, 0): 0, (COMMANDS, 0): 0})
        # Proxies of the environment are for other networks.
        self._api = httpx.Client(base_url=api, timeout=PATIENCE, trust_env=False)

    def look(self, seconds: float) -> None:
        """Look around, for about so many seconds. Raises WireError when the broker has gone."""
        for (topic, _), records in self._topics.poll(seconds).items():
            for record in records:
                event = json.loads(record.value or b"{}")
                if topic == COMMANDS:
                    self.world.commands.append(event)
                else:
                    self.world.predicted(event["version"])
        self._ask()
        self.world.pages = self._receiver.pages()

    def _ask(self) -> None:
        world = self.world
        try:
            ready = self._api.get("/readyz").status_code == httpx.codes.OK
            verdicts = self._get("verdicts")
            incidents = self._get("incidents")
        except httpx.HTTPError:  # not there yet, or busy: asked again in a moment, and a daemon that has ended is seen elsewhere
            return
        world.ready, world.verdicts, world.incidents = ready, verdicts, incidents

    def _get(self, what: str) -> list[dict[str, Any]]:
        answer = self._api.get(f"/api/v1/{what}")
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()[what]
        return found

    def close(self) -> None:
        """Leave."""
        self._api.close()
        self._topics.close(0.5)
