"""What a clip's run has done so far, beside its output, so that a stop or kill loses nothing.

The work folder holds one log for each pass, with a record for each finished frame. A record that a
kill cut off is dropped, and the run goes on with that frame.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import Any, TypeVar

from realishuman.errors import PictureError
from realishuman.files.guard import LOCK, locked
from realishuman.files.whole import fitting_name, whole_file

_Frame = TypeVar("_Frame")

JOB = "job.json"
_HEAD = Struct("<II")  # length and CRC-32 of a record


class Log:
    """A file of records, one after the other; `count` of them are whole."""

    def __init__(self, path: Path) -> None:
        self._path, self.count, end = path, 0, 0
        if path.exists():
            for record in self.read():
                self.count += 1
                end += _HEAD.size + len(record)
            with path.open("r+b") as file:
                file.truncate(end)

    def append(self, record: bytes) -> None:
        """Add a record."""
        with self._path.open("ab") as file:
            file.write(_HEAD.pack(len(record), zlib.crc32(record)) + record)
        self.count += 1

    def read(self) -> Iterator[bytes]:
        """All whole records, in order."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            while len(head := file.read(_HEAD.size)) == _HEAD.size:
                length, check = _HEAD.unpack(head)
                record = file.read(length)
                if len(record) != length or zlib.crc32(record) != check:
                    return
                yield record


def rest(frames: Iterator[_Frame], log: Log) -> Iterator[tuple[int, _Frame]]:
    """The frames that have no record in a log yet, with their numbers from 1."""
    for number, frame in enumerate(frames, start=1):
        if number > log.count:
            yield number, frame


class Work:
    """The work folder of one output.

    resumed  whether it held what an earlier run of the same job had done.
    other    whether it held that of another job, which is gone.
    """

    def __init__(self, folder: Path, job: Mapping[str, Any]) -> None:
        self.folder = folder
        path, told = folder / JOB, json.dumps(job, sort_keys=True, indent=1)
        known = path.read_text("utf-8") if path.exists() else ""
        self.resumed, self.other = known == told, known not in ("", told)
        if not self.resumed:
            for one in folder.iterdir():
                if one.name != LOCK:
                    shutil.rmtree(one) if one.is_dir() else one.unlink()
            with whole_file(path) as file:
                file.write(told.encode())

    def log(self, name: str) -> Log:
        """The log of a pass."""
        return Log(self.folder / name)


@contextmanager
def opened_work(target: Path, job: Mapping[str, Any]) -> Iterator[Work]:
    """The work folder beside an output; it is removed when the block ends well.

    job     what is done, ready for JSON: an earlier run that did the same is continued.
    Raises  SettingsError if another process is at it, PictureError if the disk refuses.
    """
    folder = target.with_name(fitting_name(f".{target.name}", ".realishuman"))
    try:
        with locked(folder, "refining this clip"):
            work = Work(folder, job)
            try:
                yield work
            except BaseException:
                if not any(folder.glob("*.log")):  # nothing is done that could be continued
                    shutil.rmtree(folder, ignore_errors=True)
                raise
        shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise PictureError(
            f"{folder} cannot be written to ({error.strerror or error}): free some space and run "
            "the same command again; it goes on where it stopped."
        ) from error
