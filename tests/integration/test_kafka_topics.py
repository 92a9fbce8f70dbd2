"""What is said of the topics at the start, on a real broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daemon.errors import CANNOT_START, CannotStart
from daemon.records import SourceEvent
from daemon.settings import Kafka
from daemon.topics import Preparation
from daemon.wire import Admin
from tests.integration.kafka_kit import Kit, until
from tests.servers import Broker

pytestmark = pytest.mark.integration

WEEK = 7 * 24 * 3600.0
ROLES = ("predictions", "labels", "outcomes", "dead_letters", "commands", "incidents")


@pytest.fixture
def kit(broker: Broker) -> Iterator[Kit]:
    """A corner of the broker for one test."""
    kit = Kit(broker)
    yield kit
    kit.close()


def settings(kit: Kit, topics: dict[str, str], *, create: bool = False) -> Kafka:
    """Settings with these topics; those not named do not exist."""
    names = {role: topics.get(role, f"no-{role}-{kit.settings.group}") for role in ROLES}
    return Kafka.model_validate({"bootstrap": [kit.broker.bootstrap], "topics": names, "create_topics": create})


def made(kit: Kit, **configs: dict[str, str]) -> dict[str, str]:
    """All topics, some of them with settings of their own."""
    default = {"incidents": {"cleanup.policy": "compact"}}
    return {role: kit.topic(role, config=(default | configs).get(role)) for role in ROLES}


def said(kit: Kit, topics: dict[str, str], give_up_after: float = WEEK) -> list[SourceEvent]:
    """What is noticed."""
    return Preparation(settings(kit, topics), give_up_after)()


def test_good_topics_are_nothing_to_speak_of(kit: Kit) -> None:
    """Nothing missing, everything kept for ever."""
    assert said(kit, made(kit)) == []


def test_missing_topics_are_one_sentence_and_the_end_of_the_start(kit: Kit) -> None:
    """All of them by name, and what to do; the process ends with its own exit code."""
    topics = made(kit)
    del topics["labels"], topics["incidents"]
    wanted = settings(kit, topics)
    with pytest.raises(CannotStart) as caught:
        Preparation(wanted, WEEK)()

    assert str(caught.value) == (
        f"there are no topics {wanted.topics.labels}, {wanted.topics.incidents} on {kit.broker.bootstrap}: create them, correct "
        f"kafka.topics in the settings, or set kafka.create_topics: true"
    )
    assert caught.value.exit_code == CANNOT_START


def test_a_source_that_lacks_its_topics_does_not_start(kit: Kit) -> None:
    """The sentence comes out of the first poll."""
    source = kit.source("nothing", prepare=Preparation(settings(kit, {}), WEEK))
    with pytest.raises(CannotStart, match="there are no topics"):
        source.poll(1.0)


def test_product_metrics_are_optional(kit: Kit) -> None:
    """Not every model has one: it is said, and the daemon runs."""
    topics = made(kit)
    del topics["outcomes"]

    (event,) = said(kit, topics)

    assert event.kind == "missing_topic"
    assert "no product metric is read until it is created" in event.message


def test_missing_topics_are_made_where_that_is_asked_for(kit: Kit) -> None:
    """The journal compacted; each is said."""
    wanted = settings(kit, {}, create=True)
    events = Preparation(wanted, WEEK)()
    admin = Admin(kit.settings)
    there = admin.partitions(list(wanted.topics.model_dump().values()))
    journal = admin.config(wanted.topics.incidents)
    admin.close()

    created = [event.details["topic"] for event in events if event.kind == "topic_created"]
    assert sorted(created) == sorted(there) == sorted(wanted.topics.model_dump().values())
    assert journal.get("cleanup.policy") == "compact"


def test_a_retention_shorter_than_the_wait_for_labels_is_reported(kit: Kit) -> None:
    """With both times, and what to change."""
    events = said(kit, made(kit, labels={"retention.ms": str(3 * 3600 * 1000)}))

    assert [event.kind for event in events] == ["retention_too_short"]
    assert "keeps its records for 3 h, labels are waited for up to 168 h: raise its retention.ms" in events[0].message


def test_a_compacted_events_topic_and_a_journal_that_forgets_are_reported(kit: Kit) -> None:
    """Events with equal keys would vanish; what was done would be done again."""
    if not kit.broker.is_apache:
        pytest.skip("the embedded broker does not tell its defaults")
    events = said(
        kit,
        made(
            kit,
            predictions={"cleanup.policy": "compact"},
            incidents={"cleanup.policy": "delete", "retention.ms": "86400000"},
        ),
    )

    assert ["is compacted" in event.message or "could be done again" in event.message for event in events] == [True, True]


def test_a_broker_that_is_away_is_asked_again(kit: Kit) -> None:
    """The look at the topics comes with the first connection, whenever that is."""
    topics = made(kit)
    kit.broker.stop()
    source = kit.source(topics["labels"], prepare=Preparation(settings(kit, topics), WEEK))
    until(lambda: source.poll(0.1), lambda: bool(source.events))
    kit.broker.start()
    if kit.broker.is_apache:
        until(lambda: source.poll(0.1), lambda: source.assignment() is not None)
        assert [event.kind for event in source.events] == ["broker_away", "broker_back"]
    else:  # it forgot its topics
        with pytest.raises(CannotStart):
            until(lambda: source.poll(0.1), lambda: False)
