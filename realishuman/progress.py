"""How long work reports how far it is, how it is told to stop, and how its time is taken."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """The user asked to stop; what is finished so far stays valid."""


class Progress(Protocol):
    """Receives steps. A host raises Interrupted from `step` when the user pressed stop."""

    def begin(self, stage: str, total: int) -> None:
        """A stage of `total` steps starts; the previous one, if any, is over."""

    def step(self, count: int = 1) -> None:
        """`count` more steps of the current stage are done."""


@runtime_checkable
class Viewer(Protocol):
    """A Progress that also wants to see what a stage has made."""

    def show(self, picture: NDArray[np.uint8]) -> None:
        """All crops of a finished stage side by side, (R, N R, 3) uint8 RGB."""


@runtime_checkable
class PartProgress(Protocol):
    """A Progress that also wants to know which parts the stages that follow are about."""

    def work_on(self, names: Sequence[str], done: int, total: int) -> None:
        """These parts are painted now, `done` of `total` parts before them."""


class Silent:
    """Reports to nobody."""

    def begin(self, stage: str, total: int) -> None:
        """Ignore."""

    def step(self, count: int = 1) -> None:
        """Ignore."""


class Clock:
    """Adds up wall time by stage: `seconds`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the block's wall time to a stage's."""
        start = time.perf_counter()
        yield
        self.add(stage, time.perf_counter() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds to a stage's."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
