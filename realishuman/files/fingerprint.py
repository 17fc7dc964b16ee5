"""SHA-256 of files, and the record kept beside a file whose hash nobody published.

The record has sha256sum's format, so that `sha256sum -c NAME.sha256` checks it too.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from realishuman.files.whole import whole_file
from realishuman.progress import Progress, Silent

_BLOCK = 1 << 20
_LINE = re.compile(r"([0-9a-f]{64}) [ *]")


def digest(path: Path, progress: Progress | None = None) -> str:
    """SHA-256 of a file, lower-case hexadecimal; steps are bytes. Raises OSError."""
    progress = progress or Silent()
    made = hashlib.sha256()
    progress.begin(f"checking {path.name}", path.stat().st_size)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            made.update(block)
            progress.step(len(block))
    return made.hexdigest()


def record_path(path: Path) -> Path:
    """Where the hash of this file is recorded."""
    return path.with_name(f"{path.name}.sha256")


def read_record(path: Path) -> str | None:
    """The hash this file had when it was first downloaded, None if nothing is recorded."""
    try:
        found = _LINE.match(record_path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return found[1] if found else None


def record(path: Path, sha256: str) -> None:
    """Record the hash of this file beside it. Raises OSError."""
    with whole_file(record_path(path)) as file:
        file.write(f"{sha256}  {path.name}\n".encode())
