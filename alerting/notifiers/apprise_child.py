"""The process that Apprise runs in: one job from standard input, one answer to standard output, nothing else said.

Its memory and its time are bounded here, so that it ends even when the daemon that started it has gone.
"""

from __future__ import annotations

import json
import logging
import re
import resource
import signal
import sys
from typing import Any, Final

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

#: Bytes of memory: a service that floods must not take the daemon's.
MEMORY: Final = 2**30

#: Apprise says only whether it worked; its plugins log the status of an answer like this.
_STATUS: Final = re.compile(r"error=(\d{3})\b")


class _Statuses(logging.Handler):
    """Keeps the last HTTP status that a plugin complained of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Look for a status in the message."""
        found = _STATUS.search(record.getMessage())
        if found is not None:
            self.last = int(found[1])


def send(job: dict[str, Any]) -> dict[str, Any]:
    """Send one message: whether it was `taken`, else the `status` where there is one, or what is at `fault`."""
    statuses = _Statuses()
    logger = logging.getLogger("apprise")
    logger.addHandler(statuses)
    logger.propagate = False  # its lines may hold the address
    # Redirects would carry the message, and what it is signed with, elsewhere.
    chat = Apprise(asset=AppriseAsset(app_id="watchkeeper", http_redirects=False, async_mode=False))
    if not chat.add(job["url"]):
        return {"taken": False, "fault": "address"}
    taken = chat.notify(body=job["body"], title=job["title"], notify_type=NotifyType(job["kind"]), body_format=NotifyFormat.TEXT)
    return {"taken": bool(taken), "status": statuses.last}


def main() -> None:
    """Do the job on standard input."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    job = json.load(sys.stdin)
    signal.setitimer(signal.ITIMER_REAL, job["timeout"])  # nobody handles it: it ends the process
    json.dump(send(job), sys.stdout)


if __name__ == "__main__":
    main()
