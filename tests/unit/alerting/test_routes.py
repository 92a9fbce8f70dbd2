"""From the settings to notifiers and executors: what is built, and how mistakes are told."""

from __future__ import annotations

from typing import Any

import pytest

from alerting.errors import InvalidRoute
from alerting.notifiers import NOTIFIERS
from alerting.notifiers.alertmanager import AlertmanagerConfig
from alerting.notifiers.log import LogConfig, LogNotifier
from alerting.notifiers.pagerduty import PagerDutyConfig
from alerting.notifiers.webhook import WebhookNotifier
from alerting.periods import Rate
from alerting.rollbacks import EXECUTORS, Tools
from alerting.rollbacks.kafka import KafkaRollback
from alerting.rollbacks.memory import MemoryCommandLog
from alerting.routes import RouteTerms, build_executors, build_routes, check_executors, check_routes, terms_of

TOOLS = Tools(command_log=MemoryCommandLog())
HOOK = {"kind": "webhook", "url": "https://hooks.example/x"}


def test_the_log_always_exists() -> None:
    """Without any setting a page is at least written down."""
    assert {name: type(route) for name, route in build_routes({}).items()} == {"log": LogNotifier}


def test_the_kafka_executor_always_exists() -> None:
    """Without any setting a rollback is a command on the topic."""
    assert {name: type(one) for name, one in build_executors({}, TOOLS).items()} == {"kafka": KafkaRollback}


def test_routes_are_built_by_kind() -> None:
    """The name is the user's, the kind is the table's."""
    routes = build_routes({"night": HOOK, "quiet": {"kind": "log"}})

    assert {name: type(route) for name, route in routes.items()} == {
        "log": LogNotifier,
        "night": WebhookNotifier,
        "quiet": LogNotifier,
    }


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"kind": "fax"}, "routes.night.kind: 'fax' is not known here; use alertmanager, apprise, log, pagerduty or webhook"),
        ({}, "routes.night.kind: missing; use alertmanager, apprise, log, pagerduty or webhook"),
        (3, "routes.night.kind: missing; use alertmanager, apprise, log, pagerduty or webhook"),
        ({"kind": ["log"]}, "routes.night.kind: ['log'] is not known here; use alertmanager, apprise, log, pagerduty or webhook"),
        ({"kind": "webhook"}, "routes.night.url: Field required"),
        ({**HOOK, "url": "canary"}, "routes.night.url: must be an http or https address with a host"),
        ({**HOOK, "url": "http://h:canary/"}, "routes.night.url: must be an http or https address with a host"),
        ({**HOOK, "url": "ftp://canary/"}, "routes.night.url: must be an http or https address with a host"),
        ({**HOOK, "colour": "canary"}, "routes.night.colour: Extra inputs are not permitted"),
        ({**HOOK, "secret": ["canary"]}, "routes.night.secret: Input should be a valid string"),
        ({**HOOK, "timeout": 0}, "routes.night.timeout: Input should be greater than 0"),
        ({**HOOK, "timeout": 3600}, "routes.night.timeout: Input should be less than or equal to 60"),
        ({**HOOK, "headers": {"X": "canary\r\n"}}, "routes.night.headers: header 'X' must be printable ASCII"),
        ({"kind": "log", "url": "canary"}, "routes.night.url: Extra inputs are not permitted"),
    ],
)
def test_mistakes_name_the_key_and_never_the_value(settings: Any, problem: str) -> None:  # noqa: ANN401  # what YAML may hold
    """One sentence for each, without what may be a secret."""
    assert check_routes({"night": settings}) == [problem]

    with pytest.raises(InvalidRoute) as caught:
        build_routes({"night": settings})
    assert str(caught.value) == problem


def test_every_mistake_is_told_at_once() -> None:
    """Nobody likes to correct a file one error at a time."""
    problems = check_routes({"a": {"kind": "fax"}, "b": {"kind": "webhook", "colour": 1}, "c": HOOK})

    assert [problem.partition(":")[0] for problem in problems] == ["routes.a.kind", "routes.b.url", "routes.b.colour"]


def test_a_route_names_who_stands_in_for_it() -> None:
    """And that one its own, up to the log."""
    routes = {"pager": {**HOOK, "fallback": "desk"}, "desk": {**HOOK, "fallback": "chat"}, "chat": HOOK}
    terms = terms_of(routes)

    assert {name: each.fallbacks for name, each in terms.items()} == {
        "pager": ("desk", "chat", "log"),
        "desk": ("chat", "log"),
        "chat": ("log",),
        "log": ("log",),
    }


def test_a_route_has_a_budget_and_repeats_where_it_says_so() -> None:
    """Durations and rates are written as everywhere."""
    terms = terms_of({"chat": {**HOOK, "at_most": "5 per 10m", "repeat_interval": "4h"}, "desk": HOOK})

    assert (terms["chat"].at_most, terms["chat"].repeat_interval) == (Rate(5, 600.0), 14_400.0)
    assert terms["desk"] == terms["log"] == RouteTerms()


KEY = "r" * 32


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({**HOOK, "fallback": "dekc"}, "routes.night.fallback: there is no route dekc; known: desk, log, night"),
        ({**HOOK, "fallback": "night"}, "routes.night.fallback: leads in a circle and never to the log"),
        ({**HOOK, "fallback": ""}, "routes.night.fallback: String should have at least 1 character"),
        ({**HOOK, "at_most": "often"}, "routes.night.at_most: must be a rate such as 1 per 90d"),
        ({**HOOK, "at_most": "0 per 1m"}, "routes.night.at_most: must be at least 1 per some time"),
        ({**HOOK, "repeat_interval": 4}, "routes.night.repeat_interval: must be a duration such as 30s, 5m, 1h or 7d"),
        ({**HOOK, "repeat_interval": "5s"}, "routes.night.repeat_interval: must be at least 1m"),
        (
            {"kind": "pagerduty", "routing_key": KEY, "at_most": "5 per 10m"},
            f"routes.night.at_most: {PagerDutyConfig.GROUPS_ITSELF}",
        ),
        (
            {"kind": "alertmanager", "peers": ["http://a:9093"], "repeat_interval": "1h"},
            f"routes.night.repeat_interval: {AlertmanagerConfig.GROUPS_ITSELF}",
        ),
        (
            {"kind": "log", "at_most": "5 per 10m"},
            f"routes.night.at_most: {LogConfig.GROUPS_ITSELF}",
        ),
    ],
)
def test_what_a_route_cannot_be_is_told(settings: dict[str, Any], problem: str) -> None:
    """One sentence for each, with the reason."""
    assert check_routes({"night": settings, "desk": HOOK}) == [problem]


def test_a_circle_of_fallbacks_is_told_of_each_in_it() -> None:
    """A page would go round in it for ever."""
    circle = {"a": {**HOOK, "fallback": "b"}, "b": {**HOOK, "fallback": "a"}, "c": {**HOOK, "fallback": "log"}}

    assert check_routes(circle) == [f"routes.{name}.fallback: leads in a circle and never to the log" for name in "ab"]


def test_the_reserved_names_keep_their_meaning() -> None:
    """`log` is the fallback of every route: it must not be something that can fail."""
    assert check_routes({"log": HOOK}) == ["routes.log.kind: 'webhook' is not known here; use log"]
    assert check_routes({"log": {"kind": "log"}}) == []
    assert check_executors({"kafka": {"kind": "mlflow"}}) == ["executors.kafka.kind: 'mlflow' is not known here; use kafka"]


def test_an_unknown_executor_lists_the_known_ones() -> None:
    """As for routes."""
    with pytest.raises(
        InvalidRoute, match=r"executors\.r\.kind: 'magic' is not known here; use argo_rollouts, kafka, kserve, mlflow or webhook"
    ):
        build_executors({"r": {"kind": "magic"}}, TOOLS)


@pytest.mark.parametrize("table", [NOTIFIERS, EXECUTORS])
def test_the_tables_agree_with_the_configs(table: dict[str, type[Any]]) -> None:
    """The kind in the table is the only one that the class's config takes."""
    for kind, listed in table.items():
        assert listed.Config.model_fields["kind"].default == kind
        assert all(field.description for name, field in listed.Config.model_fields.items() if name != "kind")
