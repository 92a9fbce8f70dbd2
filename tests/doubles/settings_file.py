"""A settings file, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.errors import CannotStart
from daemon.settings import load_settings


def written(directory: Path, text: str) -> Path:
    """Write a settings file."""
    path = directory / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def complaints(path: Path | None = None) -> list[str]:
    """Load bad settings and show what is said, without the path."""
    with pytest.raises(CannotStart) as raised:
        load_settings(path)
    return [line.removeprefix(f"{path}:") for line in str(raised.value).splitlines()]
