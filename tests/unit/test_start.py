"""A daemon that cannot start: one sentence that says what to do, its exit code, and never a traceback. No broker is asked."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Final

import pytest

from daemon.__main__ import main
from daemon.errors import CANNOT_START, NO

GUARDRAIL: Final = """
guardrails: v1
model: loan
version: 1
owner: team-credit
runbook: https://wiki.example/loan
task: binary
positive: "1"
"""


def start(directory: Path, settings: dict[str, Any], files: dict[str, str]) -> int:
    """Start a daemon with these settings, and these files beside a good guardrail file; gives its exit code."""
    for name, text in {"guardrails/loan.yaml": GUARDRAIL, **files}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    said = {"guardrails": "guardrails", "state": "state", "kafka": {"bootstrap": ["127.0.0.1:1"]}, **settings}
    (directory / "settings.yaml").write_text(json.dumps(said))
    return main(["run", "--settings", str(directory / "settings.yaml")])


@pytest.mark.parametrize(
    ("settings", "files", "code", "sentence"),
    [
        ({"state": "file"}, {"file": ""}, CANNOT_START, "check the disk and the rights"),
        ({"state": "file/state"}, {"file": ""}, CANNOT_START, "check the disk and the rights"),
        ({}, {"state/ledger.sqlite/file": ""}, CANNOT_START, "ledger.sqlite cannot be used"),
        (
            {"guardrails": "empty"},
            {"empty/README": ""},
            CANNOT_START,
            "write one a model, or set `guardrails` to their directory",
        ),
        ({"guardrails": "elsewhere"}, {}, NO, "there is no such directory"),
        ({}, {"guardrails/more.yaml": GUARDRAIL}, NO, "write one file a model"),
        ({"wachdog_after": "1m"}, {}, CANNOT_START, "wachdog_after: unknown key; did you mean watchdog_after?"),
        ({"default_route": {"page": ["pager"]}}, {}, CANNOT_START, "default_route.page: there is no route pager in routes"),
    ],
    ids=[
        "state is a file",
        "state lies below a file",
        "the ledger is a directory",
        "no guardrail file",
        "no directory of guardrail files",
        "two files of one model",
        "a misspelt setting",
        "a route that is not there",
    ],
)
def test_what_cannot_work_is_told_at_the_start(
    settings: dict[str, Any], files: dict[str, str], code: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence is the last line."""
    ended = start(tmp_path, settings, files)
    said = capsys.readouterr().err

    assert ended == code
    assert sentence in said.splitlines()[-1]
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_told_at_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the port, and the settings that choose another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        ended = start(tmp_path, {"http": {"port": port}}, {})
    said = capsys.readouterr().err

    assert ended == CANNOT_START
    assert f"cannot listen on 127.0.0.1 port {port}" in said
    assert "set http.host and http.port" in said
    assert "Traceback" not in said
