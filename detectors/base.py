"""How a detector's state leaves the process and comes back.

Two kinds of state, because they break in different ways. What this project wrote itself is *plain data* with a version
number: it survives an upgrade of any library and can be read by a person. What River wrote is a *pickle* with River's
version beside it: it is only valid for that version, so with another one it is dropped and the detector starts over.
Nothing that took labels to earn (a reference, an e-process) may be kept the second way.

A pickle can run code while it loads. The store is ours, but a disk is no boundary of trust, so the unpickler admits the
classes that River's detectors, statistics and metrics are made of, by name, and refuses everything else.
"""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from river.base import Base

#: Plain data: numbers, text, booleans, None, lists, and dictionaries with text keys. Fit for JSON and for msgpack.
State = dict[str, Any]

_RIVER_VERSION: Final = version("river").encode()

#: Packages of River whose classes are admitted. Its models, data sets and composers stay outside: some take functions.
_RIVER: Final = ("river.drift.", "river.stats.", "river.metrics.", "river.utils.rolling", "river._river_rust.")
#: What else those classes hold inside. None of these runs code that a pickle chooses, nor opens a file.
_ADMITTED: Final[Mapping[str, frozenset[str]]] = {
    "builtins": frozenset({"bool", "bytearray", "complex", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"}),
    "collections": frozenset({"Counter", "OrderedDict", "defaultdict", "deque"}),
    "numpy": frozenset({"dtype", "ndarray", "float64", "float32", "int64", "int32", "bool_"}),
    "numpy._core.multiarray": frozenset({"_reconstruct", "scalar"}),
    "numpy.core.multiarray": frozenset({"_reconstruct", "scalar"}),
    "random": frozenset({"Random"}),
}
#: PageHinkley keeps its test as a bound method, which a pickle writes as `getattr(detector, name)`.
_BOUND_METHODS: Final = frozenset({"_test_both", "_test_decrease", "_test_increase"})


def checked(state: Mapping[str, object], what: str, version: int) -> State:
    """The state as a dictionary, after its version was compared.

    Raises:
        ValueError: If it is of another version, so that nobody reads fields that meant something else.
    """
    found = state.get("v")
    if found != version:
        raise ValueError(f"the state of this {what} has version {found!r}; this release reads version {version}")
    return dict(state)


def dumps(obj: object) -> bytes:
    """Pickle one of River's objects (or a container of them), with River's version before it.

    Returns:
        The version as text, a newline, the CRC-32 of the pickle in four bytes, the pickle.
    """
    pickled = pickle.dumps(obj, protocol=5)
    return _RIVER_VERSION + b"\n" + zlib.crc32(pickled).to_bytes(4) + pickled


def loads(data: bytes) -> Any:  # noqa: ANN401  (a pickle holds whatever was put in)
    """The object that `dumps` wrote, or None when another version of River wrote it.

    Raises:
        ValueError: If the data is damaged, or names a class that has no business in a detector's state.
    """
    written_by, _, rest = data.partition(b"\n")
    if written_by != _RIVER_VERSION:
        return None
    # River's Rust parts panic on damaged bytes, which no handler of exceptions catches: look before they do.
    if zlib.crc32(rest[4:]).to_bytes(4) != rest[:4]:
        raise ValueError("the pickled state of a River object is damaged: its checksum differs")
    pickled = rest[4:]
    try:
        return _Unpickler(io.BytesIO(pickled)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"the pickled state of a River object cannot be read: {error}") from error


class _Unpickler(pickle.Unpickler):
    """Admits what River's detectors, statistics and metrics are made of."""

    def find_class(self, module: str, name: str) -> object:
        if module == "builtins" and name == "getattr":
            return _bound_method
        if name in _ADMITTED.get(module, ()):
            return super().find_class(module, name)
        # A dotted name walks attributes (`Class.__init__.__globals__`), and a function of River is not a part of a state.
        if module.startswith(_RIVER) and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not admitted")


def _bound_method(owner: object, name: str) -> object:
    if isinstance(owner, Base) and name in _BOUND_METHODS:
        return getattr(owner, name)
    raise pickle.UnpicklingError(f"the attribute {name!r} is not admitted")
