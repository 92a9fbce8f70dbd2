"""Which guardrail file is in force."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.adoption import adopt, unknown_destinations
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


@pytest.mark.parametrize("change", ["deleted", "changed", "broken"])
def test_a_file_that_is_another_when_a_standby_takes_over_is_not_remembered(
    write: Callable[[int, float], Guardrail], change: str
) -> None:
    """What was loaded at its start is in force; the store must not say that the other was."""
    loaded, store = write(1, 0.05), MemoryStore()
    assert loaded.path is not None
    if change == "deleted":
        loaded.path.unlink()
    elif change == "changed":
        write(1, 0.06)
    else:
        loaded.path.write_text("guardrails: v1")
    chosen, refused = adopt(store, {"loan": loaded})

    assert chosen == {"loan": loaded}
    assert refused == []
    assert list(store.scan(b"")) == []


def test_routes_and_executors_that_the_settings_lack_are_named(tmp_path: Path) -> None:
    """With the file, the key, and a name that may have been meant; `log` and `kafka` always exist."""
    path = tmp_path / "loan.yaml"
    respond = "{page: [pagerdty, log], ticket: [queue], rollback: {with: registry}}"
    path.write_text(FILE.format(version=1, tolerance=0.05) + f"respond: {respond}\n")
    guardrail = load(path)
    until = "until they do, what is meant for it goes to the log only"

    assert list(unknown_destinations(guardrail, ["pagerduty"], {})) == [
        f"{path}: respond.page: the settings have no route pagerdty; did you mean pagerduty?; {until}",
        f"{path}: respond.ticket: the settings have no route queue; {until}",
        f"{path}: respond.rollback.with: the settings have no executor registry; until they do, nothing is rolled back",
    ]
    assert list(unknown_destinations(guardrail, ["pagerdty", "queue"], {"registry": {"kind": "kafka"}})) == []


def test_what_an_executor_cannot_use_is_said_before_it_is_needed(tmp_path: Path) -> None:
    """Not in the night when the rollback is due."""
    path = tmp_path / "loan.yaml"
    path.write_text(FILE.format(version=1, tolerance=0.05) + "respond: {rollback: {with: registry, args: {nme: loan}}}\n")

    assert list(unknown_destinations(load(path), [], {"registry": {"kind": "mlflow"}})) == [
        f"{path}: respond.rollback.args.nme: Extra inputs are not permitted; until that is mended, nothing is rolled back",
    ]
