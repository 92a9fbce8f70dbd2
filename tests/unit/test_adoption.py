"""Which guardrail file is in force."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.adoption import adopt
from daemon.guardrails import Guardrail, load
from daemon.store import MemoryStore

FILE = """
guardrails: v1
model: loan
version: {version}
owner: team-credit
runbook: https://wiki.example/loan
task: binary
positive: "1"
tolerance: {tolerance}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[int, float], Guardrail]:
    """Write a file with a version and a tolerance, and load it."""

    def written(version: int, tolerance: float) -> Guardrail:
        path = tmp_path / "loan.yaml"
        path.write_text(FILE.format(version=version, tolerance=tolerance))
        return load(path)

    return written


@pytest.mark.parametrize(
    ("version", "tolerance", "in_force"),
    [(2, 0.05, 0.05), (2, 0.06, 0.05), (1, 0.07, 0.05), (3, 0.08, 0.08)],
    ids=["the same file", "same number with other content", "a number that went back", "a number that grew"],
)
def test_a_changed_file_is_taken_only_with_a_larger_number(
    write: Callable[[int, float], Guardrail], version: int, tolerance: float, in_force: float
) -> None:
    """Else what was accepted before stays in force, and the refusal says why."""
    store = MemoryStore()
    adopt(store, {"loan": write(2, 0.05)})
    chosen, refused = adopt(store, {"loan": write(version, tolerance)})

    assert chosen["loan"].tolerance_over(0.1) == in_force
    assert bool(refused) == (in_force != tolerance)
    assert all("stays in force" in sentence for sentence in refused)


def test_a_remembered_file_that_this_release_cannot_read_is_as_good_as_none(write: Callable[[int, float], Guardrail]) -> None:
    """After an upgrade the daemon goes on by the file that is there, and remembers that one."""
    store = MemoryStore()
    adopt(store, {"loan": write(3, 0.05)})
    store.put(b"g\0loan", b"guardrails: v0\n")
    chosen, refused = adopt(store, {"loan": write(2, 0.06)})
    later, _ = adopt(store, {"loan": write(1, 0.07)})

    assert (chosen["loan"].version, refused) == (2, [])
    assert later["loan"].version == 2
