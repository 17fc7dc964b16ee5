"""Write files whole or not at all, under names that the file system can hold."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

LONGEST_NAME = 255  # bytes, on every common file system


@contextmanager
def whole_file(path: Path, check: Callable[[Path], object] | None = None) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; rename it to `path` when the block ends well.

    Whatever ends the block early, also Ctrl-C, leaves neither a half-written file nor the
    temporary one, and an existing `path` as it was.
    check   called with the finished temporary file; what it raises keeps `path` as it was.
    Raises OSError as opening, writing and renaming do.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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
