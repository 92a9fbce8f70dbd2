"""The webhook's contract, written down a second time and independently of the code that sends it: docs/response.md as a check."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

BODY_LIMIT = 512_000

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _text(value: object) -> bool:
    return isinstance(value, str)


def _filled(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _time(value: object) -> bool:
    return isinstance(value, str) and TIME.fullmatch(value) is not None


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _numbers(value: object) -> bool:
    return isinstance(value, dict) and all(item is None or isinstance(item, int | float) for item in value.values())


def _features(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and _filled(item.get("name")) for item in value)


def _notices(value: object) -> bool:
    fields = {"event", "key", "dedup_key", "incident", "severity", "model", "summary"}
    return isinstance(value, list) and all(isinstance(item, dict) and set(item) == fields for item in value)


def _link(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"https?://[!-~]+", value) is not None


def _guardrails(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"version", "digest"} and isinstance(value["version"], int)


def _one_of(*values: str) -> Callable[[object], bool]:
    return lambda value: value in values


def _or_null(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


FIELDS: Mapping[str, Callable[[object], bool]] = {
    "v": lambda value: value == 1,
    "event": _one_of("trigger", "update", "acknowledge", "resolve", "digest"),
    "key": _filled,
    "dedup_key": _filled,
    "incident": _or_null(_filled),
    "severity": _one_of("page", "ticket", "log"),
    "summary": lambda value: isinstance(value, str) and 0 < len(value) <= 1024 and "\n" not in value,
    "description": _filled,
    "model": _or_null(_filled),
    "version": _or_null(_filled),
    "segment": _or_null(_filled),
    "cause": _filled,
    "rules": _texts,
    "reason": _text,
    "onset": _or_null(_time),
    "opened": _or_null(_time),
    "at": _time,
    "labels_to_alarm": lambda value: isinstance(value, int) and value >= 0,
    "numbers": _numbers,
    "features": _features,
    "examples": _texts,
    "guardrails": _or_null(_guardrails),
    "owner": _text,
    "runbook": _text,
    "why": _text,
    "done": _texts,
    "notices": _notices,
    "url": _or_null(_link),
    "acknowledge_url": _or_null(_link),
}


def violations_of(headers: Mapping[str, str], content: bytes, *, secret: str | None) -> list[str]:
    """What is wrong with a request; `headers` in lower case."""
    if len(content) > BODY_LIMIT:
        return [f"a body of {len(content)} bytes is too large"]
    try:
        body = json.loads(content, parse_constant=_refuse)
    except ValueError as error:
        return [f"the body is not strict JSON: {error}"]
    if not isinstance(body, dict):
        return ["the body is not an object"]
    return [*_of_headers(headers, body, content, secret), *_of_body(body)]


def _of_body(body: Mapping[str, Any]) -> list[str]:
    missing = [f"{name} is missing" for name in FIELDS if name not in body]
    unknown = [f"{name} is not in the contract" for name in body if name not in FIELDS]
    wrong = [f"{name} is wrong: {body[name]!r}" for name, check in FIELDS.items() if name in body and not check(body[name])]
    return [*missing, *unknown, *wrong]


def _of_headers(headers: Mapping[str, str], body: Mapping[str, Any], content: bytes, secret: str | None) -> list[str]:
    violations = []
    if headers.get("content-type") != "application/json":
        violations.append("Content-Type is not application/json")
    if headers.get("idempotency-key") != body.get("key"):
        violations.append("Idempotency-Key is not the key of the body")
    if secret is not None:
        signed = headers.get("x-watchkeeper-timestamp", "").encode() + b"." + content
        expected = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(headers.get("x-watchkeeper-signature", ""), expected):
            violations.append("the signature does not fit")
    return violations


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
