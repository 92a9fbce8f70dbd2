"""Dead letters are complete, cannot be refused, and are not forgotten; too many of them are said once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.connection import BrokerAway, Unfit
from daemon.quarantine import KEPT, WAITING_BYTES, BadEventLimit, DeadLetters
from daemon.records import StoredRecord

RECORD = StoredRecord("predictions", 3, 42, 1_700_000_000_123, b"key", b"{", (("trace", b"1"), ("null", None)))


#: A timestamp that some sinks take for the future.
LATE = 2_000_000_000_000


class Sent(StoredRecord):
    """What a sink was given: topic, no partition, number, timestamp, key, value, headers."""

    def header(self, name: str) -> str:
        """A header of ours as text."""
        return str(dict(self.headers)[f"watchkeeper.errors.{name}"] or b"", "utf-8")


class FakeSink:
    """A sink that takes values of up to `largest` bytes, and timestamps or not."""

    def __init__(self, *, largest: int = 1_000_000, timestamps: bool = True, away: bool = False) -> None:
        self.safe: list[Sent] = []
        self.largest = largest
        self.timestamps = timestamps
        self.away = away
        self.closed = 0
        self._buffered: list[Sent] = []

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        timestamp: int | None = None,
    ) -> None:
        """Refuse what the client itself would refuse."""
        assert all(isinstance(each, bytes) for _, each in headers)
        assert key is not None or value is not None
        if len(value or b"") > self.largest:
            raise Unfit("too large")
        self._buffered.append(Sent(topic, 0, 0, -1 if timestamp is None else timestamp, key, value, tuple(headers)))

    def outcomes(self, timeout: float) -> list[Unfit | None]:
        """Refuse what a broker would refuse: a whole batch for the sake of one record."""
        if self.away:
            raise BrokerAway("no answer")
        buffered, self._buffered = self._buffered, []
        bad = not self.timestamps and any(record.timestamp > LATE for record in buffered)
        if not bad:
            self.safe += buffered
        return [Unfit("timestamp") if bad else None for _ in buffered]

    def close(self) -> None:
        """Forget what was not flushed."""
        self._buffered.clear()
        self.closed += 1


def letters(sink: FakeSink) -> DeadLetters:
    """The quarantine over a sink."""
    return DeadLetters(lambda: sink, "dead")


def test_a_dead_letter_is_the_record_and_why() -> None:
    """Key, value, headers and timestamp stay; the headers say where it was and what is wrong with it."""
    sink = FakeSink()
    quarantine = letters(sink)
    quarantine.reject(RECORD, "not_json", "the value is not JSON")
    quarantine.flush()

    (sent,) = sink.safe
    assert (sent.topic, sent.key, sent.value, sent.timestamp) == ("dead", b"key", b"{", RECORD.timestamp)
    assert sent.headers[:2] == (("trace", b"1"), ("null", b""))
    assert {name: sent.header(name) for name in ("topic", "partition", "offset", "stage", "class", "message")} == {
        "topic": "predictions",
        "partition": "3",
        "offset": "42",
        "stage": "parse",
        "class": "not_json",
        "message": "the value is not JSON",
    }


def test_a_record_with_nothing_in_it_can_be_sent() -> None:
    """A record with neither key nor value can be read from a topic but not written to one."""
    sink = FakeSink()
    quarantine = letters(sink)
    quarantine.reject(RECORD._replace(key=None, value=None), "empty", "empty")
    quarantine.flush()

    assert [(sent.key, sent.value) for sent in sink.safe] == [(None, b"")]


@pytest.mark.parametrize("sink", [FakeSink(largest=KEPT), FakeSink(timestamps=False)])
def test_what_is_unfit_goes_in_its_plain_form(sink: FakeSink) -> None:
    """Cut off, and said so; the source offset still leads to the whole."""
    quarantine = letters(sink)
    quarantine.reject(RECORD._replace(value=b"x" * 100_000, timestamp=LATE + 1), "too_large", "too large")
    quarantine.flush()

    (sent,) = sink.safe
    assert (sent.value, sent.timestamp) == (b"x" * KEPT, -1)
    assert (sent.header("truncated"), sent.header("offset"), sent.header("timestamp")) == ("100000", "42", str(LATE + 1))


def test_fit_letters_beside_an_unfit_one_stay_as_they_are() -> None:
    """Only the letter that was refused is cut."""
    sink = FakeSink(largest=KEPT)
    quarantine = letters(sink)
    quarantine.reject(RECORD._replace(value=b"x" * (KEPT + 1)), "too_large", "too large")
    quarantine.reject(RECORD, "not_json", "not JSON")
    quarantine.flush()

    assert sorted(len(sent.value or b"") for sent in sink.safe) == [1, KEPT]
    assert [sent.timestamp >= 0 for sent in sink.safe] == [True, False]


def test_letters_that_were_refused_for_the_sake_of_another_stay_as_they_are() -> None:
    """A broker refuses whole batches: each letter of one is tried by itself before it is cut."""
    sink = FakeSink(timestamps=False)
    quarantine = letters(sink)
    for timestamp in (1, LATE + 1, 2):
        quarantine.reject(RECORD._replace(timestamp=timestamp), "not_json", "not JSON")
    quarantine.flush()

    assert sorted(sent.timestamp for sent in sink.safe) == [-1, 1, 2]
    assert sink.closed == 2  # once for the batch, once for the one letter by itself


def test_huge_headers_are_left_out_of_the_plain_form() -> None:
    """They may be what made the record too large."""
    sink = FakeSink(timestamps=False)
    quarantine = letters(sink)
    quarantine.reject(RECORD._replace(timestamp=LATE + 1, headers=(("h", b"x" * KEPT),)), "not_json", "not JSON")
    quarantine.flush()

    assert "h" not in dict(sink.safe[0].headers)


def test_a_broker_that_is_away_loses_no_letter() -> None:
    """The failure reaches the caller, who saves nothing; the next flush sends everything by a new sink."""
    sink = FakeSink(away=True)
    quarantine = letters(sink)
    quarantine.reject(RECORD, "not_json", "not JSON")
    with pytest.raises(BrokerAway):
        quarantine.flush()
    sink.away = False
    quarantine.flush()

    assert (len(sink.safe), sink.closed) == (1, 1)


def test_a_topic_that_takes_not_even_the_plain_form_is_an_error_and_loses_nothing() -> None:
    """Somebody set a limit that no dead letter can meet: a person must see that."""
    sink = FakeSink(largest=0)
    quarantine = letters(sink)
    quarantine.reject(RECORD, "not_json", "not JSON")
    with pytest.raises(Unfit):
        quarantine.flush()
    sink.largest = 10
    quarantine.flush()

    assert [sent.value for sent in sink.safe] == [b"{"]


def test_a_flood_of_large_values_is_bounded() -> None:
    """Beyond a budget only the plain form is kept until the next flush, and then whole values again."""
    sink = FakeSink(largest=WAITING_BYTES)
    quarantine = letters(sink)
    large = RECORD._replace(value=b"x" * (WAITING_BYTES // 2))
    for _ in range(4):
        quarantine.reject(large, "too_large", "too large")
    quarantine.flush()
    quarantine.reject(large, "too_large", "too large")
    quarantine.flush()

    assert [len(sent.value or b"") for sent in sink.safe] == [WAITING_BYTES // 2] * 3 + [KEPT] + [WAITING_BYTES // 2]


def test_nothing_connects_while_nothing_is_bad() -> None:
    """A flush without letters needs no broker."""

    def connect() -> FakeSink:
        raise AssertionError

    DeadLetters(connect, "dead").flush()


def test_too_many_bad_events_are_said_once_in_a_window() -> None:
    """Over a twentieth of at least a hundred events; the next word comes in the next window."""
    limit = BadEventLimit(0.05, 300.0, 100)

    said = [limit.add(100, 6, now) is not None for now in (0.0, 10.0, 299.0, 300.0, 301.0)]

    assert said == [True, False, False, True, False]


@pytest.mark.parametrize(("events", "bad"), [(99, 99), (100, 5), (10_000, 500)])
def test_few_events_or_a_usual_share_say_nothing(events: int, bad: int) -> None:
    """A handful of events proves nothing, and some are always bad."""
    assert BadEventLimit(0.05, 300.0, 100).add(events, bad, 0.0) is None


def test_what_is_older_than_the_window_is_forgotten() -> None:
    """A bad hour yesterday says nothing of now."""
    limit = BadEventLimit(0.05, 300.0, 100)
    limit.add(99, 99, 0.0)

    assert limit.add(99, 1, 300.0) is None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0, 200)), max_size=40))
def test_the_limit_counts_exactly_the_window(batches: list[tuple[int, int, float]]) -> None:
    """Against counting anew each time."""
    window, now, said = 300.0, 0.0, float("-inf")
    limit = BadEventLimit(0.1, window, 20)
    seen: list[tuple[float, int, int]] = []
    for good, bad, wait in batches:
        now += wait
        seen.append((now, good + bad, bad))
        inside = [(events, wrong) for at, events, wrong in seen if at > now - window]
        total, wrong = sum(events for events, _ in inside), sum(wrong for _, wrong in inside)
        expected = total >= 20 and wrong > 0.1 * total and now - said >= window
        said = now if expected else said

        assert (limit.add(good + bad, bad, now) is not None) == expected
