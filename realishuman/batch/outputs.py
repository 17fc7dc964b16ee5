"""Every file that one run will write, named and checked before the first is written."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from realishuman.errors import SettingsError
from realishuman.files.whole import fitting_name


@dataclass(frozen=True)
class Outputs:
    """Where everything about one picture goes.

    target      the refined picture.
    comparison  before and after side by side; None if not asked for.
    steps       folder of the intermediate pictures; None if not asked for.
    """

    source: Path
    target: Path
    comparison: Path | None = None
    steps: Path | None = None


def plan(
    pairs: Sequence[tuple[Path, Path]],
    *,
    compare: bool = False,
    steps_folder: Path | None = None,
    report: Path | None = None,
) -> list[Outputs]:
    """Name all outputs of a run so that none overwrites another, or an input.

    pairs   each picture and where its result goes; a result may replace its own picture.
    Raises  SettingsError naming both if two outputs, or an output and another picture, would be
            the same file.
    """
    taken = _Taken()
    for source, _ in pairs:
        taken.inputs[_key(source)] = taken.inputs[_key(source.resolve())] = source
    for source, target in pairs:
        taken.add(target, f"the result of {source}", own=source)
    if report is not None:
        taken.add(report, "the report")
    comparisons = [_comparison(target, taken) if compare else None for _, target in pairs]
    names = _folder_names(pairs)
    steps = [steps_folder / name if steps_folder else None for name in names]
    for folder in filter(None, steps):
        taken.refuse_inside(folder)
    return [
        Outputs(source, target, comparison, folder)
        for (source, target), comparison, folder in zip(pairs, comparisons, steps, strict=True)
    ]


class _Taken:
    """The files that are read or written, by a key that equals where the file system's does."""

    def __init__(self) -> None:
        self.inputs: dict[str, Path] = {}
        self.outputs: dict[str, str] = {}

    def holds(self, path: Path) -> bool:
        """Whether writing to `path` would overwrite something."""
        return _key(path) in self.inputs or _key(path) in self.outputs

    def add(self, path: Path, what: str, own: Path | None = None) -> None:
        """Note an output. `own` is the picture that it may replace."""
        key = _key(path)
        if key in self.outputs:
            raise SettingsError(
                f"{path} would be both {self.outputs[key]} and {what}; choose different names "
                "or folders."
            )
        if key in self.inputs and self.inputs[key] != own:
            raise SettingsError(
                f"{path}, which is one of the pictures, would be overwritten by {what}; name "
                "another file or folder."
            )
        self.outputs[key] = what

    def refuse_inside(self, folder: Path) -> None:
        """Raise if something is read from or written to a folder of intermediate pictures."""
        key = _key(folder)
        for one in (*self.inputs, *self.outputs):
            if one == key or one.startswith(key + os.sep):
                raise SettingsError(
                    f"intermediate pictures would go into {folder}, which {one} is or lies in; "
                    "name another folder with --save-steps."
                )


def _comparison(target: Path, taken: _Taken) -> Path:
    """A free name for a comparison: after the result's stem, or its whole name."""
    named = [target.with_name(fitting_name(n, "-compare.png")) for n in (target.stem, target.name)]
    chosen = next((one for one in named if not taken.holds(one)), named[0])
    taken.add(chosen, f"the comparison of {target}")
    return chosen


def _folder_names(pairs: Sequence[tuple[Path, Path]]) -> list[Path]:
    """A folder's name for each picture: the stems, or as much of the paths as tells all apart."""
    stems = [Path(source.stem.rstrip(". ") or source.name) for source, _ in pairs]
    names = [Path(source.name) for source, _ in pairs]
    for chosen in (stems, names):
        if len({_fold_case(str(name)) for name in chosen}) == len(pairs):
            return chosen
    common = os.path.commonpath([target.parent.absolute() for _, target in pairs])
    return [target.absolute().relative_to(common) for _, target in pairs]


def _key(path: Path) -> str:
    """The path as the file system tells files apart; links in its folders are followed."""
    folder = path.parent.resolve()
    key = str(folder / path.name)
    return _fold_case(key) if _ignores_case(folder) else key


def _fold_case(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


@lru_cache(maxsize=256)
def _ignores_case(folder: Path) -> bool:
    """Whether a.png and A.png are one file there, asked of the folder or one above it."""
    if not folder.is_absolute():  # an address in a store: resolved folders of a disk are absolute
        return False
    for place in (folder, *folder.parents):
        other = place.with_name(place.name.swapcase()) if place.name else place
        if place.exists() and other.name != place.name:
            return other.exists() and other.samefile(place)
    return sys.platform in ("win32", "darwin")
