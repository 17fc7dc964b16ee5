"""Which pictures a command is about, and where its results go."""

from __future__ import annotations

import glob
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from realishuman.errors import SettingsError
from realishuman.imaging.picture import EXTENSIONS


def expand(names: Sequence[str]) -> list[Path]:
    """Files, the pictures in folders and what globs match, sorted within each, without repeats.

    Raises SettingsError if a name is empty or a folder or glob gives nothing. A file that is
    missing is kept: loading it says so, and the others still run.
    """
    pictures: dict[str, Path] = {}
    for name in names:
        path = Path(name)
        if not name:
            raise SettingsError('a picture has the empty name ""; write . for the current folder.')
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in EXTENSIONS)
        elif glob.has_magic(name) and not path.exists():
            found = sorted(Path(hit) for hit in glob.glob(name, recursive=True))  # noqa: PTH207 - a whole path
        else:
            found = [path]
        if not found:
            raise SettingsError(f"{name} holds no picture ({', '.join(sorted(EXTENSIONS))}).")
        for one in found:
            pictures.setdefault(os.path.abspath(one), one)  # noqa: PTH100 - follows no link
    return list(pictures.values())


def targets(pictures: Sequence[Path], output: str, suffix: str | None = None) -> list[Path]:
    """Where each result goes: `output` itself for one picture, else a file of its name in it.

    Makes the folder and tries whether it can be written to.
    suffix  replaces the pictures' own extension, as in ".png".
    Raises  SettingsError if the place cannot be used, two results would have one name or a picture
            would be overwritten without its own file being named.
    """
    folder = Path(output)
    single = len(pictures) == 1 and folder.suffix and not output.endswith(("/", os.sep))
    if single and not folder.is_dir():
        allowed = {suffix} if suffix else EXTENSIONS
        if folder.suffix.lower() not in allowed:
            raise SettingsError(
                f"{output} ends in {folder.suffix}, not in {', '.join(sorted(allowed))}; end it "
                "with / if it should be a folder."
            )
        try_folder(folder.parent)
        return [folder]
    results = [folder / (p.stem + suffix if suffix else p.name) for p in pictures]
    for result, count in Counter(results).items():
        if count > 1:
            raise SettingsError(
                f"{count} pictures would become {result}; refine them into different folders."
            )
    sources = {picture.resolve() for picture in pictures}
    if taken := [str(path) for path in results if path.resolve() in sources]:
        raise SettingsError(
            f"{taken[0]} is itself one of the pictures; name another folder with -o."
        )
    try_folder(folder)
    return results


def try_folder(folder: Path) -> None:
    """Make the folder, if it is missing, and a file in it: a look before hours of work.

    Raises SettingsError with what the system answered.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise SettingsError(f"{folder} should be a folder but is, or lies in, a file.") from error
    except OSError as error:
        raise SettingsError(
            f"nothing can be written to the folder {folder} ({error.strerror or error}); name "
            "another one."
        ) from error
