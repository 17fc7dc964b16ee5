"""TIFF files of one picture, deflated: also of 16 bits per channel, and with all of its EXIF.

Pillow writes neither (TIFF 6.0; supplement 1 for unassociated alpha, technical note 2 for deflate).
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from realishuman.imaging.exif import (
    BYTE,
    LONG,
    RATIONAL,
    SHORT,
    UNDEFINED,
    Directory,
    header,
    written,
)
from realishuman.imaging.modes import WITH_ALPHA, Stored

STRIP = 2**20  # bytes of a strip before it is deflated, about
PHOTOMETRIC = {"RGB": 2, "RGBA": 2, "RGB;16": 2, "RGBA;16": 2, "P": 3, "CMYK": 5, "LAB": 8}
GREY = 1


def as_tiff(
    pixels: Stored,
    exif: Directory,
    icc: bytes = b"",
    xmp: bytes = b"",
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """A TIFF file of the pixels, in the byte order of its EXIF."""
    order = exif.order
    directory = Directory(order, dict(exif.entries))
    height, width = pixels.values.shape[:2]
    rows = max(1, STRIP // max(1, pixels.values[0].nbytes))
    strips = [_strip(pixels, slice(top, top + rows), order) for top in range(0, height, rows)]
    strips[-1] += b"\0" * (sum(map(len, strips)) % 2)  # the directory begins at an even place
    _describe(directory, pixels, icc, xmp, dpi)
    places = 8 + np.cumsum([0, *(len(strip) for strip in strips)])
    directory.put(256, LONG, (width,))
    directory.put(257, LONG, (height,))
    directory.put(273, LONG, (int(place) for place in places[:-1]))
    directory.put(278, LONG, (rows,))
    directory.put(279, LONG, (len(strip) for strip in strips))
    end = int(places[-1])
    if end > 2**32 - 2**24:
        raise ValueError("it would be larger than the 4 GiB that TIFF holds")
    return header(order, end) + b"".join(strips) + written(directory, end)


def _describe(
    directory: Directory,
    pixels: Stored,
    icc: bytes,
    xmp: bytes,
    dpi: tuple[float, float] | None,
) -> None:
    """Say how the pixels are laid out, and what colours they mean."""
    values, mode = pixels.values, pixels.mode
    channels = 1 if values.ndim == 2 else values.shape[2]
    directory.put(258, SHORT, (1 if mode == "1" else values.itemsize * 8,) * channels)
    directory.put(259, SHORT, (8,))  # deflate
    directory.put(262, SHORT, (PHOTOMETRIC.get(mode, GREY),))
    directory.put(277, SHORT, (channels,))
    directory.put(284, SHORT, (1,))  # channels lie together
    if mode not in ("1", "P"):
        directory.put(317, SHORT, (2,))  # each value is the difference to its left neighbour's
    if mode in WITH_ALPHA:
        directory.put(338, SHORT, (2,))  # colours are not multiplied by it
    if pixels.palette is not None:
        table = np.zeros((256, 3), np.uint16)
        table[: len(pixels.palette)] = pixels.palette[:, :3].astype(np.uint16) * 257
        directory.put(320, SHORT, (int(one) for one in table.T.ravel()))
    if dpi:
        for tag, value in zip((282, 283), dpi, strict=True):
            directory.put(tag, RATIONAL, (round(value * 1000), 1000))
        directory.put(296, SHORT, (2,))
    if icc:
        directory.put(34675, UNDEFINED, icc)
    if xmp:
        directory.put(700, BYTE, xmp)


def _strip(pixels: Stored, rows: slice, order: str) -> bytes:
    values: Any = pixels.values[rows]
    if pixels.mode == "1":
        return zlib.compress(np.packbits(values > 0, axis=1).tobytes())
    if pixels.mode != "P":
        values = values.copy()
        values[:, 1:] -= values[:, :-1].copy()
    return zlib.compress(values.astype(values.dtype.newbyteorder(order)).tobytes())
