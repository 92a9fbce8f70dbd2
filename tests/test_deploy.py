"""What is in deploy/ speaks of settings, exit codes and metrics that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from daemon.errors import NO, USAGE, WATCHDOG
from daemon.guardrails import load, load_directory
from daemon.metrics import METRICS
from daemon.settings import load_settings

DEPLOY = Path(__file__).parents[1] / "deploy"
YAML_FILES = sorted(path for pattern in ("*.yaml", "*.yml") for path in DEPLOY.rglob(pattern))

#: Words of PromQL that stand where a label could.
LABELS_OF_PROMETHEUS = {"job", "instance", "le", "alertname", "alertstate"}


def documents(path: Path) -> list[Any]:
    """What a YAML file says; duplicate keys are errors."""
    return list(YAML(typ="safe").load_all(path.read_text(encoding="utf-8")))


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    return [rule for group in documents(DEPLOY / "prometheus" / "rules.yaml")[0]["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """The Grafana dashboard."""
    text = (DEPLOY / "grafana" / "dashboards" / "watchkeeper.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def expressions() -> Iterator[str]:
    """Every PromQL expression of the rules and the dashboard."""
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", []))
    yield from (annotation["expr"] for annotation in dashboard()["annotations"]["list"])
    yield from (variable["query"]["query"] for variable in dashboard()["templating"]["list"] if variable["name"] == "model")


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.relative_to(DEPLOY).as_posix())
def test_a_yaml_file_parses(path: Path) -> None:
    """Every YAML file holds at least one document, and no key twice."""
    assert len(documents(path)) >= 1


def test_rules_and_dashboard_use_only_metrics_of_the_list() -> None:
    """Nobody watches a number that nobody exports."""
    exported = {metric.name for metric in METRICS}
    exported |= {
        f"{metric.name}_{part}" for metric in METRICS if metric.kind == "histogram" for part in ("bucket", "sum", "count")
    }
    used = {name for expression in expressions() for name in re.findall(r"\bwatchkeeper_\w+", expression)}

    assert used - exported == set()


def test_rules_and_dashboard_use_only_labels_of_their_metrics() -> None:
    """Each label that selects or groups is one that some metric of the same expression has."""
    labels = {metric.name: set(metric.labels) for metric in METRICS}
    wrong: list[tuple[str, str]] = []
    for expression in expressions():
        names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bwatchkeeper_\w+", expression)}
        known = LABELS_OF_PROMETHEUS.union(*(labels.get(name, set()) for name in names))
        selected = set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
        grouped = {label.strip() for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for label in group.split(",")}
        wrong += [(expression, label) for label in sorted((selected | grouped) - known)]

    assert wrong == []


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    """An alert has a severity that the routes know, a summary and a description."""
    assert [
        rule["alert"]
        for rule in rules()
        if rule["labels"]["severity"] not in {"page", "ticket"} or not {"summary", "description"} <= rule["annotations"].keys()
    ] == []


def test_panels_of_the_dashboard_explain_themselves_and_do_not_overlap() -> None:
    """Each panel has a title and a description; ids and places are taken once."""
    panels = dashboard()["panels"]
    places = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert [panel["title"] for panel in panels if panel["type"] != "row" and not panel.get("description")] == []
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(places)) == len(places)
    assert {x for x, _ in places} == set(range(24))


def test_the_service_is_restarted_when_that_can_help() -> None:
    """The unit restarts after the watchdog, and not after a wrong file or command line."""
    unit = (DEPLOY / "systemd" / "watchkeeper.service").read_text(encoding="utf-8").splitlines()

    assert f"RestartForceExitStatus={WATCHDOG}" in unit
    assert f"RestartPreventExitStatus={NO} {USAGE}" in unit


def test_the_settings_of_the_containers_are_settings() -> None:
    """The Kubernetes settings load, and so does the guardrail file beside them."""
    settings = load_settings(DEPLOY / "kubernetes" / "settings.yaml")

    assert (settings.http.port, settings.guardrails.as_posix()) == (8080, "/etc/watchkeeper/guardrails")
    assert load(DEPLOY / "kubernetes" / "loan-approval.yaml").model == "loan-approval"


def test_the_environment_of_compose_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that compose.yaml and the Dockerfile set are settings, and do what they say."""
    compose = documents(DEPLOY / "compose.yaml")[0]["services"]["watchkeeper"]["environment"]
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    image = dict(re.findall(r"(?m)^\s*(?:ENV )?(WATCHKEEPER_\w+)=(\S+)", dockerfile))
    for name, value in {**image, **compose}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(None)

    assert (settings.kafka.bootstrap, settings.kafka.create_topics) == (("kafka:19092",), True)
    assert (settings.http.host, settings.state.as_posix()) == ("0.0.0.0", "/var/lib/watchkeeper")


def test_the_example_guardrails_load() -> None:
    """The directory that compose.yaml mounts holds guardrail files, and they are right."""
    assert len(load_directory(DEPLOY / "guardrails")) >= 1


def test_the_image_runs_the_versions_that_were_tested() -> None:
    """The lock of the image is a part of the lock of the tests: the same versions under the same hashes."""
    ours = (DEPLOY.parent / "requirements.lock").read_text(encoding="utf-8")
    image = (DEPLOY / "requirements.lock").read_text(encoding="utf-8")
    tested = set(re.split(r"\n(?=\S)", ours.strip()))

    assert [entry for entry in re.split(r"\n(?=\S)", image.strip()) if entry not in tested] == []
