"""Guards a folder: one process at a time works in it; too small a disk is said in a sentence."""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from realishuman.errors import SettingsError, TrainingError

log = logging.getLogger(__name__)
LOCK = ".lock"
SPARE = 64 * 2**20  # bytes that stay free
_FULL = (errno.ENOSPC, errno.EDQUOT)
# What torch and numpy raise instead of the system's error when a write came out short.
_SHORT = ("file write failed", "failed writing file", "unexpected pos", "requested and")


@contextmanager
def locked(folder: Path, doing: str) -> Iterator[None]:
    """Keep other runs out of a folder, which is made if it is missing.

    The lock is the system's: it ends with the process, however that ends.
    doing   what this process does there, as in "training in ...".
    Raises  SettingsError if another run holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SettingsError(
            f"another process is {doing} in {folder}: wait for it, stop it, or choose another "
            "folder."
        ) from None
    except NotImplementedError:
        log.warning("%s is on a drive without file locks: run one command there at a time", folder)
    try:
        yield
    finally:
        lock.release()


def enough(folder: Path, needed: int, what: str, advice: str) -> None:
    """Raise SettingsError, with advice, unless `needed` more bytes leave some on the disk free."""
    free = shutil.disk_usage(folder).free
    if needed and needed + SPARE > free:
        raise SettingsError(
            f"{folder} has {free / 1e9:.1f} GB left but {what} take {needed / 1e9:.1f} GB more: "
            f"{advice}"
        )


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """Turn what a full disk raises within the block into a TrainingError; the rest passes."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        full = isinstance(error, OSError) and error.errno in _FULL
        if full or any(words in str(error) for words in _SHORT):
            raise TrainingError(
                f"{folder} is full: free some space and run the same command again; it resumes "
                "from the last save."
            ) from error
        raise
