"""The fault corpus: streams with known faults from five worlds, and how well the daemon and three baselines answer them."""
