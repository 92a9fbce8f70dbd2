"""The driver: starts everything, deploys the bad version at its time, and believes only what it sees from the outside."""

from __future__ import annotations

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


class StoryFailed(Exception):
    """The story did not happen; the text says which step, and why that is known."""


class Stage:
    """Everything that runs. Made in the order in which things need each other, ended in the reverse one.

    Args:
        directory: for files and logs; is there, and is the demo's own.
        ending: ends what was started, also when the next thing fails to start.
    """

    def __init__(self, directory: Path, ending: ExitStack) -> None:
        broker = Broker(binary(), directory)
        ending.callback(broker.child.end)
        receiver = Receiver()
        ending.callback(receiver.close)
        broker.ready()
        port = free_port()
        api = f"http://127.0.0.1:{port}"
        settings = config.write(directory, bootstrap=broker.bootstrap, port=port, pager=receiver.url)
        self.server = Child("server", [sys.executable, "-m", "daemon.demo.serving", "--bootstrap", broker.bootstrap], directory)
        ending.callback(self.server.end)
        self.daemon = Child("daemon", [sys.executable, "-m", "daemon", "run", "--settings", str(settings)], directory)
        ending.callback(self.daemon.end)
        self.lookout = Lookout(broker.bootstrap, api, receiver)
        ending.callback(self.lookout.close)
        self.children = (broker.child, self.server, self.daemon)
        self.addresses = {
            "incidents": f"{api}/api/v1/incidents",
            "verdicts": f"{api}/api/v1/verdicts",
            "metrics": f"{api}/metrics",
            "broker": broker.bootstrap,
            "files and logs": str(directory),
        }

    def check(self) -> None:
        """Raise StoryFailed when a process has ended, which none of them should."""
        for child in self.children:
            if child.failure is not None:
                last = "\n".join(f"    {line}" for line in child.tail())
                raise StoryFailed(f"{child.failure}; the end of {child.log}:\n{last}")


def run_demo(*, keep: bool = False, console: Console | None = None, directory: Path | None = None) -> int:
    """Tell the story.

    Args:
        keep: leave everything running afterwards, until Ctrl-C.
        console: where to show it; default: standard output.
        directory: for files and logs; default: a new temporary one, named at a failure.

    Returns:
        `OK` when every step happened, and nothing that should not have; else `NO`.

    Raises:
        CannotStart: the broker, or another part, cannot be had.
    """
    out = console if console is not None else _console()
    place = Path(tempfile.mkdtemp(prefix="watchkeeper-demo-")) if directory is None else directory
    began = time.monotonic()
    with _stopped_by_signals(), view_for(out) as view, ExitStack() as ending:
        scene: Scene | None = None
        try:
            stage = Stage(place, ending)
            scene = Scene(stage.lookout.world, stage.addresses)
            _tell(stage, scene, view, began)
            _end(scene, view, f"All {len(STEPS)} steps happened, in {scene.elapsed:.0f} s." + (_KEPT if keep else ""))
            if keep:
                _stay(stage, scene, view, began)
        except (StoryFailed, WireError) as failure:
            sentence = f"The story did not happen. {failure}\nLogs are in {place}."
            if scene is None:
                out.print(sentence, markup=False)
            else:
                _end(scene, view, sentence)
            return NO
    return OK


_KEPT: Final = " Everything keeps running until Ctrl-C."


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


def _tell(stage: Stage, scene: Scene, view: View, began: float) -> None:
    """Follow the story to its end. Raises StoryFailed, WireError."""
    deployed = False
    while len(scene.happened) < len(STEPS):
        _look(stage, scene, view, began)
        while len(scene.happened) < len(STEPS):
            step = STEPS[len(scene.happened)]
            words = step.seen(scene.world)
            if words is None:
                break
            scene.happened.append((scene.elapsed, words))
            if step.name == DEPLOY_AFTER:
                stage.server.tell(f"deploy {BAD}")
                deployed = True
        reason = wrong(scene.world, deployed=deployed)
        if reason is not None:
            raise StoryFailed(f"There was {reason}.")
        if scene.elapsed > AT_MOST and len(scene.happened) < len(STEPS):
            step = STEPS[len(scene.happened)]
            raise StoryFailed(f"Step {step.name!r} did not come within {AT_MOST:.0f} s: waited for {step.waiting_for}.")


def _look(stage: Stage, scene: Scene, view: View, began: float) -> None:
    stage.lookout.look(LOOK_EVERY)
    stage.check()
    scene.elapsed = time.monotonic() - began
    view.show(scene)


def _stay(stage: Stage, scene: Scene, view: View, began: float) -> None:
    """Leave everything running until somebody stops it. Raises StoryFailed when a process ends by itself."""
    try:
        while True:
            _look(stage, scene, view, began)
    except KeyboardInterrupt:
        return


def _end(scene: Scene, view: View, words: str) -> None:
    scene.ending = words
    view.show(scene)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does, so that it ends its children on the way out."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
