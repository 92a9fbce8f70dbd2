"""Guardrail files: every file in tests/guardrails is an assertion, by its name and by the comments in it."""

from __future__ import annotations

import hashlib
import json
import random
import re
import string
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from daemon.errors import NO, InvalidGuardrails, Problem
from daemon.guardrail_parts import DEFAULT_RULES, LOSSES
from daemon.guardrails import Guardrail, load, load_directory, notices
from detectors import performance
from detectors.profile import ProfileBuilder

ROOT: Final = Path(__file__).parents[2]
GOOD: Final = sorted((ROOT / "tests" / "guardrails" / "good").iterdir())
BAD: Final = sorted((ROOT / "tests" / "guardrails" / "bad").iterdir())
EXAMPLES: Final = sorted((ROOT / "deploy" / "guardrails").iterdir())

SMALLEST: Final[dict[str, Any]] = {
    "guardrails": "v1",
    "model": "loan-approval",
    "version": 1,
    "owner": "team-credit",
    "runbook": "https://wiki.example/loan-approval",
    "task": "binary",
    "positive": "1",
}
TEXT: Final = "\n".join(f"{key}: {value}" for key, value in SMALLEST.items()) + "\n"


def guardrail(**more: object) -> Guardrail:
    """Make the smallest guardrail, and more."""
    return Guardrail.model_validate({**SMALLEST, **more})


def written(directory: Path, text: str | bytes, name: str = "loan.yaml") -> Path:
    """Write a guardrail file."""
    path = directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(path: Path) -> list[str]:
    """Load a bad file and show its problems, without the path."""
    with pytest.raises(InvalidGuardrails) as raised:
        load(path)
    return [str(problem).removeprefix(f"{path}:") for problem in raised.value.problems]


# --- files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_says_what_its_comments_show(path: Path) -> None:
    """`# shows: key = value`: the key as an attribute, the value as Python shows it."""
    loaded = load(path)
    shown = re.findall(r"^# shows: (\S+) = (.*?)\r?$", path.read_text("utf-8"), re.MULTILINE)

    assert shown
    for key, value in shown:
        found: object = loaded
        for name in key.split("."):
            found = getattr(found, name)
        assert (key, str(found)) == (key, value)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_has_the_problems_that_its_comments_expect(path: Path) -> None:
    """`# expect: line:column: key: part of the sentence`, one for each problem and in their order; `-` is the whole file."""
    with pytest.raises(InvalidGuardrails) as raised:
        load(path)
    expected = re.findall(r"^# expect: (\d+):(\d+): (.+?): (.+)$", path.read_text("utf-8", errors="replace"), re.MULTILINE)
    found = [(str(p.line), str(p.column), p.key or "-", p.message) for p in raised.value.problems]

    assert [problem[:3] for problem in found] == [expectation[:3] for expectation in expected]
    assert [message for (*_, part), (*_, message) in zip(expected, found, strict=True) if part not in message] == []
    assert {problem.path for problem in raised.value.problems} == {str(path)}


def test_a_file_with_ten_errors_lists_ten_lines() -> None:
    """Nobody mends a file ten times; each line is path:line:column: key: what is wrong."""
    path = ROOT / "tests" / "guardrails" / "bad" / "ten-errors.yaml"
    with pytest.raises(InvalidGuardrails) as raised:
        load(path)
    lines = str(raised.value).splitlines()

    assert len(lines) == 10
    assert lines[-1] == f"{path}:14:5: respond.rollback.cooldwon: unknown key; did you mean cooldown?"
    assert raised.value.exit_code == NO


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_that_are_shipped_are_valid(path: Path) -> None:
    """They are what people copy."""
    assert load(path).model == path.stem


def test_a_missing_file_a_directory_and_a_huge_file_get_one_sentence_each(tmp_path: Path) -> None:
    """The file is never read beyond its limit."""
    huge = written(tmp_path, b"x" * 10_000_000)

    assert problems(tmp_path / "nowhere.yaml") == ["1:1: there is no such file"]
    assert problems(tmp_path) == ["1:1: this is a directory, not a file"]
    assert problems(huge) == ["1:1: the file is larger than 512 KiB"]


def test_duplicate_keys_are_told_although_the_file_ends_in_a_mistake(tmp_path: Path) -> None:
    """A mistake of syntax hides what comes after it, not what came before."""
    path = written(tmp_path, "model: a\nmodel: b\nsegments: {region\n")

    assert [line.split(": ")[0] for line in problems(path)] == ["2:1", "4:1"]


# --- directories ----------------------------------------------------------------------------------------------------------


def test_a_directory_is_loaded_by_model(tmp_path: Path) -> None:
    """Hidden files, folders (profiles, for example) and other files are passed over."""
    written(tmp_path, TEXT, "b.yaml")
    written(tmp_path, TEXT.replace("loan-approval", "fraud"), "a.yml")
    written(tmp_path, "not: {a", ".hidden.yaml")
    written(tmp_path, "not: {a", "notes.txt")
    (tmp_path / "profiles.yaml").mkdir()

    loaded = load_directory(tmp_path)

    assert list(loaded) == ["fraud", "loan-approval"]
    assert loaded["fraud"].path == tmp_path / "a.yml"


def test_two_files_for_one_model_are_a_problem_of_the_later_one(tmp_path: Path) -> None:
    """Else the order of a directory would decide what holds; and the problems of all files are told."""
    first = written(tmp_path, TEXT, "a.yaml")
    second = written(tmp_path, TEXT, "b.yaml")
    third = written(tmp_path, "", "c.yaml")

    with pytest.raises(InvalidGuardrails) as raised:
        load_directory(tmp_path)

    assert str(raised.value).splitlines() == [
        f"{second}:2:8: model: loan-approval has a guardrail file already, {first}; write one file a model",
        f"{third}:1:1: the file is empty",
    ]


def test_a_directory_that_is_not_there_or_is_a_file_is_a_problem(tmp_path: Path) -> None:
    """And one that is empty is not: there may be no model yet."""
    file = written(tmp_path, TEXT)

    for path, sentence in ((tmp_path / "nowhere", "there is no such directory"), (file, "this is a file, not a directory")):
        with pytest.raises(InvalidGuardrails, match=sentence):
            load_directory(path)
    file.unlink()
    assert load_directory(tmp_path) == {}


# --- the digest -----------------------------------------------------------------------------------------------------------


def test_the_digest_is_of_what_the_file_says() -> None:
    """Spelled out: a change of the canonical form would make every deployed file look edited."""
    canonical = (
        '{"guardrails":"v1","model":"loan-approval","owner":"team-credit","positive":"1",'
        '"runbook":"https://wiki.example/loan-approval","task":"binary","version":1}'
    )

    assert guardrail().digest == hashlib.sha256(canonical.encode()).hexdigest()
    assert guardrail().short_digest == guardrail().digest[:12]


def test_comments_order_of_keys_and_quoting_do_not_change_the_digest(tmp_path: Path) -> None:
    """Nor does another way to write the same time."""
    plain = written(tmp_path, TEXT + "review_by: 2027-06-30\nlabels: {expected_within: 1h, give_up_after: 7d}\n", "a.yaml")
    lines = [*TEXT.replace("team-credit", '"team-credit"').splitlines(), "review_by: '2027-06-30'  # a date"]
    lines += ["labels:\n  give_up_after: 7d\n\n  expected_within: 60m"]
    other = written(tmp_path, "\n".join(reversed(lines)) + "\n", "b.yaml")

    assert load(plain).digest == load(other).digest


def test_any_other_content_changes_the_digest() -> None:
    """The order of a list too, since it is the order in which fallbacks are tried."""
    rollback = {"with": "kafka", "fallbacks": ["6", "5"]}
    turned = {"with": "kafka", "fallbacks": ["5", "6"]}
    contents: list[dict[str, object]] = [
        {},
        {"version": 2},
        {"mode": "enforce"},
        {"respond": {"rollback": rollback}},
        {"respond": {"rollback": turned}},
        {"rules": [{"rule": "detector", "name": "a", "watch": "score", "detector": {"kind": "adwin", "delta": 0.002}}]},
        {"rules": [{"rule": "detector", "name": "a", "watch": "score", "detector": {"kind": "adwin", "delta": 0.003}}]},
    ]

    assert len({guardrail(**content).digest for content in contents}) == len(contents)


@given(st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_the_order_of_any_mapping(chance: random.Random) -> None:
    """Not of the inner ones either."""
    everything = ROOT / "tests" / "guardrails" / "good" / "everything.yaml"
    said = YAML(typ="safe", pure=True).load(everything.read_text("utf-8"))
    said["review_by"] = str(said["review_by"])

    def shuffled(value: object) -> object:
        if isinstance(value, dict):
            keys = list(value)
            chance.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    assert Guardrail.model_validate(shuffled(said)).digest == load(everything).digest


# --- what it says ---------------------------------------------------------------------------------------------------------


def test_severities_are_the_defaults_unless_a_rule_says_otherwise() -> None:
    """A rule that is switched off is off, whatever its severity."""
    detector = {"rule": "detector", "name": "shift", "watch": "score", "detector": {"kind": "adwin"}}
    outcome = {"rule": "outcome", "name": "sales", "outcome": "sale", "direction": "up", "bounds": [0, 1], "tolerance": 0.1}
    rules = [
        {"rule": "harm", "severity": "ticket"},
        {"rule": "drift", "enabled": False, "severity": "log"},
        {"rule": "traffic", "severity": "off"},
        {"rule": "labels", "enabled": True},
        detector,
        {**outcome, "severity": "page"},
    ]
    default, changed = guardrail(), guardrail(rules=rules)

    assert {rule: default.severity_of(rule) for rule in DEFAULT_RULES} == DEFAULT_RULES
    assert {rule: changed.severity_of(rule) for rule in (*DEFAULT_RULES, "shift", "sales")} == {
        **DEFAULT_RULES,
        "harm": "ticket",
        "drift": "off",
        "traffic": "off",
        "shift": "ticket",
        "sales": "page",
    }
    with pytest.raises(KeyError):
        default.severity_of("sales")


@pytest.mark.parametrize(
    ("tolerance", "reference_mean", "rise"),
    [("25%", 0.1, 0.025), ("25%", 0.001, 0.005), ("150%", 0.2, 0.3), (0.02, 0.5, 0.02), (0.001, 0.5, 0.001)],
)
def test_a_tolerance_is_a_rise_or_a_share_of_the_reference(tolerance: object, reference_mean: float, rise: float) -> None:
    """Only a share has a least value: a number is what its author wanted."""
    assert guardrail(tolerance=tolerance).tolerance_over(reference_mean) == pytest.approx(rise)


def test_a_guardrail_cannot_be_changed() -> None:
    """Many monitors and a thread of endpoints share it."""
    with pytest.raises(ValueError, match="frozen"):
        guardrail().version = 2


def test_the_losses_of_a_task_are_those_that_can_be_computed() -> None:
    """The table of the schema is the one of the detectors."""
    assert LOSSES == performance.LOSSES


# --- what is not there yet ------------------------------------------------------------------------------------------------


def test_the_smallest_file_asks_for_nothing_that_is_not_there() -> None:
    """A notice for every file would be read by nobody."""
    assert notices(guardrail()) == []


def test_a_profile_that_is_not_there_yet_is_noted(tmp_path: Path) -> None:
    """It is made with the guardrail file, so the file comes first; until then the reference is learned."""
    found = load(written(tmp_path, TEXT + "reference: {profile: loan.json}\n"))

    assert found.profile is None
    assert [notice.split(":")[0] for notice in notices(found)] == ["reference.profile"]


def test_a_profile_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    """And read with it."""
    builder = ProfileBuilder()
    for number in range(20):
        builder.add({"age": number}, 0.5, float(number))
    written(tmp_path, json.dumps(builder.build().to_state()), "loan.json")
    found = load(written(tmp_path, TEXT + "reference: {profile: loan.json}\n"))

    assert found.profile is not None
    assert (list(found.profile.columns), notices(found)) == (["age"], [])


def test_what_is_no_profile_is_a_problem_of_the_file_that_names_it(tmp_path: Path) -> None:
    """With its line and column."""
    written(tmp_path, "{}", "loan.json")
    path = written(tmp_path, TEXT + "reference: {profile: loan.json}\n")
    with pytest.raises(InvalidGuardrails) as raised:
        load(path)

    assert [(problem.line, problem.key) for problem in raised.value.problems] == [(8, "reference.profile")]


# --- anything at all ------------------------------------------------------------------------------------------------------


def load_or_list(directory: Path, content: str | bytes) -> None:
    """Load a file; what is not a guardrail must be a list of problems, each with a place and one sentence."""
    path = written(directory, content)
    found: tuple[Problem, ...] = (Problem(str(path), 1, 1, "", "it is valid"),)
    try:
        load(path)
    except InvalidGuardrails as error:
        found = error.problems

    assert found
    assert [p for p in found if p.line < 1 or p.column < 1 or not p.message or "\n" in p.message] == []


@given(st.text(alphabet=string.printable + "\u0085\u2028\ufeffä€𝄞", max_size=200))
def test_no_text_is_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever a person or an editor leaves in the file."""
    load_or_list(tmp_path_factory.getbasetemp(), text)


@given(st.binary(max_size=200))
def test_no_bytes_are_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Not even a file that is not text."""
    load_or_list(tmp_path_factory.getbasetemp(), content)


@given(
    st.sampled_from(GOOD), st.integers(0, 2000), st.text(alphabet="{}[]:,-#&*!|>'\"%@`?\\ \n\t0aé", max_size=4), st.integers(0, 8)
)
def test_no_slip_of_the_hand_is_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, path: Path, where: int, typed: str, lost: int
) -> None:
    """A good file with something typed over it."""
    text = path.read_text("utf-8")
    load_or_list(tmp_path_factory.getbasetemp(), text[:where] + typed + text[where + lost :])


ANYTHING: Final = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["1h", "25%", "off", "log"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(Guardrail.model_fields)), ANYTHING, min_size=1))
def test_no_value_of_any_key_is_a_traceback(tmp_path_factory: pytest.TempPathFactory, said: dict[str, object]) -> None:
    """A good file in which any keys hold anything, written as JSON, which YAML 1.2 contains."""
    load_or_list(tmp_path_factory.getbasetemp(), json.dumps({**SMALLEST, **said}))
