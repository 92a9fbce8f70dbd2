"""The signature that a receiver of ours checks: HMAC-SHA-256 over a timestamp, a dot and the body.

The timestamp is signed too, so a receiver that refuses old ones cannot be fed a request that somebody recorded. Notices and
rollbacks are signed alike.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

TIMESTAMP: Final = "X-Watchkeeper-Timestamp"
SIGNATURE: Final = "X-Watchkeeper-Signature"


def signature(secret: str, timestamp: str, content: bytes) -> str:
    """`sha256=` and the hex HMAC-SHA-256 of `<timestamp>.<content>` under `secret`."""
    digest = hmac.new(secret.encode(), timestamp.encode("ascii") + b"." + content, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def signed(secret: str, now: float, content: bytes) -> dict[str, str]:
    """The two headers for `content`, sent at `now` (epoch seconds)."""
    timestamp = str(int(now))
    return {TIMESTAMP: timestamp, SIGNATURE: signature(secret, timestamp, content)}
