"""Where pictures to evaluate come from: picture files, videos, and folders of a video's frames.

Frames are read one after the other, so a set of videos needs no more memory than one frame. What
cannot be read or compared comes as the error that says why, in place of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.errors import PictureError, SettingsError
from realishuman.imaging.formats import readable
from realishuman.imaging.picture import load_picture

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

    def frames(self) -> Iterator[tuple[str, Pixels | PictureError]]:
        """Every used frame: name, and (H, W, 3) uint8 RGB or why it cannot be read.

        A video without any frame gives one such error.
        """
        if self.path.is_dir():
            for path in _pictures(self.path)[:: self.every]:
                yield f"{self.name}/{path.stem}", _load(path)
        elif self.path.suffix.lower() in VIDEOS:
            yield from self._decode()
        else:
            yield self.name, _load(self.path)

    def names(self) -> list[str]:
        """Of the used frames that are there, readable or not; a video is run through for it."""
        if self.path.is_dir():
            return [f"{self.name}/{path.stem}" for path in _pictures(self.path)[:: self.every]]
        if self.path.suffix.lower() not in VIDEOS:
            return [self.name]
        with _open(self.path) as video:
            count = 0
            while video.grab():
                count += 1
        return [self._name_frame(number) for number in range(0, count, self.every)]

    def empty(self) -> PictureError:
        """Why a video has no names."""
        return PictureError(
            f"{self.path} holds no frame that OpenCV can read: write its frames into a folder "
            f"of pictures called {self.name}, and name the folder above it."
        )

    def _decode(self) -> Iterator[tuple[str, Pixels | PictureError]]:
        number = 0
        with _open(self.path) as video:
            while video.grab():
                if number % self.every == 0:
                    good, frame = video.retrieve()
                    yield (
                        self._name_frame(number),
                        cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                        if good
                        else PictureError(
                            f"frame {number} of {self.path} cannot be decoded: make the video "
                            "anew, or write its frames into a folder."
                        ),
                    )
                number += 1
        if not number:
            yield self.name, self.empty()

    def _name_frame(self, number: int) -> str:
        return f"{self.name}/{number:06}"


def clips(place: Path, every: int = 1) -> dict[str, Clip]:
    """Pictures, videos and folders of frames within a folder, by name and in its order.

    place   may also be a single video.
    Raises  SettingsError if there are none, or two have one name.
    """
    if place.is_file() and place.suffix.lower() in VIDEOS:
        return {place.stem: Clip(place.stem, place, every)}
    if not place.is_dir():
        raise SettingsError(f"{place} is not a folder and no video ({', '.join(sorted(VIDEOS))}).")
    found: dict[str, Clip] = {}
    for path in sorted(place.iterdir()):
        if path.is_dir():
            usable, name = bool(_pictures(path)), path.name
        else:
            usable, name = path.suffix.lower() in readable().keys() | VIDEOS, path.stem
        if usable and name in found:
            raise SettingsError(
                f"{found[name].path} and {path} have the same name: move one of them away."
            )
        if usable:
            found[name] = Clip(name, path, every)
    if not found:
        raise SettingsError(
            f"{place} holds no picture, no video and no folder of pictures "
            f"({', '.join(sorted(readable().keys() | VIDEOS))})."
        )
    return found


def partners(before: Path, after: Path, every: int = 1) -> list[tuple[Clip, Clip]]:
    """Clips of two folders that have the same name; a video's partner may be a folder of frames.

    Two single videos are partners whatever their names. A clip before whose partner is missing
    gets one that does not exist; together() says so.
    Raises  SettingsError as clips(), or if no clip before has a partner.
    """
    first, second = clips(before, every), clips(after, every)
    if before.is_file() and after.is_file():
        return list(zip(first.values(), second.values(), strict=True))
    if not first.keys() & second.keys():
        raise SettingsError(
            f"none of the {len(first)} pictures in {before} has a partner of the same name in "
            f"{after}, {next(iter(first.values())).path.name} for one: name the folder they were "
            "refined into."
        )
    return [
        (clip, second.get(name) or Clip(name, after / clip.path.name, every))
        for name, clip in first.items()
    ]


def together(
    before: Clip, after: Clip
) -> Iterator[tuple[str, tuple[Pixels, Pixels] | PictureError]]:
    """Frames of two clips side by side: name, and both pictures or why they are not compared.

    Clips that differ in the number or, of frames in folders, the names of their frames give a
    single error and no frame at all, as nobody can tell which frames belong together.
    """
    if fault := _differ(before, after):
        yield before.name, fault
        return
    for (name, first), (_, second) in zip(before.frames(), after.frames(), strict=True):
        if isinstance(first, PictureError):
            yield name, first
        elif isinstance(second, PictureError):
            yield name, second
        elif first.shape != second.shape:
            yield (
                name,
                PictureError(
                    f"{name} has {first.shape[1]} x {first.shape[0]} pixels in {before.path} and "
                    f"{second.shape[1]} x {second.shape[0]} in {after.path}: a refined picture has "
                    "the size of its input."
                ),
            )
        else:
            yield name, (first, second)


def _differ(before: Clip, after: Clip) -> PictureError | None:
    """Why no frame of one clip can be compared with one of the other."""
    if not after.path.exists():
        return PictureError(
            f"{before.path} has no partner of the same name in {after.path.parent}: refine the "
            "whole folder."
        )
    first, second = before.names(), after.names()
    for clip, names in ((before, first), (after, second)):
        if not names:
            return clip.empty()
    if len(first) != len(second):
        shorter = after if len(second) < len(first) else before
        return PictureError(
            f"{shorter.path} has fewer frames than its partner: both must show the same ones."
        )
    if before.path.is_dir() and after.path.is_dir():
        for name, partner in zip(first, second, strict=True):
            if Path(name).name != Path(partner).name:
                return PictureError(
                    f"{before.path} and {after.path} differ in their frames: {Path(name).name} "
                    f"stands where the other has {Path(partner).name}."
                )
    return None


@contextmanager
def _open(path: Path) -> Iterator[cv2.VideoCapture]:
    video = cv2.VideoCapture(str(path))
    try:
        yield video
    finally:
        video.release()


def _load(path: Path) -> Pixels | PictureError:
    try:
        return load_picture(path).rgb
    except PictureError as error:
        return error


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in readable())
