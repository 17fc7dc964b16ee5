"""One choice a WebUI user has, as its component, its infotext and the API hold it.

Derived from the declaration of a setting, which knows nothing of components.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, SupportsFloat, cast

from realishuman.declarations import check
from realishuman.errors import SettingsError
from realishuman.settings import AUTO

Value = bool | int | float | str | tuple[str, ...] | None  # of a setting
Shown = Value | list[str]  # of its component
SWITCH = {True: "on", False: "off"}  # what the component of an automatic "bool" holds


class FieldError(SettingsError):
    """One argument cannot be used; knows its name and what is allowed."""

    def __init__(self, message: str, name: str, allowed: str) -> None:
        """Remember the argument's name and its allowed values, both for the API's answer."""
        super().__init__(message)
        self.name, self.allowed = name, allowed


@dataclass(frozen=True)
class Field:
    """One choice.

    kind       "bool", "int", "float", "name" (one of choices, or any text), "prose", or "names"
               (several).
    automatic  None is allowed and means "as the pack and its preset say"; AUTO to components.
    step       how finely a slider moves.
    """

    name: str
    help: str
    kind: str
    default: Value
    automatic: bool
    low: float
    high: float
    usual: float
    step: float
    choices: tuple[str, ...]
    spec: dataclasses.Field[Any] = dataclasses.field(repr=False, compare=False)

    @property
    def label(self) -> str:
        """What the user reads: "Face dilate"."""
        return self.name.replace("_", " ").capitalize()

    @property
    def key(self) -> str:
        """The infotext key."""
        return f"RealisHuman {self.name.replace('_', ' ')}"

    @property
    def is_number(self) -> bool:
        """Whether a slider fits."""
        return self.kind in ("int", "float")

    @property
    def allowed(self) -> str:
        """What may be given, in words."""
        if self.is_number:
            words = f"{self.spec.metadata['low']} to {self.spec.metadata['high']}"
        else:
            words = ", ".join(self.choices) or ("true, false" if self.kind == "bool" else "text")
        return f"{words}, or null" if self.automatic else words

    @property
    def is_left(self) -> bool:
        """Whether it is a number that may be left to the pack: its component holds text."""
        return self.automatic and self.is_number

    def show(self, value: Value) -> Shown:
        """A value as its component holds it: no None, no tuple."""
        if value is None:
            return AUTO
        if isinstance(value, bool) and self.automatic:
            return SWITCH[value]
        if self.is_left:
            return str(value)
        return list(value) if isinstance(value, tuple) else value

    def from_component(self, value: object) -> object:
        """The inverse of `show`, but for numbers in text, which `read` takes; anything else passes.

        A component that was emptied leaves the choice to the pack, too.
        """
        return None if self.automatic and value in (AUTO, "") else value

    def read(self, given: object) -> Value:
        """A value from JSON, infotext or an axis, as the declaration has it.

        Raises FieldError, whose message names the field and its range.
        """
        value = self._convert(given)
        try:
            check(self.spec, value)
        except SettingsError as error:
            raise FieldError(str(error), self.name, self.allowed) from error
        return cast(Value, value)  # now it is one

    def _convert(self, given: object) -> object:
        if given is None or (self.automatic and given in ("", AUTO)):
            return None if self.automatic else self.default
        if self.kind == "bool":
            words = {"true": True, "false": False, **{word: on for on, word in SWITCH.items()}}
            return words.get(str(given).lower(), given)
        if self.kind == "names":
            if isinstance(given, str):
                given = given.replace(",", " ").split()
            return tuple(given) if isinstance(given, (list, tuple)) else given
        return self._number(given) if self.is_number else given

    def _number(self, given: object) -> object:
        """int or float if it is one, also in text."""
        if isinstance(given, bool) or not isinstance(given, (str, SupportsFloat)):
            return given
        try:
            value = float(given)
        except (TypeError, ValueError, OverflowError):
            return given
        if self.kind == "float":
            return value
        if isinstance(given, int):
            return given
        return int(value) if value.is_integer() else given


def field_of(spec: dataclasses.Field[Any]) -> Field:
    """The choice that a declared setting gives a user."""
    meta, kind = spec.metadata, str(spec.type)
    names = {"bool": "bool", "int": "int", "float": "float", "str": "name", "tup": "names"}
    found = next(name for start, name in names.items() if kind.startswith(start))
    if meta["prose"]:
        found = "prose"
    low, high = meta["low"] or 0, meta["high"] or 0
    small = found == "float" and high <= 1
    return Field(
        name=spec.name,
        help=meta["help"],
        kind=found,
        default=cast(Value, spec.default),  # every declaration has one
        automatic="None" in kind,
        low=low,
        high=high,
        usual=meta["usual"] or high,
        step=meta["step"] or (0.01 if small else 0.1 if found == "float" else 1),
        choices=tuple(one for one in meta["choices"] if one not in meta["command_line"]),
        spec=spec,
    )
