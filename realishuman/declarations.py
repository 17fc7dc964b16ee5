"""Settings as fields of dataclasses: how they are declared, with help and limits, and checked."""

from __future__ import annotations

from dataclasses import Field, field
from typing import Any

from realishuman.allowed import Allowed


def setting(
    default: Any,
    help_text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    command_line: tuple[str, ...] = (),
    usual: float | None = None,
    step: float | None = None,
    prose: bool = False,
) -> Any:
    """Declare one setting as a dataclass field.

    low, high    what is allowed, both included.
    choices      names that are allowed; a text setting without choices may be any text.
    command_line  those of them that no WebUI offers.
    usual, step  where a slider ends, if before `high`, and how finely it moves.
    prose        whether a text is words that the user writes, not a name.
    """
    meta = {"help": help_text, "low": low, "high": high, "choices": choices}
    shown = {"usual": usual, "step": step, "prose": prose, "command_line": command_line}
    return field(default=default, metadata={**meta, **shown})


def declare(cls: type, name: str, annotation: str, spec: Any) -> None:
    """Add a setting to a class that is about to become a dataclass."""
    cls.__annotations__[name] = annotation
    setattr(cls, name, spec)


def check(spec: Field[Any], value: Any) -> None:
    """Raise SettingsError unless `value` fits a declared field's type, range and choices."""
    if value is not None or "None" not in str(spec.type):
        allowed(spec).check(spec.name, value)


def allowed(spec: Field[Any]) -> Allowed:
    """What a declared field may be, unless it is None."""
    name, meta = str(spec.type).removesuffix(" | None"), spec.metadata
    if meta["choices"]:
        return Allowed(str, choices=meta["choices"], several=name.startswith("tuple"))
    kind = {"bool": bool, "int": int, "float": float, "str": str}[name]
    low, high = meta["low"], meta["high"]
    return Allowed(kind) if low is None else Allowed(kind, low, high)
