"""Servers out of Debian's packages.

A program that is on the machine is used. With CI=true a missing one is installed, since a run that silently tested less would
look just as green; where that cannot be done, the test fails. On a laptop nothing is installed and the test is skipped.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

#: Seconds for apt to install a package on a slow line.
INSTALL_TIMEOUT = 300.0


def cache() -> Path:
    """Where what was fetched stays between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "watchkeeper-tests"


def required() -> bool:
    """Whether this run must not skip what it could not test."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def without(lacking: str) -> None:
    """End the test for want of something: as a failure where that is required, else as skipped."""
    if required():
        pytest.fail(f"CI=true requires it, but {lacking}", pytrace=False)
    pytest.skip(lacking)


def program(package: str) -> str:
    """The program that a package is named after; ends the test when it cannot be had."""
    if shutil.which(package) is None:
        if required():
            _install(package)
        if shutil.which(package) is None:
            without(f"there is no {package} on the PATH; on Debian: apt-get install {package}")
    return package


def _install(package: str) -> None:
    cache().mkdir(parents=True, exist_ok=True)
    # The package must not start a service of its own: there is one on the default port only.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", package]
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (install, ["apt-get", "update"], install):  # a fresh machine has no lists of packages yet
            if shutil.which("apt-get") is None or shutil.which(package) is not None:
                return
            subprocess.run(command, capture_output=True, check=False, timeout=INSTALL_TIMEOUT, env=environment)
