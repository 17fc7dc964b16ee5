"""Pixels and metadata to the bytes of a picture file."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from realishuman.imaging import exif
from realishuman.imaging.formats import OPTIONS
from realishuman.imaging.jpeg_segments import xmp_segment
from realishuman.imaging.metadata import PARAMETERS, XMP, Metadata
from realishuman.imaging.modes import GREY, Stored
from realishuman.imaging.png_chunks import chunks_of, put_in
from realishuman.imaging.sixteen_bits import as_png
from realishuman.imaging.tiff_file import as_tiff


def space_of(mode: str) -> str:
    """What the numbers of a mode mean; a colour profile is of one space only."""
    if mode in GREY:
        return "grey"
    return {"CMYK": "inks", "LAB": "Lab"}.get(mode, "RGB")


def encode(form: str, pixels: Stored, metadata: Metadata) -> bytes:
    """The bytes of a file.

    form      a key of formats.HOLDS, which has the pixels' mode.
    metadata  as metadata.fitted returned it for this format.
    Raises    OSError or ValueError as the encoders do.
    """
    if form == "TIFF":
        return as_tiff(pixels, metadata.exif, metadata.icc, metadata.xmp, metadata.dpi)
    if form == "PNG":
        return _encode_png(pixels, metadata)
    blob = exif.as_bytes(metadata.exif)
    options: dict[str, Any] = {"icc_profile": metadata.icc, "exif": blob, "xmp": metadata.xmp}
    if form == "JPEG":
        options |= {"exif": blob and exif.HEAD + blob, "xmp": b""}
        options |= {"extra": xmp_segment(metadata.xmp)}  # Pillow before 11 takes no XMP
        options |= {"comment": metadata.comment.encode(), "dpi": metadata.dpi}
    if form == "BMP":
        options = {"dpi": metadata.dpi}
    content = BytesIO()
    given = {name: value for name, value in options.items() if value}
    _image(pixels).save(content, form, **OPTIONS.get(form, {}), **given)
    return content.getvalue()


def _encode_png(pixels: Stored, metadata: Metadata) -> bytes:
    if pixels.mode in ("RGB;16", "RGBA;16"):
        plain = as_png(pixels)
    else:
        file = BytesIO()
        _image(pixels).save(file, "PNG")
        plain = file.getvalue()
    text = dict(metadata.text)
    if metadata.parameters:
        text[PARAMETERS] = metadata.parameters
    if metadata.xmp:
        text[XMP] = metadata.xmp.decode("utf-8", "replace")
    blob = exif.as_bytes(metadata.exif)
    chunks = chunks_of(text, blob, metadata.icc, metadata.dpi, metadata.colours)
    return put_in(plain, chunks)


def _image(pixels: Stored) -> Image.Image:
    if pixels.mode in ("CMYK", "LAB"):
        height, width = pixels.values.shape[:2]
        return Image.frombytes(pixels.mode, (width, height), pixels.values.tobytes())
    image = Image.fromarray(np.ascontiguousarray(pixels.values))
    if pixels.mode == "1":
        return image.convert("1")
    if pixels.palette is not None:
        image.putpalette(pixels.palette[:, :3].tobytes())
        if (pixels.palette[:, 3] < 255).any():
            image.info["transparency"] = pixels.palette[:, 3].tobytes()
    return image
