"""The watch on the watch: a beat to a dead man's switch, for as long as an event goes the whole way.

A daemon that is dead can page nobody, so somebody else must notice that it is silent. A thread that merely lives proves nothing.
What does is an accepted commit: it comes last, after the read, the judgement, the dead letters, the state on the disk and the
dispatcher's queue, and no standby gets one. The commit alone would still beat for a daemon that reads nothing while records
pile up. So it counts when it covered an event, or when nothing was left to read: a night without traffic pages nobody (whether
a *model* is silent is the rule `traffic`'s business), a reader that is stuck does.

The thread is its own, so that a receiver that hangs never holds the loop; the address is a secret and is never said.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

import structlog

from alerting.errors import DeliveryError
from alerting.post import Call, post

if TYPE_CHECKING:
    from pydantic import SecretStr

    from daemon.telemetry import Telemetry

log = structlog.get_logger()

#: Seconds that a beat may take.
TIMEOUT: Final = 10.0

#: What came of a beat; `withheld`: nothing went the whole way lately, or this daemon stands by.
Beat = Literal["sent", "failed", "withheld"]


def is_well(whole_way: float, now: float, within: float) -> bool:
    """Whether an event went the whole way lately. Monotonic seconds; `within` is how long ago it may be."""
    return now - whole_way <= within


class Heartbeat:
    """Sends the beats.

    Args:
        url: where a beat is POSTed.
        every: seconds between two.
        within: seconds for which an event that went the whole way is proof.
        whole_way: when one last did (`Loop.whole_way`); called from the thread.
        telemetry: is told what came of each beat.
    """

    def __init__(
        self,
        url: SecretStr,
        every: float,
        within: float,
        whole_way: Callable[[], float],
        telemetry: Telemetry,
    ) -> None:
        self._url = url
        self._every = every
        self._within = within
        self._whole_way = whole_way
        self._telemetry = telemetry
        self._last: Beat = "withheld"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; a beat under way is not waited for."""
        self._stopped.set()

    def beat(self, now: float) -> Beat:
        """Send one, if that is true; `now` is monotonic seconds. Says in the log when that changes."""
        done: Beat = "withheld"
        reason = f"nothing went the whole way for {self._within:g} s, or this daemon stands by"
        if is_well(self._whole_way(), now, self._within):
            done, reason = self._send()
        if done != self._last:
            (log.info if done == "sent" else log.warning)(f"heartbeat_{done}", reason=reason)
        self._last = done
        self._telemetry.heartbeat(done)
        return done

    def _send(self) -> tuple[Beat, str]:
        url = self._url.get_secret_value()
        call = Call(url=url, body=b"", headers={"User-Agent": "watchkeeper"}, timeout=min(TIMEOUT, self._every))
        try:
            post(call, now=time.time())
        except DeliveryError as failure:
            return "failed", str(failure)
        return "sent", "events go the whole way"

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            self.beat(time.monotonic())
