"""What comes after a failed attempt, decided without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.errors import DeliveryError
from alerting.intents import Kind
from alerting.retry import PATIENCE, GiveUp, RetryAt, RetryPolicy, TakeFallback, next_step, pause
from tests.doubles.alerting import NOON, an_intent

POLICY = RetryPolicy()
BUSY = DeliveryError("503")
REFUSED = DeliveryError("403", permanent=True)

KINDS: tuple[Kind, ...] = ("page", "ticket", "resolve", "rollback", "journal")


@pytest.mark.parametrize(("failures", "seconds"), [(0, 1.0), (1, 2.0), (5, 32.0), (8, 256.0), (9, 300.0), (10_000, 300.0)])
def test_pauses_double_up_to_the_longest(failures: int, seconds: float) -> None:
    """Half of the pause is certain, the other half is chance."""
    assert pause(POLICY, failures, None, 0.0) == seconds / 2
    assert pause(POLICY, failures, None, 0.5) == seconds * 0.75


@pytest.mark.parametrize(("asked", "seconds"), [(0.0, 0.5), (30.0, 30.0), (3600.0, 3600.0), (1e9, 3600.0)])
def test_a_receiver_is_given_the_pause_that_it_asks_for(asked: float, seconds: float) -> None:
    """`Retry-After` is a least pause, and no receiver silences a page for ever."""
    assert pause(POLICY, 0, asked, 0.0) == seconds


def test_a_temporary_failure_is_tried_again() -> None:
    """With the reason of the failure, after the pause."""
    step = next_step(POLICY, an_intent(attempts=2), BUSY, now=NOON, since=NOON - 3, random=0.0)

    assert step == RetryAt(NOON + 2.0, "503")


@pytest.mark.parametrize("kind", ["page", "ticket", "resolve"])
def test_a_notice_that_is_refused_takes_the_fallback(kind: Kind) -> None:
    """At once: the same request would be refused again."""
    step = next_step(POLICY, an_intent(kind), REFUSED, now=NOON, since=NOON, random=0.0)

    assert step == TakeFallback("refused for good: 403")


@pytest.mark.parametrize("kind", ["rollback", "journal"])
def test_what_nothing_else_can_carry_is_given_up(kind: Kind) -> None:
    """A rollback refused is a failed rollback, which the loop tells."""
    step = next_step(POLICY, an_intent(kind), REFUSED, now=NOON, since=NOON, random=0.0)

    assert step == GiveUp("refused for good: 403")


@pytest.mark.parametrize("kind", ["page", "ticket", "resolve", "rollback"])
def test_patience_ends(kind: Kind) -> None:
    """What still fails after the patience of its kind is not tried here any more, and says how often it was."""
    intent = an_intent(kind, attempts=70)
    just_before = next_step(POLICY, intent, BUSY, now=NOON, since=NOON - PATIENCE[kind] + 150, random=0.0)
    just_after = next_step(POLICY, intent, BUSY, now=NOON, since=NOON - PATIENCE[kind] + 149, random=0.0)

    assert isinstance(just_before, RetryAt)
    assert just_after == (GiveUp if kind == "rollback" else TakeFallback)("still failing after 71 attempts: 503")


def test_the_journal_is_never_given_up_for_a_temporary_failure() -> None:
    """It is the truth: what is not in it did not happen."""
    step = next_step(POLICY, an_intent("journal", attempts=10**6), BUSY, now=NOON, since=0.0, random=0.0)

    assert step == RetryAt(NOON + 150.0, "503")


def test_an_order_that_would_come_too_late_is_given_up() -> None:
    """A rollback is not sent past its deadline, so it is not waited for either."""
    intent = an_intent("rollback", deadline=NOON + 10)

    assert isinstance(next_step(POLICY, intent, BUSY, now=NOON + 9, since=NOON, random=0.9), RetryAt)
    assert next_step(POLICY, intent, BUSY, now=NOON + 9.6, since=NOON, random=0.9) == GiveUp(
        "its deadline comes before the next attempt: 503"
    )


@given(
    kind=st.sampled_from(KINDS),
    attempts=st.integers(0, 10**9),
    retry_after=st.none() | st.floats(0, 1e300),
    permanent=st.booleans(),
    waited=st.floats(0, 1e9),
    random=st.floats(0, 1, exclude_max=True),
)
def test_the_next_attempt_is_always_ahead_and_never_far(
    kind: Kind, attempts: int, retry_after: float | None, permanent: bool, waited: float, random: float
) -> None:
    """Whatever happens: no busy loop, no pause beyond the longest, nothing permanent tried again."""
    failure = DeliveryError("no", permanent=permanent, retry_after=retry_after)
    step = next_step(POLICY, an_intent(kind, attempts=attempts), failure, now=NOON, since=NOON - waited, random=random)

    if isinstance(step, RetryAt):
        assert not permanent
        assert 0.5 <= step.at - NOON <= POLICY.longest_pause
    else:
        assert isinstance(step, GiveUp if kind in {"rollback", "journal"} else TakeFallback)
