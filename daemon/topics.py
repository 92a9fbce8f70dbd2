"""The topics: whether they are there, and keep their records for long enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon.errors import CannotStart
from daemon.records import SourceEvent
from daemon.wire import Admin

if TYPE_CHECKING:
    from daemon.settings import Kafka

#: The settings with which the journal is made: it holds what was done for good.
_JOURNAL: Final = {"cleanup.policy": "compact"}


class Preparation:
    """Looks at the topics before the first record is read; called by the source, again while the broker is away.

    Args:
        kafka: how to reach the broker, and the names.
        give_up_after: seconds for which a prediction waits for its label, the longest of all models.
    """

    def __init__(self, kafka: Kafka, give_up_after: float) -> None:
        self._kafka = kafka
        self._give_up_after = give_up_after

    def __call__(self) -> list[SourceEvent]:
        """Make or miss topics, and give what a person should know. Raises WireError, CannotStart."""
        admin = Admin(self._kafka)
        try:
            events = self._missing(admin)
            for topic in (self._kafka.topics.predictions, self._kafka.topics.labels):
                events += self._retention(topic, admin.config(topic))
            events += self._journal(admin.config(self._kafka.topics.incidents))
        finally:
            admin.close()
        return events

    def _missing(self, admin: Admin) -> list[SourceEvent]:
        topics = self._kafka.topics
        needed = [topics.predictions, topics.labels, topics.dead_letters, topics.commands, topics.incidents]
        there = admin.partitions([*needed, topics.outcomes])
        missing = [name for name in (*needed, topics.outcomes) if name not in there]
        if self._kafka.create_topics:
            for name in missing:
                admin.create(name, 1, _JOURNAL if name == topics.incidents else {})
            return [
                SourceEvent("topic_created", f"topic {name} was missing and is made, with one partition", {"topic": name})
                for name in missing
            ]
        lacking = [name for name in missing if name in needed]
        if lacking:
            what, which = ("is no topic", "it") if len(lacking) == 1 else ("are no topics", "them")
            raise CannotStart(
                f"there {what} {', '.join(lacking)} on {', '.join(self._kafka.bootstrap)}: create {which}, correct "
                f"kafka.topics in the settings, or set kafka.create_topics: true"
            )
        # Not every model has a product metric; the topic is read as soon as it is there.
        message = f"there is no topic {topics.outcomes}: no product metric is read until it is created"
        return [SourceEvent("missing_topic", message, {"topic": name}) for name in missing]

    def _retention(self, topic: str, config: dict[str, str]) -> list[SourceEvent]:
        """What is wrong with how long events are kept, if the broker tells."""
        events = []
        if "compact" in (config.get("cleanup.policy") or ""):
            message = f"topic {topic} is compacted and forgets events with equal keys: set its cleanup.policy to delete"
            events.append(SourceEvent("retention_too_short", message, {"topic": topic}))
        kept = _retained(config)
        if kept is not None and kept < self._give_up_after:
            message = (
                f"topic {topic} keeps its records for {kept / 3600:.3g} h, labels are waited for up to "
                f"{self._give_up_after / 3600:.3g} h: raise its retention.ms, or lower labels.give_up_after; a lost store "
                f"could not be rebuilt"
            )
            events.append(SourceEvent("retention_too_short", message, {"topic": topic}))
        return events

    def _journal(self, config: dict[str, str]) -> list[SourceEvent]:
        topic, kept = self._kafka.topics.incidents, _retained(config)
        if kept is None or "compact" in (config.get("cleanup.policy") or ""):
            return []
        message = (
            f"topic {topic} forgets what was done after {kept / 3600:.3g} h, so that it could be done again: set its "
            f"cleanup.policy to compact"
        )
        return [SourceEvent("retention_too_short", message, {"topic": topic})]


def _retained(config: dict[str, str]) -> float | None:
    """Seconds for which a topic keeps records; None for ever, or not told."""
    milliseconds = int(config.get("retention.ms") or -1)
    return milliseconds / 1000 if milliseconds >= 0 else None
