"""Arguments of the public functions: a wrong type is told in a sentence, not as a traceback."""

from __future__ import annotations

from typing import Any

from realishuman.errors import SettingsError


def expect(name: str, value: Any, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Raise SettingsError unless `value` is one of these kinds.

    wanted  what it must be, in words.
    """
    if not isinstance(value, kinds):
        raise SettingsError(f"{name} must be {wanted}, not {value!r:.60} ({type(value).__name__})")
