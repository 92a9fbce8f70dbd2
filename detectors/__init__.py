"""Measures: what the losses, features and scores of a model say, and how sure that is.

Knows no Kafka, no clock and no network: every time is an argument, every decision is left to the daemon.
`docs/detectors.md` says what each detector measures, and under which conditions its promise holds.
"""

from __future__ import annotations
