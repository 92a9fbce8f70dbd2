"""Which guardrail file is in force: a bad or a tampered one never replaces a good one.

The store remembers the content of the last file that was accepted for each model. A file whose `version` did not grow although
its content changed is refused, and so is one whose version went back: the digest in a page must lead to what was judged by. The
remembered content stays in force until a person raises the number.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from daemon.errors import WatchkeeperError
from daemon.guardrails import Guardrail, load

if TYPE_CHECKING:
    from daemon.store import Store

log = structlog.get_logger()


def adopt(store: Store, loaded: Mapping[str, Guardrail]) -> tuple[dict[str, Guardrail], list[str]]:
    """Choose what is in force for each model, and remember it in the store (the caller commits).

    Returns:
        The guardrails by model, and a sentence for each file that was refused.
    """
    chosen: dict[str, Guardrail] = {}
    refused: list[str] = []
    for model, guardrail in loaded.items():
        key = b"g\0" + model.encode()
        saved = store.get(key)
        before = None if saved is None else _remembered(model, saved)
        why = None if before is None else _objection(before, guardrail)
        if before is not None and why is not None:
            chosen[model] = before
            refused.append(f"{guardrail.path}: version: {why}; version {before.version} ({before.short_digest}) stays in force")
            continue
        chosen[model] = guardrail
        if guardrail.path is not None and (before is None or before.digest != guardrail.digest):
            store.put(key, guardrail.path.read_bytes())
    return chosen, refused


def _remembered(model: str, content: bytes) -> Guardrail | None:
    """Load what was accepted; None when this release cannot: then the file that it can read is taken."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "accepted.yaml"
        path.write_bytes(content)
        try:
            return load(path)
        except WatchkeeperError as error:
            log.warning("remembered_guardrail_unreadable", model=model, message=str(error))
            return None


def _objection(before: Guardrail, now: Guardrail) -> str | None:
    if now.version < before.version:
        return f"{now.version} is less than {before.version}, which was in force; the number grows with every change"
    if now.version == before.version and now.digest != before.digest:
        return f"{now.version} was in force with other content; raise the number"
    return None
