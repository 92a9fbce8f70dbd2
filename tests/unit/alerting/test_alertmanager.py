"""Alertmanager is told of each alert at every peer, again and again, and of its end; time stands still until a test moves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from alerting.alerts import LAPSES_AFTER, RESOLVED_FOR, Book, alert_of, name_of
from alerting.errors import DeliveryError
from alerting.incidents import Action, add_action, resolve
from alerting.keeper import Keeper, Resender, firing
from alerting.links import Links
from alerting.notifiers.alertmanager import BATCH, AlertmanagerConfig, AlertmanagerNotifier
from tests.doubles.alerting import NOON, Inbox, Time, a_notice, an_incident
from tests.doubles.alertmanager import Alertmanager, seconds
from tests.doubles.stand import Answer

MINUTE = 60.0


class Bench:
    """A notifier, two peers and the clock that all three go by."""

    def __init__(self, *peers: Alertmanager) -> None:
        self.peers = peers
        self.clock = Time(NOON + 100)
        addresses = tuple(SecretStr(f"{peer.address}/prefix/") for peer in peers)
        config = AlertmanagerConfig(peers=addresses, labels={"cluster": "eu-1"}, timeout=5, resend=MINUTE)
        self.subject = AlertmanagerNotifier(config, clock=self.clock)
        self.move(0)

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += seconds
        for peer in self.peers:
            peer.now = self.clock.now

    def minutes(self, count: int) -> None:
        """Let minutes pass, and send again what is due in each."""
        for _ in range(count):
            self.move(MINUTE)
            self.subject.resend(self.clock.now)

    @property
    def firing(self) -> list[list[str]]:
        """What fires at each peer."""
        return [peer.firing for peer in self.peers]


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Two peers that check every post."""
    with Alertmanager() as one, Alertmanager() as two:
        yield Bench(one, two)
    assert (one.violations, two.violations) == ([], [])


def test_an_alert_carries_what_people_route_and_silence_by() -> None:
    """Labels say what it is, annotations what to read."""
    alert = alert_of(a_notice(segment="region=north"), {"cluster": "eu-1"}, NOON + 60)

    assert dict(alert.labels) == {
        "alertname": "ModelNewVersion",
        "severity": "page",
        "model": "loan-approval",
        "model_version": "8",
        "segment": "region=north",
        "owner": "team-credit",
        "incident": "i",
        "cluster": "eu-1",
    }
    assert list(alert.annotations) == ["summary", "description", "runbook_url"]
    assert alert.document(NOON + 60, MINUTE)["endsAt"] == "2026-10-01T12:04:00.000Z"
    assert alert.document(NOON + 60, MINUTE)["startsAt"] == "2026-10-01T12:00:00.000Z"


def test_trouble_of_the_daemon_has_a_name_of_its_own() -> None:
    """Nobody's model is blamed for it."""
    assert name_of(replace(a_notice(), model=None, cause="daemon")) == "WatchkeeperTrouble"


def test_every_peer_is_told(bench: Bench) -> None:
    """They do not tell each other."""
    bench.subject.notify(a_notice())

    assert bench.firing == [["ModelNewVersion"], ["ModelNewVersion"]]


def test_it_fires_for_as_long_as_it_is_sent_again(bench: Bench) -> None:
    """Each minute with an end three ahead; left alone it lapses after three."""
    bench.subject.notify(a_notice())
    bench.minutes(30)
    assert bench.firing == [["ModelNewVersion"], ["ModelNewVersion"]]
    assert len(bench.peers[0].posts) == 31

    bench.move(2.9 * MINUTE)
    assert bench.firing == [["ModelNewVersion"], ["ModelNewVersion"]]
    bench.move(0.2 * MINUTE)
    assert bench.firing == [[], []]


def test_nothing_is_sent_again_before_it_is_due(bench: Bench) -> None:
    """However often it is asked."""
    bench.subject.notify(a_notice())
    due = [bench.subject.resend(bench.clock.now + second) for second in range(60)]

    assert set(due) == {bench.clock.now + MINUTE}
    assert len(bench.peers[0].posts) == 1


def test_an_end_is_told_at_once_and_for_a_while(bench: Bench) -> None:
    """With the same end each time; then nothing is left to send."""
    bench.subject.notify(a_notice())
    bench.subject.notify(a_notice(event="resolve"))
    assert bench.firing == [[], []]
    ended = bench.clock.now

    bench.minutes(30)
    assert {seconds(post[0]["endsAt"]) for post in bench.peers[0].posts[1:]} == {ended}
    assert len(bench.peers[0].posts) == 2 + RESOLVED_FOR / MINUTE
    assert bench.subject.resend(bench.clock.now) is None


def test_an_end_without_a_beginning_is_told(bench: Bench) -> None:
    """A restart between the two: the alert has the same labels, so the end fits."""
    bench.subject.notify(a_notice(event="resolve"))

    assert bench.peers[0].events == [("i", "resolved")]


def test_a_repeated_notice_is_the_same_alert(bench: Bench) -> None:
    """At least once means sometimes twice."""
    for _ in range(2):
        bench.subject.notify(a_notice())
    for _ in range(2):
        bench.subject.notify(a_notice(event="resolve"))

    assert len(bench.peers[0].alerts) == 1
    assert bench.firing == [[], []]


def test_it_may_come_back(bench: Bench) -> None:
    """A new trigger after the end fires again."""
    for event in ("trigger", "resolve", "trigger"):
        bench.subject.notify(a_notice(event=event))
    bench.minutes(5)

    assert bench.firing == [["ModelNewVersion"], ["ModelNewVersion"]]


def test_what_changes_its_labels_is_another_alert(bench: Bench) -> None:
    """A ticket that becomes a page, a cause that turns out to be another: the old alert ends in the same post."""
    bench.subject.notify(a_notice(severity="ticket", cause="drift"))
    bench.subject.notify(a_notice(event="update"))

    assert [alert["labels"]["alertname"] for alert in bench.peers[0].posts[1]] == ["ModelDrift", "ModelNewVersion"]
    bench.minutes(5)
    assert bench.firing == [["ModelNewVersion"], ["ModelNewVersion"]]
    bench.subject.notify(a_notice(event="resolve"))
    assert bench.firing == [[], []]


def test_news_without_an_incident_lapse(bench: Bench) -> None:
    """Nobody will ever tell their end."""
    bench.subject.notify(replace(a_notice(), incident=None, model=None))
    bench.minutes(int(LAPSES_AFTER / MINUTE) - 1)
    assert bench.firing == [["WatchkeeperTrouble"], ["WatchkeeperTrouble"]]

    bench.minutes(30)
    assert bench.firing == [[], []]
    assert bench.subject.resend(bench.clock.now) is None


@pytest.mark.parametrize("answer", [Answer(503), Answer(400), "reset"])
def test_one_peer_that_has_it_is_enough(bench: Bench, answer: Answer) -> None:
    """The other hears of it an interval later."""
    bench.peers[1].script.append(answer)
    with capture_logs() as logs:
        bench.subject.notify(a_notice())
    assert ([line["event"] for line in logs], bench.firing) == (["peer_failed"], [["ModelNewVersion"], []])

    bench.minutes(1)
    assert bench.firing == [["ModelNewVersion"], ["ModelNewVersion"]]


@pytest.mark.parametrize(
    ("first", "second", "permanent", "pause"),
    [
        (Answer(503), Answer(400), False, None),
        (Answer(400), Answer(503, {"Retry-After": "7"}), False, 7.0),
        (Answer(400), Answer(404), True, None),
        (Answer(503, {"Retry-After": "30"}), Answer(503, {"Retry-After": "9"}), False, 9.0),
    ],
)
def test_no_peer_is_a_failure(bench: Bench, first: Answer, second: Answer, permanent: bool, pause: float | None) -> None:
    """A temporary one while one of them may take it later."""
    bench.peers[0].script.append(first)
    bench.peers[1].script.append(second)
    with pytest.raises(DeliveryError) as caught:
        bench.subject.notify(a_notice())

    assert (caught.value.permanent, caught.value.retry_after) == (permanent, pause)


def test_what_was_refused_for_good_is_not_sent_again(bench: Bench) -> None:
    """It went to the fallback; a refusal a minute helps nobody."""
    for peer in bench.peers:
        peer.script.append(Answer(400))
    with pytest.raises(DeliveryError):
        bench.subject.notify(a_notice())
    bench.minutes(3)

    assert bench.peers[0].posts == []


def test_a_failed_round_is_made_up_for(bench: Bench) -> None:
    """Two rounds may fail before an alert lapses."""
    bench.subject.notify(a_notice())
    for peer in bench.peers:
        peer.script.extend([Answer(500), Answer(500)])
    with capture_logs() as logs:
        bench.minutes(3)

    assert [line["event"] for line in logs] == ["resend_failed", "resend_failed"]
    assert bench.firing == [["ModelNewVersion"], ["ModelNewVersion"]]


def test_a_restarted_peer_hears_of_all(bench: Bench) -> None:
    """It kept nothing."""
    bench.subject.notify(a_notice())
    bench.subject.notify(a_notice("j:page:hook:0"))
    bench.peers[0].alerts.clear()
    bench.minutes(1)

    assert bench.firing[0] == ["ModelNewVersion", "ModelNewVersion"]


def test_many_alerts_go_in_batches(bench: Bench) -> None:
    """So that a page in between waits for one request at most."""
    bench.subject.resume([a_notice(f"{number}:page:hook:0") for number in range(250)])
    bench.subject.resend(bench.clock.now)

    assert [len(post) for post in bench.peers[0].posts] == [BATCH, BATCH, 50]


def test_the_book_is_bounded() -> None:
    """What has ended goes first, then what is oldest."""
    book = Book({}, limit=3)
    for number in range(3):
        book.put(a_notice(f"{number}:page:hook:0"), NOON + number)
    book.put(a_notice("1:page:hook:0", "resolve"), NOON + 10)
    book.put(a_notice("3:page:hook:0"), NOON + 11)
    book.put(a_notice("4:page:hook:0"), NOON + 12)

    kept = [dict(labels)["incident"] for labels in book.current(NOON + 13)]
    assert kept == ["2", "3", "4"]


@pytest.mark.parametrize("labels", [{"a-b": "x"}, {"": "x"}, {"1a": "x"}])
def test_a_label_that_cannot_be_one_is_refused(labels: dict[str, str]) -> None:
    """At start, not with the first page."""
    with pytest.raises(ValidationError, match="cannot be the name of a label"):
        AlertmanagerConfig(peers=(SecretStr("http://am:9093"),), labels=labels)


class TestKeeper:
    """The rounds of the keeper, and its lease."""

    def test_it_finds_those_that_must_tell_again(self, bench: Bench) -> None:
        """Other routes have nothing to do with it."""
        assert isinstance(bench.subject, Resender)
        assert not isinstance(Inbox(), Resender)

    def test_a_daemon_that_was_replaced_falls_silent(self, bench: Bench) -> None:
        """And stays so, even when the lease comes back: only what it is told then fires."""
        lease = [True]
        keeper = Keeper({"am": bench.subject}, lambda: lease[0], bench.clock)
        bench.subject.notify(a_notice())
        keeper.tick(bench.clock.now)
        lease[0] = False
        keeper.tick(bench.clock.now + MINUTE)
        lease[0] = True
        keeper.tick(bench.clock.now + 2 * MINUTE)

        assert len(bench.peers[0].posts) == 1

    def test_a_daemon_that_takes_over_goes_on(self, bench: Bench) -> None:
        """It is told what fires before it has the lease, and sends it in the first round with it."""
        lease = [False]
        keeper = Keeper({"am": bench.subject, "log": Inbox()}, lambda: lease[0], bench.clock)
        keeper.resume({"am": [a_notice()], "log": [a_notice()]})
        keeper.tick(bench.clock.now)
        assert bench.peers[0].posts == []

        lease[0] = True
        keeper.tick(bench.clock.now)
        assert bench.firing == [["ModelNewVersion"], ["ModelNewVersion"]]

    def test_an_assignment_in_between_two_rounds_is_not_forgotten(self, bench: Bench) -> None:
        """The lease of the old generation ends after the new one's problems are known."""
        lease = [True]
        keeper = Keeper({"am": bench.subject}, lambda: lease[0], bench.clock)
        bench.subject.notify(a_notice("j:page:hook:0"))
        keeper.tick(bench.clock.now)
        keeper.resume({"am": [a_notice()]})
        lease[0] = False
        keeper.tick(bench.clock.now)
        lease[0] = True
        keeper.tick(bench.clock.now)

        assert bench.peers[0].events == [("j", "firing"), ("i", "firing")]

    def test_it_runs_and_ends(self, bench: Bench) -> None:
        """A thread of its own, that waits for nobody when told to end."""
        keeper = Keeper({"am": bench.subject}, lambda: True, bench.clock)
        keeper.start()
        keeper.close(5.0)

        Keeper({"log": Inbox()}, lambda: True).close(0.0)


def test_what_fires_is_what_the_routes_were_told_and_is_not_over() -> None:
    """From the incidents of the ledger: the same alert as before, so that its end fits."""
    told = add_action(an_incident(), Action(kind="page", at=NOON, route="am", key="k"))
    twice = add_action(told, Action(kind="ticket", at=NOON, route="desk", key="t"))
    over = resolve(told, "fine again", NOON + 60)
    notices = firing([twice, over, an_incident(version="9")], NOON + 90, Links("https://wk.example"))

    assert {route: [one.key for one in all_of_it] for route, all_of_it in notices.items()} == {"am": ["k"], "desk": ["t"]}
    before = alert_of(replace(a_notice(), dedup_key=told.id), {}, NOON + 60)
    after = alert_of(notices["am"][0], {}, NOON + 90)
    assert (after.labels, after.url) == (before.labels, f"https://wk.example/incidents/{told.id}")
