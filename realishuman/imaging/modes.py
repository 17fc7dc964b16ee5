"""Pillow's pixel modes: to RGB for the work, and back for those pixels that were changed.

A mode is an array of "values" as the file holds them; only changed pixels are computed back, so
every other value stays what it was, whatever was lost on the way to RGB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Values = NDArray[np.uint8] | NDArray[np.uint16]
KEPT = ("L", "LA", "RGB", "RGBA", "P", "I;16", "CMYK")
AS = {  # opened as -> kept as, where nothing is lost
    "1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB",
    "HSV": "RGB",
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """The pixels of a file.

    mode     one of KEPT.
    values   (H, W) uint8 for L and P, (H, W) uint16 for I;16, else (H, W, channels) uint8.
    palette  (N, 4) uint8 RGBA for P, else None.
    """

    mode: str
    values: Values
    palette: NDArray[np.uint8] | None = None


def stored(image: Image.Image) -> Stored | None:
    """Return the pixels of an opened picture, or None if its mode cannot be kept."""
    mode = AS.get(image.mode, image.mode)
    if mode in ("L", "RGB") and "transparency" in image.info:  # PNG with one transparent colour
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
    return Stored(mode, np.asarray(image if image.mode == mode else image.convert(mode)))


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
    if mode in ("L", "I;16"):
        return np.repeat(eight_bit(values)[..., None], 3, axis=2), None
    if mode == "LA":
        return np.repeat(_bytes(values)[..., :1], 3, axis=2), _bytes(values)[..., 1].copy()
    if mode == "RGBA":
        return _bytes(values)[..., :3].copy(), _bytes(values)[..., 3].copy()
    return _bytes(values).copy(), None


def with_changes(pixels: Stored, rgb: NDArray[np.uint8], changed: NDArray[np.bool_]) -> Stored:
    """Return the pixels with those that changed set to their new colour.

    rgb      (H, W, 3) uint8.
    changed  (H, W) bool; elsewhere, and in alpha, every value stays. Greyscale takes the new
             colour's luminance, a palette its nearest entry of the same opacity.
    """
    values, colours = pixels.values.copy(), rgb[changed]
    if not len(colours):
        return pixels
    mode = pixels.mode
    if mode == "P" and pixels.palette is not None:
        values[changed] = _nearest_entries(colours, values[changed], pixels.palette)
    elif mode == "CMYK":
        values[changed] = np.asarray(Image.fromarray(colours[None]).convert("CMYK"))[0]
    elif mode in ("L", "LA", "I;16"):
        grey = np.asarray(Image.fromarray(colours[None]).convert("L"))[0]
        if mode == "LA":
            values[changed, 0] = grey
        else:
            values[changed] = grey.astype(np.uint16) * 257 if mode == "I;16" else grey
    else:
        values[changed, :3] = colours
    return Stored(mode, values, pixels.palette)


def eight_bit(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Round uint16 to uint8; 65535 becomes 255. uint8 passes."""
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    wide = values.astype(np.uint32)
    return ((wide + 128) // 257).astype(np.uint8)


def _nearest_entries(
    colours: NDArray[np.uint8], entries: NDArray[np.generic], palette: NDArray[np.uint8]
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


def _bytes(values: Values) -> NDArray[np.uint8]:
    return values.astype(np.uint8, copy=False)
