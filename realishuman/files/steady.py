"""Reads pieces of a large file with plain reads, and notices when the file changes meanwhile.

A file that is mapped into memory and then cut short, overwritten or on a drive that goes away ends
the whole process with a bus error, and Windows refuses to replace it. A read that fails is an error
like any other, so nothing here maps, and no file stays open.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import torch
from torch import Tensor

from realishuman.errors import PackError

Take = Callable[[int, int], Tensor]  # start and count of bytes -> (count,) uint8
_BLOCK = 1 << 26  # bytes asked for at once: some systems read at most 2 GB


@dataclass(frozen=True)
class Stamp:
    """What tells that a file was changed: its size in bytes and when it was last written, in ns.

    Not its number on the disk, which some network drives change at will.
    """

    size: int
    written: int


@dataclass(frozen=True)
class SteadyFile:
    """A file as it was when it was first looked at."""

    path: Path
    stamp: Stamp

    @classmethod
    def at(cls, path: Path) -> SteadyFile:
        """Look at it. Raises PackError if it cannot be opened."""
        try:
            with path.open("rb", buffering=0) as file:
                return cls(path, _stamp(file))
        except OSError as error:
            raise unreadable(path, error) from error

    @contextmanager
    def reading(self) -> Iterator[Take]:
        """Inside, a function that reads bytes into memory of their own.

        Raises PackError, also at the end, if the file is not what it was when it was looked at,
        cannot be read, or ends too early; and where there is not enough memory.
        """
        try:
            with self.path.open("rb", buffering=0) as file:
                self._check(file)
                try:
                    yield lambda start, count: self._take(file, start, count)
                finally:
                    self._check(file)
        except OSError as error:
            raise unreadable(self.path, error) from error

    def _check(self, file: FileIO) -> None:
        found = _stamp(file)
        if found.size < self.stamp.size:
            raise incomplete(self.path, found.size, self.stamp.size)
        if found != self.stamp:
            raise changed(self.path)

    def _take(self, file: FileIO, start: int, count: int) -> Tensor:
        try:
            content = torch.empty(count, dtype=torch.uint8, device="cpu")
        except RuntimeError as error:  # what torch raises where the CPU has not enough memory
            raise PackError(
                f"{self.path} cannot be loaded: there are no {count / 1e6:,.0f} MB of memory left. "
                "Close other programs, or let the WebUI load a smaller model."
            ) from error
        view = content.numpy().data
        file.seek(start)
        while view:
            taken = file.readinto(view[:_BLOCK])
            if not taken:
                raise incomplete(self.path, _stamp(file).size, max(self.stamp.size, start + count))
            view = view[taken:]
        return content


def incomplete(path: Path, found: int, wanted: int) -> PackError:
    """The error that a file is shorter than it should be; sizes in bytes."""
    return PackError(
        f"{path} is being written or is incomplete: it has {found:,} of {wanted:,} bytes. If it is "
        "being copied, wait until that is done."
    )


def changed(path: Path) -> PackError:
    """The error that a file is no longer the one that was looked at."""
    return PackError(
        f"{path} was changed or replaced while it was in use. Try again once whatever writes it is "
        "done."
    )


def unreadable(path: Path, error: OSError) -> PackError:
    """The error that a file cannot be opened or read."""
    reason = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        return PackError(f"{path} does not exist (any more).")
    if isinstance(error, IsADirectoryError) or _is_folder(path):
        return PackError(f"{path} is a folder; name the file in it.")
    if isinstance(error, PermissionError):
        return PackError(f"{path} may not be read, or another program is writing it ({reason}).")
    return PackError(f"{path} cannot be read ({reason}): is its drive still there?")


def _stamp(file: FileIO) -> Stamp:
    found = os.fstat(file.fileno())
    return Stamp(found.st_size, found.st_mtime_ns)


def _is_folder(path: Path) -> bool:
    """Windows says of a folder only that it may not be opened."""
    try:
        return path.is_dir()
    except OSError:
        return False
