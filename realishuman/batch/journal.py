"""The journal of a run: what became of each picture, on the disk as soon as it is known.

One line of JSON per picture, in a hidden file in the folder of the results. The same command reads
it after a stop or a kill and goes on from there; once every picture is done it is removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from realishuman.batch.outputs import Outputs
from realishuman.errors import PictureError, SettingsError
from realishuman.files.held import hold
from realishuman.files.whole import OURS

Entry = dict[str, Any]
SKIPPED: Entry = {"skipped": "the result already exists"}


@dataclass(frozen=True)
class _Line:
    """Where a picture's entry lies, and what told when it was written that it was done.

    stamps  of the picture and of its result; None where there is no result.
    failed  whether it counts as failed.
    """

    start: int
    stamps: list[Any] | None
    failed: bool


class Journal:
    """The entries of one run, in the order in which they came; a context manager.

    folder  of the results.
    name    tells this command from others that write into the same folder.
    Raises  SettingsError if the same command is running already, or the disk refuses.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{OURS}{name}.jsonl"
        self._lines: dict[str, _Line] = {}
        self._finished = False
        self._file = self._open()
        self._read()

    def _open(self) -> BinaryIO:
        while True:
            try:
                file = self.path.open("a+b")
            except OSError as error:
                raise SettingsError(
                    f"{self.path} cannot be opened ({error.strerror or error}): every run keeps "
                    "its journal there; name another folder with -o."
                ) from error
            if not hold(file):
                file.close()
                raise SettingsError(
                    f"the same command is already running and writing to {self.path.parent}: wait "
                    "for it, or stop it."
                )
            if os.fstat(file.fileno()).st_nlink:  # else a run that ended has just removed it
                return file
            file.close()

    def _read(self) -> None:
        """Take what an earlier run wrote; a line that a kill cut short is cut off."""
        self._file.seek(0)
        start = 0
        for text in self._file:
            try:
                line = json.loads(text) if text.endswith(b"\n") else None
            except ValueError:
                line = None
            if line is None:
                break
            self._note(start, line)
            start += len(text)
        self._file.truncate(start)

    def _note(self, start: int, line: dict[str, Any]) -> None:
        entry = line["entry"]
        self._lines[line["result"]] = _Line(start, line["stamps"], is_failure(entry))

    def has(self, one: Outputs) -> bool:
        """Whether this picture is done: neither it nor its result was changed since."""
        line = self._lines.get(_key(one))
        return line is not None and line.stamps is not None and line.stamps == _stamps(one)

    def add(self, one: Outputs, entry: Entry) -> None:
        """Write what became of a picture. Raises PictureError if the disk refuses."""
        stamps = None if "error" in entry else _stamps(one)
        line = {"result": _key(one), "stamps": stamps, "entry": entry}
        start = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write((json.dumps(line) + "\n").encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise PictureError(
                f"{self.path} cannot be written ({error.strerror or error}): mend that, then run "
                "the same command again; it goes on where it stopped."
            ) from error
        self._note(start, line)

    def entry(self, one: Outputs) -> Entry | None:
        """What became of a picture; None if that is not known yet."""
        line = self._lines.get(_key(one))
        if line is None:
            return None
        self._file.seek(line.start)
        found: Entry = json.loads(self._file.readline())["entry"]
        return found

    @property
    def failures(self) -> int:
        """How many pictures failed, or lack a part that the user named."""
        return sum(line.failed for line in self._lines.values())

    def finish(self) -> None:
        """Say that every picture was tried."""
        self._finished = True

    def __enter__(self) -> Journal:
        return self

    @property
    def useless(self) -> bool:
        """Whether the same command cannot go on with it: all is done, or nothing."""
        done = sum(line.stamps is not None for line in self._lines.values())
        return not done or (self._finished and done == len(self._lines))

    def __exit__(self, *_reason: object) -> None:
        """Remove the file unless the same command can go on with it."""
        useless = self.useless
        if useless and os.name == "posix":  # while it is held
            self.path.unlink(missing_ok=True)
        self._file.close()
        if useless:
            self.path.unlink(missing_ok=True)


def is_failure(entry: Entry) -> bool:
    """Whether a picture failed, or lacks a part that the user named."""
    return "error" in entry or bool(entry.get("missed"))


def in_order(
    journal: Journal, outputs: Sequence[Outputs], skipped: Collection[Outputs]
) -> Iterator[Entry]:
    """The report's entries in the order of the pictures, of those that are done so far."""
    for one in outputs:
        entry = SKIPPED if one in skipped else journal.entry(one)
        if entry is not None:
            written = {} if "error" in entry else {"output": str(one.target)}
            yield {"input": str(one.source), **written, **entry}


def _key(one: Outputs) -> str:
    return str(one.target.absolute())


def _stamps(one: Outputs) -> list[Any] | None:
    """Size and time of the picture and its result; None if one of them is not there."""
    try:
        found = [path.stat() for path in (one.source, one.target)]
    except OSError:
        return None
    return [[one.st_size, one.st_mtime_ns] for one in found]
