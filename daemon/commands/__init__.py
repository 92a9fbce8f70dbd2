"""The commands: one file each, functions of plain arguments that give an exit code.

`daemon.cli` declares options and help and calls these; nothing here knows how a command line is parsed.
"""

from __future__ import annotations
