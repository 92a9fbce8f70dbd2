"""The driver: starts everything, deploys the bad version at its time, and believes only what it sees from the outside."""

from __future__ import annotations

import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from daemon.connection import WireError
from daemon.demo import config
from daemon.demo.broker import Broker, binary
from daemon.demo.lookout import Lookout
from daemon.demo.models import BAD
from daemon.demo.processes import Child, free_port
from daemon.demo.receiver import Receiver
from daemon.demo.view import WIDTH, Scene, View, view_for
from daemon.demo.world import DEPLOY_AFTER, STEPS, wrong
from daemon.errors import NO, OK

#: Seconds for the whole story, from the first process to the last step.
AT_MOST: Final = 85.0
#: Seconds between two looks at the world.
LOOK_EVERY: Final = 0.25

_KEPT: Final = " Everything keeps running until Ctrl-C."


class StoryFailed(Exception):
    """The story did not happen; the text says which step, and why that is known."""


class Stage:
    """Everything that runs. Made in the order in which things need each other, ended in the reverse one.

    Args:
        program: the broker's.
        directory: for files and logs; is there, and is the demo's own.
        ending: ends what was started, also when the next thing fails to start.
    """

    def __init__(self, program: str, directory: Path, ending: ExitStack) -> None:
        broker = Broker(program, directory)
        ending.callback(broker.child.end)
        receiver = Receiver()
        ending.callback(receiver.close)
        broker.ready()
        port = free_port()
        api = f"http://127.0.0.1:{port}"
        token = secrets.token_hex(16)
        settings = config.write(directory, bootstrap=broker.bootstrap, port=port, pager=receiver.url, token=token)
        self.server = Child("server", [sys.executable, "-m", "daemon.demo.serving", "--bootstrap", broker.bootstrap], directory)
        ending.callback(self.server.end)
        self.daemon = Child("daemon", [sys.executable, "-m", "daemon", "run", "--settings", str(settings)], directory)
        ending.callback(self.daemon.end)
        self.lookout = Lookout(broker.bootstrap, api, receiver)
        ending.callback(self.lookout.close)
        self.children = (broker.child, self.server, self.daemon)
        self.addresses = {
            "page": f"{api}/",
            "incidents": f"{api}/api/v1/incidents",
            "verdicts": f"{api}/api/v1/verdicts",
            "metrics": f"{api}/metrics",
            "for the commands": f"export WATCHKEEPER_URL={api} WATCHKEEPER_TOKEN={token}",
            "broker": broker.bootstrap,
            "files and logs": str(directory),
        }

    def check(self) -> None:
        """Raise StoryFailed when a process has ended, which none of them should."""
        for child in self.children:
            if child.failure is not None:
                last = "\n".join(f"    {line}" for line in child.tail())
                raise StoryFailed(f"{child.failure.capitalize()}; the end of {child.log}:\n{last}")


def run_demo(*, keep: bool = False, console: Console | None = None, directory: Path | None = None) -> int:
    """Tell the story.

    Args:
        keep: leave everything running afterwards, until Ctrl-C.
        console: where to show it; default: standard output.
        directory: for files and logs; default: a new temporary one, which stays when the story fails.

    Returns:
        `OK` when every step happened, and nothing that should not have; else `NO`.

    Raises:
        CannotStart: the broker, or another part, cannot be had.
    """
    out = console if console is not None else _console()
    program = binary()
    place = Path(tempfile.mkdtemp(prefix="watchkeeper-demo-")) if directory is None else directory
    began = time.monotonic()
    with _stopped_by_signals(), view_for(out) as view, ExitStack() as ending:
        telling = Telling(Stage(program, place, ending), view, began)
        if not telling.tell(keep=keep):
            return NO
    if directory is None:
        shutil.rmtree(place, ignore_errors=True)
    return OK


class Telling:
    """One telling of the story on a stage.

    Args:
        stage: what runs.
        view: shows how it goes.
        began: monotonic time from which seconds are counted.
    """

    def __init__(self, stage: Stage, view: View, began: float) -> None:
        self._stage = stage
        self._view = view
        self._began = began
        self._scene = Scene(stage.lookout.world, stage.addresses)
        self._deployed = False

    def tell(self, *, keep: bool) -> bool:
        """Follow it to its end, and beyond with `keep`; False when it failed."""
        scene = self._scene
        try:
            while scene.waiting_for is not None:
                self._look()
                self._follow()
            self._end(f"All {len(STEPS)} steps happened, in {scene.elapsed:.0f} s." + (_KEPT if keep else ""))
            if keep:
                self._stay()
        except StoryFailed as failure:
            self._end(f"The story did not happen. {failure}\nLogs are in {scene.addresses['files and logs']}.")
            return False
        return True

    def _follow(self) -> None:
        """Take the steps that have happened, and deploy the bad version at its time. Raises StoryFailed."""
        scene = self._scene
        while scene.waiting_for is not None:
            step = scene.waiting_for
            words = step.seen(scene.world)
            if words is None:
                break
            scene.happened.append((scene.elapsed, words))
            if step.name == DEPLOY_AFTER:
                self._stage.server.tell(f"deploy {BAD}")
                self._deployed = True
        reason = wrong(scene.world, deployed=self._deployed)
        if reason is not None:
            raise StoryFailed(reason)
        late = scene.waiting_for
        if late is not None and scene.elapsed > AT_MOST:
            raise StoryFailed(f"Step {late.name!r} did not come within {AT_MOST:.0f} s: waited for {late.waiting_for}.")

    def _look(self) -> None:
        """Look at the world, and show it. Raises StoryFailed when a process has ended."""
        try:
            self._stage.lookout.look(LOOK_EVERY)
        except WireError as error:
            self._stage.check()
            raise StoryFailed(f"The topics cannot be read: {error}.") from error
        self._stage.check()
        self._scene.elapsed = time.monotonic() - self._began
        self._view.show(self._scene)

    def _stay(self) -> None:
        """Leave everything running until somebody stops it. Raises StoryFailed when a process ends by itself."""
        try:
            while True:
                self._look()
        except KeyboardInterrupt:
            return

    def _end(self, words: str) -> None:
        self._scene.ending = words
        self._view.show(self._scene)


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does, so that it ends its children on the way out."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
