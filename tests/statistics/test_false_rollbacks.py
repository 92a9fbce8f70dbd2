"""False rollbacks: 2,000 contests each at a level of a hundredth, watched at every label, at the very edge of harm.

Twenty are allowed on average; with 30 the level itself is in doubt (two standard errors and a bit).
"""

from __future__ import annotations

import pytest

from tests.statistics import contests

pytestmark = pytest.mark.statistics

RUNS = 2_000
MOST = 30
#: Promotion has a level of a twentieth: a hundred on average, and three standard errors.
MOST_PROMOTIONS = 130

AT_THE_EDGE = {
    "canary, a fifth": contests.canary(0.2, 0.10, 0.12, margin=0.02),
    "canary, half": contests.canary(0.5, 0.10, 0.12, margin=0.02),
    "canary, four fifths": contests.canary(0.8, 0.10, 0.12, margin=0.02),
    "shadow": contests.shadow(0.10, 0.12, margin=0.02),
    "replacement, at the tolerance": contests.replacement(0.10, 0.125, tolerance=0.025),
}
UNHARMED = {
    "canary, both arms change half-way": contests.canary(0.5, 0.10, 0.10, margin=0.025, later=0.20),
    "replacement by an equal version": contests.replacement(0.10, 0.10, tolerance=0.025),
    "replacement by an equal version, no tolerance": contests.replacement(0.10, 0.10, tolerance=0.0),
    "replacement by an equal version, 500 labels known": contests.replacement(0.10, 0.10, tolerance=0.0, baseline=500),
}


@pytest.mark.parametrize("contest", (AT_THE_EDGE | UNHARMED).values(), ids=(AT_THE_EDGE | UNHARMED).keys())
def test_a_version_that_does_no_harm_is_not_called_worse(contest: contests.Contest) -> None:
    """More often than the level allows."""
    assert contests.called("worse", contest, RUNS) <= MOST


@pytest.mark.parametrize("contest", AT_THE_EDGE.values(), ids=AT_THE_EDGE.keys())
def test_a_version_at_the_edge_is_not_promoted(contest: contests.Contest) -> None:
    """More often than the level of a promotion allows."""
    assert contests.called("not_worse", contest, RUNS) <= MOST_PROMOTIONS


@pytest.mark.parametrize(
    "contest",
    [
        contests.canary(0.5, 0.10, 0.20, margin=0.02),
        contests.shadow(0.10, 0.20, margin=0.02),
        contests.replacement(0.10, 0.20, tolerance=0.025),
    ],
    ids=["canary", "shadow", "replacement"],
)
def test_a_version_that_is_twice_as_bad_is_found(contest: contests.Contest) -> None:
    """Within 4,000, 3,000 and 5,000 labels: at least 95 times of a hundred."""
    assert contests.called("worse", contest, 200) >= 190
