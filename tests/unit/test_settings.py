"""Settings: from defaults, a file and the environment, with every problem at its source and no secret in sight."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.facts import Facts
from alerting.routing import Rule
from daemon.errors import CANNOT_START, CannotStart
from daemon.schema import Section
from daemon.setting_parts import RoutingRule
from daemon.settings import Settings, load_settings
from daemon.settings_page import documentation
from tests.doubles.settings_file import complaints, written

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person who runs the tests has set must not decide them."""
    for name in list(os.environ):
        if name.upper().startswith("WATCHKEEPER_"):
            monkeypatch.delenv(name)


def test_without_a_file_everything_has_a_default() -> None:
    """A daemon beside its broker needs no settings."""
    settings = load_settings()

    assert settings.kafka.bootstrap == ("127.0.0.1:9092",)
    assert (settings.kafka.session_timeout, settings.kafka.heartbeat_interval, settings.kafka.idle_after) == (45.0, 3.0, 2.0)
    assert (settings.checkpoint_every, settings.watchdog_after, settings.dead_letters.window) == (1.0, 120.0, 300.0)
    assert settings.default_route.page == ("log",)
    assert (settings.guardrails, settings.state) == (Path("guardrails"), Path("state"))


def test_the_environment_overrides_the_file_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not name stays as the file says."""
    path = written(tmp_path, "kafka:\n  group: file\n  start: latest\n  bootstrap: [a:1]\nmax_pending: 5\n")
    monkeypatch.setenv("WATCHKEEPER_KAFKA__GROUP", "environment")
    monkeypatch.setenv("WATCHKEEPER_KAFKA__BOOTSTRAP", "b:1, c:2")
    monkeypatch.setenv("WATCHKEEPER_KAFKA__TOPICS__LABELS", "truth")
    monkeypatch.setenv("WATCHKEEPER_MAX_PENDING", "7")
    settings = load_settings(path)

    assert (settings.kafka.group, settings.kafka.start, settings.kafka.bootstrap) == ("environment", "latest", ("b:1", "c:2"))
    assert (settings.kafka.topics.labels, settings.max_pending) == ("truth", 7)


def test_mappings_may_be_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or be spelled out key by key."""
    monkeypatch.setenv("WATCHKEEPER_ROUTES", '{"pager": {"kind": "log"}}')
    monkeypatch.setenv("WATCHKEEPER_EXECUTORS__REGISTRY__KIND", "kafka")
    settings = load_settings()

    assert dict(settings.routes) == {"pager": {"kind": "log"}}
    assert dict(settings.executors) == {"registry": {"kind": "kafka"}}


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    """A file whose lines are all comments is where people begin."""
    assert load_settings(written(tmp_path, "# kafka:\n")) == load_settings()


def test_paths_are_relative_to_the_file_that_says_them(tmp_path: Path) -> None:
    """Wherever the daemon is started; an absolute path stays what it is."""
    settings = load_settings(written(tmp_path, "guardrails: rails\nstate: /var/lib/watchkeeper\nkafka: {ssl_cafile: ca.pem}\n"))

    assert (settings.guardrails, settings.state) == (tmp_path / "rails", Path("/var/lib/watchkeeper"))
    assert settings.kafka.ssl_cafile == tmp_path / "ca.pem"


def test_every_problem_of_a_file_has_its_line(tmp_path: Path) -> None:
    """And its key, and what to write instead."""
    path = written(
        tmp_path,
        """\
kafka:
  bootstrap: [localhost]
  gruop: x
  session_timeout: 6s
  heartbeat_interval: 3s
  topics: {labels: predictions, commands: a b}
http: {port: 99999}
log: {level: loud}
checkpoint_every: 1
checkpoint_every: 2s
""",
    )

    assert complaints(path) == [
        "2:15: kafka.bootstrap[0]: must be host:port, such as 127.0.0.1:9092, not 'localhost'",
        "3:3: kafka.gruop: unknown key; did you mean group?",
        "5:23: kafka.heartbeat_interval: must be at most a third of session_timeout, or one lost message costs the partitions",
        "6:20: kafka.topics.labels: predictions is the topic of predictions already; every topic has one use",
        "6:43: kafka.topics.commands: must be the name of a topic, up to 249 of A-Z a-z 0-9 . _ -, not 'a b'",
        "7:14: http.port: must be at most 65535, not 99999",
        "8:14: log.level: must be one of debug, info, warning, error, not 'loud'",
        "9:19: checkpoint_every: must be a duration such as 30s, 5m, 1h or 7d, not 1",
        "10:1: checkpoint_every: this key is there twice, first in line 9; remove one of them",
    ]


def test_a_problem_of_the_environment_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable too, as it would silently be no setting at all."""
    monkeypatch.setenv("WATCHKEEPER_HTTP__PORT", "many")
    monkeypatch.setenv("WATCHKEEPER_KAKFA__GROUP", "x")
    monkeypatch.setenv("WATCHKEEPER_LOG__LEVLE", "info")

    assert complaints() == [
        "WATCHKEEPER_KAKFA__GROUP: there is no setting kakfa; did you mean kafka?",
        "WATCHKEEPER_HTTP__PORT: http.port: must be a whole number, not 'many'",
        "WATCHKEEPER_LOG__LEVLE: log.levle: unknown key; did you mean level?",
    ]


def test_the_variables_that_kubernetes_sets_for_a_service_of_this_name_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in every pod of the namespace."""
    monkeypatch.setenv("WATCHKEEPER_PORT", "tcp://10.0.0.1:8080")
    monkeypatch.setenv("WATCHKEEPER_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("WATCHKEEPER_PORT_8080_TCP_ADDR", "10.0.0.1")

    assert load_settings().http.port == 8080


def test_keying_by_model_is_refused_with_what_to_write(tmp_path: Path) -> None:
    """It has its place, but is not there yet."""
    assert complaints(written(tmp_path, "kafka: {keyed_by: model}\n")) == [
        "1:19: kafka.keyed_by: model is not there yet: one daemon of a group is active and the others stand by; write any"
    ]


def test_sasl_needs_all_of_its_keys(tmp_path: Path) -> None:
    """The client would else fail later, and less clearly."""
    assert complaints(written(tmp_path, "kafka: {security_protocol: SASL_SSL, sasl_username: me}\n")) == [
        "1:28: kafka.sasl_mechanism: is required with security_protocol: SASL_SSL",
        "1:28: kafka.sasl_password: is required with security_protocol: SASL_SSL",
    ]


def test_routes_and_executors_are_checked_by_their_kinds(tmp_path: Path) -> None:
    """At the line of the route; the kinds are the table of alerting."""
    path = written(tmp_path, "routes:\n  pager: {kind: pigeon}\n  hook: {kind: webhook}\nexecutors:\n  a: {kind: b}\n")

    assert [re.sub(r"; use .*|: Field required", "", line) for line in complaints(path)] == [
        "2:17: routes.pager.kind: 'pigeon' is not known here",
        "3:3: routes.hook.url",
        "5:13: executors.a.kind: 'b' is not known here",
    ]


def test_a_default_route_must_be_there(tmp_path: Path) -> None:
    """Else the first page would find out."""
    path = written(tmp_path, "routes: {pager: {kind: log}}\ndefault_route: {page: [pagre, log]}\n")

    assert complaints(path) == ["2:23: default_route.page: there is no route pagre in routes; did you mean pager?"]


ROUTING: Final = """\
routes: {pager: {kind: log}, desk: {kind: log}, queue: {kind: log}}
routing:
  - {models: "fraud-*", hours: "mon-fri 08:00-18:00", zone: Europe/Berlin, to: desk, continue: true}
  - {severity: ticket, owners: [team-a, team-b], to: [queue]}
default_route: {page: [pager]}
"""


def test_who_is_told_depends_on_the_rules_in_their_order(tmp_path: Path) -> None:
    """What they leave open goes to the default routes; 2026-10-01 is a Thursday."""
    routing = load_settings(written(tmp_path, ROUTING)).who_is_told()
    noon, night = 1_790_856_000.0, 1_790_892_000.0
    page = Facts(severity="page", model="fraud-eu", owner="team-a")
    ticket = Facts(severity="ticket", model="fraud-eu", owner="team-a")

    assert [routing.routes_for(page, at) for at in (noon, night)] == [("desk",), ("pager",)]
    assert [routing.routes_for(ticket, at) for at in (noon, night)] == [("desk", "queue"), ("queue",)]
    assert routing.routes_for(Facts(severity="ticket", model="loan", owner="team-c"), noon) == ("log",)


def test_every_problem_of_a_rule_has_its_line(tmp_path: Path) -> None:
    """As those of every other key."""
    path = written(
        tmp_path,
        """\
routing:
  - {hours: mon-fri 8-18, zone: Europe/Berln, to: [log]}
  - {owner: team-a}
  - {severity: log, to: []}
  - fraud
""",
    )

    assert complaints(path) == [
        "2:6: routing[0].hours[0]: must be days and times such as mon-fri 08:00-18:00, not 'mon-fri 8-18'",
        "2:33: routing[0].zone: there is no time zone 'Europe/Berln' here; write one such as Europe/Berlin or UTC",
        "3:5: routing[1].to: this key is required, but is not there",
        "3:6: routing[1].owner: unknown key; did you mean owners?",
        "4:16: routing[2].severity: must be one of page, ticket, not 'log'",
        "4:25: routing[2].to: must not be empty",
        "5:5: routing[3]: must be a mapping (`key: value`), not text",
    ]


def test_a_route_that_a_rule_or_a_fallback_names_must_be_there(tmp_path: Path) -> None:
    """Else the first page at night would find out."""
    path = written(
        tmp_path,
        """\
routes:
  pager: {kind: webhook, url: "https://pager.example", fallback: dekc}
routing:
  - {to: [log, pagre]}
""",
    )

    assert complaints(path) == [
        "2:66: routes.pager.fallback: there is no route dekc; known: log, pager",
        "4:10: routing[0].to: there is no route pagre in routes; did you mean pager?",
    ]


def test_rules_may_be_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no file."""
    monkeypatch.setenv("WATCHKEEPER_ROUTING", '[{"models": ["fraud"], "to": ["log"]}]')

    assert load_settings().who_is_told().rules == (Rule(models=("fraud",), to=("log",)),)


def test_files_that_cannot_be_read_get_one_sentence(tmp_path: Path) -> None:
    """With the exit code of a daemon that cannot start."""
    assert complaints(tmp_path / "nowhere.yaml") == ["1:1: there is no such file"]
    assert complaints(tmp_path) == ["1:1: this is a directory, not a file"]
    assert complaints(written(tmp_path, "- kafka\n")) == ["1:1: must be a mapping (`key: value`)"]
    assert complaints(written(tmp_path, "_env_file: x\n")) == ["1:1: _env_file: unknown key"]
    assert CannotStart.exit_code == CANNOT_START


WITH_SECRETS: Final = (
    "kafka: {sasl_password: [hunter2]}",
    "kafka: hunter2",
    "kafka: {sasl_password: {a: hunter2}}",
    "kafka: {sasl_password: 42.17}",
    "routes: {pager: hunter2}",
    "routes: {pager: {kind: webhook, url: 'ftp://me:hunter2@pager'}}",
    "routes: {pager: {kind: webhook, url: 'https://pager', secret: [hunter2]}}",
    "heartbeat: {url: hunter2}",
    "heartbeat: {url: [hunter2]}",
    "rota: {calendar: hunter2}",
    "rota: {calendar: 'https://hunter2.example/hunter2'}",
    "rota: {calendar: [hunter2]}",
    "inbound: {pagerduty: {secrets: hunter2}}",
    "inbound: {pagerduty: {secrets: [[hunter2]]}}",
    "http: {address: 'https://me:hunter2@watchkeeper.internal'}",
    "http: {token: hunter2}",
)


@pytest.mark.parametrize(
    "address", ["https://wk.internal", "http://127.0.0.1:8080", "https://ops.example/wk/", "https://[fd00::1]:8443"]
)
def test_a_public_address_is_what_links_begin_with(tmp_path: Path, address: str) -> None:
    """With a path in front of ours, where a proxy has one; without a slash at its end."""
    assert load_settings(written(tmp_path, f"http: {{address: '{address}'}}")).http.address == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        "wk.internal",
        "//wk.internal",
        "ftp://wk.internal",
        "https://",
        "https:///path",
        "https://wk.internal?x=1",
        "https://wk.internal#x",
        "https://wk.internal/a b",
        "https://wk.internal:99999",
        "https://[fd00",
        "https://wk.example/<x>",
        "https://wö.example",
    ],
)
def test_what_is_no_public_address_is_refused(tmp_path: Path, address: str) -> None:
    """A link that is broken is found out at the start, not at night."""
    (complaint,) = complaints(written(tmp_path, f"http: {{address: '{address}'}}"))

    assert "http.address: must be an http or https address with a host" in complaint


@pytest.mark.parametrize("text", WITH_SECRETS)
def test_no_complaint_repeats_a_secret(tmp_path: Path, text: str) -> None:
    """It goes to the log."""
    said = "\n".join(complaints(written(tmp_path, text)))

    assert [secret for secret in ("hunter2", "42.17") if secret in said] == []


def test_settings_can_be_shown_without_their_secrets(tmp_path: Path) -> None:
    """A person who debugs prints them."""
    text = (
        "kafka: {security_protocol: SASL_SSL, sasl_mechanism: PLAIN, sasl_username: me, sasl_password: hunter2}\n"
        "routes: {pager: {kind: webhook, url: 'https://me:hunter2@pager'}}\n"
    )
    settings = load_settings(written(tmp_path, text))

    assert "hunter2" not in f"{settings!r} {settings} {settings.routes['pager']}"
    assert settings.routes["pager"]["url"] == "https://me:hunter2@pager"


@given(st.text(max_size=100))
def test_no_file_is_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """It is settings, or a sentence."""
    path = tmp_path_factory.getbasetemp() / "settings.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    said = "settings"
    try:
        load_settings(path)
    except CannotStart as error:
        said = str(error)

    assert said


def test_the_reference_page_is_made_from_the_settings() -> None:
    """Run `python -m daemon.settings_page > docs/settings.md` after a change."""
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == documentation()


def test_every_setting_is_described() -> None:
    """A key whose meaning must be guessed will be guessed wrongly."""

    def undescribed(group: type[Section]) -> list[str]:
        inner = [field.annotation for field in group.model_fields.values()]
        below = [name for kind in inner if isinstance(kind, type) and issubclass(kind, Section) for name in undescribed(kind)]
        return below + [name for name, field in group.model_fields.items() if not field.description]

    assert undescribed(Settings) + undescribed(RoutingRule) == []


def test_the_example_of_the_reference_page_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who begins with it gets no errors."""
    example = documentation().partition("```yaml\n")[2].partition("```")[0]
    monkeypatch.setenv("WATCHKEEPER_KAFKA__SASL_PASSWORD", "from-the-environment")

    assert load_settings(written(tmp_path, example)).who_is_told().page == ("pager",)
