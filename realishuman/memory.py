"""How much memory this machine has left, and whether an error says that there is none."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path

_CONTAINER = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Memory:
    """Bytes that a program can still have: without swapping, and at all."""

    free: int
    at_all: int


def memory_left() -> Memory | None:
    """What is left now, within the limit of the container if there is one.

    None where the system does not say: on other systems than Linux and Windows.
    """
    if sys.platform == "win32":
        return _windows()
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        pairs = (line.partition(":")[::2] for line in lines)
        table = {name: 1024 * int(rest.split()[0]) for name, rest in pairs}
        free, swap = table["MemAvailable"], table["SwapFree"]
    except (OSError, ValueError, KeyError, IndexError):
        return None
    limit = _container()
    if limit is not None:
        free = min(free, limit)
    return Memory(free, free + swap)


def is_full(error: BaseException) -> bool:
    """Whether memory ran out; on a CPU torch says so by a plain RuntimeError only."""
    import torch  # whoever meets such an error has it already

    known = isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
    return known or "DefaultCPUAllocator" in str(error)


def _container() -> int | None:
    """Bytes until the limit of the control group; None without one."""
    try:
        limit = int((_CONTAINER / "memory.max").read_text("ascii"))
        used = int((_CONTAINER / "memory.current").read_text("ascii"))
        entries = (_CONTAINER / "memory.stat").read_text("ascii").splitlines()
        cached = sum(int(x.split()[1]) for x in entries if x.startswith("inactive_file "))
    except (OSError, ValueError, IndexError):  # "max" says that there is none
        return None
    return max(0, limit - used + cached)


def _windows() -> Memory | None:
    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("all", "free", "all_paged", "free_paged")),
            *((name, ctypes.c_ulonglong) for name in ("all_own", "free_own", "extended")),
        ]

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined,unused-ignore]
        return None
    return Memory(status.free, status.free_paged)
