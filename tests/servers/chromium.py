"""Debian's Chromium without a window, driven over the pipe of its own protocol: no driver program, no further package.

It reads and writes JSON that ends in a zero byte, on its file descriptors 3 and 4. Whatever it asks of the
network is noted.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from tests.servers.broker import ServerFailed, dies_with_parent

#: Seconds for anything that is asked of it, on a slow machine.
PATIENCE = 60.0


class Browser:
    """One page in a browser of its own, with an empty profile. A context manager.

    Args:
        program: of Chromium.
    """

    def __init__(self, program: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="watchkeeper-chromium-")
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        flags = [
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
            f"--user-data-dir={self._profile}",
        ]
        # The shell puts the pipe where Chromium looks for it, whatever the numbers of the descriptors are here.
        shell = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", program, *flags, "about:blank"]
        self._process = subprocess.Popen(
            dies_with_parent(shell),
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._calls = 0
        self.events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    def size(self, width: int, height: int = 800, *, scheme: str = "dark", scale: float = 1.0) -> None:
        """Be a phone of this size, whose owner likes it dark or light."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", metrics)
        self.call("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def open(self, address: str) -> None:
        """Go there, and wait until all of it is."""
        self.events.clear()
        self.call("Page.navigate", {"url": address})
        end = time.monotonic() + PATIENCE
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._read(end)

    def tell(self, expression: str) -> Any:  # noqa: ANN401  # JSON
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", {"expression": expression, "returnByValue": True})
        if "exceptionDetails" in found:
            raise ServerFailed(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    @property
    def fetched(self) -> list[str]:
        """Every address that the page asked for since `open`."""
        asked = [event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith("data:")]

    @property
    def complaints(self) -> list[str]:
        """What the browser did not like about the page since `open`."""
        return [event["params"]["entry"]["text"] for event in self.events if event["method"] == "Log.entryAdded"]

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write what is to be seen, or the whole page, as a PNG."""
        shot = self.call("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole} | self._clip(whole))
        path.write_bytes(base64.b64decode(shot["data"]))

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:  # noqa: ANN401  # JSON
        """Call a method of the protocol on the page."""
        return self._call(method, params or {}, {"sessionId": self._session})

    def _call(self, method: str, params: dict[str, Any], session: dict[str, str] | None = None) -> Any:  # noqa: ANN401  # JSON
        self._calls += 1
        number = self._calls
        os.write(self._out, json.dumps({"id": number, "method": method, "params": params} | (session or {})).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            answer = self._read(end)
            if answer.get("id") == number:
                if "error" in answer:
                    raise ServerFailed(f"{method}: {answer['error']}")
                return answer["result"]

    def _read(self, end: float) -> dict[str, Any]:
        """The next message; events are kept."""
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(0.0, end - time.monotonic()))[0]:
                raise ServerFailed(f"Chromium said nothing for {PATIENCE:.0f} s")
            piece = os.read(self._in, 1 << 16)
            if not piece:
                raise ServerFailed(f"Chromium ended with exit code {self._process.wait()}")
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message
