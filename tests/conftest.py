"""What holds for every test: repeatable property tests, one broker for the whole run, and its name in the summary."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import settings

from tests import servers

# A property test that fails on one machine must fail on the next one too: examples come from the test's own name, not from
# chance, and a slow machine is no failure. Look for new examples with HYPOTHESIS_PROFILE=explore.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

_BROKER = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> Iterator[servers.Broker]:
    """The broker that all integration tests share; started by the first that asks for it."""
    chosen = servers.choose()
    pytestconfig.stash[_BROKER] = chosen.name
    yield chosen
    chosen.close()


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """Say which broker was used: the tests prove less on the embedded one."""
    terminalreporter.write_line(f"broker: {config.stash.get(_BROKER, 'none was needed')}")
