"""Makes the n-th call of a chosen function fail in a chosen way."""

from __future__ import annotations

import dataclasses
import errno
import functools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

HANG = 0.005  # seconds; a campaign by hand may make it longer
Call = Callable[[], object]


@dataclass(frozen=True)
class Seam:
    """A place where a run can fail.

    owner, name  of the function; its class, module or object, and the attribute.
    faults       which of FAULTS make sense there.
    ours         only calls from the package count; hosts and libraries make some of their own.
    """

    label: str
    owner: object
    name: str
    faults: tuple[str, ...]
    ours: bool = True


class Injection:
    """While it is entered, calls of the seam are counted, and call number `nth` fails.

    fault  takes the call that was to be made, and makes it, or does not.
    """

    def __init__(self, seam: Seam, fault: Callable[[Call], object] | None, nth: int = 0) -> None:
        self.seam, self.fault, self.nth = seam, fault, nth
        self.calls = 0

    @property
    def struck(self) -> bool:
        """Whether the call that was to fail was made."""
        return self.calls >= self.nth > 0

    def __enter__(self) -> Injection:
        owner, name = self.seam.owner, self.seam.name
        self._own = name in vars(owner)
        self._kept = vars(owner)[name] if self._own else None
        static = isinstance(self._kept, staticmethod)
        plain = self._kept.__func__ if static else getattr(owner, name)

        @functools.wraps(plain)
        def counted(*arguments, **named):
            if self.seam.ours and not _is_ours(sys._getframe(1)):
                return plain(*arguments, **named)
            self.calls += 1
            call = functools.partial(plain, *arguments, **named)
            return self.fault(call) if self.fault and self.calls == self.nth else call()

        setattr(owner, name, staticmethod(counted) if static else counted)
        return self

    def __exit__(self, *_reason) -> None:
        owner, name = self.seam.owner, self.seam.name
        if self._own:
            setattr(owner, name, self._kept)
        else:
            delattr(owner, name)


def _is_ours(frame) -> bool:
    return frame.f_globals.get("__name__", "").startswith("realishuman")


def raising(make: Callable[[], BaseException]) -> Callable[[Call], object]:
    """A fault that raises instead of calling."""

    def fault(_call):
        raise make()

    return fault


def _hang(call):
    time.sleep(HANG)
    return call()


def _no_numbers(call):
    return as_nan(call())


FAULTS: dict[str, Callable[[Call], object]] = {
    "exception": raising(lambda: RuntimeError("injected")),
    "memory": raising(
        lambda: torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    ),
    "refused": raising(lambda: PermissionError(errno.EACCES, "Permission denied", "somewhere")),
    "full disk": raising(lambda: OSError(errno.ENOSPC, "No space left on device", "somewhere")),
    "vanished": raising(
        lambda: FileNotFoundError(errno.ENOENT, "No such file or directory", "somewhere")
    ),
    "nan": _no_numbers,
    "hang": _hang,
}
INTERRUPT = "interrupt"  # the world says how its user stops a run
ANY = ("exception", INTERRUPT, "memory", "hang")
NUMERIC = (*ANY, "nan")
OF_FILES = ("refused", INTERRUPT, "full disk", "vanished", "hang")


def as_nan(value: object) -> object:
    """The same with NaN in place of every float, in whatever it is wrapped."""
    if isinstance(value, torch.Tensor):
        return torch.full_like(value, float("nan")) if value.is_floating_point() else value
    if isinstance(value, np.ndarray):
        return np.full_like(value, np.nan) if value.dtype.kind == "f" else value
    if isinstance(value, float):
        return float("nan")
    if isinstance(value, dict):
        return {key: as_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(as_nan(one) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: as_nan(getattr(value, one.name)) for one in dataclasses.fields(value)}
        made = object.__new__(type(value))
        for name, one in fields.items():
            object.__setattr__(made, name, one)
        return made
    return value
