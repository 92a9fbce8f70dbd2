"""A silence that somebody makes in Alertmanager after the alert began is an acknowledgement; nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from alerting.errors import DeliveryError
from alerting.inbound_alertmanager import Held, acknowledged, held
from alerting.notifiers.alertmanager import AlertmanagerConfig, AlertmanagerNotifier
from tests.doubles.alerting import NOON, Time, a_notice
from tests.doubles.alertmanager import Alertmanager
from tests.doubles.stand import Answer

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["labels", "status", "silencedBy", "x"]), inner),
    max_leaves=8,
)


@pytest.fixture
def peer() -> Iterator[Alertmanager]:
    """One that checks every request."""
    with Alertmanager(NOON) as peer:
        yield peer
    assert peer.violations == []


def told(*addresses: str, **changes: object) -> AlertmanagerNotifier:
    """A notifier that has told of one incident, at noon."""
    peers = tuple(SecretStr(f"{address}/prefix/") for address in addresses)
    config = AlertmanagerConfig(peers=peers, timeout=5, **changes)  # type: ignore[arg-type]  # keys of the route
    subject = AlertmanagerNotifier(config, clock=Time(NOON))
    subject.notify(replace(a_notice(), opened=NOON, at=NOON))
    return subject


def test_who_silences_it_has_acknowledged_it(peer: Alertmanager) -> None:
    """With the name and the comment that stand there; read again it is the same act."""
    subject = told(peer.address)
    assert subject.acknowledgements() == []

    peer.silence(a_notice().dedup_key, "ana", NOON + 60, "rolling back by hand")
    (found,) = subject.acknowledgements()
    assert (found.by, found.reason, found.problem) == ("ana in Alertmanager", "rolling back by hand", a_notice().dedup_key)
    assert subject.acknowledgements() == [found]


def test_a_silence_from_before_is_none(peer: Alertmanager) -> None:
    """A window of maintenance has seen nothing; nor is what is silenced of others' alerts ours."""
    subject = told(peer.address)
    peer.silence(a_notice().dedup_key, "ana", NOON - 3600)
    peer.alerts[frozenset({("alertname", "X")})] = {"labels": {"alertname": "X", "incident": "other"}}
    peer.silence("other", "ben", NOON + 60)

    assert subject.acknowledgements() == []


def test_a_new_problem_needs_a_new_silence(peer: Alertmanager) -> None:
    """The old silence names the old alert: the one that holds both is for the new one too only if it came after it."""
    subject = told(peer.address)
    peer.silence(a_notice().dedup_key, "ana", NOON + 60)
    new = replace(a_notice(), dedup_key=f"{a_notice().incident}.1", opened=NOON, at=NOON + 600)
    subject.notify(new)
    subject.notify(replace(a_notice(event="resolve"), at=NOON + 600))
    assert subject.acknowledgements() == []

    peer.silence(new.dedup_key, "ben", NOON + 660)
    assert [(one.by, one.problem) for one in subject.acknowledgements()] == [("ben in Alertmanager", new.dedup_key)]


def test_nothing_is_asked_while_nothing_fires_or_when_it_is_not_wanted(peer: Alertmanager) -> None:
    """A quiet night makes no traffic."""
    quiet = told(peer.address, silence_acknowledges=False)
    over = told(peer.address)
    over.notify(replace(a_notice(event="resolve"), at=NOON))
    before = peer.attempts

    assert (quiet.acknowledgements(), over.acknowledgements(), peer.attempts) == ([], [], before)


def test_one_peer_is_enough(peer: Alertmanager) -> None:
    """They share their silences; that none can be asked is an error that names the host and no more."""
    with Alertmanager(NOON) as other:
        subject = told(other.address, peer.address)
        peer.silence(a_notice().dedup_key, "ana", NOON + 60)
        other.away = True
        assert [one.by for one in subject.acknowledgements()] == ["ana in Alertmanager"]
        peer.script += [Answer(500)]
        with pytest.raises(DeliveryError, match="answered 500"):
            subject.acknowledgements()


@given(st.lists(JSON, max_size=3), st.dictionaries(st.sampled_from(["startsAt", "createdBy", "comment", "id"]), JSON))
def test_whatever_is_answered_harms_nobody(documents: list[object], silence: dict[str, object]) -> None:
    """A proxy's page, another release: passed over."""
    assert held(documents, []) == []
    found = acknowledged(silence, Held("abc", NOON, ("1",)))
    assert found is None or found.problem == "abc"
