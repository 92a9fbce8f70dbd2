"""Against two real Alertmanagers in a cluster, and a real Prometheus beside us: what people get, and that they get it once."""

from __future__ import annotations

import json
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from alerting.notice import Notice
from alerting.notifiers.alertmanager import AlertmanagerConfig, AlertmanagerNotifier
from tests.doubles.alerting import a_notice
from tests.doubles.stand import Answer, Request, Stand
from tests.servers import LocalBroker
from tests.servers.broker import free_port
from tests.servers.debian import program

pytestmark = pytest.mark.integration

#: Long before this, everything has happened on a slow machine too.
PATIENCE = 60.0

CONFIG = """
route:
  receiver: people
  group_by: [model]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 1h
receivers:
  - name: people
    webhook_configs: [{{url: "{url}", send_resolved: true}}]
"""


class People(Stand):
    """Those who are told: every message of Alertmanager's webhook as (status, sorted names of the alerts in it)."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[tuple[str, list[str]]] = []

    def serve(self, request: Request) -> Answer:
        """Read it."""
        message = request.json()
        self.messages.append((message["status"], sorted(alert["labels"]["alertname"] for alert in message["alerts"])))
        return Answer(200)


class Cluster:
    """Two Alertmanagers on the loopback that gossip, and a notifier of ours that tells them."""

    def __init__(self, people: People, directory: Path) -> None:
        self.people = people
        self.ports = [free_port(), free_port()]
        gossip = [free_port(), free_port()]
        config = directory / "alertmanager.yml"
        config.write_text(CONFIG.format(url=f"{people.address}/told"))
        self.peers = [self._peer(number, config, directory, gossip) for number in range(2)]
        self.subject = self.notifier()

    def start(self) -> None:
        """Start both, and wait until they see each other: until then each would tell people."""
        for peer in self.peers:
            peer.start()
        end = time.monotonic() + PATIENCE
        for address in self.addresses:
            while len(get(f"{address}/api/v2/status")["cluster"].get("peers", [])) < len(self.peers):
                assert time.monotonic() < end, "the peers do not see each other"
                self.people.closing.wait(0.1)

    def _peer(self, number: int, config: Path, directory: Path, gossip: Sequence[int]) -> LocalBroker:
        home = directory / f"peer-{number}"
        home.mkdir()
        command = [
            program("prometheus-alertmanager"),
            f"--config.file={config}",
            f"--storage.path={home / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.ports[number]}",
            f"--cluster.listen-address=127.0.0.1:{gossip[number]}",
            f"--cluster.peer=127.0.0.1:{gossip[1 - number]}",
            # Well below the interval of a group, as in a real cluster: a peer that waits longer tells what is over.
            "--cluster.peer-timeout=500ms",
            "--cluster.gossip-interval=50ms",
            "--cluster.pushpull-interval=500ms",
            "--cluster.settle-timeout=5s",
        ]
        return LocalBroker(f"Alertmanager {number}", command, self.ports[number], home)

    @property
    def addresses(self) -> list[str]:
        """Of both peers."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def notifier(self) -> AlertmanagerNotifier:
        """One of ours, as after a restart."""
        peers = tuple(SecretStr(address) for address in self.addresses)
        return AlertmanagerNotifier(AlertmanagerConfig(peers=peers, resend=1.0, timeout=5.0))

    def active(self) -> list[list[str]]:
        """Names of the alerts that fire at each peer."""
        return [
            sorted(alert["labels"]["alertname"] for alert in get(f"{address}/api/v2/alerts?active=true"))
            for address in self.addresses
        ]

    def until(self, done: Callable[[], bool]) -> None:
        """Keep telling until it is so."""
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, f"{self.people.messages} {self.active()}"
            self.subject.resend(time.time())
            self.people.closing.wait(0.1)

    def rounds(self, count: int) -> None:
        """Keep telling for so many rounds."""
        due: list[float | None] = []
        end = time.monotonic() + PATIENCE
        while len(set(due)) <= count and time.monotonic() < end:
            due.append(self.subject.resend(time.time()))
            self.people.closing.wait(0.1)

    def close(self) -> None:
        """End both."""
        for peer in self.peers:
            peer.close()


def get(url: str) -> Any:  # noqa: ANN401  # JSON
    """A document of a server of ours."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # the loopback
        return json.load(answer)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Two peers and those who are told."""
    with tempfile.TemporaryDirectory() as directory, People() as people:
        cluster = Cluster(people, Path(directory))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.close()


def of_model(model: str, key: str, cause: str = "new_version", event: Any = "trigger") -> Notice:  # noqa: ANN401  # an Event
    """A notice of a model, found just now: Alertmanager waits for more of a group only while its first alert is young."""
    return replace(a_notice(f"{key}:page:am:0", event, model=model, cause=cause), opened=time.time(), at=time.time())


def test_alerts_arrive_group_and_resolve(cluster: Cluster) -> None:
    """One message a model however many alerts, peers and re-sendings; one when all of it is over."""
    for notice in (of_model("loan", "i"), of_model("loan", "j", "drift"), of_model("fraud", "k")):
        cluster.subject.notify(notice)
    cluster.until(lambda: len(cluster.people.messages) >= 2)
    assert sorted(cluster.people.messages) == [("firing", ["ModelDrift", "ModelNewVersion"]), ("firing", ["ModelNewVersion"])]

    cluster.rounds(5)
    assert len(cluster.people.messages) == 2

    for key, model, cause in (("i", "loan", "new_version"), ("j", "loan", "drift"), ("k", "fraud", "new_version")):
        cluster.subject.notify(of_model(model, key, cause, "resolve"))
    cluster.until(lambda: len(cluster.people.messages) >= 4)
    cluster.rounds(3)
    assert sorted(cluster.people.messages[2:]) == [
        ("resolved", ["ModelDrift", "ModelNewVersion"]),
        ("resolved", ["ModelNewVersion"]),
    ]


def test_a_restart_of_the_cluster_is_told_to_nobody(cluster: Cluster) -> None:
    """Both peers forget all alerts; they hear of them again, and people do not."""
    cluster.subject.notify(of_model("loan", "i"))
    cluster.until(lambda: len(cluster.people.messages) >= 1)
    cluster.rounds(2)
    for peer in cluster.peers:
        peer.stop()
    cluster.start()
    cluster.until(lambda: cluster.active() == [["ModelNewVersion"], ["ModelNewVersion"]])
    cluster.rounds(5)
    assert cluster.people.messages == [("firing", ["ModelNewVersion"])]

    cluster.subject.notify(of_model("loan", "i", event="resolve"))
    cluster.until(lambda: len(cluster.people.messages) >= 2)
    assert cluster.people.messages[1] == ("resolved", ["ModelNewVersion"])


def test_a_restart_of_ours_is_told_to_nobody(cluster: Cluster) -> None:
    """The daemon that takes over knows what fires, goes on telling, and tells its end."""
    cluster.subject.notify(of_model("loan", "i"))
    cluster.until(lambda: len(cluster.people.messages) >= 1)
    cluster.subject = cluster.notifier()
    cluster.subject.resume([of_model("loan", "i")])
    cluster.rounds(5)
    assert cluster.active() == [["ModelNewVersion"], ["ModelNewVersion"]]
    assert cluster.people.messages == [("firing", ["ModelNewVersion"])]

    cluster.subject.notify(of_model("loan", "i", event="resolve"))
    cluster.until(lambda: len(cluster.people.messages) >= 2)
    assert cluster.active() == [[], []]


def test_one_peer_down_loses_nothing(cluster: Cluster) -> None:
    """The other takes the page and tells people; back, the first hears of it and tells nobody again."""
    cluster.peers[0].kill()
    cluster.subject.notify(of_model("loan", "i"))
    cluster.until(lambda: len(cluster.people.messages) >= 1)
    cluster.peers[0].start()
    cluster.until(lambda: cluster.active() == [["ModelNewVersion"], ["ModelNewVersion"]])
    cluster.rounds(5)

    assert cluster.people.messages == [("firing", ["ModelNewVersion"])]


def test_an_alert_that_is_not_sent_again_lapses(cluster: Cluster) -> None:
    """Three rounds after the last: that is why they are sent again."""
    cluster.subject.notify(of_model("loan", "i"))
    cluster.until(lambda: len(cluster.people.messages) >= 1)
    cluster.subject.forget()
    cluster.until(lambda: len(cluster.people.messages) >= 2)

    assert cluster.people.messages[1] == ("resolved", ["ModelNewVersion"])


PROMETHEUS = """
global: {{evaluation_interval: 1s, scrape_interval: 1s}}
rule_files: [rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: {targets}}}]}}]}}
"""

RULES = """
groups:
  - name: serving
    rules: [{alert: ModelIsSlow, expr: "vector(1)", labels: {model: loan, severity: page}}]
"""


def test_alerts_of_prometheus_about_a_model_come_in_the_same_message(cluster: Cluster, tmp_path: Path) -> None:
    """Ours carry the labels that people group by, so that a slow model and a wrong one are one message."""
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(
        PROMETHEUS.format(targets=json.dumps([f"127.0.0.1:{port}" for port in cluster.ports]))
    )
    (tmp_path / "rules.yml").write_text(RULES)
    command = [
        program("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        "--rules.alert.resend-delay=1s",  # the first sending is lost when it knows no Alertmanager yet
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    prometheus = LocalBroker("Prometheus", command, port, tmp_path)
    prometheus.start()
    try:
        cluster.until(lambda: cluster.active() == [["ModelIsSlow"], ["ModelIsSlow"]])
        cluster.subject.notify(of_model("loan", "i"))
        cluster.until(lambda: ("firing", ["ModelIsSlow", "ModelNewVersion"]) in cluster.people.messages)
    finally:
        prometheus.close()


def test_who_silences_an_alert_there_has_acknowledged_it(cluster: Cluster) -> None:
    """As by the button of its page: a silence with all labels of the alert. One from before the alert is none."""
    cluster.subject.notify(of_model("loan", "i"))
    cluster.until(lambda: cluster.active() == [["ModelNewVersion"], ["ModelNewVersion"]])
    assert cluster.subject.acknowledgements() == []

    (alert,) = get(f"{cluster.addresses[1]}/api/v2/alerts")
    matchers = [{"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in alert["labels"].items()]
    silence(cluster.addresses[1], matchers, "ana", "rolling back by hand")
    cluster.until(lambda: bool(cluster.subject.acknowledgements()))
    (found,) = cluster.subject.acknowledgements()
    assert (found.by, found.reason, found.problem) == (
        "ana in Alertmanager",
        "rolling back by hand",
        alert["labels"]["incident"],
    )


def silence(address: str, matchers: list[dict[str, Any]], by: str, comment: str) -> None:
    """Make a silence of an hour at a peer."""
    now = datetime.now(UTC)
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    body = json.dumps({"matchers": matchers, "createdBy": by, "comment": comment} | times).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/api/v2/silences", body, headers)  # noqa: S310  # the loopback
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # the same
        assert answer.status == 200  # taken
