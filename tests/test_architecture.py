"""The shape of the code as a failing test: the tail is what makes a program of this kind ugly, so the tail has a budget.

The numbers are about the ninetieth percentile of codebases that are a pleasure to read, made into a maximum. Whoever needs more
room has found a second thing in the file, function or class. import-linter holds the imports between packages (`make contracts`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("daemon", "detectors", "alerting")

FILE_LINES: Final = 400
FUNCTION_LINES: Final = 50
FUNCTION_LINES_MOST: Final = 30
CLASS_LINES: Final = 250
CONSTRUCTOR_PARAMETERS: Final = 8
NESTING: Final = 4
PACKAGE_DEPTH: Final = 2
#: From the entry point down to the errors. Small modules make long chains; what hurts is a chain that grows unnoticed.
IMPORT_CHAIN: Final = 15
BROAD_EXCEPTS: Final = 5

BLOCKS: Final = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.AsyncFor, ast.AsyncWith, ast.TryStar)
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Source:
    """A Python file of ours."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Its path from the root, for messages."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        """Its dotted name."""
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def lines(self) -> list[str]:
        """Its lines of text."""
        return self.text.splitlines()


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file in these folders."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return tuple(Source(path, text, ast.parse(text)) for path in paths for text in [path.read_text(encoding="utf-8")])


def code() -> tuple[Source, ...]:
    """What is shipped."""
    return sources(*PACKAGES)


def everything() -> tuple[Source, ...]:
    """What is shipped, and the tests."""
    return sources(*PACKAGES, "tests")


def length(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """Lines of a function or class, as a reader scrolls them: docstring included, decorators not."""
    return (node.end_lineno or 0) - node.lineno + 1


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    return (node for node in ast.walk(source.tree) if isinstance(node, FUNCTIONS))


def classes(source: Source) -> Iterator[ast.ClassDef]:
    """Every class of a file."""
    return (node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef))


def nesting(node: ast.AST, depth: int = 0) -> int:
    """How deep blocks stand in each other below a function; `elif` is not one deeper."""
    deepest = depth
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, (*FUNCTIONS, ast.ClassDef)):
                continue
            is_elif = field == "orelse" and isinstance(node, ast.If) and isinstance(child, ast.If) and len(value) == 1
            deepest = max(deepest, nesting(child, depth + (isinstance(child, BLOCKS) and not is_elif)))
    return deepest


@pytest.mark.parametrize("source", everything(), ids=lambda source: source.name)
def test_a_file_keeps_to_its_budget(source: Source) -> None:
    """Files, functions, classes, constructors and indentation keep to their limits."""
    too_long = [f"{f.name}: {length(f)} lines" for f in functions(source) if length(f) > FUNCTION_LINES]
    too_big = [f"{c.name}: {length(c)} lines" for c in classes(source) if length(c) > CLASS_LINES]
    too_wide = [
        f"{c.name}: {count} parameters"
        for c in classes(source)
        for f in c.body
        if isinstance(f, ast.FunctionDef) and f.name == "__init__"
        for count in [len(f.args.posonlyargs) + len(f.args.args) + len(f.args.kwonlyargs) - 1]
        if count > CONSTRUCTOR_PARAMETERS
    ]
    too_deep = [f"{f.name}: {nesting(f)} levels" for f in functions(source) if nesting(f) > NESTING]

    assert len(source.lines) <= FILE_LINES
    assert (too_long, too_big, too_wide, too_deep) == ([], [], [], [])


def test_most_functions_are_short() -> None:
    """Nine of ten functions of the shipped code have at most thirty lines."""
    lengths = sorted(length(f) for source in code() for f in functions(source))

    assert lengths[len(lengths) * 9 // 10] <= FUNCTION_LINES_MOST


def test_packages_are_flat() -> None:
    """No module lies deeper than a package in one of the three packages."""
    assert [s.name for s in code() if len(s.path.relative_to(ROOT).parts) - 1 > PACKAGE_DEPTH] == []


def test_annotations_are_never_evaluated_early() -> None:
    """Every module with code begins with `from __future__ import annotations`, right after its docstring."""
    first = {s.name: next((n for n in s.tree.body if not isinstance(n, ast.Expr)), None) for s in everything()}

    assert [
        name for name, node in first.items() if node is not None and ast.unparse(node) != "from __future__ import annotations"
    ] == []


def test_every_module_tells_its_decision() -> None:
    """Every module begins with a docstring."""
    assert [s.name for s in everything() if s.text.strip() and ast.get_docstring(s.tree) is None] == []


def test_every_test_states_its_behaviour() -> None:
    """Every test has a docstring."""
    assert [
        f"{s.name}: {f.name}"
        for s in sources("tests")
        for f in functions(s)
        if f.name.startswith("test_") and ast.get_docstring(f) is None
    ] == []


def imports(source: Source, modules: set[str], *, for_types: bool = True) -> set[str]:
    """The modules of ours that this one imports, when it is loaded or later; those for types only where asked."""
    found: set[str] = set()
    skipped: set[ast.AST] = set()
    if not for_types:
        conditions = [node for node in ast.walk(source.tree) if isinstance(node, ast.If)]
        skipped = {inner for each in conditions if ast.unparse(each.test) == "TYPE_CHECKING" for inner in ast.walk(each)}
    for node in ast.walk(source.tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            found |= {name if (name := f"{node.module}.{alias.name}") in modules else node.module for alias in node.names}
    return (found & modules) - {source.module}


def test_imports_form_no_cycle_and_no_long_chain() -> None:
    """Imports within the project form no cycle, those for types only included, and at run time no chain beyond the limit."""
    modules = {source.module for source in code()}
    every = {source.module: imports(source, modules) for source in code()}
    at_run_time = {source.module: imports(source, modules, for_types=False) for source in code()}

    assert cycle(every) == []
    assert longest(at_run_time)[IMPORT_CHAIN:] == []


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, or nothing."""
    left = dict(graph)
    while leaves := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in leaves:
            del left[module]
    return sorted(left)


def longest(graph: dict[str, set[str]]) -> list[str]:
    """The longest chain of imports in a graph without cycles."""
    chains: dict[str, list[str]] = {}

    def chain(module: str) -> list[str]:
        if module not in chains:
            below = [chain(imported) for imported in sorted(graph[module])]
            chains[module] = [module, *max(below, key=len, default=[])]
        return chains[module]

    return max((chain(module) for module in sorted(graph)), key=len)


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes everything (bare, Exception, BaseException) and keeps it; cleaning up and raising again is none."""
    if isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None:
        return False
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"} for name in caught)


def test_broad_excepts_are_few_and_each_has_its_reason() -> None:
    """At most five handlers take every exception, at the edge of a thread or process, each with a comment that says why."""
    broad = [
        (source, handler)
        for source in code()
        for handler in ast.walk(source.tree)
        if isinstance(handler, ast.ExceptHandler) and is_broad(handler)
    ]
    unexplained = [
        f"{source.name}:{handler.lineno}"
        for source, handler in broad
        if not re.search(r"(#\s*|- |\()\w", re.sub(r"#\s*noqa(:\s*[\w,]+)?", "", source.lines[handler.lineno - 1]))
        and not re.match(r"\s*#", source.lines[handler.lineno - 2])
    ]

    assert len(broad) <= BROAD_EXCEPTS, [f"{source.name}:{handler.lineno}" for source, handler in broad]
    assert unexplained == []


def test_every_exception_to_the_linters_has_its_reason() -> None:
    """A `noqa` or `type: ignore` names its rule and says why, behind it or in the line above."""
    marks = re.compile(r"#\s*(noqa|type:\s*ignore|pragma)")
    complete = re.compile(r"#\s*(noqa:\s*[A-Z]+[\d, A-Z]*|type:\s*ignore\[[\w\-, ]+\])\s*(#\s*|- |\()\S")
    bare = [
        f"{source.name}:{number}"
        for source in everything()
        if source.path != Path(__file__)
        for number, (above, line) in enumerate(pairwise(["", *source.lines]), start=1)
        if marks.search(line) and not complete.search(line) and not (above.strip().startswith("#") and "noqa" in line)
    ]

    assert bare == []


def test_nothing_is_left_for_later() -> None:
    """No stubs and no notes to self."""
    later = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")

    assert [
        f"{source.name}:{number}"
        for source in everything()
        if source.path != Path(__file__)
        for number, line in enumerate(source.lines, start=1)
        if later.search(line)
    ] == []


def test_log_events_have_stable_names() -> None:
    """The first argument of a log call is a fixed name in snake_case: something to search for, not a sentence with data in it."""
    levels = {"debug", "info", "warning", "error", "exception", "critical"}
    calls = [
        (source, call, call.func.value)
        for source in code()
        for call in ast.walk(source.tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in levels
    ]

    assert [
        f"{source.name}:{call.lineno}"
        for source, call, logger in calls
        if isinstance(logger, ast.Name) and logger.id.lstrip("_") in {"log", "logger"} and not is_stable(call.args[:1])
    ] == []


def is_stable(arguments: list[ast.expr]) -> bool:
    """Whether the first argument is a name in snake_case, written out or looked up in a table of constants."""
    match arguments:
        case [ast.Constant(value=str(name))]:
            return re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) is not None
        case [ast.Subscript(value=ast.Name(id=table))]:
            return table.isupper()
        case _:
            return False


def test_telemetry_hears_of_everything_it_can_tell() -> None:
    """Each method of Telemetry is called by the daemon: a metric that nobody feeds is a promise that nobody keeps."""
    telemetry = next(source for source in code() if source.module == "daemon.telemetry")
    methods = {f.name for f in functions(telemetry) if not f.name.startswith("_")}
    called = {
        node.func.attr
        for source in code()
        if source.module != telemetry.module
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }

    assert methods - called == set()


def test_nothing_of_one_machine_is_written_down() -> None:
    """No package index, registry or home directory of one machine stands in a file of the project."""
    found = re.compile(r"--(extra-)?index-url|--find-links|/root/|/home/\w+/|site-packages")
    texts = [
        path
        for folder in (".ci", "deploy", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".png"
    ]
    texts += [ROOT / name for name in ("Makefile", "pyproject.toml", "requirements.lock", "README.md", "CHANGELOG.md")]
    texts += [source.path for source in everything() if source.path != Path(__file__)]

    assert [path.relative_to(ROOT).as_posix() for path in texts if found.search(path.read_text(encoding="utf-8"))] == []


def test_the_lock_names_exact_versions_and_hashes() -> None:
    """Every requirement of the lock is exact and carries at least one hash."""
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    requirements = [entry for entry in entries if not entry.startswith("#")]

    assert [r for r in requirements if not re.match(r"[a-z0-9\-]+==\S+", r) or "--hash=sha256:" not in r] == []
