"""What a clip's run is asked for, and where it tells how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from realishuman.detect.base import GivenBox
from realishuman.video.encoding import Encoding


class Watch(Protocol):
    """Where a run tells how far it is."""

    def frame(self, doing: str, number: int, total: int) -> None:
        """Frame `number` of `total`, counted from 1, is worked on; a total of 0 is not known."""

    def say(self, text: str) -> None:
        """A line for the user."""


@dataclass(frozen=True)
class Wanted:
    """What the user says of a clip's run, besides the settings.

    boxes        that are searched in every frame instead of all of it.
    independent  refine each frame for itself.
    """

    encoding: Encoding
    boxes: Sequence[GivenBox] = ()
    independent: bool = False
