"""The pages in a real browser: what a phone shows at three in the morning, and what it fetches for that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from daemon.endpoints import Endpoints
from tests.doubles.sight import Scene
from tests.servers.chromium import Browser
from tests.servers.debian import program

pytestmark = pytest.mark.integration

#: The narrowest phone that is still about, in points.
PHONE = 360
HOSTILE = "<img src=http://127.0.0.1:9/x onerror=alert(1)>" + "W" * 10_000

#: Texts that are smaller than a tired person can read (points, as drawn on the screen), an SVG's scale included.
SMALL_TEXTS = """
[...document.querySelectorAll('main *, footer, header *')]
  .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()) && one.checkVisibility())
  .map(one => [one.tagName, parseFloat(getComputedStyle(one).fontSize) * (one.getScreenCTM ? one.getScreenCTM().a : 1)])
  .filter(([tag, size]) => !['STYLE', 'TITLE', 'title', 'desc'].includes(tag) && size < 11)
"""
#: Links that a thumb would miss: lower than a line of text.
LOW_LINKS = "[...document.links].map(one => one.getBoundingClientRect().height).filter(height => height < 18)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium from Debian's package."""
    with Browser(program("chromium")) as browser:
        yield browser


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Scene, str]]:
    """Views before their first event, and where they are served."""
    scene = Scene(tmp_path)
    endpoints = Endpoints(scene, CollectorRegistry(), scene.door(), port=0)
    endpoints.start()
    yield scene, endpoints.address
    endpoints.stop()
    scene.ledger.close()


def paths(scene: Scene) -> list[str]:
    """The pages of the middle of an incident."""
    return ["/", f"/models/{scene.model}", f"/incidents/{scene.incidents(None, None, 1)[0]['id']}"]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_phone_shows_the_middle_of_an_incident(browser: Browser, served: tuple[Scene, str], scheme: str) -> None:
    """The incident is the first thing to be seen, nothing is wider than the phone, every text can be read."""
    scene, address = served
    scene.until_the_middle()
    browser.size(PHONE, 800, scheme=scheme)
    for path in paths(scene):
        browser.open(address + path)
        assert browser.tell("document.scrollingElement.scrollWidth") == PHONE
        assert browser.tell(SMALL_TEXTS) == []
        assert browser.tell(LOW_LINKS) == []
        top = str(browser.tell("document.elementsFromPoint(180, 400).map(one => one.innerText).join(' ')"))
        assert "version 8 is worse than version 7" in top
    browser.open(f"{address}/models/loan")
    drawn = browser.tell("[...document.querySelectorAll('path.l0')].filter(one => one.checkVisibility()).length")
    ground = browser.tell("getComputedStyle(document.documentElement).backgroundColor")

    assert (drawn, ground) == (3, {"dark": "rgb(16, 20, 26)", "light": "rgb(244, 246, 248)"}[scheme])


def test_nothing_is_fetched_from_anywhere(browser: Browser, served: tuple[Scene, str]) -> None:
    """A page is one request, runs no script, and the browser has no complaint, its own policy for it included."""
    scene, address = served
    scene.until_the_middle()
    browser.size(PHONE)
    for path in paths(scene):
        browser.open(address + path)
        assert (browser.fetched, browser.complaints, browser.tell("document.scripts.length")) == ([address + path], [], 0)


def test_hostile_names_break_nothing(browser: Browser, served: tuple[Scene, str]) -> None:
    """A version of ten thousand characters that is an image with a script: no fetch, no element, no sideways scrolling."""
    scene, address = served
    scene.until_the_middle(bad=HOSTILE)
    browser.size(PHONE)
    for path in paths(scene):
        browser.open(address + path)
        assert browser.tell("document.scrollingElement.scrollWidth") == PHONE
        assert (browser.fetched, browser.complaints) == ([address + path], [])
        assert browser.tell("document.images.length") == 0


def test_a_desk_gets_the_wide_drawing(browser: Browser, served: tuple[Scene, str]) -> None:
    """One drawing of the two is shown, at a size at which its texts are no headlines."""
    scene, address = served
    scene.until_the_middle()
    browser.size(1280, 900)
    browser.open(f"{address}/models/loan")
    shown = "[...document.querySelectorAll('svg.chart')].filter(one => one.checkVisibility())"

    assert browser.tell(f"{shown}.map(one => one.parentElement.className)") == ["wide"] * 3
    assert browser.tell(f"Math.max(...{shown}.map(one => one.getScreenCTM().a))") < 1.3
