"""What every clip offers, whatever it is kept in: its frames, one after the other, and times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from realishuman.video.planes import Planes

VIDEOS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv"}
)
ANIMATIONS = frozenset({".gif", ".webp", ".png", ".apng"})


@dataclass(frozen=True)
class Frame:
    """One frame.

    start, duration  in units of its clip's time base; a duration of 0 is not known.
    name             of its file, where each frame has its own.
    """

    planes: Planes
    start: int
    duration: int = 0
    name: str = ""


class Clip(Protocol):
    """A clip that can be read from its first frame on, as often as needed.

    size   height and width of its upright frames, in pixels.
    count  how many frames it says it has; 0 where it does not say.
    rate   frames per second, on average.
    base   seconds of one unit of time.
    loop   how often it repeats: 0 for ever; None where it does not say.
    notes  sentences on what cannot be kept.
    """

    path: Path
    size: tuple[int, int]
    count: int
    rate: Fraction
    base: Fraction
    loop: int | None
    notes: tuple[str, ...]

    def frames(self) -> Iterator[Frame]:
        """All frames in order; few are in memory at once.

        Raises PictureError where one cannot be read, or the clip breaks off.
        """
