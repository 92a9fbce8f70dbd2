"""Prints what was measured beside what the theory allows: a rate that passes by luck should be seen to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from _pytest.terminal import TerminalReporter

#: Takes the name of a figure and what to say of it.
Figure = Callable[[str, str], None]

_FIGURES: Final = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture
def figure(pytestconfig: pytest.Config) -> Figure:
    """Note a figure for the end of the run."""
    noted = pytestconfig.stash.setdefault(_FIGURES, [])
    return lambda name, said: noted.append((name, said))


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """Print all of them."""
    noted = config.stash.get(_FIGURES, [])
    if noted:
        terminalreporter.section("measured")
    width = max((len(name) for name, _ in noted), default=0)
    for name, said in noted:
        terminalreporter.write_line(f"{name:{width}}  {said}")
