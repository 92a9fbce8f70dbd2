"""Lines that appear when they are printed, into a pipe too."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Print a line now."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
