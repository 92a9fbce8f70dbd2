"""The page for a person: the queue of incidents, one page a model, one an incident.

Made on the server from plain data, without a script and without anything from another address, so that it works on a phone, in a
text browser, and when half the network is down, which is when it is wanted. It only reads.
"""

from __future__ import annotations

from daemon.page.routes import add_pages
from daemon.page.sight import Sight

__all__ = ["Sight", "add_pages"]
