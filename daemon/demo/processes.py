"""The demo's children: each writes its own log, and none of them outlives the demo.

They get a session of their own, so that Ctrl-C reaches the demo alone, which then ends them one by one, the last one started
first. Where `setpriv` exists they die with the demo even when it is killed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from daemon.errors import CannotStart
from daemon.settings import PREFIX

#: Seconds that a child may take to end by itself before it is killed.
END_WITHIN: Final = 10.0
#: Where the packages are: `python -m` in a child finds the very code that runs here.
_ROOT: Final = Path(__file__).parents[2]


class Child:
    """A process of ours, running from the moment it is made. Its output goes to `<directory>/<name>.log`."""

    def __init__(self, name: str, command: Sequence[str], directory: Path) -> None:
        """Raises CannotStart when there is no such program."""
        self.name = name
        self.log = directory / f"{name}.log"
        setpriv = shutil.which("setpriv")
        whole = [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else list(command)
        # The settings of another daemon on this machine are none of the demo's business.
        environment = {key: value for key, value in os.environ.items() if not key.upper().startswith(PREFIX)}
        with self.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own programs, no words of others
                    whole,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=_ROOT,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise CannotStart(f"could not start the {name} of the demo: {error}") from error

    @property
    def failure(self) -> str | None:
        """A sentence when it has ended, which none of them should; None while it runs."""
        code = self._process.poll()
        return None if code is None else f"the {self.name} ended with exit code {code}"

    def tell(self, line: str) -> None:
        """Write a line to its standard input; nothing when it has gone, which `failure` tells."""
        pipe = self._process.stdin
        if pipe is not None and self.failure is None:
            pipe.write(f"{line}\n".encode())
            pipe.flush()

    def tail(self, lines: int = 5) -> list[str]:
        """The last lines of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]

    def end(self) -> None:
        """End it: SIGTERM, and SIGKILL when that does not help in time. Harmless when it has gone."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


def free_port() -> int:
    """A port of the loopback that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
