"""watchkeeper: the daemon that runs the detectors on what Kafka brings and hands their findings to the alerting."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("watchkeeper")
except PackageNotFoundError:  # a source tree that was never installed still has to answer --version
    __version__ = "0+unknown"
