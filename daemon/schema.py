"""What guardrail files and settings have in common: the small types of their values, and errors that a person understands.

Pydantic finds every wrong value of a file in one pass, but speaks to programmers. `Section`, the base of all models here,
rewrites each finding as one sentence that says what was expected and what was found instead; `Finding.problem` gives it its
line and column. Rules between fields are validators of the later field, never of the whole model: those of a whole model
only run once every field is right, and a file with ten errors would list them in two rounds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Final, NoReturn, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from alerting import periods
from alerting.periods import Rate
from daemon.errors import Problem
from daemon.yaml_lines import Document, Location, dotted

_PERCENT: Final = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,6})?) ?%")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")
_SECRET: Final = re.compile(r"password|token|secret", re.IGNORECASE)

#: Tags of the unions of sections; in parentheses, so that no key is taken for one.
TAGS: Final = ("(default)", "(outcome)", "(detector)")

#: A relative tolerance never asks for less than this rise of the mean loss: below it, harm is nothing that users feel.
LEAST_RELATIVE_TOLERANCE: Final = 0.005


def wrong(message: str, at: str | None = None) -> NoReturn:
    """Reject the value under validation with one sentence; `at` names a sibling key to point at when this key is not written.

    Raises:
        PydanticCustomError: always; pydantic collects it.
    """
    raise PydanticCustomError("spoken", "{message}", {"message": message, "at": at, "of_key": False})


def shown(value: object) -> str:
    """A value as it stands in an error: short, and told by its kind where its text would not help."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - what fits on a line beside the rest


def _quoted(value: object) -> str:
    return "; remove the quotes" if isinstance(value, str) and _NUMBER.fullmatch(value) else ""


def suggestion(word: object, known: Iterable[str]) -> str:
    """`; did you mean x?`, or nothing when no known word is near."""
    near = get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


# --- values ---------------------------------------------------------------------------------------------------------------


def seconds(value: object) -> float:
    """A duration such as `30s`, `5m`, `1h` or `7d`, in seconds."""
    try:
        return periods.seconds(value)
    except ValueError as error:
        wrong(f"{error}, not {shown(value)}")


def rate(value: object) -> Rate:
    """A rate such as `2 per 24h`."""
    try:
        return periods.rate(value)
    except ValueError as error:
        wrong(f"{error}, not {shown(value)}")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A rise of the mean loss that does no harm: `value` itself or, if `relative`, that share of the reference."""

    value: float
    relative: bool

    def over(self, reference_mean: float) -> float:
        """The rise on the scale of the loss (0..1)."""
        return max(LEAST_RELATIVE_TOLERANCE, self.value * reference_mean) if self.relative else self.value

    def __str__(self) -> str:
        return f"{100 * self.value:g}%" if self.relative else f"{self.value:g}"


def tolerance(value: object) -> Tolerance:
    """A number from 0 to 1, or a share of the reference such as `"25%"`."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return Tolerance(float(value), relative=False)
    found = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or float(found[1]) == 0:
        wrong(f'must be a number from 0 to 1, or a share of the reference such as "25%", not {shown(value)}{_quoted(value)}')
    return Tolerance(float(found[1]) / 100, relative=True)


def text(value: object) -> object:
    """Text, or a whole number or boolean as its text; a number with a point is refused: how it was written is lost."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        wrong(f"is the number {value:g} to YAML; put it in quotes to keep it as it is written")
    return str(value) if isinstance(value, int) else value


def day(value: object) -> date:
    """A date such as `2027-06-30`."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            wrong(f"is not a date: {error}")
    wrong(f"must be a date such as 2027-06-30, not {shown(value)}")


def positive(value: float) -> float:
    """A duration that is longer than nothing."""
    if value == 0:
        wrong("must be longer than nothing")
    return value


def tuple_of_list(value: object) -> object:
    """What a file writes as a list, frozen."""
    return tuple(value) if isinstance(value, list) else value


def default(written: object, description: str) -> Any:  # noqa: ANN401 - the field's own type is what a type checker should see
    """A field whose default stands as a file would write it, and is validated like one."""
    return Field(default=written, description=description)


Seconds = Annotated[float, BeforeValidator(seconds)]
PositiveSeconds = Annotated[Seconds, AfterValidator(positive)]
Text = Annotated[str, BeforeValidator(text), Field(min_length=1, max_length=1000)]
Name = Annotated[str, BeforeValidator(text), Field(min_length=1, max_length=256)]
Names = Annotated[tuple[Name, ...], BeforeValidator(tuple_of_list)]
SomeNames = Annotated[Names, Field(min_length=1)]


# --- sentences ------------------------------------------------------------------------------------------------------------

NOTHING: Final = "nothing is written here; write a value, or leave the key out"

#: What was expected, by pydantic's type of error; `{...}` are the numbers of its context.
_EXPECTED: Final[dict[str, str]] = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "date_type": "must be a date such as 2027-06-30",
    "dict_type": "must be a mapping (`key: value`)",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "model_type": "must be a mapping (`key: value`)",
    "path_type": "must be a path",
    "string_type": "must be text",
    "tuple_type": "must be a list such as [a, b]",
}


def _sentence(found: ErrorDetails) -> str:
    kind, context, value = found["type"], found.get("ctx", {}), found["input"]
    if value is None and kind != "missing":
        return NOTHING
    where = str(found["loc"][-1]) if found["loc"] else ""
    instead = "" if _SECRET.search(where) else f", not {shown(value)}"
    if kind in {"dict_type", "model_type"} and isinstance(value, str):
        instead = ", not text"  # it may be a mapping with a secret, badly written
    if kind in _EXPECTED:
        return _EXPECTED[kind].format(**context) + instead + (_quoted(value) if "number" in _EXPECTED[kind] else "")
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", context["expected"])
        must = known[0] if len(known) == 1 else f"one of {', '.join(known)}"
        return f"must be {must}{instead}{suggestion(value, known) if isinstance(value, str) else ''}"
    if kind == "missing" and isinstance(found["loc"][-1], int):
        return "one more item is required here"
    if kind == "missing":
        return "this key is required, but is not there"
    if kind in {"string_too_short", "too_short"}:
        return "must not be empty"
    if kind in {"string_too_long", "too_long"}:
        return f"must not be longer than {context['max_length']}"
    return found["msg"][:1].lower() + found["msg"][1:]


def _spoken(found: ErrorDetails, section: type[Section], said: Collection[object]) -> InitErrorDetails:
    """One finding of pydantic as one of ours; `said` are the keys that the mapping has."""
    if found["type"] == "spoken":
        return _line(found["loc"], **found["ctx"])
    if found["type"] != "extra_forbidden":
        return _line(found["loc"], _sentence(found))
    word, absent = found["loc"][-1], [key for key in section.written_keys() if key not in said]
    near = suggestion(word, filter(section.requires, absent)) or suggestion(word, absent)
    near = near or f"; known here: {', '.join(section.written_keys())}"
    return _line(found["loc"], f"unknown key{near}", of_key=True)


def _line(location: Location, message: str, at: str | None = None, *, of_key: bool = False) -> InitErrorDetails:
    context = {"message": message, "at": at, "of_key": of_key}
    return InitErrorDetails(type=PydanticCustomError("spoken", "{message}", context), loc=location, input=None)


class Section(BaseModel):
    """A mapping of a guardrail file or of the settings: immutable, without unknown keys, with every error as one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)

    @classmethod
    def written_keys(cls) -> list[str]:
        """The keys as a file writes them."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @classmethod
    def requires(cls, key: str) -> bool:
        """Whether a file has to write this key."""
        return any(field.is_required() for name, field in cls.model_fields.items() if key == (field.alias or name))

    @model_validator(mode="wrap")
    @classmethod
    def _speak(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """A key with nothing behind it is an error of its own: `rollback:` alone must neither mean a rollback nor none."""
        said = data if isinstance(data, Mapping) else {}
        empty = [key for key in cls.written_keys() if said.get(key, ...) is None]
        lines = [_line((key,), NOTHING) for key in empty]
        section: Self | None = None
        try:
            section = handler({key: value for key, value in said.items() if key not in empty} if empty else data)
        except ValidationError as error:
            found = error.errors(include_url=False)
            lines += [_spoken(details, cls, said) for details in found if not details["loc"] or details["loc"][0] not in empty]
        if section is None or lines:
            raise ValidationError.from_exception_data(cls.__name__, lines)
        return section


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at a location. `at`: the sibling key to point at where the location itself is not written."""

    location: Location
    message: str
    at: str | None = None
    of_key: bool = False

    def problem(self, document: Document) -> Problem:
        """The same with the line and column that it belongs to."""
        pointed, found = self.location, document.find(self.location)
        if self.at is not None and found is None:
            pointed = (*pointed[:-1], self.at)
        nothing = found is not None and found.value is None  # the parser places it at the next thing that is written
        line, column = document.place(pointed, of_key=self.of_key or nothing)
        return Problem(document.path, line, column, dotted(self.location), self.message)


def findings(error: ValidationError) -> Iterator[Finding]:
    """The findings of a `Section`; the tags of unions are taken out of the locations."""
    for found in error.errors(include_url=False, include_input=False):
        location = tuple(part for part in found["loc"] if part not in (*TAGS, "[key]"))
        context = {**found["ctx"], "of_key": True} if "[key]" in found["loc"] else found["ctx"]
        yield Finding(location, **context)
