"""The demo: one story, told on an embedded broker with real data, and checked from the outside.

A model server in a process of its own (`serving`), a broker in memory (`broker`), a receiver of pages (`receiver`), and the
real daemon, started by its own command line. `story` drives them and looks at what anybody could look at: topics, the
daemon's API, the pages. Nothing in here is imported by the daemon.
"""

from __future__ import annotations

from daemon.demo.story import run_demo

__all__ = ["run_demo"]
