"""Frozen dataclasses from JSON and back: every value is held against its field's type, and a misfit is named.

A key is the name of its field; a trailing underscore, as in `from_`, keeps it apart from Python's words. A key may be
missing where its field has a default, and is left out where that is None and nothing else was given; `Null` fields
write null, and `Sparse` fields are left out where they are their default. Whole numbers stay whole, so that what is
read and written again is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from data.contract import DataError, UsageError

T = TypeVar("T")
JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""Any JSON."""
JsonObject: TypeAlias = "dict[str, JsonValue]"
Hint: TypeAlias = Any
"""What a field is annotated with: a type, a union, `Annotated` or `Literal`, which have no type in common."""
NAMES: Mapping[Any, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
MAPPING = get_origin(Mapping[str, str])
LONGEST = 80
"""Characters of a value that an error quotes."""


@dataclass(frozen=True)
class Json:
    """For `Annotated`: a JSON of its own. `read` may raise DataError, UsageError, ValueError, KeyError or TypeError."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


Null = Annotated[T | None, "null"]
"""A type whose None is written."""
Sparse = Annotated[T, "sparse"]
"""A type whose value is not written where it is its field's default: what was written before the field is the same."""


def from_json(kind: type[T], values: object, where: str) -> T:
    """An instance of a dataclass; `where` names the place in errors. Raises DataError with the key and its value."""
    if not isinstance(values, Mapping):
        raise _unfit(where, values, "an object")
    known = {_key(item): item for item in fields(cast(Any, kind))}
    for key in values.keys() - known.keys():
        raise DataError(f"{where} holds {_quoted(key)} = {_quoted(values[key])}, which this version does not know")
    present = {item.name: values[key] for key, item in known.items() if key in values}
    missing = [key for key, item in known.items() if item.name not in present and _is_required(item)]
    if missing:
        raise DataError(f"{where} lacks {missing[0]!r}")
    hints = _hints(cast(Any, kind))
    read = {
        item.name: _value(hints[item.name], present[item.name], f"{where}.{key}")
        for key, item in known.items()
        if item.name in present
    }
    return kind(**read)


def to_json(value: Any) -> Any:
    """Plain values for JSON: inverse of `from_json`."""
    if is_dataclass(value) and not isinstance(value, type):
        hints = _hints(type(value))
        return {
            _key(item): _written(hints[item.name], getattr(value, item.name))
            for item in fields(value)
            if _is_written(item, getattr(value, item.name), _marks(hints[item.name]))
        }
    if isinstance(value, Mapping):
        return {name: to_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    return value


def _is_written(item: Field[Any], value: object, marks: tuple[object, ...]) -> bool:
    if "sparse" in marks:
        return bool(value != item.default)
    return value is not None or item.default is not None or "null" in marks


def _written(hint: Any, value: Any) -> Any:
    own = _own_json(hint)
    return to_json(value) if own is None else own.write(value)


def _read(own: Json, value: object, where: str) -> Any:
    try:
        return own.read(value)
    except (DataError, UsageError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where}: {error}") from None


def _own_json(hint: Any) -> Json | None:
    return next((mark for mark in _marks(hint) if isinstance(mark, Json)), None)


def _marks(hint: Any) -> tuple[object, ...]:
    return getattr(hint, "__metadata__", ())


def _value(hint: Any, value: object, where: str) -> Any:
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind is Annotated:
        own = _own_json(hint)
        return _value(parts[0], value, where) if own is None else _read(own, value, where)
    if kind in (Union, UnionType):
        return _one_of(parts, value, where)
    if kind is Literal:
        if value not in parts:
            raise _unfit(where, value, f"one of {', '.join(map(repr, parts))}")
        return value
    if kind is tuple:
        return tuple(_value(parts[0], part, f"{where}[{i}]") for i, part in enumerate(_list(value, where)))
    if kind in (dict, MAPPING):
        if not isinstance(value, Mapping):
            raise _unfit(where, value, "an object")
        return {str(name): _value(parts[1], part, f"{where}.{name}") for name, part in value.items()}
    return from_json(cast(Any, kind), value, where) if is_dataclass(kind) else _plain(kind, value, where)


def _one_of(parts: Sequence[Any], value: object, where: str) -> Any:
    """None, or a value of the other type."""
    if value is None and NoneType in parts:
        return None
    return _value(next(part for part in parts if part is not NoneType), value, where)


def _plain(kind: Any, value: object, where: str) -> Any:
    wanted = (int, float) if kind is float else (kind,)
    if type(value) not in wanted or (isinstance(value, float) and not math.isfinite(value)):
        raise _unfit(where, value, NAMES[kind])
    return value


def _list(value: object, where: str) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise _unfit(where, value, "a list")
    return value


def _unfit(where: str, value: object, wanted: str) -> DataError:
    return DataError(f"{where} is {_quoted(value)}; it has to be {wanted}")


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _key(item: Field[Any]) -> str:
    return item.name.removesuffix("_")


def _is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


@cache
def _hints(kind: type) -> Mapping[str, Hint]:
    return get_type_hints(kind, include_extras=True)
