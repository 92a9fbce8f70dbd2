"""The pages for people, over a real server, of a real task in the middle of an incident."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from daemon.endpoints import Endpoints, Health
from daemon.page.routes import style
from tests.doubles.sight import Scene

HOSTILE = "<script>alert(1)</script>\"'><b>\ud800\u202e{{ 7 * 7 }}" + "x" * 10_000

#: A lone surrogate never gets past the check of an event or a file; it is planted in the journal instead.
WELL_FORMED = HOSTILE.replace("\ud800", "")


class Tags(HTMLParser):
    """What is on a page: its tags with their attributes, its links, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.said += data

    @property
    def links(self) -> list[str]:
        """Where its links go."""
        return [value for name, value in self.attributes if name in {"href", "src"}]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A daemon's views, before its first event."""
    scene = Scene(tmp_path)
    yield scene
    scene.ledger.close()


@pytest.fixture
def client(scene: Scene) -> Iterator[httpx.Client]:
    """A browser's requests."""
    endpoints = Endpoints(scene, CollectorRegistry(), scene.door(), port=0)
    endpoints.start()
    with httpx.Client(base_url=endpoints.address, timeout=10, trust_env=False, headers={"accept": "text/html"}) as client:
        yield client
    endpoints.stop()


def page(client: httpx.Client, path: str, status: int = 200) -> Tags:
    """A page, which must be one."""
    response = client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (status, "text/html; charset=utf-8")
    return Tags(response.text)


def incident(scene: Scene) -> str:
    """The id of the only incident."""
    (found,) = scene.incidents(None, None, 10)
    return str(found["id"])


def flat(text: str) -> str:
    """A text without its line ends, its narrow spaces plain."""
    return re.sub(r"\s+", " ", text)


def test_the_queue_tells_what_is_open(client: httpx.Client, scene: Scene) -> None:
    """The incident with its state, reason and age; each model with its state; links to both."""
    scene.until_the_middle()
    shown = page(client, "/")
    said = flat(shown.said)

    assert "▲ 1 incident open: 1 page." in said
    assert "loan: a new version is worse" in said
    assert "version 8 is worse than version 7" in said
    assert re.search(r"alarm [\d-]* ?\d\d:\d\d:\d\d, .* ago", said)
    assert {f"/incidents/{incident(scene)}", "/models/loan"} <= set(shown.links)


def test_the_page_of_a_model_has_everything(client: httpx.Client, scene: Scene) -> None:
    """State of each rule, losses against their limit, versions with their traffic, labels, marks of the incident."""
    scene.until_the_middle()
    shown = page(client, "/models/loan")
    said = flat(shown.said)

    assert shown.tags.count("svg") >= 6
    for words in ("harm version 7 ok", "evidence 0.", "▲ blamed", "known to be good", "in time", "5 s after the prediction"):
        assert words in said
    for mark in ("1 onset", "2 alarm", "3 rollback", "4 rollback confirmed"):
        assert mark in said
    assert [verdict["rule"] for verdict in scene.verdicts() if f" {verdict['rule']}" not in said] == []


def test_the_page_of_an_incident_tells_its_story(client: httpx.Client, scene: Scene) -> None:
    """Timeline, numbers, examples, what was done, runbook, guardrail version and digest."""
    scene.until_the_middle()
    shown = page(client, f"/incidents/{incident(scene)}")
    said = flat(shown.said)

    for words in ("rollback ordered to version 7", "paged to pager", "mean loss", "to look at", "guardrail version 1"):
        assert words in said
    order = [said.rindex(words) for words in (" onset:", " alarm:", "rollback ordered to", "rollback confirmed to")]
    assert order == sorted(order)
    assert scene.guardrails()[0]["digest"][:12] in said
    assert "https://wiki.example/loan" in shown.links


def test_an_end_is_told(client: httpx.Client, scene: Scene) -> None:
    """Once it is resolved, the queue is empty and the model's page still shows what was, with its fifth mark."""
    scene.until_the_middle()
    scene.serve("7", 0.1, 120.0)
    scene.look()
    said = flat(page(client, "/models/loan").said)

    assert ("5 recovered" in said, "● page, resolved" in said, "no incident is open" in said) == (True, True, True)
    assert "incident open" not in page(client, "/").said


def test_unknown_is_not_quiet(client: httpx.Client, scene: Scene) -> None:
    """A model that is still learning is not called well, and the page says what is missing."""
    scene.serve("7", 0.1, 8.0)
    scene.look()
    said = flat(page(client, "/").said)

    assert "○ No incident is open. 1 of 1 model cannot be judged in full." in said
    assert re.search(r"○ unknown.*harm: learning the reference: \d+ of 300 labels", said)
    assert "All quiet" not in said


def test_all_quiet_is_said(client: httpx.Client, scene: Scene) -> None:
    """Where every rule of every model is ok."""
    scene.serve("7", 0.1, 60.0)
    scene.look()
    for model in scene.reporter.models:
        model["verdicts"] = [verdict for verdict in model["verdicts"] if verdict["state"] == "ok"]

    assert "● All quiet. No incident is open, the model is within limits." in flat(page(client, "/").said)


def test_a_standby_says_so(client: httpx.Client, scene: Scene) -> None:
    """It shows no model, and the incidents that it knows of with a word of warning."""
    scene.until_the_middle()
    scene.reporter.nothing()
    scene.readiness = Health(True, "standing by: another member owns the partitions")
    said = flat(page(client, "/").said)

    assert "○ No model is watched from here: standing by: another member owns the partitions." in said
    assert ("a new version is worse" in said, "All quiet" in said) == (True, False)
    page(client, "/models/loan")
    page(client, f"/incidents/{incident(scene)}")


@pytest.mark.parametrize("path", ["/", "/models/loan"])
def test_a_daemon_in_trouble_says_so(client: httpx.Client, scene: Scene, path: str) -> None:
    """One that hangs, and one that waits for its store."""
    scene.serve("7", 0.1, 8.0)
    scene.look()
    scene.life, scene.readiness = Health(False, "the loop turned 130 s ago"), Health(False, "another process holds the store")
    said = flat(page(client, path).said)

    assert "▲ watchkeeper hangs: the loop turned 130 s ago." in said
    assert "▲ watchkeeper does not watch: another process holds the store." in said


@pytest.mark.parametrize("path", ["/models/nobody", "/models/", "/incidents/ffffffffffff", "/nowhere", "/incidents/%00%ff%3C"])
def test_what_is_not_there_is_a_page_with_a_sentence(client: httpx.Client, path: str) -> None:
    """404, in words, with a way back."""
    shown = page(client, path, 404)

    assert ("There is no" in shown.said, "/" in shown.links) == (True, True)


def test_programs_get_json_for_what_is_not_there(client: httpx.Client) -> None:
    """Whoever does not ask for a page, and everybody below /api."""
    plain = client.get("/nowhere", headers={"accept": "*/*"})
    api = client.get("/api/v1/incidents/ffffffffffff")

    assert (plain.status_code, plain.json()) == (404, {"detail": "Not Found"})
    assert (api.status_code, api.headers["content-type"]) == (404, "application/json")


def test_hostile_text_is_shown_and_never_run(tmp_path: Path) -> None:
    """Markup, templates, surrogates and ten thousand characters in versions, columns, reasons and links stay harmless text."""
    scene = Scene(tmp_path, runbook="javascript:alert(1)", owner=WELL_FORMED[:250], why=WELL_FORMED[:900])
    scene.until_the_middle(bad=WELL_FORMED)
    known = scene.incidents(None, None, 1)[0]
    features = [{"name": HOSTILE, "effect": float("nan"), "what": HOSTILE}]
    changed = known | {"features": features, "examples": [HOSTILE], "segment": HOSTILE, "revision": 999}
    scene.ledger.apply(json.loads(json.dumps({"v": 1, "kind": "incident", "incident": changed}).replace("NaN", "1e300")))
    endpoints = Endpoints(scene, CollectorRegistry(), scene.door(), port=0)
    endpoints.start()
    with httpx.Client(base_url=endpoints.address, timeout=10, trust_env=False) as client:
        answers = [client.get(path) for path in ("/", "/models/loan", f"/incidents/{known['id']}")]
    endpoints.stop()
    scene.ledger.close()

    for answer in answers:
        shown = Tags(answer.content.decode())
        assert (answer.status_code, len(answer.content) < 300_000) == (200, True)
        assert {"script", "b"} & (set(shown.tags) - {"b"}) == set()
        assert ("<script>alert" in shown.said, "x" * 700 in shown.said, "49" + "x" * 5 in shown.said) == (True, False, False)
        assert [name for name, _ in shown.attributes if name.startswith("on") or name == "style"] == []
        assert [link for link in shown.links if not link.startswith(("/", "data:,"))] == []


def test_a_browser_may_do_nothing_but_show_it(client: httpx.Client) -> None:
    """Its own style and nothing else: no script, no frame, no form, no referrer, nothing kept."""
    headers = client.get("/").headers
    policy = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))

    assert policy.pop("style-src").startswith("'sha256-")
    assert policy.pop("img-src") == "data:"
    assert policy == dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
    assert headers["x-content-type-options"] == "nosniff"


def test_nothing_can_be_changed_from_a_page(client: httpx.Client) -> None:
    """Pages read only."""
    assert [client.post(path).status_code for path in ("/", "/models/loan", "/incidents/ffffffffffff")] == [405] * 3


def schemes() -> list[dict[str, str]]:
    """The colours in the dark and in the light."""
    blocks = re.findall(r":root \{(.*?)\}", style(), re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours as WCAG 2 defines it, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["dark", "light"])
def test_every_colour_of_a_text_can_be_read(scheme: int) -> None:
    """At least 4.5 to 1 on the page and on a card, as WCAG 2 AA asks for small text."""
    colours = schemes()[scheme]
    inks = ("text", "soft", "breach", "unknown", "ok", "link", "l0", "l1", "l2")
    grounds = ("page", "card")
    pale = [(ink, on) for ink in inks for on in grounds if contrast(colours[ink], colours[on]) < 4.5]

    assert (pale, contrast(colours["badge"], colours["on-badge"]) >= 4.5) == ([], True)
