"""Which model files there are outside this package: where from, how large, under which licence.

manifest.json is the only list. A size or hash stands in it only where somebody published it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from realishuman.errors import ModelError
from realishuman.packs.store import models_folder

FORMAT = 1
LIST = Path(__file__).with_name("manifest.json")
How = Literal["auto", "user", "made"]


@dataclass(frozen=True)
class Licence:
    """Terms of files.

    says  the terms in a few words; they are no substitute for reading `url`.
    ask   whether the user must agree before a download.
    """

    name: str
    title: str
    url: str
    says: str
    ask: bool


@dataclass(frozen=True)
class Feature:
    """What files are for.

    without  what happens as long as they are missing.
    made_by  the command that makes what runs from what was fetched; empty if nothing is made.
    """

    name: str
    gives: str
    without: str
    made_by: str


@dataclass(frozen=True)
class KnownFile:
    """One file.

    name      path within the models folder, with forward slashes.
    features  names of the features it is for.
    how       "auto": downloaded when the user asks; "user": the user must fetch it personally;
              "made": made on this machine from the others of its features.
    urls      where "auto" finds it, best first, all https.
    bytes     exact size, None where it is not published; about is then a rough one, or None.
    sha256    lower-case hexadecimal, None where nobody published it.
    page      for people to read.
    what      it does, in a few words.
    by_hand   how to get it from the page; empty if that is plain.
    """

    name: str
    features: tuple[str, ...]
    how: How
    urls: tuple[str, ...]
    bytes: int | None
    about: int | None
    sha256: str | None
    licence: Licence
    page: str
    what: str
    by_hand: str

    def path(self, folder: Path) -> Path:
        """Where it lies in this models folder."""
        return folder / self.name

    @property
    def size(self) -> int:
        """Bytes, exact or rough; 0 if unknown."""
        return self.bytes or self.about or 0


@dataclass(frozen=True)
class Manifest:
    """All files and features by name, in the order of the list."""

    files: Mapping[str, KnownFile]
    features: Mapping[str, Feature]

    def of(self, feature: str) -> list[KnownFile]:
        """The files of one feature."""
        return [file for file in self.files.values() if feature in file.features]


@cache
def manifest() -> Manifest:
    """The list, read once."""
    return read_manifest(LIST)


def read_manifest(path: Path) -> Manifest:
    """Read and check a list. Raises ModelError naming the entry that cannot be used."""
    try:
        raw = json.loads(path.read_text("utf-8"))
        if raw["format"] != FORMAT:
            raise ValueError(f"its format is {raw['format']}, this program reads {FORMAT}")
        licences = {name: Licence(name, **entry) for name, entry in raw["licences"].items()}
        features = {name: Feature(name, **entry) for name, entry in raw["features"].items()}
        files = [_file(dict(entry), licences) for entry in raw["files"]]
        for file in files:
            _check(file, features)
        for name, count in Counter(file.name for file in files).items():
            if count > 1:
                raise ValueError(f"{name} is listed {count} times")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"the list of model files {path} cannot be used ({type(error).__name__}: {error}); "
            "install the package or extension again"
        ) from error
    return Manifest({file.name: file for file in files}, features)


def find_known(name: str) -> KnownFile:
    """The file of this name. Raises ModelError that lists the known ones."""
    files = manifest().files
    if name not in files:
        raise ModelError(f"no model file is called {name!r}; known are {', '.join(files)}")
    return files[name]


def locate(name: str, folder: Path | None = None) -> Path | None:
    """Where a known file lies, or None if it is missing or its size is not the published one.

    Nothing is hashed: downloads.inventory does that.
    folder  the models folder; packs.store.models_folder() if not given.
    Raises  ModelError if no file is called so.
    """
    file = find_known(name)
    path = file.path(folder or models_folder())
    if not path.is_file() or (file.bytes is not None and path.stat().st_size != file.bytes):
        return None
    return path


def _file(entry: dict[str, Any], licences: Mapping[str, Licence]) -> KnownFile:
    return KnownFile(
        name=entry.pop("name"),
        features=tuple(entry.pop("for")),
        how=entry.pop("how"),
        urls=tuple(entry.pop("urls")),
        bytes=entry.pop("bytes", None),
        about=entry.pop("about", None),
        sha256=entry.pop("sha256", None),
        licence=licences[entry.pop("licence")],
        by_hand=entry.pop("by_hand", ""),
        **entry,
    )


def _check(file: KnownFile, features: Mapping[str, Feature]) -> None:
    """Raise ValueError if the entry contradicts itself or could leave the models folder."""
    path = PurePosixPath(file.name)
    problems = {
        "its name leaves the models folder": path.is_absolute()
        or ".." in path.parts
        or "\\" in file.name,
        f"how must be one of {get_args(How)}": file.how not in get_args(How),
        "its feature is not listed": not file.features or not set(file.features) <= set(features),
        "auto needs urls, the others have none": (file.how == "auto") != bool(file.urls),
        "urls must start with https://": not all(u.startswith("https://") for u in file.urls),
        "user needs by_hand": file.how == "user" and not file.by_hand,
        "sha256 must have 64 hexadecimal digits": file.sha256 is not None
        and (len(file.sha256) != 64 or bool(set(file.sha256) - set("0123456789abcdef"))),
    }
    if wrong := [text for text, found in problems.items() if found]:
        raise ValueError(f"{file.name}: {'; '.join(wrong)}")
