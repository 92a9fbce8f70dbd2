"""Which guardrail file is in force: a bad or a tampered one never replaces a good one.

The store remembers the content of the last file that was accepted for each model. A file whose `version` did not grow although
its content changed is refused, and so is one whose version went back: the digest in a page must lead to what was judged by. The
remembered content stays in force until a person raises the number.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from alerting.routes import DEFAULT_EXECUTOR, check_args
from alerting.routing import FALLBACK
from daemon.errors import WatchkeeperError
from daemon.guardrails import Guardrail, load
from daemon.schema import suggestion

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
        before = None if saved is None else _remembered(guardrail, saved)
        why = None if before is None else _objection(before, guardrail)
        if before is not None and why is not None:
            chosen[model] = before
            refused.append(f"{guardrail.path}: version: {why}; version {before.version} ({before.short_digest}) stays in force")
            continue
        chosen[model] = guardrail
        content = None if before is not None and before.digest == guardrail.digest else _content(guardrail)
        if content is not None:
            store.put(key, content)
    return chosen, refused


def unknown_destinations(guardrail: Guardrail, routes: Iterable[str], executors: Mapping[str, object]) -> Iterator[str]:
    """Give a sentence for each route and executor that the file names and the settings do not have, or cannot use as it says.

    Args:
        guardrail: the file.
        routes: names that the settings have for ways to a person (`Settings.ways`).
        executors: the settings' executors, by name.
    """
    ways, hands, respond = {FALLBACK, *routes}, {DEFAULT_EXECUTOR, *executors}, guardrail.respond
    for key, names in (("page", respond.page or ()), ("ticket", respond.ticket or ())):
        for name in names:
            if name not in ways:
                yield (
                    f"{guardrail.path}: respond.{key}: the settings have no route {name}{suggestion(name, ways)}; "
                    f"until they do, what is meant for it goes to the log only"
                )
    if respond.rollback is not None and respond.rollback.with_ not in hands:
        name = respond.rollback.with_
        yield (
            f"{guardrail.path}: respond.rollback.with: the settings have no executor {name}{suggestion(name, hands)}; "
            f"until they do, nothing is rolled back"
        )
    elif respond.rollback is not None:
        for problem in check_args(respond.rollback.with_, respond.rollback.args, executors):
            yield f"{guardrail.path}: {problem}; until that is mended, nothing is rolled back"


def _remembered(now: Guardrail, content: bytes) -> Guardrail | None:
    """Load what was accepted; None when this release cannot: then the file that it can read is taken."""
    try:
        return _read(content, now)
    except WatchkeeperError as error:
        log.warning("remembered_guardrail_unreadable", model=now.model, message=str(error))
        return None


def _content(guardrail: Guardrail) -> bytes | None:
    """Give the file as it was loaded; None when it has changed or gone since: a standby may wait for days to take over."""
    try:
        content = b"" if guardrail.path is None else guardrail.path.read_bytes()
        return content if _read(content, guardrail).digest == guardrail.digest else None
    except (OSError, WatchkeeperError):
        return None


def _read(content: bytes, beside: Guardrail) -> Guardrail:
    """Load a file from its content; its profile is looked for where the file of today is."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "accepted.yaml"
        path.write_bytes(content)
        return load(path, None if beside.path is None else beside.path.parent)


def _objection(before: Guardrail, now: Guardrail) -> str | None:
    if now.version < before.version:
        return f"{now.version} is less than {before.version}, which was in force; the number grows with every change"
    if now.version == before.version and now.digest != before.digest:
        return f"{now.version} was in force with other content; raise the number"
    return None
