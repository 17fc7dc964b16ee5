"""Write files whole or not at all, under names that the file system can hold.

A process that is killed leaves its temporary file behind. It held that file, so the next run can
tell it from one that is still being written, and removes it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from realishuman.files.held import hold

LONGEST_NAME = 255  # bytes, on every common file system
OURS = ".realishuman-"  # how the names of files begin that are there during a run only
PART = ".part"


@contextmanager
def whole_file(path: Path, check: Callable[[Path], object] | None = None) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; rename it to `path` when the block ends well.

    Whatever ends the block early, also Ctrl-C, leaves neither a half-written file nor the
    temporary one, and an existing `path` as it was.
    check   called with the finished temporary file; what it raises keeps `path` as it was.
    Raises OSError as opening, writing and renaming do.
    """
    file, temporary = _open_beside(path)
    with file:  # held until it has its name, so that no run takes it for a leftover
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if os.name != "posix":  # Windows renames and removes no open file
                file.close()
            if check is not None:
                check(temporary)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            if os.name != "posix":
                file.close()
            temporary.unlink(missing_ok=True)
            raise


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files in a folder whose processes were killed before they were done."""
    try:
        names = [one.name for one in os.scandir(folder) if one.name.startswith(OURS)]
    except OSError:
        return
    for name in names:
        if name.endswith(PART):
            try:
                with (folder / name).open("r+b") as file:
                    if not hold(file):
                        continue
                    if os.name == "posix":  # while it is held, so that nobody begins to write it
                        (folder / name).unlink()
                (folder / name).unlink(missing_ok=True)
            except OSError:  # another run removed it, or it belongs to somebody else
                continue


def _open_beside(path: Path) -> tuple[BinaryIO, Path]:
    """A new temporary file beside `path` that this process holds."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=OURS, suffix=PART)
        file = os.fdopen(handle, "wb")
        if hold(file) and Path(name).exists():  # a run that cleans up may have been faster
            return file, Path(name)
        file.close()


def fitting_name(stem: str, ending: str) -> str:
    """Return stem + ending; a stem too long for a file system is cut and told apart by a digest."""
    if len(os.fsencode(stem + ending)) <= LONGEST_NAME:
        return stem + ending
    digest = "~" + hashlib.blake2b(os.fsencode(stem), digest_size=4).hexdigest()
    while stem and len(os.fsencode(stem + digest + ending)) > LONGEST_NAME:
        stem = stem[:-1]
    return stem + digest + ending


def _umask() -> int:
    """The process's file mode mask; the only portable way to read it is to set it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
