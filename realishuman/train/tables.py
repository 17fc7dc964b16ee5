"""Makes nested dataclasses of nested tables that may hold nothing unknown, missing or mistyped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

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
    if isinstance(value, list):
        value = tuple(value)
    allowed = {
        t: t for t in (int, float, str, bool) if str(kind).startswith(t.__name__) or kind is t
    }
    if isinstance(value, int) and not isinstance(value, bool) and float in allowed:
        value = float(value)
    fits = (
        isinstance(value, tuple)
        if str(kind).startswith("tuple")
        else any(type(value) is t for t in allowed)
    )
    if not fits:
        shown = getattr(kind, "__name__", str(kind)) if isinstance(kind, type) else str(kind)
        raise SettingsError(f"{where} must be {shown}, not {value!r}")
    return value
