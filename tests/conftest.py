"""What holds for every test: seeded, repeatable property tests."""

from __future__ import annotations

import os

from hypothesis import settings

# A property test that fails on one machine must fail on the next one too: examples come from the test's own name, not from
# chance, and a slow machine is no failure. Look for new examples with HYPOTHESIS_PROFILE=explore.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
