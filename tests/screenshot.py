"""Makes docs/page.png: the page of the demo's model in the middle of its incident, as a phone shows it (`make screenshot`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from daemon.demo.traffic import MODEL
from tests.servers.chromium import Browser

PICTURE = Path(__file__).parents[1] / "docs" / "page.png"
#: A phone, in points, and pixels to a point.
WIDTH, HEIGHT, SCALE = 390, 844, 1.5
#: The step of the demo after which the picture is taken, and seconds for the page to tell of it.
STEP = "confirmed: "
PATIENCE = 5.0


def lines(demo: subprocess.Popen[str]) -> Iterator[str]:
    """What the demo says, which is repeated here."""
    assert demo.stdout is not None
    for line in demo.stdout:
        sys.stdout.write(line)
        yield line


def take(browser: Browser, address: str) -> None:
    """Look until the page tells of the rollback's confirmation, then take the picture."""
    end = time.monotonic() + PATIENCE
    browser.size(WIDTH, HEIGHT, scale=SCALE)
    while time.monotonic() < end:
        browser.open(f"{address}models/{MODEL}")
        if "mitigated" in str(browser.tell("document.body.innerText")):
            browser.picture(PICTURE)
            return
    sys.exit("The page did not tell of the rollback.")


def main() -> int:
    """Tell the story, and take the picture in the middle of it; gives the exit code."""
    program = shutil.which("chromium")
    if program is None:
        sys.exit("There is no chromium on the PATH; on Debian: apt-get install chromium")
    command = [sys.executable, "-m", "daemon", "demo"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    address = ""
    with Browser(program) as browser, subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as demo:
        for line in lines(demo):
            if line.startswith("page: "):
                address = line.removeprefix("page: ").strip()
            elif STEP in line and address:
                take(browser, address)
    return demo.returncode


if __name__ == "__main__":
    sys.exit(main())
