"""Every choice a WebUI user has, derived from declarations: order, keys, schema and reading.

Most are settings.Settings; what only a WebUI knows is declared in WebuiSettings in the same way.
Components, arguments, infotext, XYZ axes, options and the API's schema all come from FIELDS.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat, TypeVar, cast

from realishuman.errors import SettingsError
from realishuman.kinds import KINDS
from realishuman.packs.store import demo_pack
from realishuman.settings import AUTO, PART_KINDS, Settings, check, declare, renamed, setting

Value = bool | int | float | str | tuple[str, ...] | None  # of a setting
Shown = Value | list[str]  # of its component
_Kind = TypeVar("_Kind", bool, int, str)
_Class = TypeVar("_Class")
SWITCH = {True: "on", False: "off"}  # what the component of an automatic "bool" holds


def _with_packs(cls: type[_Class]) -> type[_Class]:
    """Declare which pack repaints a kind, for each kind of part: hand_pack."""
    for kind in KINDS.values():
        without = "none," if kind.engines else f"leave {kind.plural} alone"
        text = (
            f"pack for {kind.plural}, a file in the models folder; auto: the trained one, or "
            f"{without} if there is none"
        )
        if demo_pack(kind.name).is_file():
            text += f"; demo: small networks for rendered {kind.plural}"
        declare(cls, f"{kind.name}_pack", "str", setting(AUTO, text))
    return cls


@dataclass(frozen=True)
@_with_packs
class WebuiSettings:
    """What only the WebUI's script asks for; for each kind of part there is its pack as well."""

    enabled: bool = setting(False, "refine every picture before it is saved")
    seed_offset: int = setting(0, "added to the picture's seed", low=0, high=2**31 - 1, usual=1000)
    detector_device: str = setting(
        AUTO,
        "where the detector and mesh networks run; auto: on the GPU, if that works",
        choices=(AUTO, "cpu"),
    )
    inpaint_parts: str = setting(
        "masked",
        "when inpainting, refine only the parts the mask touches, or all parts",
        choices=("masked", "all"),
    )
    skip_img2img: bool = setting(
        False, "img2img: skip sampling and refine your picture at its own size"
    )


class FieldError(SettingsError):
    """One argument cannot be used; knows its name and what is allowed."""

    def __init__(self, message: str, name: str, allowed: str) -> None:
        """Remember the argument's name and its allowed values, both for the API's answer."""
        super().__init__(message)
        self.name, self.allowed = name, allowed


@dataclass(frozen=True)
class Field:
    """One choice.

    kind       "bool", "int", "float", "name" (one of choices, or any text) or "names" (several).
    automatic  None is allowed and means "as the pack and its preset say"; AUTO to components.
    step       how finely a slider moves; in the slider of an automatic number, one step below `low`
               stands for None.
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
    def below(self) -> float:
        """What the slider of an automatic number shows for None: one step below `low`."""
        below = self.low - self.step
        return int(below) if self.kind == "int" else round(below, 6)

    def shown(self, value: Value) -> Shown:
        """A value as its component holds it: no None, no tuple."""
        if value is None:
            return self.below if self.is_number else AUTO
        if isinstance(value, bool) and self.automatic:
            return SWITCH[value]
        return list(value) if isinstance(value, tuple) else value

    def from_component(self, value: object) -> object:
        """The inverse of `shown`; anything else passes."""
        if not self.automatic:
            return value
        if self.is_number and isinstance(value, (int, float)) and not isinstance(value, bool):
            return None if math.isclose(value, self.below, abs_tol=1e-6) else value
        return None if value == AUTO else value

    def read(self, given: object) -> Value:
        """A value from JSON, infotext or an axis, as the declaration has it.

        Raises FieldError, whose message names the field and its range.
        """
        value = self._converted(given)
        try:
            check(self.spec, value)
        except SettingsError as error:
            raise FieldError(str(error), self.name, self.allowed) from error
        return cast(Value, value)  # now it is one

    def _converted(self, given: object) -> object:
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
        except (TypeError, ValueError):
            return given
        if self.kind == "float":
            return value
        if isinstance(given, int):
            return given
        return int(value) if value.is_integer() else given


def _field(spec: dataclasses.Field[Any]) -> Field:
    meta, kind = spec.metadata, str(spec.type)
    names = {"bool": "bool", "int": "int", "float": "float", "str": "name", "tup": "names"}
    found = next(name for start, name in names.items() if kind.startswith(start))
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
        choices=meta["choices"],
        spec=spec,
    )


SETTINGS = {spec.name: _field(spec) for spec in dataclasses.fields(Settings)}
WEBUI = {spec.name: _field(spec) for spec in dataclasses.fields(WebuiSettings)}

# The order of the script's arguments is a promise to API users: names are only ever added at the
# end. A new setting comes last by itself until it is listed here with the next release.
_ORDER = (
    "enabled",
    "parts",
    "hand_pack",
    "face_pack",
    "detector",
    "confidence",
    "min_size",
    "min_area",
    "max_area",
    "max_parts",
    "margin",
    "preset",
    "dilate",
    "erode",
    "steps",
    "guidance",
    "seed_offset",
    "reference_every",
    "guidance_share",
    "max_batch",
    "paste",
    "colour_match",
    "hand_confidence",
    "hand_dilate",
    "hand_erode",
    "face_confidence",
    "face_dilate",
    "face_erode",
)
_SCRIPT = {name: one for name, one in {**SETTINGS, **WEBUI}.items() if name != "seed"}
FIELDS: tuple[Field, ...] = tuple(
    _SCRIPT[name] for name in dict.fromkeys([*_ORDER, *_SCRIPT]) if name in _SCRIPT
)


@dataclass(frozen=True)
class Choices:
    """What a run uses.

    settings  with the seed still that of a picture whose own seed is 0.
    packs     per part kind: AUTO or the name of a file in the models folder.
    values    of every field, by its name.
    """

    enabled: bool
    settings: Settings
    packs: Mapping[str, str]
    detector_device: str
    inpaint_parts: str
    seed_offset: int
    values: Mapping[str, Value]

    def for_seed(self, seed: int) -> Settings:
        """The settings of a picture with this seed."""
        return dataclasses.replace(self.settings, seed=(seed + self.seed_offset) % 2**63)


def choices_from(values: Mapping[str, object], files: Sequence[str] | None = None) -> Choices:
    """Read values by field name; what is missing has its default.

    files   names of the pack files there are; None does not ask whether a pack is there.
    Raises  FieldError for the first value, or unknown name, that cannot be used.
    """
    names = [one.name for one in FIELDS]
    if unknown := [name for name in values if name not in names]:
        listed = ", ".join(names)
        raise FieldError(
            f"{unknown[0]!r} is not a setting{renamed(unknown)}; known are {listed}",
            str(unknown[0]),
            listed,
        )
    read = {one.name: one.read(values.get(one.name, one.default)) for one in FIELDS}
    for name in (f"{kind}_pack" for kind in PART_KINDS if files is not None):
        if read[name] not in (known := (AUTO, *(files or ()))):
            allowed = ", ".join(known)
            raise FieldError(f"{name} must be one of {allowed}, not {read[name]!r}", name, allowed)
    return Choices(
        enabled=typed(bool, read["enabled"]),
        settings=Settings.from_dict({name: read[name] for name in SETTINGS if name in read}),
        packs={kind: typed(str, read[f"{kind}_pack"]) for kind in PART_KINDS},
        detector_device=typed(str, read["detector_device"]),
        inpaint_parts=typed(str, read["inpaint_parts"]),
        seed_offset=typed(int, read["seed_offset"]),
        values=read,
    )


def typed(kind: type[_Kind], value: Value) -> _Kind:
    """A value that was read, as the type that its declaration has."""
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def values_from(arguments: Sequence[object]) -> dict[str, object]:
    """The script's arguments by field name.

    arguments  positional in the order of FIELDS, any number; or an object by name, as a dict or
               JSON text, alone or after `enabled`: it wins over what the other places hold.
    Raises     FieldError if there are too many or JSON cannot be read.
    """
    if len(arguments) > len(FIELDS):
        names = ", ".join(one.name for one in FIELDS)
        raise FieldError(
            f"there are {len(arguments)} arguments, at most {len(FIELDS)} are known: {names}",
            "args",
            names,
        )
    values = {
        one.name: one.from_component(value) for one, value in zip(FIELDS, arguments, strict=False)
    }
    for place, one in enumerate(FIELDS[:2]):
        named = _named(values.get(one.name))
        if named is not None:
            del values[one.name]
            values = {**values, **({"enabled": True} if place == 0 else {}), **named}
    return values


def _named(given: object) -> Mapping[str, object] | None:
    """The argument if it is an object by name, else None."""
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise FieldError(
                "args must be a list of values, or of one object by field name; "
                f"{given!r:.60} is no JSON object: {error}",
                "args",
                "a list of values, or of one object by field name",
            ) from error
    return given if isinstance(given, Mapping) else None


def schema(fields: Sequence[Field] = FIELDS) -> dict[str, object]:
    """The fields as a JSON schema of an object."""
    types = {"bool": "boolean", "int": "integer", "float": "number", "name": "string"}
    properties = {}
    for one in fields:
        entry: dict[str, object] = {"description": one.help, "default": one.default}
        if one.kind == "names":
            entry |= {"type": "array", "items": {"enum": list(one.choices)}, "uniqueItems": True}
            entry |= {"minItems": 1, "default": one.shown(one.default)}
        else:
            name = types[one.kind]
            entry["type"] = [name, "null"] if one.automatic else name
        if one.is_number:
            entry |= {"minimum": one.spec.metadata["low"], "maximum": one.spec.metadata["high"]}
        elif one.kind == "name" and one.choices:
            entry["enum"] = [*one.choices, *([None] if one.automatic else [])]
        properties[one.name] = entry
    return {"type": "object", "properties": properties, "additionalProperties": False}
