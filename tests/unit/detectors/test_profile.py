"""Profiles: what the inputs of a version look like, learned in bounded memory from whatever comes."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import State
from detectors.profile import (
    CELLS,
    COLUMNS,
    IDLE,
    ROWS,
    Column,
    Profile,
    ProfileBuilder,
    ProfileError,
    load_profile,
    output_of,
)
from detectors.reference import Reference, ReferenceBuilder

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([math.nan, math.inf, 1e308, 10**400, "x" * 1000, "", "nan"]),
    st.text(max_size=3),
)
features = st.one_of(st.none(), st.dictionaries(st.sampled_from(["a", "b", "c", "", "n" * 300]), values))
rows = st.lists(st.tuples(features, st.one_of(st.none(), st.floats(), st.text(max_size=3)), st.floats(0, 1e9)), max_size=40)
Row = tuple[Mapping[str, object] | None, float | str | None, float]


def learn(them: list[Row], builder: ProfileBuilder | None = None) -> ProfileBuilder:
    """A builder that took these rows."""
    builder = builder or ProfileBuilder()
    for row in them:
        builder.add(*row)
    return builder


def stored(state: State) -> Any:  # noqa: ANN401 - plain data is whatever it is
    """State as it comes back from a store."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state))


def numbers(n: int, name: str = "x", start: int = 0) -> list[Row]:
    """Rows whose number is their index, one a second."""
    return [({name: float(i)}, 0.5, float(i)) for i in range(start, start + n)]


@given(rows.filter(bool))
def test_nothing_that_comes_kills_it(them: list[Row]) -> None:
    """Whatever the rows hold, a profile comes out that is plain data, and each column was looked for in every row."""
    profile = learn(them).build()

    assert profile.rows == len(them)
    assert set(profile.columns) <= {"a", "b", "c", ""}
    assert [column.rows for column in profile.columns.values()] == [len(them)] * len(profile.columns)
    assert Profile.from_state(json.loads(json.dumps(profile.to_state(), allow_nan=False))) == profile
    assert Profile.from_state(stored(profile.to_state())).digest == profile.digest


@given(rows, rows)
def test_it_goes_on_where_it_was_saved(before: list[Row], after: list[Row]) -> None:
    """A restart anywhere changes nothing."""
    through = learn(before + after)
    saved = ProfileBuilder.from_state(stored(learn(before).to_state()))

    assert learn(after, saved).to_state() == through.to_state()


@pytest.mark.parametrize("cut", [1, IDLE, 4_999, 5_000, 5_001, 7_500, 11_111])
def test_it_goes_on_where_it_was_saved_in_the_midst_of_thinning(cut: int) -> None:
    """Also while rows are being thinned."""
    them = numbers(12_000)
    saved = ProfileBuilder.from_state(json.loads(json.dumps(learn(them[:cut]).to_state())))

    assert learn(them[cut:], saved).to_state() == learn(them).to_state()


def test_few_rows_are_all_kept() -> None:
    """Below the bound nothing is thinned: the profile is that of the rows."""
    profile = learn(numbers(2000)).build()

    assert profile.columns["x"] == Column.learn([float(i) for i in range(2000)])
    assert (profile.rows, profile.since, profile.until) == (2000, 0.0, 1999.0)
    assert profile.output == Column.learn([0.5] * 2000)


@pytest.mark.parametrize("n", [5_000, 12_345, 100_000])
def test_many_rows_are_thinned_evenly(n: int) -> None:
    """One row of each stretch of equal length: half the bound at least is kept, and each tenth of the time has its tenth."""
    builder = learn(numbers(n))
    kept = [value for value in builder.to_state()["columns"][0][2] if isinstance(value, float)]
    stretch = builder.to_state()["stretch"]

    assert ROWS // 2 <= builder.kept <= ROWS
    assert len(kept) == builder.kept
    assert [int(value) // stretch for value in kept] == list(range(len(kept)))
    assert builder.build().rows == n


def test_producers_that_take_turns_keep_their_shares() -> None:
    """Rows of two producers in turn: every second row would all be from one of them."""
    them: list[Row] = [({"producer": "even" if i % 2 == 0 else "odd"}, None, 0.0) for i in range(80_000)]
    column = learn(them).build().columns["producer"]
    share = column.counts[column.categories.index("odd")] / column.rows

    # Four standard errors of a share of independent rows; the rows are deterministic, so this is a bound and no chance.
    assert abs(share - 0.5) < 4 * math.sqrt(0.25 / column.rows)


def test_a_hundred_thousand_categories_do_not_grow_it() -> None:
    """An id among the features: fifty categories in the profile, and a state no larger than that of any other text."""
    them: list[Row] = [({"id": f"user-{i:06}"}, None, 0.0) for i in range(100_000)]
    builder = learn(them)
    column = builder.build().columns["id"]

    assert (len(column.categories), sum(column.counts)) == (50, column.rows)
    assert len(msgspec.msgpack.encode(builder.to_state())) < 100_000


def test_ten_thousand_columns_do_not_grow_it() -> None:
    """Five hundred have a place, the rest is counted; wide rows leave room for fewer of them."""
    wide = {f"c{i}": float(i) for i in range(10_000)}
    builder = learn([(wide, None, 0.0)] * 2_000)

    assert len(builder.build().columns) == COLUMNS
    assert builder.kept <= CELLS // COLUMNS
    assert sum(len(cells) for _, _, cells in builder.to_state()["columns"]) <= CELLS
    assert builder.ignored > 0


def test_long_texts_do_not_grow_it() -> None:
    """Texts and names of any length: 64 characters of a text, and no column for a name beyond 256."""
    them: list[Row] = [({"text": f"{i}" * 10_000, "n" * 1000: 1.0}, "y" * 10_000, 0.0) for i in range(300)]
    builder = learn(them)

    assert list(builder.build().columns) == ["text"]
    assert sys.getsizeof(json.dumps(builder.to_state())) < 300 * 2 * 90


def test_columns_that_came_once_give_way() -> None:
    """One rubbish row with too many names must not keep the real columns out for ever, nor make them look missing."""
    rubbish = {f"c{i}": 1.0 for i in range(COLUMNS)}
    profile = learn([(rubbish, None, 0.0), *numbers(3_000)]).build()
    column = profile.columns["x"]

    assert (column.missing, column.rows > 500) == (0, True)


def test_a_feature_that_appears_was_missing_before() -> None:
    """It was looked for all the time; one that vanishes is missing from then on."""
    them: list[Row] = [({"old" if i < 300 else "new": 1.0}, None, 0.0) for i in range(400)]
    columns = learn(them).build().columns

    assert (columns["old"].missing, columns["new"].missing) == (100, 300)


def test_columns_without_a_single_value_are_no_columns() -> None:
    """Nothing is known of what was always missing, or never finite."""
    assert learn([({"a": None, "b": math.nan}, None, 0.0)]).build().columns == {}


def test_the_kind_that_the_owner_says() -> None:
    """Codes that are declared to be a category are one, also after a restart."""
    builder = learn([({"code": i % 3, "x": 1.0}, None, 0.0) for i in range(30)], ProfileBuilder({"code": "category"}))
    columns = ProfileBuilder.from_state(stored(builder.to_state())).build().columns

    assert (columns["code"].kind, columns["code"].categories) == ("category", ("0", "1", "2"))
    assert columns["x"].kind == "number"


def test_ready() -> None:
    """Enough rows, and enough time."""
    builder = learn(numbers(100))

    assert [builder.ready(100, 0.0), builder.ready(100, 99.0), builder.ready(101, 0.0), builder.ready(100, 100.0)] == [
        True,
        True,
        False,
        False,
    ]
    assert not ProfileBuilder().ready(0, 0.0)


def test_no_profile_of_nothing() -> None:
    """Of no rows there is no profile, and a time that is none is no time."""
    with pytest.raises(ValueError, match="at least one row"):
        ProfileBuilder().build()
    assert learn([({"a": 1}, None, math.nan)]).build().since == 0.0


@pytest.mark.parametrize(
    ("task", "prediction", "score", "scores", "output"),
    [
        ("binary", "1", 0.3, None, 0.3),
        ("binary", "1", None, {"1": 0.7, "0": 0.3}, 0.7),
        ("binary", "1", None, None, "1"),
        ("multiclass", "cat", 0.9, {"cat": 0.9}, "cat"),
        ("regression", "12.5", 0.9, None, 12.5),
        ("regression", "much", None, None, None),
    ],
)
def test_the_output_of_a_prediction(
    task: str, prediction: str, score: float | None, scores: dict[str, float] | None, output: float | str | None
) -> None:
    """The score of a binary model, the number of a regression, else the class."""
    assert output_of(task, "1" if task == "binary" else None, prediction, score, scores) == output


# --- losses and files


def sampled(delay: float) -> ReferenceBuilder:
    """A few losses."""
    builder = ReferenceBuilder()
    for i in range(100):
        builder.add(float(i % 10 == 0), delay, float(i))
    return builder


def profile_with(loss: Reference | None, *, timed: bool = True) -> Profile:
    """A profile of a few rows."""
    return replace(learn(numbers(20)).build(), loss=loss, timed=timed)


def test_losses_with_delays_are_a_reference() -> None:
    """What was recorded tells how late labels are: the reference is taken as it is."""
    reference = sampled(60.0).build()
    profile = Profile.from_state(stored(profile_with(reference).to_state()))

    assert profile.loss == reference
    assert profile.reference(1.0, 1.0) == reference


def test_losses_without_delays_take_them_from_the_caller() -> None:
    """A training file does not know how late labels will be."""
    learned = sampled(0.0).build()
    profile = Profile.from_state(stored(profile_with(learned, timed=False).to_state()))

    assert profile.reference(3600.0, 0.5) == replace(learned, delay=3600.0, coverage=0.5)
    assert profile_with(None).reference(1.0, 1.0) is None


def test_a_file_holds_a_profile(tmp_path: Path) -> None:
    """What is written as JSON is read again."""
    profile = profile_with(sampled(1.0).build())
    (tmp_path / "p.json").write_text(json.dumps(profile.to_state()), encoding="utf-8")

    assert load_profile(tmp_path / "p.json") == profile


def test_the_digest_says_which_profile_it_is() -> None:
    """12 hex digits, equal for equal profiles."""
    one, other = profile_with(None), profile_with(sampled(1.0).build())

    assert (len(one.digest), one.digest == profile_with(None).digest, one.digest == other.digest) == (12, True, False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "truncated"),
        ("[]", "Expected `object`"),
        ("{}", "has version None"),
        ('{"v": 2}', "has version 2"),
        ('{"v": 1}', "missing required field"),
        ('{"v": 1, "rows": NaN}', "malformed"),
        ("\xff", "malformed"),
        ("[" * 100_000, "maximum recursion|malformed|truncated|Expected `object`"),
    ],
)
def test_a_file_that_is_no_profile_is_told_in_a_sentence(tmp_path: Path, text: str, reason: str) -> None:
    """The file, and what is wrong with it."""
    path = tmp_path / "p.json"
    path.write_text(text, encoding="latin-1")

    with pytest.raises(ProfileError, match=reason) as told:
        load_profile(path)
    assert str(told.value).startswith(f"{path} is no profile that this release reads: ")


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("rows",), "many", "Expected `int`, got `str` - at `\\$.rows`"),
        (("columns", "x", "counts"), [1], "counts"),
        (("columns", "x", "kind"), "text", "Invalid enum value"),
        (("loss", "mean"), 2.0, "coverage in"),
        (("loss", "mean"), "low", "Expected `float`, got `str` - at `\\$.mean`"),
        (("loss", "tau"), 0.5, "at least 1"),
        (("loss", "bound"), 0.01, "a bound from its mean"),
        (("loss", "v"), 99, "version 99"),
        (("loss",), {"v": 2}, "the loss has no 'n'"),
        (("timed",), "no", "Expected `bool`"),
    ],
)
def test_a_file_that_was_changed_by_hand_is_told_where(
    tmp_path: Path, place: tuple[str, ...], value: object, reason: str
) -> None:
    """The path of what is wrong is in the sentence."""
    state = profile_with(sampled(1.0).build()).to_state()
    inner = state
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "p.json").write_text(json.dumps(state), encoding="utf-8")

    with pytest.raises(ProfileError, match=reason):
        load_profile(tmp_path / "p.json")


def test_a_file_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Its name, and the system's reason."""
    with pytest.raises(ProfileError, match=r"none\.json cannot be read: No such file or directory"):
        load_profile(tmp_path / "none.json")
