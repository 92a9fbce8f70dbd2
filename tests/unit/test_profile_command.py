"""The command `profile`: from recorded events or from a table to a file that a guardrail file can name."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.__main__ import main
from daemon.errors import CANNOT_START, NO, OK, USAGE
from detectors.profile import Profile, load_profile

GUARDRAIL = """\
guardrails: v1
model: loan
version: 1
owner: team-credit
runbook: https://wiki.example/loan
task: binary
positive: "1"
labels: {expected_within: 1h, give_up_after: 1d}
reference: {events: 100}
"""
START = 1_777_636_800.0


@pytest.fixture
def guardrail(tmp_path: Path) -> Path:
    """A good guardrail file."""
    path = tmp_path / "loan.yaml"
    path.write_text(GUARDRAIL)
    return path


def written(path: Path, text: str) -> Path:
    """A file with this text."""
    path.write_text(text, encoding="utf-8")
    return path


def run(guardrail: Path, *events: Path | str, more: tuple[str, ...] = ()) -> int:
    """Make a profile in `p.json` beside the guardrail file; gives the exit code."""
    files = [word for path in events for word in ("--events", str(path))]
    return main(["profile", "--guardrails", str(guardrail), *files, "--output", str(guardrail.parent / "p.json"), *more])


def made(guardrail: Path) -> Profile:
    """What was made."""
    return load_profile(guardrail.parent / "p.json")


def event(i: int, **more: object) -> dict[str, Any]:
    """A prediction, one every ten seconds."""
    features = {"age": 20.0 + i % 50, "region": "north" if i % 3 else "south", "late": None if i % 4 else 1}
    said = {"type": "prediction", "at": START + 10 * i, "id": f"p{i}", "model": "loan", "version": "7", "prediction": str(i % 2)}
    return {**said, "score": (i % 10) / 10, "features": features, **more}


def label(i: int, delay: float, **more: object) -> dict[str, Any]:
    """The label of a prediction: wrong for each tenth."""
    truth = str(i % 2 if i % 10 else 1 - i % 2)
    return {"type": "label", "at": START + 10 * i + delay, "id": f"p{i}", "model": "loan", "label": truth, **more}


def stream(n: int, delay: float | None = 60.0) -> Iterator[dict[str, Any]]:
    """Predictions and their labels in the order of arrival; no delay: no labels."""
    both = [event(i) for i in range(n)] + ([] if delay is None else [label(i, delay) for i in range(n)])
    return iter(sorted(both, key=lambda one: float(one["at"])))


def lines(events: Iterator[dict[str, Any]]) -> str:
    """JSON lines."""
    return "".join(json.dumps(one) + "\n" for one in events)


# --- recorded events


def test_recorded_events_make_a_profile(guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns, scores, and losses with their delays; one line says so on standard error, and standard output stays empty."""
    events = written(tmp_path / "e.jsonl", lines(stream(2000)))

    assert run(guardrail, events) == OK
    profile = made(guardrail)
    assert {name: (column.kind, column.missing) for name, column in profile.columns.items()} == {
        "age": ("number", 0),
        "late": ("number", 1500),
        "region": ("category", 0),
    }
    assert profile.output is not None
    assert profile.output.kind == "number"
    assert (profile.rows, profile.since, profile.until) == (2000, START, START + 19_990)
    assert profile.loss is not None
    # Of 2000 predictions those of the last hour are too young to count.
    assert (profile.timed, profile.loss.n, profile.loss.delay, profile.loss.coverage) == (True, 1645, 60.0, 1.0)
    assert profile.loss.mean == pytest.approx(0.1, abs=1e-3)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(
        f"{tmp_path}/p.json: profile {profile.digest} of 2,000 rows, columns: 2 numbers, 1 categories; mean loss 0.1003 of 1,645"
    )


def test_the_same_events_give_the_same_bytes(guardrail: Path, tmp_path: Path) -> None:
    """Compressed or not, in one file or in two."""
    text = lines(stream(300))
    whole = written(tmp_path / "e.jsonl", text)
    half = text.index("\n", len(text) // 2) + 1
    (tmp_path / "1.jsonl.gz").write_bytes(gzip.compress(text[:half].encode()))
    rest = written(tmp_path / "2.jsonl", text[half:])

    assert run(guardrail, whole) == OK
    once = (tmp_path / "p.json").read_bytes()
    assert run(guardrail, tmp_path / "1.jsonl.gz", rest) == OK
    assert (tmp_path / "p.json").read_bytes() == once


def test_a_profile_is_shown_where_no_file_is_named(guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard output, one line a column, and `.gz` on request."""
    events = written(tmp_path / "e.jsonl", lines(stream(300)))

    assert main(["profile", "--guardrails", str(guardrail), "--events", str(events)]) == OK
    out = capsys.readouterr().out
    assert sum(line.startswith('  "') for line in out.splitlines()) == 3
    assert main(["profile", "--guardrails", str(guardrail), "--events", str(events), "--output", str(tmp_path / "p.gz")]) == OK
    assert Profile.from_state(json.loads(out)) == load_profile(tmp_path / "p.gz")


def test_events_without_labels_make_a_profile_without_losses(
    guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it is said what that means."""
    assert run(guardrail, written(tmp_path / "e.jsonl", lines(stream(1000, None)))) == OK
    assert made(guardrail).loss is None
    assert "note: there are no losses in it: what is normal of those will be learned from live traffic" in capsys.readouterr().err


def test_labels_put_beside_the_predictions_tell_no_delay(guardrail: Path, tmp_path: Path) -> None:
    """A delay of nothing was made up afterwards; the daemon takes what the guardrail file expects."""
    assert run(guardrail, written(tmp_path / "e.jsonl", lines(stream(1000, 0.0)))) == OK
    profile = made(guardrail)

    assert profile.loss is not None
    assert not profile.timed
    assert profile.loss.mean == pytest.approx(0.1, abs=0.01)


def test_events_that_are_all_young_tell_losses_and_no_delay(guardrail: Path, tmp_path: Path) -> None:
    """A short file: what is not labelled yet is not counted as unlabelled."""
    assert run(guardrail, written(tmp_path / "e.jsonl", lines(stream(200)))) == OK
    profile = made(guardrail)

    assert profile.loss is not None
    assert (profile.timed, profile.loss.n, profile.loss.coverage) == (False, 200, 1.0)


def test_a_profile_is_of_one_version(guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two versions one has to be named."""
    both = [event(i, version="7" if i < 100 else "8") for i in range(150)]
    events = written(tmp_path / "e.jsonl", lines(iter(both)))

    assert run(guardrail, events) == CANNOT_START
    assert capsys.readouterr().err == (
        "the events hold predictions of more than one version of loan (7 and 8); a profile is of one: name it with --version\n"
    )
    assert run(guardrail, events, more=("--version", "8")) == OK
    assert made(guardrail).rows == 50
    assert run(guardrail, events, more=("--version", "9")) == CANNOT_START
    assert "no prediction of loan, version 9; there are 150 events of other models or versions" in capsys.readouterr().err


def test_what_is_left_out_is_counted(guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad lines, other models, and features that were named as none."""
    bad = ["{", json.dumps({"type": "prediction", "id": "x"}), json.dumps(event(3, model="other")), json.dumps(event(0)).strip()]
    events = written(tmp_path / "e.jsonl", lines(stream(50)) + "\n".join(bad) + "\n")

    assert run(guardrail, events, more=("--leave-out", "late")) == OK
    assert list(made(guardrail).columns) == ["age", "region"]
    assert made(guardrail).rows == 50
    assert (
        "note: left out: 1 events of other models or versions, 1 lines refused as missing_field, 1 lines refused as not_json"
        in capsys.readouterr().err
    )


# --- tables


def table(n: int, header: str = "id,age,region,score,prediction,label") -> str:
    """A table; each tenth prediction is wrong."""
    rows = [
        f"k{i},{20 + i % 50},{'north' if i % 3 else 'south'},0.{i % 10},{i % 2},{i % 2 if i % 10 else 1 - i % 2}"
        for i in range(n)
    ]
    return "\n".join([header, *rows]) + "\n"


def test_a_table_makes_a_profile(guardrail: Path, tmp_path: Path) -> None:
    """The columns that are not named otherwise are features; nothing is known of time, and the losses are there."""
    assert run(guardrail, written(tmp_path / "t.csv", table(2000))) == OK
    profile = made(guardrail)

    assert {name: column.kind for name, column in profile.columns.items()} == {"age": "number", "region": "category"}
    assert profile.output is not None
    assert (profile.output.kind, profile.rows, profile.since) == ("number", 2000, 0.0)
    assert profile.loss is not None
    assert (profile.timed, profile.loss.n, profile.loss.mean, profile.loss.tau) == (False, 2000, 0.1, 1.0)
    reference = profile.reference(3600.0, 0.5)
    assert reference is not None
    assert (reference.delay, reference.coverage, reference.upper(0.99)) == (3600.0, 0.5, profile.loss.upper(0.99))


def test_a_table_as_spreadsheets_write_it(guardrail: Path, tmp_path: Path) -> None:
    """With a mark at the beginning, semicolons, quotes, Windows' line ends, an unnamed index, and gzip on top."""
    text = "\ufeff" + table(200).replace("id,", '"",', 1).replace(",", ";").replace("north", '"nor;th\nwest"').replace(
        "\n", "\r\n"
    )
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))

    assert run(guardrail, tmp_path / "t.csv.gz") == OK
    assert list(made(guardrail).columns) == ["age", "region"]
    assert made(guardrail).columns["region"].categories == ("nor;th\r\nwest", "south")


def test_the_order_of_a_table_does_not_make_the_losses_dependent(guardrail: Path, tmp_path: Path) -> None:
    """A file that is sorted by class has all its errors together."""
    rows = [f"{i % 50},1,{0 if i < 100 else 1}" for i in range(1000)]

    assert run(guardrail, written(tmp_path / "t.csv", "\n".join(["age,prediction,label", *rows]))) == OK
    loss = made(guardrail).loss
    assert loss is not None
    assert (loss.mean, loss.block, loss.upper(0.99) < 0.13) == (0.1, 1, True)


def test_columns_have_the_names_that_are_said(guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is said has to be there; the usual ones need not."""
    path = written(tmp_path / "t.csv", table(200, "key,age,region,p,said,truth"))
    names = ("--score", "p", "--prediction", "said", "--label", "truth", "--leave-out", "key")

    assert run(guardrail, path, more=names) == OK
    assert list(made(guardrail).columns) == ["age", "region"]
    assert made(guardrail).loss is not None
    assert run(guardrail, path, more=("--label", "outcome")) == CANNOT_START
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"the table {path} has no column outcome, which --label names; it has key, age, region, p, said, truth"
    )
    assert run(guardrail, path) == OK
    assert (list(made(guardrail).columns), made(guardrail).loss) == (["age", "key", "p", "region", "said", "truth"], None)


def test_a_loss_needs_what_it_is_made_of(guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels without predictions give no error rate, and no loss is made up."""
    assert run(guardrail, written(tmp_path / "t.csv", "age,score,label\n30,0.5,1\n40,0.2,0\n")) == OK
    assert made(guardrail).loss is None
    assert "note: 2 labels gave no loss error, which needs a column of predictions (--prediction)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "text", "mean"),
    [
        ('task: binary\npositive: "1"\nloss: brier', "x,score,label\n1,0.5,1\n2,0.5,0\n3,,1\n4,0.5,\n", 0.25),
        ("task: regression\nloss_bound: 10", "x,prediction,label\n1,5,10\n2,1e1,10.0\n3,much,1\n", 0.25),
        ("task: multiclass", "x,prediction,label\n1,cat,cat\n2,dog,cat\n3,True,true\n4,1.0,1\n", 0.25),
    ],
)
def test_every_task_has_losses(guardrail: Path, tmp_path: Path, settings: str, text: str, mean: float) -> None:
    """As the guardrail file counts them; what cannot be computed is passed over."""
    guardrail.write_text(GUARDRAIL.replace('task: binary\npositive: "1"', settings))

    assert run(guardrail, written(tmp_path / "t.csv", text)) == OK
    profile = made(guardrail)
    assert profile.loss is not None
    assert profile.loss.mean == pytest.approx(mean)
    assert list(profile.columns) == ["x"]


def test_what_the_guardrail_file_says_of_a_column_counts(
    guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Codes are categories where it says so, NA is a region, and a feature that is not in the table is named."""
    features = "features: {code: {type: category}, region: {type: category}, income: {type: number}}\n"
    guardrail.write_text(GUARDRAIL + features)

    assert run(guardrail, written(tmp_path / "t.csv", "code,region\n1,NA\n2.0,EU\n2,NA\n,\n")) == OK
    columns = made(guardrail).columns
    assert (columns["code"].categories, columns["code"].missing) == (("2", "1"), 1)
    assert columns["region"].categories == ("NA", "EU")
    assert "note: the guardrail file has features that were not found here: income" in capsys.readouterr().err


def test_odd_columns_are_named(guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An id that would be taken for a feature, and a column of numbers and texts."""
    rows = [f"u{i},{i if i % 2 else 'x'}" for i in range(200)]

    assert run(guardrail, written(tmp_path / "t.csv", "\n".join(["user,zip", *rows]))) == OK
    said = capsys.readouterr().err
    assert "note: most texts of user are rare: if it is an id or a time, leave it out with --leave-out" in said
    assert "note: numbers and texts are mixed in zip: say the type under `features`" in said


def test_rows_of_another_length_are_counted(guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are left out; a table of nothing else is none."""
    assert run(guardrail, written(tmp_path / "t.csv", "a,b\n1,2\n1\n1,2,3\n3,4\n")) == OK
    assert made(guardrail).rows == 2
    assert "note: left out: 2 rows with another number of cells than the first line" in capsys.readouterr().err
    assert run(guardrail, written(tmp_path / "t.csv", "a,b\n1\n")) == CANNOT_START
    assert capsys.readouterr().err == "the table has no row; 1 rows have another number of cells than the first line\n"


def test_a_large_table_is_sampled_over_its_whole_length(guardrail: Path, tmp_path: Path) -> None:
    """Sorted or not: the share of the last third is a third."""
    rows = [f"{'last' if i >= 20_000 else 'first'},{random.Random(i).random():.3f}" for i in range(30_000)]

    assert run(guardrail, written(tmp_path / "t.csv", "\n".join(["part,x", *rows]))) == OK
    column = made(guardrail).columns["part"]
    assert (column.categories, made(guardrail).rows) == (("first", "last"), 30_000)
    assert column.counts[1] / column.rows == pytest.approx(1 / 3, abs=1e-3)


# --- what cannot be


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"\n \n", "is empty"),
        ("t.csv", b"a,b\n", "the table has no row"),
        ("t.csv", b"1,2\n3,4\n", "has to name the columns"),
        ("t.csv", b"a,b,a\n1,2,3\n", "has two columns called a"),
        ("t.csv", b"a,b\n1,\xff\n", "is not UTF-8 (line 2)"),
        ("t.csv", b'a,b\n1,2\n"' + b"x" * 200_000 + b'",1\n', "cannot be read after row 1: field larger than field limit"),
        ("t.json", b"[\n{}\n]\n", "is one JSON array; write one object a line"),
        ("t.csv.gz", b"a,b\n1,2\n", "cannot be read: Not a gzipped file"),
        (
            "e.jsonl",
            b"{}\n{\n",
            "hold no prediction of loan; there are 1 lines refused as missing_field, 1 lines refused as not_json",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(
    guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, reason: str
) -> None:
    """Exit code 3, and no file that is half of one."""
    path = tmp_path / name
    path.write_bytes(content)

    assert run(guardrail, path) == CANNOT_START
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(["loan.yaml", name])


def test_exit_codes(guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad guardrail file is an answer, a missing file is none, and a wrong command line is a third thing."""
    path = written(tmp_path / "t.csv", table(20))
    bad = written(tmp_path / "bad.yaml", "guardrails: v1\n")

    assert run(bad, path) == NO
    assert run(guardrail, tmp_path / "none.csv") == CANNOT_START
    assert main(["profile", "--events", str(path)]) == USAGE
    assert run(guardrail, path, written(tmp_path / "e.jsonl", lines(stream(20)))) == CANNOT_START
    assert run(guardrail, path, more=("--version", "7")) == CANNOT_START
    assert (
        main(["profile", "--guardrails", str(guardrail), "--events", str(path), "--output", f"{tmp_path}/no/p.json"])
        == CANNOT_START
    )
    assert "cannot be written" in capsys.readouterr().err
