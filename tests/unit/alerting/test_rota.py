"""Who is on call: exactly one, at every moment, by the clock on the wall."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerting.rota import Duty, HandOver, Rota, Shift, on_call, overlapping, read_hand_over

BERLIN = ZoneInfo("Europe/Berlin")
PEOPLE = {"ana": "pager-ana", "ben": "pager-ben", "cem": "pager-cem"}
HOUR = 3600.0
DAY = 24 * HOUR

#: Zones with a change in spring and autumn, one on the other half of the world, one with half an hour of it, one that left out a
#: day (30 December 2011), and one without.
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "UTC"]
MOMENTS = st.floats(datetime(2009, 1, 1, tzinfo=UTC).timestamp(), datetime(2037, 1, 1, tzinfo=UTC).timestamp())


def berlin(text: str, fold: int = 0) -> float:
    """Epoch seconds of a time of the wall in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def weekly(**changes: object) -> Rota:
    """A rota that hands over on Mondays at ten in Berlin; Ana begins in the first week of 2026."""
    usual: dict[str, object] = {
        "people": PEOPLE,
        "primary": ("ana", "ben", "cem"),
        "hand_over": HandOver(frozenset({0}), time(10)),
        "zone": BERLIN,
        "since": date(2026, 1, 5),
    }
    return Rota(**{**usual, **changes})  # type: ignore[arg-type]  # the keys are those of the class


@st.composite
def rotas(draw: st.DrawFn) -> Rota:
    """Any rota, with overrides that do not overlap."""
    names = st.lists(st.sampled_from(sorted(PEOPLE)), min_size=1, max_size=5)
    days = frozenset(draw(st.sets(st.integers(0, 6), min_size=1)))
    overrides, at = [], draw(MOMENTS)
    for gap, length in draw(st.lists(st.tuples(st.floats(0, 10 * DAY), st.floats(1, 10 * DAY)), max_size=4)):
        overrides.append(Shift(starts=at + gap, ends=at + gap + length, person=draw(st.sampled_from(sorted(PEOPLE)))))
        at += gap + length
    return weekly(
        primary=tuple(draw(names)),
        shadow=tuple(draw(st.one_of(st.just([]), names))),
        hand_over=HandOver(days, draw(st.times(timezones=st.none())).replace(second=0, microsecond=0)),
        zone=ZoneInfo(draw(st.sampled_from(ZONES))),
        since=draw(st.dates(date(2008, 1, 1), date(2037, 1, 1))),
        overrides=tuple(overrides),
    )


class TestTurns:
    """Whose turn it is."""

    def test_the_first_of_the_order_takes_over_at_the_first_hand_over_of_the_day_since(self) -> None:
        """Counting begins on the day `since`, at the time of the hand-over."""
        assert on_call(weekly(), berlin("2026-01-05 10:00")) == Duty("ana", None, berlin("2026-01-12 10:00"))

    def test_the_turns_go_round_in_both_directions_of_time(self) -> None:
        """The order has no beginning: before `since` it was the last one's turn."""
        duties = [
            on_call(weekly(), berlin(f"{day} 12:00")).primary for day in ("2025-12-29", "2026-01-12", "2026-01-19", "2026-01-26")
        ]
        assert duties == ["cem", "ben", "cem", "ana"]

    def test_a_hand_over_is_at_its_time_and_not_before(self) -> None:
        """A second before ten it is the old one, at ten the new one."""
        at = berlin("2026-01-12 10:00")
        assert [on_call(weekly(), moment).primary for moment in (at - 1, at)] == ["ana", "ben"]

    def test_a_name_twice_in_a_row_has_a_shift_of_two_weeks(self) -> None:
        """And the end of it is told, not a hand-over to oneself."""
        rota = weekly(primary=("ana", "ana", "ben", "ben"))
        assert on_call(rota, berlin("2026-01-06 10:00")) == Duty("ana", None, berlin("2026-01-19 10:00"))

    def test_one_person_alone_has_no_end(self) -> None:
        """Nobody else comes up."""
        assert on_call(weekly(primary=("ana",)), berlin("2026-01-06 10:00")) == Duty("ana", None, None)

    def test_a_daily_hand_over_changes_each_day(self) -> None:
        """Three people, three days."""
        rota = weekly(hand_over=HandOver(frozenset(range(7)), time(9)))
        duties = [on_call(rota, berlin(f"2026-01-0{day} 12:00")).primary for day in (5, 6, 7, 8)]
        assert duties == ["ana", "ben", "cem", "ana"]

    def test_without_a_hand_over_at_the_weekend_who_has_friday_has_it(self) -> None:
        """Mondays to Fridays: the shift of Friday lasts till Monday."""
        rota = weekly(hand_over=HandOver(frozenset(range(5)), time(9)))
        assert on_call(rota, berlin("2026-01-09 12:00")) == Duty("ben", None, berlin("2026-01-12 09:00"))

    def test_the_shadow_changes_with_the_primary(self) -> None:
        """It has an order of its own."""
        rota = weekly(shadow=("ben", "ana"))
        assert on_call(rota, berlin("2026-01-05 12:00")) == Duty("ana", "ben", berlin("2026-01-12 10:00"))

    def test_nobody_shadows_themselves(self) -> None:
        """Where both orders come to the same person there is no shadow."""
        rota = weekly(shadow=("ben", "ben"))
        assert on_call(rota, berlin("2026-01-13 12:00")) == Duty("ben", None, berlin("2026-01-19 10:00"))

    def test_both_routes_are_told_the_primary_first(self) -> None:
        """And a route that two share once."""
        rota = weekly(shadow=("ben",), people={"ana": "team", "ben": "team", "cem": "pager-cem"})
        routes = [rota.routes(on_call(rota, berlin(f"2026-01-{day} 12:00"))) for day in ("05", "12", "19")]
        assert routes == [("team",), ("team",), ("pager-cem", "team")]


class TestChangeOfClocks:
    """Weeks with an hour more or less."""

    def test_a_week_is_an_hour_shorter_in_spring_and_longer_in_autumn(self) -> None:
        """The hand-over stays at ten by the clock on the wall."""
        lengths = []
        for day in ("2026-03-23", "2026-10-19"):
            starts = berlin(f"{day} 10:00")
            lengths.append((on_call(weekly(), starts).until or 0.0) - starts)
        assert lengths == [7 * DAY - HOUR, 7 * DAY + HOUR]

    def test_a_time_that_is_not_there_is_an_hour_later(self) -> None:
        """In the night of 29 March 2026 there is no half past two in Berlin."""
        rota = weekly(hand_over=HandOver(frozenset(range(7)), time(2, 30)))
        assert on_call(rota, berlin("2026-03-28 12:00")).until == berlin("2026-03-29 03:30")

    def test_a_time_that_is_there_twice_counts_the_first_time(self) -> None:
        """In the night of 25 October 2026 there are two."""
        rota = weekly(hand_over=HandOver(frozenset(range(7)), time(2, 30)))
        first, second = berlin("2026-10-25 02:30"), berlin("2026-10-25 02:30", fold=1)
        duties = [on_call(rota, at).primary for at in (first - 1, first, second - 1, second)]
        assert (second - first, duties) == (HOUR, ["ben", "cem", "cem", "cem"])

    def test_a_day_that_a_zone_left_out_has_no_shift(self) -> None:
        """Samoa went from 29 to 31 December 2011: the shift of the 30th is one of no length, and nobody is left without."""
        zone = ZoneInfo("Pacific/Apia")
        rota = weekly(zone=zone, hand_over=HandOver(frozenset(range(7)), time(10)), since=date(2011, 12, 28))
        days = [datetime(2011, 12, day, 12, tzinfo=zone).timestamp() for day in (28, 29, 31)]
        assert [on_call(rota, at).primary for at in days] == ["ana", "ben", "ana"]


class TestOverrides:
    """Swaps, and calendars."""

    def test_an_override_holds_from_its_beginning_up_to_its_end(self) -> None:
        """And the shift of the one who is replaced goes on after it."""
        swap = Shift(starts=berlin("2026-01-06 00:00"), ends=berlin("2026-01-07 00:00"), person="cem")
        rota = weekly(overrides=(swap,))
        moments = (swap.starts - 1, swap.starts, swap.ends - 1, swap.ends)
        assert [on_call(rota, at).primary for at in moments] == ["ana", "cem", "cem", "ana"]

    def test_until_knows_of_overrides(self) -> None:
        """Ana is on call until Cem's override begins."""
        swap = Shift(starts=berlin("2026-01-06 00:00"), ends=berlin("2026-01-07 00:00"), person="cem")
        assert on_call(weekly(overrides=(swap,)), berlin("2026-01-05 12:00")) == Duty("ana", None, swap.starts)

    def test_an_override_for_the_one_whose_turn_it_is_changes_nothing(self) -> None:
        """And ends nothing."""
        swap = Shift(starts=berlin("2026-01-06 00:00"), ends=berlin("2026-01-07 00:00"), person="ana")
        assert on_call(weekly(overrides=(swap,)), berlin("2026-01-05 12:00")).until == berlin("2026-01-12 10:00")

    def test_the_calendar_comes_before_the_order_and_an_override_before_the_calendar(self) -> None:
        """Where the calendar says nothing the order holds."""
        entry = Shift(starts=berlin("2026-01-06 00:00"), ends=berlin("2026-01-08 00:00"), person="ben")
        swap = Shift(starts=berlin("2026-01-07 00:00"), ends=berlin("2026-01-09 00:00"), person="cem")
        rota = weekly(overrides=(swap,))
        days = [on_call(rota, berlin(f"2026-01-0{day} 12:00"), (entry,)).primary for day in (5, 6, 7, 8, 9)]
        assert days == ["ana", "ben", "cem", "cem", "ana"]

    def test_of_two_entries_of_a_calendar_the_later_one_was_laid_over_the_other(self) -> None:
        """An evening in somebody's week."""
        week = Shift(starts=berlin("2026-01-05 10:00"), ends=berlin("2026-01-12 10:00"), person="ben")
        evening = Shift(starts=berlin("2026-01-06 18:00"), ends=berlin("2026-01-06 22:00"), person="cem")
        assert on_call(weekly(), berlin("2026-01-06 19:00"), (week, evening)) == Duty("cem", None, evening.ends)

    def test_an_entry_for_somebody_unknown_counts_nothing(self) -> None:
        """A calendar may hold birthdays too."""
        entry = Shift(starts=berlin("2026-01-05 00:00"), ends=berlin("2026-01-09 00:00"), person="zoe")
        assert on_call(weekly(), berlin("2026-01-06 12:00"), (entry,)) == Duty("ana", None, berlin("2026-01-12 10:00"))

    def test_overlapping_shifts_are_found_by_their_places(self) -> None:
        """One that ends when the next begins does not overlap it."""
        first, second = Shift(starts=0, ends=10, person="ana"), Shift(starts=10, ends=20, person="ben")
        third = Shift(starts=5, ends=6, person="cem")
        assert (overlapping([second, first]), overlapping([second, first, third])) == (None, (1, 2))


class TestAlways:
    """What holds of every rota at every moment."""

    @given(rotas(), MOMENTS)
    def test_exactly_one_is_on_call_at_every_moment(self, rota: Rota, at: float) -> None:
        """Somebody of the rota, and never their own shadow."""
        duty = on_call(rota, at)
        assert duty.primary in rota.people
        assert duty.shadow is None or (duty.shadow in rota.people and duty.shadow != duty.primary)

    @given(rotas(), MOMENTS, st.floats(0, 1))
    def test_nothing_changes_before_the_end_that_is_told_and_something_does_then(
        self, rota: Rota, at: float, share: float
    ) -> None:
        """`until` is the next change, not only the next hand-over."""
        duty = on_call(rota, at)
        assume(duty.until is not None)
        until = duty.until or 0.0
        between = on_call(rota, at + share * (until - at) * 0.999)
        after = on_call(rota, until)
        assert until > at
        assert (between.primary, between.shadow) == (duty.primary, duty.shadow)
        assert (after.primary, after.shadow) != (duty.primary, duty.shadow)

    @given(rotas(), st.sampled_from(sorted(PEOPLE)))
    def test_an_override_has_the_last_word(self, rota: Rota, person: str) -> None:
        """Whoever it names is on call in it, whatever a calendar says."""
        for shift in rota.overrides:
            entry = Shift(starts=shift.starts, ends=shift.ends, person=person)
            assert on_call(rota, shift.starts, (entry,)).primary == shift.person

    @given(st.sampled_from(ZONES), st.integers(0, 6), st.integers(0, 23), st.integers(0, 400))
    def test_everybody_has_one_shift_in_a_round_whatever_the_clocks_do(self, zone: str, day: int, hour: int, week: int) -> None:
        """Three weeks after its own hand-over it is the same person's turn again, by the clock on the wall."""
        rota = weekly(zone=ZoneInfo(zone), hand_over=HandOver(frozenset({day}), time(hour)), since=date(2009, 1, 5))
        noon = datetime.combine(date(2009, 1, 5) + timedelta(weeks=week), time(12), rota.zone)
        round_ = [on_call(rota, (noon + timedelta(weeks=weeks)).timestamp()).primary for weeks in range(4)]
        assert sorted(round_[:3]) == ["ana", "ben", "cem"]
        assert round_[3] == round_[0]


class TestHandOver:
    """How a hand-over is written."""

    def test_days_and_a_time(self) -> None:
        """One day is weekly, no day is daily, several are several a week."""
        read = [read_hand_over(text) for text in ("mon 10:00", "Mon, Thu 09:00", "09:30")]
        assert read == [
            HandOver(frozenset({0}), time(10)),
            HandOver(frozenset({0, 3}), time(9)),
            HandOver(frozenset(range(7)), time(9, 30)),
        ]

    @pytest.mark.parametrize(
        "text", ["", "monday 10:00", "mon", "mon 24:00", "10", "mon 9:00", "mon 10:00-12:00", "mon 08:00 10:00"]
    )
    def test_what_is_none_is_said_in_one_sentence(self, text: str) -> None:
        """The sentence shows how it is written, and what stands there."""
        with pytest.raises(ValueError, match=r"must be a time, or days and a time, such as 09:00 or mon 10:00, not") as caught:
            read_hand_over(text)
        assert repr(text) in str(caught.value)
