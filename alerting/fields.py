"""Kinds of settings that routes and executors share: an address, headers, a timeout, kept as secrets where they may be one.

Addresses of chat hooks *are* secrets, and a header often holds one, so both are `SecretStr`: they show as stars wherever a
config is printed. What is wrong with one is said without repeating it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

import httpx
from pydantic import AfterValidator, Field, SecretStr

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def checked_address(url: SecretStr) -> SecretStr:
    """The same, when it is an http or https address with a host. Raises ValueError, which does not repeat it."""
    try:
        address = httpx.URL(url.get_secret_value())
    except httpx.InvalidURL:
        address = httpx.URL("")  # the error's own text would quote the address
    if address.scheme not in {"http", "https"} or not address.host:
        raise ValueError("must be an http or https address with a host")
    return url


def _headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, value in headers.items():
        text = value.get_secret_value()
        if not (_NAME.fullmatch(name) and (not text or (text.isascii() and text.isprintable()))):
            raise ValueError(f"header {name!r} must be printable ASCII")
    return headers


Address = Annotated[SecretStr, AfterValidator(checked_address)]
Headers = Annotated[dict[str, SecretStr], AfterValidator(_headers)]
Timeout = Annotated[float, Field(gt=0, le=60)]


def shown(headers: Mapping[str, SecretStr]) -> dict[str, str]:
    """The headers as they are sent."""
    return {name: value.get_secret_value() for name, value in headers.items()}
