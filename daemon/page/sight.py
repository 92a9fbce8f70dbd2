"""What the page needs to know of the daemon: less than the API shows, and all of it plain data."""

from __future__ import annotations

from typing import Any, Protocol


class Wellness(Protocol):
    """Whether something is well, and one sentence why it is thought so."""

    @property
    def ok(self) -> bool:
        """Whether it is."""

    @property
    def reason(self) -> str:
        """Why."""


class Sight(Protocol):
    """Called from the server's threads; what it gives is changed by nobody."""

    def incidents(self, model: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        """At most `limit` incidents, newest first, of one model or all (None), in one state or any (None)."""

    def queue(self, model: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        """At most `limit` incidents that are not resolved, the most urgent first; filtered likewise."""

    def incident(self, incident_id: str) -> dict[str, Any] | None:
        """One incident with its timeline and the ends of its acts; None when there is none of that id."""

    def on_call(self, at: float) -> dict[str, Any] | None:
        """Who is on call at `at` and until when (epoch seconds); None without a rota."""

    def models(self) -> list[dict[str, Any]]:
        """The models that this daemon watches (see `daemon.portrait`); none for a standby."""

    def alive(self) -> Wellness:
        """Whether the loop moved lately."""

    def ready(self) -> Wellness:
        """Whether the state is restored and the daemon is assigned, or an idle standby."""
