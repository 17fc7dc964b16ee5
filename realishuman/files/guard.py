"""Guards a folder: one process at a time works in it; too small a disk is said in a sentence."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realishuman.errors import SettingsError, TrainingError

SPARE = 64 * 2**20  # bytes that stay free
_FULL = (errno.ENOSPC, errno.EDQUOT)
# What torch and numpy raise instead of the system's error when a write came out short.
_SHORT = ("file write failed", "failed writing file", "unexpected pos", "requested and")


@contextmanager
def locked(folder: Path, doing: str) -> Iterator[None]:
    """Keep other runs out of a folder, which is made if it is missing.

    doing   what this process does there, as in "process 7 is training in ...".
    Raises  SettingsError if a living process, or one on another machine, holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / "lock"
    while True:
        try:
            handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            break
        except FileExistsError:
            owner = _owner(lock)
            if owner:
                raise SettingsError(
                    f"process {owner} is {doing} in {folder}: wait for it, stop it, or choose "
                    f"another folder. If there is no such run, delete {lock}."
                ) from None
            lock.unlink(missing_ok=True)
    with os.fdopen(handle, "w") as file:
        file.write(f"{os.getpid()} {socket.gethostname()}")
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


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
                f"{folder} is full: free some space and start the same command again; it goes on "
                "from what was saved last."
            ) from error
        raise


def _owner(lock: Path) -> str:
    """The process that holds the lock, empty if it is dead; one elsewhere counts as living."""
    try:
        number, _, machine = lock.read_text().partition(" ")
        if machine and machine != socket.gethostname():
            return f"{number} on {machine}"
        os.kill(int(number), 0)
    except PermissionError:  # another user's
        return number
    except (OSError, ValueError):
        return ""
    return number
