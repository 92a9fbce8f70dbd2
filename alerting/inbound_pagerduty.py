"""What PagerDuty tells us, by its webhooks v3: somebody has acknowledged or resolved there what we had paged.

Believed is only what carries a signature under one of our secrets. Done is only what a person did: PagerDuty tells as well of
what our own events did there, and of incidents that it merged or closed by a timer; to take these for a person's word would
close what is still broken. It also keeps our own news from coming back to us as an act. An act names the problem by the key that
it was paged under, so that who acknowledges the first page of an incident has not thereby acknowledged the second.

The act's id is the event's, so a webhook that is delivered again does nothing again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any, Final, Literal

from alerting.acts import Act, check
from alerting.errors import InvalidAct

#: The header with the signatures.
SIGNATURE: Final = "X-PagerDuty-Signature"
#: Bytes of a webhook: PagerDuty drops larger ones itself.
BODY_LIMIT: Final = 262_144
#: Characters of a name that are kept.
NAME_LIMIT: Final = 200

KINDS: Final[dict[str, Literal["acknowledge", "resolve"]]] = {
    "incident.acknowledged": "acknowledge",
    "incident.resolved": "resolve",
}


def is_genuine(header: str, content: bytes, secrets: Iterable[str]) -> bool:
    """Whether one of the signatures in `header` is that of `content` under one of `secrets`.

    There may be several of both, so that a secret can be replaced without a gap.
    """
    given = [part.strip().encode() for part in header.split(",")]
    expected = [b"v1=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest().encode() for secret in secrets]
    # All are compared, each in constant time, so that nobody can guess one a character at a time.
    return any([hmac.compare_digest(one, other) for one in given for other in expected])  # noqa: C419  # any() would stop early


def act_of(content: bytes, at: float) -> Act | str:
    """The act that a webhook asks for at `at` (epoch seconds), or in one sentence why none is to be done."""
    event = _mapping(_parsed(content).get("event"))
    data, agent = _mapping(event.get("data")), _mapping(event.get("agent"))
    kind = KINDS.get(str(event.get("event_type")))
    if kind is None:
        return "this says nothing of an incident that watchkeeper acts on"
    if agent.get("type") != "user_reference":
        return "no person did this, so nothing is done"
    if _mapping(data.get("resolve_reason")).get("type") == "merge_resolve_reason":
        return "it was merged into another incident there, so nothing is done"
    key = str(data.get("incident_key") or "")
    name = str(agent.get("summary") or agent.get("id") or "somebody")[:NAME_LIMIT]
    act = Act(
        id=f"pagerduty:{event.get('id') or ''}",
        kind=kind,
        by=f"{name} in PagerDuty",
        at=at,
        reason="resolved there" if kind == "resolve" else "",
        incident=key.partition(".")[0],
        problem=key,
    )
    try:
        check(act)
    except InvalidAct:
        return "its event has no id, or its incident no key, so nothing is done"
    return act if event.get("id") else "its event has no id, so nothing is done"


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        return _mapping(json.loads(content))
    except (ValueError, RecursionError):
        return {}


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
