"""The ledger on a real file: a read model that any order, any repetition and any damage leave right."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from alerting import incidents
from alerting.errors import LedgerUnavailable
from alerting.incidents import Finding, Incident, open_incident
from alerting.intents import Outcome
from alerting.journal import action_entry, incident_entry, silence_entry
from alerting.ledger import Ledger
from alerting.silences import ended as ended_silence
from alerting.silences import new_silence
from tests.doubles.alerting import NOON, TERMS, an_incident, an_intent


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger."""
    ledger = Ledger(tmp_path / "state" / "ledger.sqlite")
    yield ledger
    ledger.close()


def opened(number: int, model: str = "loan-approval") -> Incident:
    """The incident that was opened `number` seconds after noon."""
    finding = Finding(model=model, cause="concept", severity="page", reason="worse", rules=("harm",))
    return open_incident(finding, TERMS, ordinal=number, at=NOON + number)


def record_of(incident: Incident) -> dict[str, Any]:
    """Its journal record."""
    return incident_entry(incident).record


def ended(key: str, status: str = "done") -> dict[str, Any]:
    """The journal record of an act that ended."""
    outcome = Outcome(key=key, status="failed" if status == "failed" else "done", detail="", at=NOON)
    return action_entry(an_intent(key=key), outcome).record


def test_a_new_ledger_is_fresh_and_empty(ledger: Ledger) -> None:
    """Whoever opened it fills it from the journal."""
    assert (ledger.fresh, ledger.incidents(), ledger.done_keys()) == (True, [], frozenset())
    assert ledger.incident("0123456789ab") is None


def test_it_gives_back_what_was_applied(ledger: Ledger) -> None:
    """Incidents as they are, keys as done."""
    assert ledger.apply(record_of(an_incident()))
    assert ledger.apply(ended("k", "failed"))

    assert ledger.incident(an_incident().id) == an_incident()
    assert (ledger.done_keys(), ledger.is_done("k"), ledger.is_done("other")) == (frozenset({"k"}), True, False)
    assert ledger.actions("0123456789ab") == [ended("k", "failed")]


def test_it_gives_back_silences(ledger: Ledger) -> None:
    """The first to end first; what was over is left out where asked for, and a silence that was ended stays ended."""
    long, short, cut = (
        new_silence(author="ana", reason="work", at=NOON, ends=NOON + lasts, model="loan-approval") for lasts in (90, 60, 80)
    )
    sooner = ended_silence(cut, "bo", NOON + 10)
    changed = ledger.apply_all(silence_entry(silence).record for silence in (long, sooner, short, cut, cut, short))

    assert changed == 3
    assert ledger.silences() == [sooner, short, long]
    assert ledger.silences(NOON + 10) == [short, long]
    assert ledger.apply(silence_entry(ended_silence(long, "bo", NOON + 20)).record)
    assert ledger.silences(NOON + 50) == [short]


def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    """And is not fresh then."""
    path = tmp_path / "ledger.sqlite"
    first = Ledger(path)
    first.apply(record_of(an_incident()))
    first.close()
    second = Ledger(path)

    assert (second.fresh, second.incidents()) == (False, [an_incident()])
    second.close()


def test_incidents_are_sorted_and_filtered(ledger: Ledger) -> None:
    """By (opened, id); with a limit the latest ones."""
    one, two, three = opened(1), opened(2, "other"), incidents.resolve(opened(3), "over", NOON + 9)
    ledger.apply_all(map(record_of, (three, one, two)))

    assert ledger.incidents() == [one, two, three]
    assert ledger.incidents(limit=2) == [two, three]
    assert ledger.incidents(model="loan-approval") == [one, three]
    assert ledger.incidents(state="resolved") == [three]
    assert ledger.incidents(model="other", state="resolved") == []
    assert ledger.live() == [one, two]


STATES = [
    an_incident(),
    incidents.acknowledge(an_incident(), "ana", NOON + 1),
    incidents.mitigate(incidents.acknowledge(an_incident(), "ana", NOON + 1), "back on 7", NOON + 2),
]


@given(st.lists(st.sampled_from([*map(record_of, STATES), ended("a"), ended("b")]), max_size=12))
def test_order_and_repetition_do_not_matter(tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]) -> None:
    """The latest revision wins, and an act ends once."""
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")
    changed = sum(ledger.apply(record) for record in records)
    again = ledger.apply_all(records)
    latest = max((one for one in STATES if record_of(one) in records), key=lambda one: one.revision, default=None)

    assert ledger.incidents() == ([] if latest is None else [latest])
    assert ledger.done_keys() == {record["key"] for record in records if record["kind"] == "action"}
    assert again == 0
    assert changed <= len(records)
    ledger.close()


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"kind": "silence", "key": "s"},
        {"kind": "incident"},
        {"kind": "incident", "incident": 3},
        {"kind": "incident", "incident": {"id": "x"}},
        {"kind": "incident", "incident": {**incidents.to_record(an_incident()), "revision": 2**70}},
        {"kind": "action", "key": "k"},
        {"kind": "action", "key": "k", "incident": None, "at": float("nan")},
        {"kind": "action", "key": "k", "incident": None, "at": "noon"},
        {"kind": ["action"]},
    ],
)
def test_a_record_that_cannot_be_read_hides_no_other(ledger: Ledger, record: dict[str, Any]) -> None:
    """It is passed over, and the rest of the same transaction is there."""
    with capture_logs():
        changed = ledger.apply_all([ended("before"), record, ended("after")])

    assert changed == 2
    assert ledger.done_keys() == {"before", "after"}


def test_odd_names_are_kept(ledger: Ledger) -> None:
    """Quotes, other alphabets, and half characters that have no UTF-8 form."""
    incident = an_incident(model="l'oan ☃ \"", examples=("\ud800",))
    ledger.apply(record_of(incident))

    assert ledger.incidents(model=incident.model) == [incident]


@pytest.mark.parametrize("content", [b"", b"not a database at all", b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_file_that_cannot_be_read_is_put_aside(tmp_path: Path, content: bytes) -> None:
    """The new one is fresh, the old one is kept, and the log says so."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with capture_logs() as logs:
        ledger = Ledger(path)

    assert (ledger.fresh, ledger.incidents()) == (True, [])
    assert (tmp_path / "ledger.sqlite.unreadable-1").read_bytes() == content
    assert [line["event"] for line in logs] == ["ledger_put_aside"]
    ledger.close()


def test_damage_inside_a_file_is_found_when_it_is_opened(tmp_path: Path) -> None:
    """A page of zeros in the middle is not read as an empty ledger."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    ledger.apply_all(record_of(opened(number)) for number in range(50))
    ledger.close()
    content = bytearray(path.read_bytes())
    content[4096:-4096] = bytes(len(content) - 8192)
    path.write_bytes(content)
    with capture_logs():
        again = Ledger(path)

    assert (again.fresh, again.incidents()) == (True, [])
    again.close()


def test_a_file_of_another_version_is_put_aside(tmp_path: Path) -> None:
    """After an upgrade it is filled again from the journal; each old one is kept under a name of its own."""
    path = tmp_path / "ledger.sqlite"
    with capture_logs():
        for _ in range(3):
            Ledger(path).close()
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA user_version = 999")
            connection.close()
        ledger = Ledger(path)
    ledger.close()

    assert sorted(one.name for one in tmp_path.glob("*unreadable-?")) == [f"ledger.sqlite.unreadable-{n}" for n in (1, 2, 3)]


def test_what_cannot_be_opened_is_one_clear_sentence(tmp_path: Path) -> None:
    """It names the file and what to do."""
    (tmp_path / "ledger.sqlite").mkdir()

    with pytest.raises(LedgerUnavailable, match=r"the ledger .*ledger\.sqlite cannot be used: .*; check the disk and the rights"):
        Ledger(tmp_path / "ledger.sqlite")


def test_a_locked_file_is_not_taken_for_a_damaged_one(tmp_path: Path) -> None:
    """Another process holds it: it is left where it is."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ledger._connection.execute("PRAGMA busy_timeout = 1")  # noqa: SLF001  # the test does not want to wait for seconds
    with pytest.raises(LedgerUnavailable, match="locked"):
        ledger.apply(ended("k"))
    other.execute("ROLLBACK")
    other.close()

    assert ledger.apply(ended("k"))
    assert not list(tmp_path.glob("*unreadable*"))
    ledger.close()


def test_threads_share_it(ledger: Ledger) -> None:
    """The loop writes while endpoints read."""
    barrier = threading.Barrier(4)

    def write(first: int) -> None:
        barrier.wait()
        for number in range(first, first + 50):
            ledger.apply(record_of(opened(number)))
            ledger.incidents()

    threads = [threading.Thread(target=write, args=(50 * part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ledger.incidents(limit=1000)) == 200
