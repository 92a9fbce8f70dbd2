"""MLflow's tracking server with a SQLite store of its own, in an environment apart: it brings a hundred packages.

Three minutes and most of a gigabyte the first time, nothing afterwards; so only CI makes the environment, a laptop uses one that
is there.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers.broker import LocalBroker, ServerFailed, free_port
from tests.servers.debian import cache, required, without

MLFLOW_VERSION = "3.17.2"
#: Seconds for pip to fetch everything on a slow line.
FETCH_TIMEOUT = 1200.0


def start() -> LocalBroker:
    """A fresh server on a free port; ends the test when MLflow cannot be had. Raises ServerFailed."""
    python = _environment()
    directory = Path(tempfile.mkdtemp(prefix="watchkeeper-mlflow-"))
    port = free_port()
    store = f"sqlite:///{directory / 'store.db'}"
    # What `mlflow server` starts, without `mlflow server` itself: a kill of that one leaves a dozen processes behind.
    command = [
        *("env", "MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false"),
        *(f"_MLFLOW_SERVER_FILE_STORE={store}", f"_MLFLOW_SERVER_REGISTRY_STORE={store}"),
        f"_MLFLOW_SERVER_ARTIFACT_ROOT={directory / 'artifacts'}",
        *(str(python), "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), "mlflow.server.fastapi_app:app"),
    ]
    server = LocalBroker(f"MLflow {MLFLOW_VERSION}", command, port, directory)
    server.start()
    return server


def _environment() -> Path:
    """The interpreter that has MLflow; made once, also when two runs want it at the same moment."""
    directory = cache() / f"mlflow-{MLFLOW_VERSION}-py{sys.version_info.major}.{sys.version_info.minor}"
    complete = directory / "complete"
    if not complete.exists() and not required():
        without(f"there is no MLflow {MLFLOW_VERSION} in {directory}; CI=true makes it")
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            python = str(directory / "bin" / "python")
            _run([sys.executable, "-m", "venv", "--clear", str(directory)])
            _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"mlflow=={MLFLOW_VERSION}"])
            complete.touch()
    return directory / "bin" / "python"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FETCH_TIMEOUT)
    if done.returncode:
        raise ServerFailed(f"{' '.join(command[:4])} ended with exit code {done.returncode}:\n{done.stderr[-3000:]}")
