"""Stories of deployments, told as recorded events and judged offline."""

from __future__ import annotations
