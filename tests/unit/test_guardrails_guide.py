"""docs/guardrails.md: every key by example, and nothing in it that is not so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from ruamel.yaml import YAML

from daemon.errors import InvalidGuardrails
from daemon.guardrails import Guardrail, load
from daemon.schema import Section

ROOT: Final = Path(__file__).parents[2]
GUIDE: Final = (ROOT / "docs" / "guardrails.md").read_text("utf-8")

SMALLEST: Final[dict[str, Any]] = {
    "guardrails": "v1",
    "model": "loan-approval",
    "version": 1,
    "owner": "team-credit",
    "runbook": "https://wiki.example/loan-approval",
    "task": "binary",
    "positive": "1",
}


def test_the_guide_explains_every_key() -> None:
    """In an example, not in passing."""
    examples = "\n".join(re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL))
    keys = {key for section in sections(Guardrail) for key in section.written_keys()}

    assert [key for key in sorted(keys) if not re.search(rf"\b{key}:", examples)] == []


def written(path: Path, text: str) -> Path:
    """Write a file."""
    path.write_text(text, encoding="utf-8")
    return path


def sections(section: type[Section]) -> Iterator[type[Section]]:
    """The section itself and all below it."""
    yield section
    waiting: list[object] = [field.annotation for field in section.model_fields.values()]
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from sections(kind)


def test_every_example_of_the_guide_is_valid(tmp_path: Path) -> None:
    """Put into the smallest file, where it is only a part of one."""
    for example in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL):
        said = YAML(typ="safe", pure=True).load(example)
        base = {key: value for key, value in SMALLEST.items() if said.get("task") != "regression" or key != "positive"}
        extra = {"loss": "cost"} if "costs" in said else {}
        text = json.dumps({**base, **extra, **said}, default=str)

        assert load(written(tmp_path / "loan.yaml", text)).owner == "team-credit"


def test_the_errors_that_the_guide_shows_are_those_of_the_file(tmp_path: Path) -> None:
    """With its own line numbers."""
    ten = (ROOT / "tests" / "guardrails" / "bad" / "ten-errors.yaml").read_text("utf-8")
    path = written(tmp_path / "loan.yaml", ten)
    with pytest.raises(InvalidGuardrails) as raised:
        load(path)
    found = [str(problem).removeprefix(f"{tmp_path}/") for problem in raised.value.problems]

    assert [line for line in re.findall(r"^loan\.yaml:.*$", GUIDE, re.MULTILINE) if line not in found] == []


def test_every_key_is_described() -> None:
    """The schema is read by people too."""
    assert [name for part in sections(Guardrail) for name, field in part.model_fields.items() if not field.description] == []
