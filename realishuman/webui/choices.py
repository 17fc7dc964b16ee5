"""What a user chose, read from the script's arguments, from names and values, or from JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from realishuman.settings import AUTO, PART_KINDS, Settings, explain_renamed
from realishuman.webui.field import FieldError, Value
from realishuman.webui.fields import FIELDS, NO_CONTROL, SETTINGS

_Kind = TypeVar("_Kind", bool, int, float, str)


@dataclass(frozen=True)
class Control:
    """A ControlNet that was chosen by its file's name, and what its effect is multiplied by."""

    name: str
    weight: float


@dataclass(frozen=True)
class Choices:
    """What a run uses.

    settings  with the seed still that of a picture whose own seed is 0.
    packs     per part kind: AUTO or the name of a file in the models folder.
    control   the ControlNet that steers the loaded checkpoint, and its weight; None for none.
    values    of every field, by its name.
    """

    enabled: bool
    settings: Settings
    packs: Mapping[str, str]
    control: Control | None
    detector_device: str
    inpaint_parts: str
    seed_offset: int
    values: Mapping[str, Value]

    def for_seed(self, seed: int) -> Settings:
        """The settings of a picture with this seed."""
        return dataclasses.replace(self.settings, seed=(seed + self.seed_offset) % 2**63)


def choices_from(values: Mapping[str, object], files: Sequence[str] | None = None) -> Choices:
    """Read values by field name; what is missing has its default.

    files   names of the pack files there are, of which the ending may be left out; None does not
            ask whether a pack is there.
    Raises  FieldError for the first value, or unknown name, that cannot be used.
    """
    names = [one.name for one in FIELDS]
    if unknown := [name for name in values if name not in names]:
        listed = ", ".join(names)
        raise FieldError(
            f"{unknown[0]!r} is not a setting{explain_renamed(unknown)}; known are {listed}",
            str(unknown[0]),
            listed,
        )
    read = {one.name: one.read(values.get(one.name, one.default)) for one in FIELDS}
    for name in (f"{kind}_pack" for kind in PART_KINDS if files is not None):
        known = (AUTO, *(files or ()))
        if read[name] not in known and f"{read[name]}.safetensors" not in known:
            allowed = ", ".join(known)
            raise FieldError(f"{name} must be one of {allowed}, not {read[name]!r}", name, allowed)
    return Choices(
        enabled=to_type(bool, read["enabled"]),
        settings=Settings.from_dict({name: read[name] for name in SETTINGS if name in read}),
        packs={kind: to_type(str, read[f"{kind}_pack"]) for kind in PART_KINDS},
        control=_control(read),
        detector_device=to_type(str, read["detector_device"]),
        inpaint_parts=to_type(str, read["inpaint_parts"]),
        seed_offset=to_type(int, read["seed_offset"]),
        values=read,
    )


def _control(read: Mapping[str, Value]) -> Control | None:
    name = to_type(str, read["controlnet"])
    weight = to_type(float, read["controlnet_weight"])
    return Control(name, weight) if name not in ("", NO_CONTROL) and weight else None


def to_type(kind: type[_Kind], value: Value) -> _Kind:
    """A value that was read, as the type that its declaration has."""
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def values_from(
    arguments: Sequence[object],
    expand: Callable[[Mapping[str, object]], Mapping[str, object]] = dict,
) -> dict[str, object]:
    """The script's arguments by field name.

    arguments  positional in the order of FIELDS, any number; or an object by name, as a dict or
               JSON text, alone or after `enabled`: it wins over what the other places hold, in
               which hosts put the components' values.
    expand     what such an object stands for.
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
        named = _read_named(values.get(one.name))
        if named is not None:
            del values[one.name]
            values |= {"enabled": True} if place == 0 else {}
            values |= expand(named)
    return values


def _read_named(given: object) -> Mapping[str, object] | None:
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
