"""A file that arrives piece by piece: what is there so far, and where it came from."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from realishuman.errors import ModelError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Origin:
    """Where the pieces came from. validator: strong ETag or date, empty if there was none."""

    url: str
    validator: str


@dataclass(frozen=True)
class Partial:
    """Hidden beside the place of the whole file, which is `final`."""

    final: Path

    @property
    def path(self) -> Path:
        """Where the pieces are."""
        return self.final.with_name(f".{self.final.name}.part")

    @property
    def lock(self) -> Path:
        """The file that whoever writes the pieces holds locked."""
        return self.final.with_name(f".{self.final.name}.part.lock")

    @property
    def _origin(self) -> Path:
        return self.final.with_name(f".{self.final.name}.part.json")

    def length(self) -> int:
        """Bytes that are there already."""
        return self.path.stat().st_size if self.path.exists() else 0

    def origin(self) -> Origin | None:
        """Where they came from, None if that is not known."""
        try:
            return Origin(**json.loads(self._origin.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def discard(self) -> None:
        """Forget all of it."""
        self.path.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give it its final name, once it is safely on the disk. Raises OSError."""
        with self.path.open("r+b") as file:
            os.fsync(file.fileno())
        self.path.replace(self.final)
        self._origin.unlink(missing_ok=True)

    def require(self, space: int) -> None:
        """Raise ModelError if the disk has less than this many bytes left."""
        free = shutil.disk_usage(self.final.parent).free
        if space > free:
            raise ModelError(
                f"{space / 1e6:.0f} MB are needed but only {free / 1e6:.0f} MB are free in "
                f"{self.final.parent}: free some, or choose another models folder."
            )

    def write(self, blocks: Iterable[bytes], start: int, origin: Origin) -> None:
        """Write blocks from this byte on, each at once. Raises ModelError as the disk fails.

        What `blocks` raises must be no OSError; what came before it is kept.
        """
        try:
            if not start:
                self._origin.write_text(json.dumps(asdict(origin)), "utf-8")
            with self.path.open("r+b" if start else "wb", buffering=0) as file:
                file.truncate(start)
                file.seek(start)
                for block in blocks:
                    _write(file, block)
        except OSError as error:
            raise disk_error(error, self.final.parent) from error


def _write(file: FileIO, block: bytes) -> None:
    """Write all of it: an unbuffered file may take less at a time."""
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]


def disk_error(error: OSError, folder: Path) -> ModelError:
    """What a failed write means for the user."""
    if error.errno in _FULL:
        return ModelError(
            f"no space is left in {folder}: free some, or choose another models folder. What "
            "was downloaded so far is kept; the next attempt resumes from there."
        )
    return ModelError(
        f"{folder} cannot be written to ({error.strerror or error}): allow it, or choose another "
        "models folder."
    )
