"""Where acts of persons wait for the loop: bounded, and safe to use from any thread.

The loop alone may touch the task, and it answers only after the checkpoint that holds what was done. So whoever hands an act in
gets a future. It always ends: with the answer, with the reason why there is none (this daemon stands by), or by its own time-out,
after which asking again under the same id is harmless.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Literal

from alerting.acts import Act, Answer

#: Acts that wait at most. A person needs one; a pager that sends all it has needs some.
LIMIT: Final = 100

Why = Literal["full", "standby", "starting", "unsaved", "late"]


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why an act was not answered, in a sentence. With `unsaved` and `late` it may have been done; asking again tells."""

    why: Why
    text: str


Reply = Answer | NoAnswer


class Asked:
    """An act that waits for its answer."""

    def __init__(self, act: Act) -> None:
        self.act = act
        self.future: Future[Reply] = Future()

    def tell(self, reply: Reply) -> None:
        """End the waiting."""
        self.future.set_result(reply)


class Inbox:
    """Acts in the order in which they came, at most `limit` of them."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: deque[Asked] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, act: Act) -> Future[Reply]:
        """Hand an act in, never blocking. Who waits no longer cancels the future: what was not begun by then is not done."""
        asked = Asked(act)
        with self._lock:
            full = len(self._waiting) >= self._limit
            if not full:
                self._waiting.append(asked)
        if full:
            asked.tell(NoAnswer("full", f"{self._limit} requests wait already; ask again in a moment"))
        return asked.future

    def ask(self, act: Act, timeout: float) -> Reply:
        """Hand an act in and wait for what becomes of it, for at most `timeout` seconds."""
        future = self.put(act)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            return late(timeout)

    async def answer(self, act: Act, patience: float) -> Reply:
        """`ask` for a coroutine: no thread is held meanwhile. `patience` is in seconds."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self.put(act)), patience)
        except TimeoutError:
            return late(patience)

    def take(self) -> list[Asked]:
        """Take what waits; each of them must be told something. What nobody waits for any more is left out."""
        with self._lock:
            taken = list(self._waiting)
            self._waiting.clear()
        return [asked for asked in taken if asked.future.set_running_or_notify_cancel()]

    def refuse(self, reason: NoAnswer) -> None:
        """Tell all that wait why they get no answer here."""
        for asked in self.take():
            asked.tell(reason)


def late(seconds: float) -> NoAnswer:
    """What is said after a time-out."""
    return NoAnswer("late", f"there was no answer within {seconds:g} s, and it may have been done; to ask again is harmless")
