"""The topics that are written for good: a record is there or the dispatcher hears that it may not be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from alerting.errors import DeliveryError
from alerting.incidents import acknowledge
from alerting.journal import encode, incident_entry
from alerting.ledger import Ledger
from daemon.connection import BrokerAway, Refused, WireError
from daemon.journal import CommandTopic, JournalTopic, Writer, catch_up
from tests.doubles.alerting import NOON, an_incident
from tests.doubles.topics import MemoryTopics


@pytest.fixture
def topics() -> MemoryTopics:
    """Nothing was written yet."""
    return MemoryTopics()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """It knows nothing yet."""
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


def test_a_record_is_there_when_append_returns(topics: MemoryTopics) -> None:
    """Under its key; one producer serves them all."""
    writer = Writer(topics.connect)
    writer.append("incidents", "a", b"1")
    writer.append("incidents", "b", b"2")

    assert [(record.key, record.value) for record in topics.records] == [(b"a", b"1"), (b"b", b"2")]
    assert topics.connections == 1


@pytest.mark.parametrize(("failure", "permanent"), [(BrokerAway("no leader"), False), (Refused("not allowed"), True)])
def test_a_failure_is_told_with_whether_to_try_again(topics: MemoryTopics, failure: WireError, permanent: bool) -> None:
    """The next record goes by a new producer."""
    writer = Writer(topics.connect)
    topics.failure = failure
    with pytest.raises(DeliveryError, match=f"topic incidents: {failure}") as caught:
        writer.append("incidents", "a", b"1")
    writer.append("incidents", "a", b"1")

    assert caught.value.permanent is permanent
    assert (len(topics.records), topics.connections) == (1, 2)


def test_a_producer_that_cannot_be_made_is_a_failure_too() -> None:
    """The broker may be away before the first record."""

    def connect() -> MemoryTopics:
        raise BrokerAway("no answer")

    with pytest.raises(DeliveryError, match="topic incidents: no answer"):
        Writer(connect).append("incidents", "a", b"1")


def test_a_closed_writer_may_be_closed_again(topics: MemoryTopics) -> None:
    """Whoever stops does not know what was used."""
    writer = Writer(topics.connect)
    writer.close()
    writer.append("incidents", "a", b"1")
    writer.close()
    writer.close()

    assert len(topics.records) == 1


def test_the_ledger_knows_what_the_journal_has_and_no_more(topics: MemoryTopics, ledger: Ledger) -> None:
    """An entry that could not be written is not shown as if it were."""
    journal = JournalTopic("incidents", Writer(topics.connect), ledger)
    first = an_incident()
    entry = incident_entry(first)
    journal.write(entry.key, entry.record)
    later = incident_entry(acknowledge(first, "me", NOON + 1))
    topics.failure = BrokerAway("no answer")
    with pytest.raises(DeliveryError):
        journal.write(later.key, later.record)

    assert ledger.incident(first.id) == first


def test_a_ledger_that_cannot_be_written_holds_nothing_up(topics: MemoryTopics, ledger: Ledger) -> None:
    """The topic has the entry: pages must not wait for the disk that its index is on."""
    journal = JournalTopic("incidents", Writer(topics.connect), ledger)
    entry = incident_entry(an_incident())
    ledger.close()
    with capture_logs() as lines:
        journal.write(entry.key, entry.record)

    assert [record.key for record in topics.records] == [entry.key.encode()]
    assert [line["event"] for line in lines] == ["ledger_not_written"]


def test_a_daemon_without_a_store_reads_the_journal_to_its_end(topics: MemoryTopics, ledger: Ledger) -> None:
    """What others wrote to the topic, and tombstones, are passed over."""
    incident = an_incident()
    entry = incident_entry(incident)
    for value in (b"\xff", None, encode(entry.record), encode(entry.record)):
        topics.send("incidents", entry.key.encode(), value)
    topics.flush(1.0)
    new = catch_up(ledger, topics.read("incidents"))

    assert (new, ledger.incident(incident.id)) == (1, incident)


def test_commands_that_cannot_be_read_are_not_taken_for_unsent(topics: MemoryTopics) -> None:
    """A rollback is not sent on a guess."""
    log = CommandTopic("commands", Writer(topics.connect), topics.read)
    topics.failure = BrokerAway("no answer")

    with pytest.raises(DeliveryError, match="topic commands: no answer") as caught:
        log.find("loan", "rollback:loan:8")
    assert caught.value.permanent is False
