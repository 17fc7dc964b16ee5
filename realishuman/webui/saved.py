"""Saved settings: named choices, one JSON file each, that can be shared and named in a request.

Three come with the extension, for the loaded checkpoint. What is no wish about how to repair
(whether at all, which seed, what of a mask) is never saved.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from realishuman import __version__
from realishuman.files.whole import whole_file
from realishuman.settings import CHECKPOINT
from realishuman.webui.choices import choices_from
from realishuman.webui.field import Field, FieldError
from realishuman.webui.fields import FIELDS

SAVED = "saved"  # the key by which a request names them
SHIPPED: Mapping[str, Mapping[str, object]] = {
    name: {"engine": CHECKPOINT, "strength": strength}
    for name, strength in (("subtle", 0.3), ("normal", 0.5), ("strong", 0.7))
}
_NOT_SAVED = ("enabled", "seed_offset", "inpaint_parts", "skip_img2img")
_NAME = re.compile(r"\w(?:[\w .-]{0,58}\w)?")
_LARGEST = 64 * 1024  # bytes of a file
KEPT: tuple[Field, ...] = tuple(one for one in FIELDS if one.name not in _NOT_SAVED)


def names(folder: Path) -> list[str]:
    """All that can be chosen: those that are shipped, then the user's by name."""
    own = sorted(path.stem for path in folder.glob("*.json") if _NAME.fullmatch(path.stem))
    return [*SHIPPED, *(name for name in own if name not in SHIPPED)]


def load(folder: Path, name: object) -> dict[str, object]:
    """The settings of this name that are not the default. Raises FieldError."""
    if isinstance(name, str) and name in SHIPPED:
        return dict(SHIPPED[name])
    known = names(folder)
    if name not in known:
        listed = ", ".join(known)
        raise FieldError(f"{SAVED} must be one of {listed}, not {name!r}", SAVED, listed)
    path = folder / f"{name}.json"
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        return read(content.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _refuse(f"the saved settings in {path.name} cannot be read: {error}") from error


def read(text: str) -> dict[str, object]:
    """Settings from a file's text. Raises FieldError that says what is wrong."""
    if len(text) > _LARGEST:
        raise _refuse(f"{len(text)} characters are too many for saved settings")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refuse(f"saved settings must be JSON: {error}") from error
    settings = found.get("settings") if isinstance(found, dict) else None
    if not isinstance(settings, dict):
        raise _refuse('saved settings must be JSON like {"settings": {"strength": 0.3}}')
    if other := [name for name in _NOT_SAVED if name in settings]:
        raise _refuse(f"{other[0]} is no part of saved settings")
    choices_from(settings)  # refuses what cannot be used
    return settings


def text_of(values: Mapping[str, object]) -> str:
    """A file's text: those of these values, by field name, that are not the default."""
    choices = choices_from({one.name: values.get(one.name, one.default) for one in KEPT})
    settings = {
        one.name: choices.values[one.name]
        for one in KEPT
        if choices.values[one.name] != one.default
    }
    return json.dumps({"realishuman": __version__, "settings": settings}, indent=2)


def save(folder: Path, name: str, text: str) -> Path:
    """Write a file; one of the same name is replaced. Raises FieldError."""
    read(text)
    path = _path(folder, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(text.encode("utf-8"))
    except OSError as error:
        raise _refuse(f"{path} cannot be written: {error}") from error
    return path


def delete(folder: Path, name: str) -> None:
    """Delete a file. Raises FieldError."""
    try:
        _path(folder, name).unlink()
    except OSError as error:
        raise _refuse(f"there are no saved settings named {name!r} to delete") from error


def expand(values: Mapping[str, object], folder: Path) -> dict[str, object]:
    """A request's values, with those of the saved settings that it names where it says nothing."""
    if SAVED not in values:
        return dict(values)
    given = {name: value for name, value in values.items() if name != SAVED}
    return {**load(folder, values[SAVED]), **given}


def _path(folder: Path, name: str) -> Path:
    name = name.strip()
    if name in SHIPPED:
        raise _refuse(f"{name!r} comes with the extension: choose another name")
    if not _NAME.fullmatch(name):
        raise _refuse("a name is made of up to 60 letters, digits, spaces, dots, - and _")
    return folder / f"{name}.json"


def _refuse(why: str) -> FieldError:
    return FieldError(why, SAVED, "the name of saved settings")
