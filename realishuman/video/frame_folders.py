"""Folders of pictures that are the frames of one clip."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from PIL import Image

from realishuman.errors import PictureError, SettingsError
from realishuman.imaging.drawn import is_drawn
from realishuman.imaging.formats import readable, result_extension
from realishuman.imaging.loaded import picture_of
from realishuman.imaging.picture import load_picture, save_picture
from realishuman.video.clip import Frame
from realishuman.video.planes import planes_of

RATE = 25  # frames per second, unless the user says


class FrameFolder:
    """A folder of frames as a Clip, in the order of their names; see there.

    rate    frames per second.
    Raises  SettingsError if it holds no picture, PictureError if they differ in size.
    """

    loop: int | None = None

    def __init__(self, path: Path, rate: Fraction | None = None) -> None:
        self.path, self.rate = path, rate or Fraction(RATE)
        self.base = 1 / self.rate
        found = (one for one in path.iterdir() if one.suffix.lower() in readable())
        shown = (one for one in found if not one.name.startswith(".") and not is_drawn(one))
        self._files = sorted(shown, key=_natural)
        if not self._files:
            raise SettingsError(f"{path} holds no picture: name a folder with a clip's frames.")
        self.count = len(self._files)
        self.size = load_picture(self._files[0]).rgb.shape[:2]
        sizes = {one: _size_of(one) for one in self._files}
        common, _ = Counter(sizes.values()).most_common(1)[0]
        for one, size in sizes.items():
            if size not in (common, None):
                raise PictureError(
                    f"{one} has {_say(size)} pixels, but most frames in {path} have "
                    f"{_say(common)}: the frames of a clip have one size. Move away what is no "
                    "frame, or refine them as single pictures, without --clip."
                )
        self.notes = tuple(_list_gaps(self._files))

    def frames(self) -> Iterator[Frame]:
        """As Clip.frames."""
        for number, path in enumerate(self._files):
            loaded = load_picture(path)
            if loaded.rgb.shape[:2] != self.size:
                raise PictureError(
                    f"{path} has {_say(loaded.rgb.shape[1::-1])} pixels once it is turned upright, "
                    f"the first frame {_say(self.size[::-1])}: the frames of a clip have one size."
                )
            yield Frame(planes_of(loaded.rgb, loaded.alpha), number, 1, str(path))


def write_frames(folder: Path, pairs: Iterable[tuple[Frame, bool]]) -> None:
    """Write frames as pictures into a folder that is there.

    pairs   each frame and whether it was changed; one that was not is copied as its file is.
    Raises  PictureError if one cannot be written.
    """
    for number, (frame, changed) in enumerate(pairs, start=1):
        source = Path(frame.name or f"{number:06}.png")
        target = folder / f"{source.stem}{result_extension(source)}"
        if not frame.name:
            save_picture(target, frame.planes.rgb(), picture_of(frame.planes.rgb()))
        elif changed or target.suffix != source.suffix:
            save_picture(target, frame.planes.rgb(), load_picture(source))
        else:
            shutil.copyfile(source, target)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Frame 10 comes after frame 9."""
    pieces = re.split(r"(\d+)", path.name)
    return [(1, int(one), one) if one.isdecimal() else (0, 0, one) for one in pieces]


def _size_of(path: Path) -> tuple[int, int] | None:
    """Width and height as the file's head says; None if it says nothing."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            return width, height
    except (OSError, SyntaxError, ValueError):
        return None


def _say(size: tuple[int, ...] | None) -> str:
    return "no" if size is None else f"{size[0]} x {size[1]}"


def _list_gaps(files: list[Path]) -> Iterator[str]:
    """A sentence if the numbers in the frames' names have gaps."""
    numbers = [int(found[-1]) for one in files if (found := re.findall(r"\d+", one.stem))]
    if len(numbers) < max(len(files), 3):
        return
    steps = Counter(after - before for before, after in pairwise(numbers))
    usual, _ = steps.most_common(1)[0]
    odd = [files[at] for at in range(len(files) - 1) if numbers[at + 1] - numbers[at] != usual]
    if odd:
        yield (
            f"Frames seem to be missing after {odd[0].name}"
            + (f" and in {len(odd) - 1} more places" if odd[1:] else "")
            + ": what is there is taken for all of the clip."
        )
