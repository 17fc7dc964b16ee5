"""Pixels of 16 bits per channel, which Pillow reads with 8: PNG and TIFF, by OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from realishuman.imaging.modes import Stored
from realishuman.imaging.png_chunks import SIGNATURE

TIFF_BITS = 258  # tag: bits per sample
ORDER = {3: [2, 1, 0], 4: [2, 1, 0, 3]}  # OpenCV has blue first


def has_sixteen_bits(image: Image.Image, content: bytes) -> bool:
    """Whether an opened colour picture has more in its file than Pillow read."""
    if image.mode not in ("RGB", "RGBA", "LA"):
        return False
    if image.format == "TIFF":
        return 16 in getattr(image, "tag_v2", {}).get(TIFF_BITS, ())
    return content.startswith(SIGNATURE) and content[24:25] == b"\x10"


def read_sixteen_bits(image: Image.Image, content: bytes, orientation: int) -> Stored | None:
    """Return a picture's pixels with all their bits, upright.

    image    as Pillow opened and turned it from the file's `content`: what is returned has its
             values as the upper 8 bits. None if OpenCV reads something else, or nothing.
    """
    try:
        values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if values is None or values.dtype != np.uint16 or values.ndim != 3:
        return None
    values = np.ascontiguousarray(values[..., ORDER[values.shape[2]]])
    upper = np.asarray(image.convert("RGB"))
    for one in (values, _turn(values, orientation)):
        if np.array_equal((one[..., :3] >> 8).astype(np.uint8), upper):
            return Stored("RGB;16" if one.shape[2] == 3 else "RGBA;16", one)
    return None


def as_png(pixels: Stored) -> bytes:
    """A PNG file of pixels of mode "RGB;16" or "RGBA;16", without metadata."""
    values = pixels.values
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(values[..., ORDER[values.shape[2]]]))
    if not done:
        raise ValueError("OpenCV cannot encode it")
    return bytes(encoded.tobytes())


def _turn(values: NDArray[np.uint16], orientation: int) -> NDArray[np.uint16]:
    """(H, W, channels) as seen by one who turns it as its EXIF orientation asks."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)  # 5 is only this
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return np.ascontiguousarray(values)
