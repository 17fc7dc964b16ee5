"""Pixels as a file holds them: to RGB for the work, and back for those that were changed.

A mode is an array of "values" as the file holds them; only changed pixels are computed back, so
every other value stays what it was, whatever was lost on the way to RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Values = NDArray[np.uint8] | NDArray[np.uint16]
KEPT = ("1", "L", "LA", "RGB", "RGBA", "P", "CMYK", "LAB", "I;16", "RGB;16", "RGBA;16")
DEEP = ("I;16", "RGB;16", "RGBA;16")
GREY = ("1", "L", "LA", "I;16")
WITH_ALPHA = ("LA", "RGBA", "RGBA;16")
LAB_SIGNS = np.array([0, 128, 128], np.uint8)  # a and b are signed; OpenCV's are 128 higher
AS = {  # opened as -> kept as, where nothing is lost
    "La": "LA", "PA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB",
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """The pixels of a file.

    mode     one of KEPT, named as Pillow's, with ";16" for 16 bits per channel.
    values   (H, W) or, with several channels, (H, W, channels); uint16 for DEEP, else uint8.
             Of "1" they are 0 and 255.
    palette  (N, 4) uint8 RGBA for P, else None.
    """

    mode: str
    values: Values
    palette: NDArray[np.uint8] | None = None


def store(image: Image.Image) -> Stored | None:
    """Return the pixels of an opened picture, or None if its mode cannot be kept."""
    mode = AS.get(image.mode, image.mode)
    if _has_transparent_colour(image):
        mode += "A"
    if mode == "P" and image.palette is not None and image.palette.mode != "RGB":
        mode = "RGBA"  # rare, and not every format can write such a palette again
    if mode == "I" or mode.startswith("I;16"):  # older Pillow opens 16-bit PNG as I
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            return None
        return Stored("I;16", deep.astype(np.uint16))
    if mode not in KEPT:
        return None
    if mode == "P":
        entries = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        entries.putpalette(image.getpalette("RGB") or [])
        if "transparency" in image.info:
            entries.info["transparency"] = image.info["transparency"]
        count = len(image.getpalette("RGB") or []) // 3
        return Stored("P", np.asarray(image), np.asarray(entries.convert("RGBA"))[0, :count])
    as_bytes = "L" if mode == "1" else mode
    return Stored(mode, np.asarray(image if image.mode == as_bytes else image.convert(as_bytes)))


def _has_transparent_colour(image: Image.Image) -> bool:
    """Whether one colour of a grey or RGB picture stands for transparency, as a PNG can say.

    What a palette has left behind in info is another thing.
    """
    colour = image.info.get("transparency")
    return (image.mode == "L" and isinstance(colour, int)) or (
        image.mode == "RGB" and isinstance(colour, tuple) and len(colour) == 3
    )


def to_rgb(pixels: Stored) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Return (H, W, 3) uint8 RGB, and alpha (H, W) uint8 or None."""
    mode, values = pixels.mode, pixels.values
    if mode == "P" and pixels.palette is not None:
        colours = pixels.palette[np.minimum(values, len(pixels.palette) - 1)]
        opaque = bool((pixels.palette[:, 3] == 255).all())
        return np.ascontiguousarray(colours[..., :3]), None if opaque else colours[..., 3].copy()
    if mode == "CMYK":
        height, width = values.shape[:2]
        inks = Image.frombytes("CMYK", (width, height), values.tobytes())
        return np.array(inks.convert("RGB")), None
    if mode == "LAB":
        return np.asarray(cv2.cvtColor(values ^ LAB_SIGNS, cv2.COLOR_LAB2RGB), np.uint8), None
    shown = eight_bit(values)
    alpha = shown[..., -1].copy() if mode in WITH_ALPHA else None
    if mode in GREY:
        grey = shown[..., 0] if mode == "LA" else shown
        return np.repeat(grey[..., None], 3, axis=2), alpha
    return shown[..., :3].copy(), alpha


def deep_colours(pixels: Stored) -> NDArray[np.uint16] | None:
    """Return (H, W, 3) RGB or (H, W, 4) RGBA, uint16, of pixels with 16 bits per channel.

    None of others.
    """
    if pixels.mode not in DEEP:
        return None
    values = pixels.values.astype(np.uint16)
    return np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values


def with_changes(pixels: Stored, rgb: Values, changed: NDArray[np.bool_]) -> Stored:
    """Return the pixels with those that changed set to their new colour.

    rgb      (H, W, 3) uint8, or uint16 where the pixels have 16 bits.
    changed  (H, W) bool; elsewhere, and in alpha, every value stays. Greyscale takes the new
             colour's luminance, a palette its nearest entry of the same opacity.
    """
    values: Any = pixels.values.copy()
    colours: Any = rgb[changed]
    if not len(colours):
        return pixels
    mode = pixels.mode
    if mode in DEEP and colours.dtype == np.uint8:
        colours = colours.astype(np.uint16) * 257
    if mode == "P" and pixels.palette is not None:
        values[changed] = _nearest_entries(colours, values[changed], pixels.palette)
    elif mode == "CMYK":
        values[changed] = np.asarray(Image.fromarray(colours[None]).convert("CMYK"))[0]
    elif mode == "LAB":
        lab = np.asarray(cv2.cvtColor(colours[None], cv2.COLOR_RGB2LAB))[0]
        values[changed] = lab ^ LAB_SIGNS
    elif mode == "LA":
        values[changed, 0] = _luminance(colours)
    elif mode == "1":
        values[changed] = np.where(_luminance(colours) < 128, 0, 255)
    elif mode in GREY:
        values[changed] = _luminance(colours)
    else:
        values[changed, :3] = colours
    return Stored(mode, values, pixels.palette)


def eight_bit(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Round uint16 to uint8; 65535 becomes 255. uint8 passes."""
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    wide = values.astype(np.uint32)
    return ((wide + 128) // 257).astype(np.uint8)


def _luminance(colours: Values) -> Values:
    """Luminance (N,) of colours (N, 3), of the same type, as Pillow weighs them."""
    weighed = colours.astype(np.uint64) @ np.array([19595, 38470, 7471], np.uint64)
    grey = (weighed + 0x8000) >> 16
    return grey.astype(np.uint8) if colours.dtype == np.uint8 else grey.astype(np.uint16)


def _nearest_entries(
    colours: Values, entries: NDArray[np.generic], palette: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The palette entry nearest to each colour (N, 3), of the opacity of its present entry (N,)."""
    wanted = np.column_stack([colours, palette[np.minimum(entries, len(palette) - 1), 3]])
    unique, inverse = np.unique(wanted, axis=0, return_inverse=True)
    nearest = np.empty(len(unique), np.uint8)
    for alpha in np.unique(unique[:, 3]):
        candidates = np.flatnonzero(palette[:, 3] == alpha)
        rows = np.flatnonzero(unique[:, 3] == alpha)
        for chunk in np.array_split(rows, len(rows) // 4096 + 1):
            gaps = unique[chunk, None, :3].astype(int) - palette[None, candidates, :3]
            nearest[chunk] = candidates[(gaps**2).sum(axis=2).argmin(axis=1)]
    return nearest[inverse.ravel()]
