"""Pictures that another program hands over as Pillow objects, in whatever mode."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from realishuman.errors import PictureError
from realishuman.imaging.modes import GREY, Stored, store, to_rgb, with_changes

NUMBERS = ("I", "F")  # modes that do not say what white is
SAME = ("1", "L", "CMYK", "LAB", "I;16")  # come back as they were; others as RGB or RGBA
STALE = ("transparency", "palette")  # of info: what only the old mode understands


def pixels_of(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3) RGB or, with alpha, (H, W, 4) RGBA, uint8.

    Raises PictureError for numbers of which nobody can tell what white is.
    """
    rgb, alpha = to_rgb(_store(image))
    return rgb if alpha is None else np.dstack([rgb, alpha])


def with_pixels(image: Image.Image, pixels: NDArray[np.uint8]) -> Image.Image:
    """A picture like `image` with other pixels; where they are equal, `image`'s own values.

    pixels   like those of pixels_of.
    Returns  a picture of the same mode, but RGB or RGBA in place of palettes, grey with alpha and
             other ways to write colours, which painted colours do not fit into. Its info is the
             image's, without what is true of the old mode only.
    """
    kept = _store(image)
    before, _ = to_rgb(kept)
    rgb = np.ascontiguousarray(pixels[..., :3])
    if kept.mode in SAME:
        changed = (rgb != before).any(axis=2)
        made = _convert_back(with_changes(kept, rgb, changed), changed, image)
    else:
        made = Image.fromarray(np.ascontiguousarray(pixels))
    made.info = {key: value for key, value in image.info.items() if key not in STALE}
    if kept.mode in GREY and made.mode in ("RGB", "RGBA"):
        made.info.pop("icc_profile", None)
    return made


def _store(image: Image.Image) -> Stored:
    if image.mode in NUMBERS:
        values = np.asarray(image).astype(np.float64) * (65535 / _white(image))
        return Stored("I;16", np.rint(values).astype(np.uint16))
    kept = store(image)
    if kept is None:
        raise PictureError(f"a picture of type {image.mode} cannot be refined; convert it to RGB.")
    return kept


def _white(image: Image.Image) -> int:
    """What white is in numbers: 1, 255 or 65535, the least that none is above."""
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 65535):  # also refuses NaN
        raise PictureError(
            f"a picture of type {image.mode} must lie in 0..65535, not {low:g}..{high:g}."
        )
    if image.mode == "F" and high <= 1:
        return 1
    return 255 if high <= 255 else 65535


def _convert_back(made: Stored, changed: NDArray[np.bool_], image: Image.Image) -> Image.Image:
    """Stored pixels as a picture of the mode that `image` has."""
    if image.mode in NUMBERS:
        numbers: Any = np.array(image)
        scaled = made.values[changed] * (_white(image) / 65535)
        numbers[changed] = scaled if image.mode == "F" else np.rint(scaled)
        return Image.fromarray(numbers)
    if made.mode in ("CMYK", "LAB"):
        return Image.frombytes(made.mode, image.size, made.values.tobytes())
    back = Image.fromarray(made.values)
    return back.convert("1") if made.mode == "1" else back
