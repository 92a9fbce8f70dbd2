"""The topics before the first record: missing ones stop the start or are made, and what is kept too short is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pytest

from daemon import topics
from daemon.connection import BrokerAway, Connection
from daemon.errors import CannotStart
from daemon.records import SourceEvent
from daemon.settings import Kafka
from daemon.topics import Preparation

HOUR: Final = 3600.0
NAMES: Final = Kafka.model_validate({}).topics
INPUTS: Final = ("predictions", "labels", "outcomes")
OURS: Final = ("dead_letters", "commands", "incidents")
COMPACT: Final = {"cleanup.policy": "compact", "retention.ms": "604800000"}


class Cluster:
    """The topics of a cluster with their settings, and who looks at them."""

    def __init__(self) -> None:
        self.topics: dict[str, Mapping[str, str]] = {getattr(NAMES, each): {} for each in (*INPUTS, *OURS)}
        self.topics[NAMES.incidents] = COMPACT
        self.made: dict[str, int] = {}
        self.away = False
        self.open = 0

    def admin(self, connection: Connection) -> Cluster:
        """Connect."""
        del connection
        self.open += 1
        return self

    def partitions(self, wanted: Sequence[str]) -> dict[str, list[int]]:
        """Every topic has one partition."""
        if self.away:
            raise BrokerAway("no answer")
        return {topic: [0] for topic in wanted if topic in self.topics}

    def create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        """Make a topic."""
        self.topics[topic] = config
        self.made[topic] = partitions

    def config(self, topic: str) -> dict[str, str]:
        """Its settings."""
        return dict(self.topics.get(topic, {}))

    def close(self) -> None:
        """Disconnect."""
        self.open -= 1


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster with everything in place."""
    made = Cluster()
    monkeypatch.setattr(topics, "Admin", made.admin)
    return made


def prepare(*, create: bool = False, give_up_after: float = HOUR) -> list[SourceEvent]:
    """Look at the topics by the default settings."""
    return Preparation(Kafka.model_validate({"create_topics": create}), give_up_after)()


def test_topics_in_order_are_nothing_to_tell(cluster: Cluster) -> None:
    """And the connection is closed."""
    assert (prepare(), cluster.made, cluster.open) == ([], {}, 0)


@pytest.mark.parametrize("name", ["predictions", "labels", *OURS])
def test_a_missing_topic_stops_the_start(cluster: Cluster, name: str) -> None:
    """In one sentence that names it and what to do; nothing is made unasked."""
    topic = getattr(NAMES, name)
    del cluster.topics[topic]

    with pytest.raises(CannotStart, match=rf"there is no topic {topic} on 127\.0\.0\.1:9092: create it, .*create_topics: true"):
        prepare()
    assert (cluster.made, cluster.open) == ({}, 0)


def test_several_missing_topics_are_one_sentence(cluster: Cluster) -> None:
    """Not one start for each."""
    cluster.topics.clear()

    with pytest.raises(CannotStart, match=r"there are no topics \S+, \S+, \S+, \S+, \S+ on 127\.0\.0\.1:9092: create them"):
        prepare()


def test_no_product_metrics_are_no_reason_to_stop(cluster: Cluster) -> None:
    """Not every model has them."""
    del cluster.topics[NAMES.outcomes]
    (event,) = prepare()

    assert (event.kind, event.details) == ("missing_topic", {"topic": NAMES.outcomes})


def test_missing_topics_are_made_when_that_is_allowed(cluster: Cluster) -> None:
    """Each with one partition and a word about it; the journal is compacted, or it would forget what was done."""
    cluster.topics.clear()
    events = prepare(create=True)

    assert cluster.made == dict.fromkeys((getattr(NAMES, each) for each in (*INPUTS, *OURS)), 1)
    assert {event.kind for event in events} == {"topic_created"}
    assert [topic for topic, config in cluster.topics.items() if config] == [NAMES.incidents]


Breaks = Callable[[Cluster], None]


def sets(name: str, config: Mapping[str, str]) -> Breaks:
    """Give a topic these settings."""
    return lambda cluster: cluster.topics.update({getattr(NAMES, name): config})


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (sets("predictions", {"retention.ms": "1800000"}), "keeps its records for 0.5 h, labels are waited for up to 1 h"),
        (sets("labels", {"retention.ms": "1800000"}), "keeps its records for 0.5 h, labels are waited for up to 1 h"),
        (sets("labels", {"cleanup.policy": "compact"}), "is compacted and forgets events with equal keys"),
        (sets("incidents", {"retention.ms": "3600000"}), "forgets what was done after 1 h"),
    ],
)
def test_what_is_kept_too_short_is_said(cluster: Cluster, breaks: Breaks, said: str) -> None:
    """The daemon runs, and a person knows what a lost store would cost."""
    breaks(cluster)
    (event,) = prepare()

    assert event.kind == "retention_too_short"
    assert said in event.message


@pytest.mark.parametrize(
    "breaks",
    [
        sets("predictions", {"retention.ms": "-1"}),
        sets("predictions", {"retention.ms": "3600000"}),
        sets("incidents", {"cleanup.policy": "compact,delete", "retention.ms": "1"}),
        sets("incidents", {"retention.ms": "-1"}),
        sets("incidents", {}),
    ],
    ids=["for ever", "just long enough", "compacted as well", "a journal for ever", "a broker that does not tell"],
)
def test_what_is_kept_long_enough_is_nothing_to_tell(cluster: Cluster, breaks: Breaks) -> None:
    """No false alarms at each start."""
    breaks(cluster)

    assert prepare() == []


def test_a_broker_that_is_away_is_asked_again_later(cluster: Cluster) -> None:
    """The error is the source's to handle; the connection is closed."""
    cluster.away = True

    with pytest.raises(BrokerAway):
        prepare()
    assert cluster.open == 0
