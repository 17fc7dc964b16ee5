"""Where pictures to evaluate come from: picture files, videos, and folders of a video's frames.

Frames are read one after the other, so a set of videos needs no more memory than one frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.errors import PictureError, SettingsError
from realishuman.imaging.picture import EXTENSIONS, load_picture

Pixels = NDArray[np.uint8]

VIDEOS = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v"})


@dataclass(frozen=True)
class Clip:
    """A picture, a video or a folder of frames.

    name   the file's without its extension, or the folder's.
    every  of a video or folder only every so manieth frame is used, from the first.
    """

    name: str
    path: Path
    every: int = 1

    def frames(self) -> Iterator[tuple[str, Pixels]]:
        """Every used frame: name and (H, W, 3) uint8 RGB.

        Raises PictureError if a file cannot be read.
        """
        if self.path.is_dir():
            for path in _pictures(self.path)[:: self.every]:
                yield f"{self.name}/{path.stem}", load_picture(path).rgb
        elif self.path.suffix.lower() in VIDEOS:
            yield from self._decoded()
        else:
            yield self.name, load_picture(self.path).rgb

    def _decoded(self) -> Iterator[tuple[str, Pixels]]:
        video = cv2.VideoCapture(str(self.path))
        number = 0
        try:
            while video.grab():
                if number % self.every == 0:
                    good, frame = video.retrieve()
                    if not good:
                        raise PictureError(
                            f"frame {number} of {self.path} cannot be decoded: make the video "
                            "anew, or write its frames into a folder."
                        )
                    yield f"{self.name}/{number:06}", cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                number += 1
        finally:
            video.release()
        if not number:
            raise PictureError(
                f"{self.path} holds no frame that OpenCV can read: write its frames into a folder "
                f"of pictures called {self.name}, and name the folder above it."
            )


def clips(place: Path, every: int = 1) -> dict[str, Clip]:
    """Pictures, videos and folders of frames within a folder, by name and in its order.

    place   may also be a single video.
    Raises  SettingsError if there are none, or two have one name.
    """
    if place.is_file() and place.suffix.lower() in VIDEOS:
        return {place.stem: Clip(place.stem, place, every)}
    if not place.is_dir():
        raise SettingsError(f"{place} is no folder and no video ({', '.join(sorted(VIDEOS))}).")
    found: dict[str, Clip] = {}
    for path in sorted(place.iterdir()):
        if path.is_dir():
            usable, name = bool(_pictures(path)), path.name
        else:
            usable, name = path.suffix.lower() in EXTENSIONS | VIDEOS, path.stem
        if usable and name in found:
            raise SettingsError(
                f"{found[name].path} and {path} have the same name: move one of them away."
            )
        if usable:
            found[name] = Clip(name, path, every)
    if not found:
        raise SettingsError(
            f"{place} holds no picture, no video and no folder of pictures "
            f"({', '.join(sorted(EXTENSIONS | VIDEOS))})."
        )
    return found


def partners(before: Path, after: Path, every: int = 1) -> list[tuple[Clip, Clip]]:
    """Clips of two folders that have the same name; a video's partner may be a folder of frames.

    Two single videos are partners whatever their names.
    Raises  SettingsError as clips(), or if a clip before has no partner.
    """
    first, second = clips(before, every), clips(after, every)
    if before.is_file() and after.is_file():
        return list(zip(first.values(), second.values(), strict=True))
    if lonely := sorted(first.keys() - second.keys()):
        raise SettingsError(
            f"{len(lonely)} of {len(first)} pictures in {before} have no partner of the same name "
            f"in {after}, {first[lonely[0]].path.name} for one: refine the whole folder, or move "
            "these away."
        )
    return [(clip, second[name]) for name, clip in first.items()]


def together(before: Clip, after: Clip) -> Iterator[tuple[str, Pixels, Pixels]]:
    """Frames of two clips side by side: name, before, after.

    Raises  SettingsError if they differ in size, number or, of frames in folders, name;
            PictureError if a file cannot be read.
    """
    named = before.path.is_dir() and after.path.is_dir()
    for one, two in zip_longest(before.frames(), after.frames()):
        if one is None or two is None:
            shorter = after if two is None else before
            raise SettingsError(
                f"{shorter.path} has fewer frames than its partner: both must show the same ones."
            )
        (name, first), (partner, second) = one, two
        if named and Path(name).name != Path(partner).name:
            raise SettingsError(
                f"{before.path} and {after.path} differ in their frames: {Path(name).name} stands "
                f"where the other has {Path(partner).name}."
            )
        if first.shape != second.shape:
            raise SettingsError(
                f"{name} has {first.shape[1]} x {first.shape[0]} pixels in {before.path} and "
                f"{second.shape[1]} x {second.shape[0]} in {after.path}: a refined picture has the "
                "size of its input."
            )
        yield name, first, second


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)
