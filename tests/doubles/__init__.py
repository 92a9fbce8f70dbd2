"""Doubles of what is outside: strict, so that what passes against them passes against the real thing."""

from __future__ import annotations
