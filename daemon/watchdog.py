"""The watchdog: ends a process whose loop hangs.

A `poll` that never returns cannot be interrupted from inside (two ways into one are known, and the client's next release may
have a third). So a thread looks at how long ago the loop went round, and when that is too long, writes down where every thread
stands and ends the process with its own exit code; whoever runs the daemon starts it again, and the store goes on where the
last checkpoint was.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from typing import Final

import structlog

from daemon.errors import WATCHDOG

log = structlog.get_logger()

#: How often it looks, as a share of its patience.
LOOKS: Final = 10


class Watchdog:
    """Watches a loop.

    Args:
        patience: seconds without progress after which the process is ended.
        progress: the monotonic time of the loop's last turn.
        clock: monotonic seconds.
    """

    def __init__(self, patience: float, progress: Callable[[], float], clock: Callable[[], float]) -> None:
        self._patience = patience
        self._progress = progress
        self._clock = clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Let the process live."""
        self._stopped.set()

    def hangs(self) -> bool:
        """Whether the loop went without progress for longer than the patience."""
        return self._clock() - self._progress() > self._patience

    def _watch(self) -> None:
        while not self._stopped.wait(self._patience / LOOKS):
            if self.hangs():
                log.critical("loop_hangs", seconds=round(self._clock() - self._progress(), 1), exit_code=WATCHDOG)
                faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
                sys.stderr.flush()
                os._exit(WATCHDOG)  # nothing else is sure to end a process whose threads hold locks
