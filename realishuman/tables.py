"""Makes nested dataclasses of nested tables that may hold nothing unknown, missing or mistyped.

A table is what TOML or JSON gives: a mapping of names to values, lists and tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from realishuman.allowed import WORDS, Allowed
from realishuman.errors import SettingsError


def build(kind: Any, raw: Any, where: str) -> Any:
    """Make a dataclass, and those inside it, from a table.

    where   the file and place, for messages.
    Raises  SettingsError on a key or value that does not fit.
    """
    if not isinstance(raw, Mapping):
        raise SettingsError(f"{where} must be a table, not {raw!r}")
    specs = {spec.name: spec for spec in fields(kind)}
    if unknown := sorted(raw.keys() - specs.keys()):
        raise SettingsError(
            f"{where} has unknown keys: {', '.join(unknown)}; known are {', '.join(specs)}"
        )
    needed = [n for n, s in specs.items() if s.default is s.default_factory is MISSING]
    if missing := [name for name in needed if name not in raw]:
        raise SettingsError(f"{where} lacks {', '.join(missing)}")
    hints = get_type_hints(kind)
    return kind(**{n: _value(hints[n], v, f"{where}: {n}") for n, v in raw.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    """Check one value against its annotation; tables become dataclasses, lists tuples."""
    if hasattr(kind, "__dataclass_fields__"):
        return build(kind, value, where)
    if value is None and NoneType in get_args(kind):
        return None
    choices = _choices(kind)
    for choice in choices:
        if get_origin(choice) is tuple:
            if isinstance(value, list):
                return _tuple(choice, value, where)
        elif Allowed(choice).holds(value):
            return float(value) if choice is float else value
    raise SettingsError(f"{where} must be {_describe(choices[0])}, not {value!r}")


def _tuple(kind: Any, values: list[Any], where: str) -> tuple[Any, ...]:
    """A list as a tuple, its length and every value in it checked."""
    kinds = get_args(kind)
    if kinds[-1] is ...:
        kinds = kinds[:1] * len(values)
    if not values or len(values) != len(kinds):
        raise SettingsError(f"{where} must be {_describe(kind)}, not {values!r}")
    return tuple(_value(each, value, where) for each, value in zip(kinds, values, strict=True))


def _choices(kind: Any) -> tuple[Any, ...]:
    """What a value may be: the annotation, or of an optional one what it is when it is given."""
    return (
        tuple(each for each in get_args(kind) if each is not NoneType)
        if _is_union(kind)
        else (kind,)
    )


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _describe(kind: Any) -> str:
    """An annotation in words."""
    if get_origin(kind) is not tuple:
        return WORDS[kind]
    kinds = get_args(kind)
    many = "" if kinds[-1] is ... else f"{len(kinds)} "
    return f"a list of {many}{WORDS[kinds[0]].removeprefix('a ')}s"
