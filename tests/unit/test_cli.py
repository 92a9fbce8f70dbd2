"""The command line: what it answers, on which stream, and with which exit code."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon import __version__, cli
from daemon.__main__ import main
from daemon.commands.moments import moment
from daemon.commands.run import refuse_second_owner
from daemon.errors import BUG, CANNOT_START, NO, OK, USAGE, CannotStart
from tests.scenarios.streams import Arm, Phase, judged, story

GUARDRAIL = """\
guardrails: v1
model: loan-approval
version: 1
owner: team-credit
runbook: https://wiki.example/loan-approval
task: binary
positive: "1"
labels: {expected_within: 30m, give_up_after: 1d}
reference: {events: 1000}
respond: {rollback: {with: kafka}}
"""
STREAM = story(Phase(2_500, (Arm("7", 0.10),)), Phase(500, (Arm("8", 0.40),)))


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Help that is not wrapped in the middle of a word that a test looks for."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")


@pytest.fixture
def guardrail(tmp_path: Path) -> Path:
    """A good guardrail file."""
    path = tmp_path / "loan.yaml"
    path.write_text(GUARDRAIL)
    return path


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Events with one bad deployment."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(STREAM.lines()) + b"\n")
    return path


def backtest(guardrail: Path, *events: Path) -> list[str]:
    """Give the arguments of a backtest."""
    return ["backtest", "--guardrails", str(guardrail), *(word for path in events for word in ("--events", str(path)))]


# --- the program


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard output, and nothing else."""
    assert main(["--version"]) == OK
    assert capsys.readouterr() == (f"watchkeeper {__version__}\n", "")


@pytest.mark.parametrize("command", [command.callback.__name__ for command in cli.app.registered_commands if command.callback])
def test_every_command_explains_itself_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` exits 0."""
    assert main([command, "--help"]) == OK
    assert f"Example: watchkeeper {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["bactest"],
        ["--nonsense"],
        ["check"],
        ["check", "--nonsense", "x"],
        ["backtest"],
        ["backtest", "--guardrails", "x"],
        ["backtest", "--guardrails", "x", "--events", "y", "--fail-on", "never"],
        ["backtest", "--guardrails", "x", "--events", "y", "--until", "tomorrow"],
        ["record"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_is_wrong_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, said on standard error."""
    assert main(arguments) == USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: watchkeeper" in err


def ends_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """Let a command end with an exception; gives the exit code."""

    def raise_it(paths: list[Path]) -> int:
        raise error

    monkeypatch.setattr("daemon.commands.check.check", raise_it)
    return main(["check", "x"])


def test_an_error_with_a_sentence_is_that_sentence_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback: nothing is wrong with the program."""
    assert ends_with(monkeypatch, CannotStart("there is no broker; start it")) == CANNOT_START
    assert capsys.readouterr() == ("", "there is no broker; start it\n")


def test_a_bug_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With its traceback in the log, and its own exit code."""
    assert ends_with(monkeypatch, ZeroDivisionError("division by zero")) == BUG
    log, sentence = capsys.readouterr().err.splitlines()
    assert json.loads(log)["event"] == "bug"
    assert "Traceback" in json.loads(log)["exception"]
    assert sentence.startswith("watchkeeper has a bug (ZeroDivisionError: division by zero)")


def test_an_interrupt_is_what_the_shell_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    """130 is 128 and SIGINT."""
    assert ends_with(monkeypatch, KeyboardInterrupt()) == 130


# --- run


@pytest.mark.parametrize(
    "owners",
    [{}, {"daemon": ["watchkeeper"], "detectors": ["watchkeeper"], "alerting": ["Watchkeeper"], "numpy": ["numpy"]}],
    ids=["editable", "wheel"],
)
def test_our_packages_may_be_ours(owners: dict[str, list[str]]) -> None:
    """An editable install is not in the list at all."""
    refuse_second_owner(owners)


def test_a_second_owner_of_a_package_is_named() -> None:
    """python-daemon, say: what was installed last has overwritten the other."""
    with pytest.raises(CannotStart, match=r"^python-daemon installed a package named daemon over watchkeeper's own; install"):
        refuse_second_owner({"daemon": ["watchkeeper", "python-daemon"]})


# --- check


def test_good_files_are_named_with_version_and_digest(guardrail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, whether named themselves or by their directory."""
    assert main(["check", str(guardrail), str(guardrail.parent)]) == OK
    out, err = capsys.readouterr()
    first, second = out.splitlines()
    assert first.startswith(f"{guardrail}: loan-approval version 1, ")
    assert (first, err) == (second, "")


def test_what_has_no_effect_is_noted(guardrail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below the file's line; the file is good all the same."""
    guardrail.write_text(GUARDRAIL.replace("{events: 1000}", "{events: 1000, profile: loan.json}"))
    assert main(["check", str(guardrail)]) == OK
    assert capsys.readouterr().out.splitlines()[1].startswith("  note: reference.profile: there is no file loan.json")


def test_every_problem_is_listed_with_its_place(guardrail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of all files; good ones among them are still said to be good."""
    bad = guardrail.with_name("bad.yaml")
    bad.write_text(GUARDRAIL.replace("version: 1", "version: one").replace("owner", "ower"))
    assert main(["check", str(bad), str(guardrail)]) == NO
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert [line.split(": ")[0:2] for line in err.splitlines()] == [
        [f"{bad}:1:1", "owner"],
        [f"{bad}:3:10", "version"],
        [f"{bad}:4:1", "ower"],
    ]


@pytest.mark.parametrize("name", ["nothing.yaml", "empty"])
def test_nothing_to_check_is_a_problem(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path that was mistyped, and a directory without guardrail files, must not pass."""
    (tmp_path / "empty").mkdir()
    assert main(["check", str(tmp_path / name)]) == NO
    assert capsys.readouterr().err.startswith(f"{tmp_path / name}:1:1: ")


# --- backtest


def test_the_document_alone_is_on_standard_output(guardrail: Path, events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is that of the library; exit code 0 whatever was found."""
    assert main([*backtest(guardrail, events), "--json"]) == OK
    out, err = capsys.readouterr()
    assert {**json.loads(out), "guardrails": None} == {**judged(STREAM.lines()), "guardrails": None}
    assert err == ""


def test_files_are_one_stream_compressed_or_not(guardrail: Path, events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order in which they are given."""
    main([*backtest(guardrail, events), "--json"])
    whole = capsys.readouterr().out
    lines = STREAM.lines()
    first, second = events.with_name("first.jsonl.gz"), events.with_name("second.jsonl")
    first.write_bytes(gzip.compress(b"\n".join(lines[:2_700])))
    second.write_bytes(b"\n".join(lines[2_700:]))
    main([*backtest(guardrail, first, second), "--json"])
    assert capsys.readouterr().out == whole


def test_without_json_there_is_something_to_read(guardrail: Path, events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was read, what was found, what would be done about it, and how the time was spent."""
    events.write_bytes(events.read_bytes() + b"nonsense\n")
    assert main(backtest(guardrail, events)) == OK
    out, err = capsys.readouterr()
    for words in (
        "3,000 predictions, 3,000 labels, 0 outcomes",
        "not_json 1",
        "1 incident",
        "page new_version version 8",
        "rollback to version 7",
        "page to log",
        "harm begins at",
        "breach",
    ):
        assert words in out
    assert err == ""


@pytest.mark.parametrize(("severity", "code"), [("page", NO), ("ticket", NO), ("log", NO)])
def test_fail_on_takes_that_severity_or_a_higher_one(severity: str, code: int, guardrail: Path, events: Path) -> None:
    """The events hold a page."""
    assert main([*backtest(guardrail, events), "--json", "--fail-on", severity]) == code


def test_fail_on_lets_lower_severities_pass(guardrail: Path, events: Path) -> None:
    """A ticket is no page."""
    guardrail.write_text(GUARDRAIL + "rules: [{rule: harm, severity: ticket}, {rule: version, severity: ticket}]\n")
    assert main([*backtest(guardrail, events), "--fail-on", "page"]) == OK
    assert main([*backtest(guardrail, events), "--fail-on", "ticket"]) == NO


def test_until_lets_the_clock_go_on(guardrail: Path, events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After the last event."""
    main([*backtest(guardrail, events), "--json", "--until", "2026-05-09T00:00:00Z"])
    assert json.loads(capsys.readouterr().out)["to"] == "2026-05-09T00:00:00.000Z"


def damaged(path: Path) -> None:
    """Write a file that is compressed only by its name."""
    path.write_bytes(b"{}\n")


def cut(path: Path) -> None:
    """Write a compressed file that ends too soon."""
    path.write_bytes(gzip.compress(b"{}\n" * 10_000)[:-20])


def absent(path: Path) -> None:
    """Write nothing."""


@pytest.mark.parametrize("make", [damaged, cut, absent])
def test_events_that_cannot_be_read_are_one_sentence(
    make: Callable[[Path], None], guardrail: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file's name; no half a report."""
    path = tmp_path / "events.jsonl.gz"
    make(path)
    assert main([*backtest(guardrail, path), "--json"]) == CANNOT_START
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"the events file {path} cannot be read: ")
    assert len(err.splitlines()) == 1


def test_a_bad_guardrail_file_is_told_before_any_event_is_read(
    tmp_path: Path, events: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `check` tells it."""
    assert main(backtest(tmp_path / "none.yaml", events)) == NO
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'none.yaml'}:1:1: ")


# --- times


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-05-01T12:00:00Z", 1_777_636_800.0),
        ("2026-05-01T14:00:00+02:00", 1_777_636_800.0),
        ("1777636800", 1_777_636_800.0),
        ("1777636800.5", 1_777_636_800.5),
        ("90s", 1_777_636_710.0),
        ("1.5h", 1_777_631_400.0),
        ("2d", 1_777_464_000.0),
        ("100000d", 0.0),
    ],
)
def test_times_are_moments_or_how_long_ago(text: str, seconds: float) -> None:
    """RFC 3339, epoch seconds, or a duration before now."""
    assert moment(text, now=1_777_636_800.0) == seconds


@pytest.mark.parametrize("text", ["tomorrow", "", "2026-05-01T12:00:00", "1777636800000", "5 parsecs", "-1h", "nan"])
def test_what_is_no_time_is_a_sentence(text: str) -> None:
    """That says what can be written."""
    with pytest.raises(ValueError, match="how long ago"):
        moment(text, now=0.0)


def test_the_page_about_the_command_line_has_every_command() -> None:
    """And no command that is not there."""
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    written = {row.split()[2] for row in page.splitlines() if row.startswith("| `watchkeeper ")}

    assert written == {command.callback.__name__ for command in cli.app.registered_commands if command.callback}
