"""Holds open files by the system's own locks, which end with their process, however it ends."""

from __future__ import annotations

import logging
import sys
from typing import IO, Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

log = logging.getLogger(__name__)
_BEYOND = 1 << 30  # Windows keeps others from reading a locked byte, so it lies behind the content


def hold(file: IO[Any]) -> bool:
    """Lock an open file until it is closed; False if another process holds it.

    On a drive without locks a warning is logged, and every process is told that it holds the file.
    """
    try:
        if sys.platform == "win32":
            place = file.tell()
            file.seek(_BEYOND)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            finally:
                file.seek(place)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        log.warning("%s cannot be locked (%s): run one command there at a time", file.name, error)
    return True
