"""GIF, WebP and APNG animations, read and written with Pillow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from realishuman.errors import PictureError
from realishuman.video.clip import Frame
from realishuman.video.planes import planes_of

FORMATS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".apng": "PNG"}
USUAL = 100  # ms that a frame of no duration is shown
DAMAGED = (OSError, SyntaxError, ValueError, EOFError)


class Animation:
    """An animation as a Clip; see there.

    Raises PictureError if it cannot be read.
    """

    base = Fraction(1, 1000)
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with Image.open(path) as image:
                self.count = int(getattr(image, "n_frames", 1))
                self.size = image.height, image.width
                self.loop: int | None = image.info.get("loop")
        except DAMAGED as error:
            raise _damaged(path, 0, error) from error
        shown = sum(frame.duration or USUAL for frame in self.frames())
        self.rate = Fraction(1000 * self.count, shown)

    def frames(self) -> Iterator[Frame]:
        """As Clip.frames."""
        start, number = 0, 0
        try:
            with Image.open(self.path) as image:
                for number in range(self.count):
                    image.seek(number)
                    pixels = np.asarray(image.convert("RGBA"))
                    duration = round(image.info.get("duration", 0))
                    alpha = None if (pixels[..., 3] == 255).all() else pixels[..., 3]
                    yield Frame(planes_of(pixels[..., :3], alpha), start, duration)
                    start += duration or USUAL
        except DAMAGED as error:
            raise _damaged(self.path, number, error) from error


def is_animation(path: Path) -> bool:
    """Whether a file holds several pictures that are shown one after the other."""
    if path.suffix.lower() not in FORMATS:
        return False
    try:
        with Image.open(path) as image:
            return path.suffix.lower() == ".gif" or bool(getattr(image, "is_animated", False))
    except DAMAGED:
        return path.suffix.lower() == ".gif" and path.exists()


def write_animation(path: Path, frames: Iterable[Frame], loop: int | None) -> None:
    """Write an animation; what fails leaves it half written.

    path  its extension names the format; it is overwritten.
    loop  how often it repeats: 0 for ever; None once.
    """
    images, durations = [], []
    for frame in frames:
        pixels, alpha = frame.planes.rgb(), frame.planes.alpha
        images.append(Image.fromarray(pixels if alpha is None else np.dstack([pixels, alpha])))
        durations.append(frame.duration)
    form = FORMATS[path.suffix.lower()]
    see_through = any(image.mode == "RGBA" for image in images)
    images = [image.convert("RGBA") for image in images] if see_through else images
    options: dict[str, object] = {} if loop is None else {"loop": loop}
    if form == "WEBP":
        options |= {"lossless": True, "exact": True}
    if form == "GIF":
        options["disposal"] = 2 if see_through else 1
    images[0].save(
        path, form, save_all=True, append_images=images[1:], duration=durations, **options
    )


def _damaged(path: Path, number: int, error: Exception) -> PictureError:
    if isinstance(error, FileNotFoundError):
        return PictureError(f"{path} does not exist; check the name.")
    return PictureError(
        f"frame {number + 1} of {path} cannot be read ({error}): the animation is damaged or cut "
        "off; copy or save it again."
    )
