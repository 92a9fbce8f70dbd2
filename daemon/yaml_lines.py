"""Reads a YAML 1.2 file into plain data that still knows the line and column of every key and value.

ruamel.yaml's own constructor stops at the first duplicate key and forgets positions of plain values. So only its parser is
used: this module composes the events itself, collects duplicate keys as problems, and limits size, depth and aliases on the
way, so that no file, however made, costs more than seconds or ends in a traceback.

Plain values follow the core schema of YAML 1.2: `yes` and `off` are text, dates are text. Three things differ on purpose and stay
text: `007` (it is somebody's version, not the number 7), a number of more than forty digits, and `.inf` and `.nan`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from daemon.errors import Problem, UnreadableFile

#: Bytes. The largest file that makes sense, a thousand described features, has a tenth of this.
MAX_BYTES: Final = 524_288
#: Values after aliases are expanded; a "billion laughs" file reaches it at its fifth line.
MAX_VALUES: Final = 50_000
#: Levels of nesting; the schema itself needs five. Deeper input would exhaust the stack of the composer.
MAX_DEPTH: Final = 32
#: Characters of a key, as far as an error can show it.
MAX_KEY: Final = 300

_MAX_DIGITS: Final = 40
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_HALF: Final = re.compile("[\ud800-\udfff]")


#: A path of keys and indices.
Location = tuple[str | int, ...]


@dataclass(slots=True)
class Node:
    """One value and where it begins (from 1). `size`: values in it, aliases expanded. `keys`: line and column of each key."""

    value: Any
    line: int
    column: int
    size: int = 1
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)

    def plain(self) -> Any:  # noqa: ANN401 - what a YAML file may hold has no narrower type
        """The same as dicts, lists, text, numbers, booleans and None."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class Document:
    """A file that could be read: its tree, and the duplicate keys in it (the first one of each counts)."""

    path: str
    root: Node
    duplicates: tuple[Problem, ...]

    def find(self, location: Location) -> Node | None:
        """The value at a path of keys and indices; None when the file does not say it."""
        node: Node | None = self.root
        for part in location:
            node = _child(node, part)
        return node

    def items(self, location: Location) -> list[Node]:
        """The items of a list; none when there is no list."""
        node = self.find(location)
        return node.value if node is not None and isinstance(node.value, list) else []

    def keys_of(self, location: Location) -> list[str]:
        """The keys of a mapping, in the order of the file; none when there is no mapping."""
        node = self.find(location)
        return list(node.value) if node is not None and isinstance(node.value, dict) else []

    def place(self, location: Location, *, of_key: bool = False) -> tuple[int, int]:
        """Line and column of the value (or of its key) at `location`; of the nearest thing around it when it is not there."""
        node, place = self.root, (self.root.line, self.root.column)
        for depth, part in enumerate(location):
            child = _child(node, part)
            if child is None:
                break
            last = depth == len(location) - 1
            place = (child.line, child.column)
            if isinstance(part, str) and (not last or of_key):
                place = node.keys[part]
            node = child
        return place

    def problem(self, location: Location, message: str, *, of_key: bool = False) -> Problem:
        """A problem of this file at `location`."""
        line, column = self.place(location, of_key=of_key)
        return Problem(self.path, line, column, dotted(location), message)


def dotted(location: Location) -> str:
    """`respond.page[0]`: how a person writes a path of keys and indices."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(path: Path, *, may_be_empty: bool = False) -> Document:
    """The YAML document in a file. `may_be_empty`: nothing but comments is an empty mapping.

    Raises:
        UnreadableFile: it is not there, is too large, is not UTF-8, is empty, is not one YAML document, or nests or
            repeats itself beyond reason.
    """
    name = str(path)
    text = _text(path)
    composer = _Composer(name)
    try:
        return composer.document(YAML(typ="safe", pure=True).parse(text), may_be_empty=may_be_empty)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        fatal = Problem(name, line, column, "", _syntax(error))
    except ReaderError as error:
        line, column = _line_and_column(text[: error.position])
        fatal = Problem(name, line, column, "", "a control character; remove it")
    except (YAMLError, ValueError, OverflowError):  # chr() of an escape beyond Unicode
        message = "what follows is not YAML; perhaps an escape that stands for no character"
        fatal = Problem(name, composer.line, composer.column, "", message)
    except _Refused as error:
        fatal = error.problem
    raise UnreadableFile([*composer.duplicates, fatal])


class _Refused(Exception):
    """Carries the one problem that ends the reading."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Composer:
    """Builds the tree from parser events; `line` and `column` follow the event read last."""

    def __init__(self, path: str) -> None:
        self.duplicates: list[Problem] = []
        self.line = self.column = 1
        self._path = path
        self._anchors: dict[str, Node] = {}
        self._inside: list[str | int] = []
        self._values = 0

    def document(self, events: Iterator[Event], *, may_be_empty: bool) -> Document:
        root: Node | None = None
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    self._follow(event)
                    raise self._refused("a second document begins here; write one document a file")
                root = self._node(self._next(events), events, 1)
        if root is None or root.value is None:
            self.line = self.column = 1
            if not may_be_empty:
                raise self._refused("the file is empty")
            root = Node({}, 1, 1)
        return Document(self._path, root, tuple(self.duplicates))

    def _node(self, event: Event, events: Iterator[Event], depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._refused(f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, AliasEvent):
            return self._alias(event.anchor)
        if (tag := getattr(event, "tag", None)) is not None:
            tag = str(tag).replace("tag:yaml.org,2002:", "!!")[:MAX_KEY]
            raise self._refused(f"the tag {tag} is not used here; write the value without it, in quotes if it is text")
        node = Node(None, self.line, self.column)
        self._count(1)
        if isinstance(event, ScalarEvent) and _HALF.search(event.value):
            raise self._refused("an escape of half a character (a surrogate), which no other program could read")
        if isinstance(event, ScalarEvent):
            node.value = _scalar(event.value) if event.implicit[0] else event.value
        elif isinstance(event, SequenceStartEvent):
            node.value = self._list(node, events, depth)
        else:
            node.value = self._mapping(node, events, depth)
        if isinstance(event, NodeEvent) and event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, anchor: str) -> Node:
        if anchor not in self._anchors:
            raise self._refused(f"the alias *{anchor[:MAX_KEY]} has no anchor before it")
        node = self._anchors[anchor]
        self._count(node.size)
        return node

    def _list(self, node: Node, events: Iterator[Event], depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := self._next(events), SequenceEndEvent):
            self._inside.append(len(items))
            items.append(self._node(event, events, depth + 1))
            self._inside.pop()
            node.size += items[-1].size
        return items

    def _mapping(self, node: Node, events: Iterator[Event], depth: int) -> dict[str, Node]:
        items: dict[str, Node] = {}
        while not isinstance(event := self._next(events), MappingEndEvent):
            line, column = self.line, self.column
            if not isinstance(event, ScalarEvent) or len(event.value) > MAX_KEY or _HALF.search(event.value):
                raise self._refused(f"a key must be plain text, up to {MAX_KEY} characters on one line, followed by a colon")
            key: str = event.value
            self._inside.append(key)
            value = self._node(self._next(events), events, depth + 1)
            name = dotted(tuple(self._inside))
            self._inside.pop()
            node.size += value.size
            if key in items:
                first = node.keys[key][0]
                message = f"this key is there twice, first in line {first}; remove one of them"
                self.duplicates.append(Problem(self._path, line, column, name, message))
                continue
            items[key] = value
            node.keys[key] = (line, column)
        return items

    def _next(self, events: Iterator[Event]) -> Event:
        event = next(events)
        self._follow(event)
        return event

    def _follow(self, event: Event) -> None:
        self.line, self.column = event.start_mark.line + 1, event.start_mark.column + 1

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise self._refused(f"more than {MAX_VALUES} values, aliases expanded; a file of this kind never needs so many")

    def _refused(self, message: str) -> _Refused:
        return _Refused(Problem(self._path, self.line, self.column, "", message))


def _text(path: Path) -> str:
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableFile([Problem(name, 1, 1, "", "there is no such file")]) from None
    except IsADirectoryError:
        raise UnreadableFile([Problem(name, 1, 1, "", "this is a directory, not a file")]) from None
    except OSError as error:
        raise UnreadableFile([Problem(name, 1, 1, "", f"cannot be read: {error.strerror or error}")]) from None
    if len(content) > MAX_BYTES:
        raise UnreadableFile([Problem(name, 1, 1, "", f"the file is larger than {MAX_BYTES // 1024} KiB")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _line_and_column(content[: error.start].decode("utf-8-sig", errors="replace"))
        message = f"the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise UnreadableFile([Problem(name, line, column, "", message)]) from None


def _line_and_column(before: str) -> tuple[int, int]:
    """Of the character that follows `before`, both from 1."""
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _child(node: Node | None, part: str | int) -> Node | None:
    value = None if node is None else node.value
    if isinstance(value, dict) and isinstance(part, str):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value):
        found: Node = value[part]
        return found
    return None


def _scalar(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MAX_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def _syntax(error: MarkedYAMLError) -> str:
    """The parser's problem as a sentence; the two most common mistakes get a hint."""
    problem = " ".join(str(error.problem or error.context or "not YAML").split())
    if "'\\t'" in problem:
        return "a tab; indent and separate with spaces"
    if "mapping values are not allowed" in problem:
        return "a colon where none can be; put text that holds ': ' in quotes, and check the indentation"
    return f"not YAML: {problem} ({error.context})" if error.context and error.problem else f"not YAML: {problem}"
