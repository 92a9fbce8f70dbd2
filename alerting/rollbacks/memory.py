"""A command log in memory: for tests and rehearsals, held to the same contract as the real one."""

from __future__ import annotations

from alerting.rollbacks.kafka import key_of_command


class MemoryCommandLog:
    """Keeps what was sent in `records`, as (key, value)."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes]] = []

    def send(self, key: str, value: bytes) -> None:
        """Append a record."""
        self.records.append((key, value))

    def find(self, model: str, rollback_key: str) -> bool:
        """Whether a rollback command of `model` under this key was sent."""
        return any(key == model and key_of_command(value) == rollback_key for key, value in self.records)
