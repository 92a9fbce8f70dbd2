"""The charts: well-formed SVG that says in words what it shows, breaks where nothing is known, and marks moments apart."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from daemon.page import words
from daemon.page.chart import Frame, Line, Mark, chart

#: 2026-05-01T12:00:00Z.
NOON = 1_777_636_800.0
FRAME = Frame(NOON, NOON + 60.0, 328.0, 200.0, words.share, "c")


def drawn(lines: list[Line], marks: tuple[Mark, ...] = (), frame: Frame = FRAME) -> ET.Element:
    """A chart, read as XML."""
    return ET.fromstring(chart(lines, marks, frame, "losses", "what is to be seen"))  # noqa: S314 - our own


def texts(svg: ET.Element, kind: str) -> list[str]:
    """The texts of a class."""
    return [element.text or "" for element in svg.iter("text") if kind in (element.get("class") or "").split()]


def steady(*, without: range = range(0)) -> list[tuple[float, float | None]]:
    """A value a second, but for some."""
    return [(NOON + second, 0.1) for second in range(61) if second not in without]


def test_it_says_what_it_is() -> None:
    """Title and description are there for who cannot see it, and are what it is labelled by."""
    svg = drawn([Line("v7", "l0", steady())])
    named = {element.get("id"): element.text for element in svg if element.tag in {"title", "desc"}}

    assert named == {"c-t": "losses", "c-d": "what is to be seen"}
    assert (svg.get("role"), svg.get("aria-labelledby")) == ("img", "c-t c-d")


def test_times_are_in_utc_and_values_are_written_out() -> None:
    """The ticks are round."""
    svg = drawn([Line("v7", "l0", [(NOON, 0.0), (NOON + 60, 0.4)])])

    assert texts(svg, "axis") == ["0 %", "10 %", "20 %", "30 %", "40 %", "12:00:00", "12:00:30", "12:01:00"]


def test_a_line_breaks_where_there_is_no_data() -> None:
    """A pause of many steps, and a value that is not known, part a line in two."""
    whole, paused = drawn([Line("v7", "l0", steady())]), drawn([Line("v7", "l0", steady(without=range(20, 40)))])
    unknown = drawn([Line("v7", "l0", [(at, None if at == NOON + 30 else value) for at, value in steady()])])

    assert [(svg.find("path").get("d") or "").count("M") for svg in (whole, paused, unknown)] == [1, 2, 2]  # type: ignore[union-attr]  # it is there


def test_a_limit_is_a_line_of_steps() -> None:
    """It holds until the next one, from before the frame on, and equal values need no corners."""
    svg = drawn([Line("harm", "limit", [(NOON - 99, 0.3), *((NOON + second, 0.3) for second in range(1, 60))], steps=True)])
    path = svg.find("path")

    assert path is not None
    assert (path.get("class"), len(re.findall("[HV]", path.get("d") or ""))) == ("limit", 4)
    assert (path.get("d") or "").startswith("M44 ")


def test_marks_do_not_cover_each_other() -> None:
    """Two moments in the same second stand one under the other; those outside the frame are not there."""
    svg = drawn([], (Mark(1, NOON + 10), Mark(2, NOON + 10.2), Mark(3, NOON + 50), Mark(4, NOON + 70)))
    places = {(circle.get("cx"), circle.get("cy")) for circle in svg.iter("circle")}

    assert texts(svg, "badge") == ["1", "2", "3"]
    assert len({y for _, y in places}) == 2


def test_words_at_the_ends_keep_apart() -> None:
    """Lines that end at the same value have words that can be read."""
    svg = drawn([Line(f"v{number}", f"l{number}", steady()) for number in range(3)])
    heights = sorted(float(text.get("y") or 0) for text in svg.iter("text") if "word" in (text.get("class") or ""))

    assert [round(later - earlier) for earlier, later in pairwise(heights)] == [13, 13]


def test_names_are_text() -> None:
    """What comes from events is escaped."""
    svg = chart([Line("<script>", "l0", steady())], (), FRAME, "<b>", '"&')

    assert isinstance(svg, Markup)
    assert ("<script" in svg, "<b>" in svg, "&lt;script&gt;" in svg) == (False, False, True)


@given(st.lists(st.tuples(st.floats(-1e9, 4e9), st.none() | st.floats())))
def test_whatever_the_points_a_chart_is_drawn(points: list[tuple[float, float | None]]) -> None:
    """NaN, infinities, huge values, no points, equal points: well-formed, and no number in it is NaN."""
    text = chart([Line("v", "l0", points)], (), Frame(0.0, 2e9, 328.0, 200.0, words.number, "c"), "t", "d")

    ET.fromstring(text)  # noqa: S314 - our own
    assert re.search(r"\bnan\b|\binf\b", text) is None
