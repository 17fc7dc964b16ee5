"""Picture files: read upright as RGB, and written back with only the changed pixels changed.

Size, mode, alpha, 16 bits per channel and metadata are kept where the format of the new file can
hold them; `lost` says what was not. Formats are in imaging.formats, what is kept of metadata from
where to where in docs/pictures.md. Animations and multi-page files are refused.
"""

from __future__ import annotations

import struct
import threading
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from realishuman.errors import PictureError
from realishuman.files.whole import whole_file
from realishuman.imaging.encoding import encode, space_of
from realishuman.imaging.formats import HOLDS, readable, writable
from realishuman.imaging.jpeg_segments import without_metadata
from realishuman.imaging.loaded import LoadedPicture
from realishuman.imaging.metadata import FIELDS, fit_format, read_metadata
from realishuman.imaging.modes import (
    DEEP,
    GREY,
    Stored,
    Values,
    eight_bit,
    store,
    to_rgb,
    with_changes,
)
from realishuman.imaging.png_chunks import SIGNATURE, Chunks, take_out_chunks
from realishuman.imaging.sixteen_bits import has_sixteen_bits, read_sixteen_bits

MOST_PIXELS = 300_000_000
RUN_PROGRAMS = ("EPS", "WMF")  # Ghostscript, whatever the file's name says; Windows' own
TURNS = {  # EXIF orientation -> the transposition that undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
# What Pillow raises on damaged files, besides OSError.
DAMAGED = (
    *(SyntaxError, ValueError, EOFError, TypeError, struct.error, LookupError, ArithmeticError),
    *(AttributeError, NotImplementedError, Image.DecompressionBombError),
)
_PILLOW_LIMIT = threading.Lock()


def load_picture(path: str | Path) -> LoadedPicture:
    """Read a picture file, turned upright by its EXIF orientation.

    Raises  PictureError if it is missing, empty, damaged, no picture, animated, or larger than
            300 megapixels.
    """
    path = Path(path)
    return picture_from(_content(path), str(path))


def picture_from(
    content: bytes,
    name: str,
    most_pixels: int = MOST_PIXELS,
    formats: tuple[str, ...] | None = None,
) -> LoadedPicture:
    """Read a picture from a file's bytes, as load_picture does; errors call it by `name`.

    formats  Pillow's names of those that are tried; None tries all but those that run programs.
    """
    return _decode(content, name, most_pixels, formats)


def save_picture(path: str | Path, rgb: Values, like: LoadedPicture) -> tuple[str, ...]:
    """Write a picture whole or not at all, in the mode and with the metadata of `like`.

    rgb      (H, W, 3) uint8 of like's size, or uint16 where `like` has 16 bits; pixels equal to
             like.rgb, or like.deep, keep the file's own values.
    like     what load_picture returned. Its mode becomes RGB, or RGBA, where the format has no such
             mode, as WebP no greyscale.
    Returns  what of `like` the new file does not hold, in words.
    Raises   PictureError if the size differs, the extension is unknown, the format cannot hold
             alpha, or the disk refuses.
    """
    path = Path(path)
    content, lost = encode_picture(
        path, rgb, like
    )  # in memory first, so that what fails later is the disk
    try:
        with whole_file(path) as file:
            file.write(content)
    except FileNotFoundError as error:
        raise PictureError(f"the folder {path.parent} does not exist; make it first.") from error
    except OSError as error:
        raise PictureError(
            f"{path} cannot be written: {error.strerror or error}. Nothing was left there; free "
            "space or name another folder."
        ) from error
    return lost


def encode_picture(path: Path, rgb: Values, like: LoadedPicture) -> tuple[bytes, tuple[str, ...]]:
    """The bytes that save_picture writes, and what is lost. Raises PictureError likewise."""
    form = _form(path)
    deep = like.deep if rgb.dtype == np.uint16 else None
    before = like.rgb if deep is None else deep[..., :3]
    if rgb.shape != before.shape or rgb.dtype != before.dtype:
        raise PictureError(
            f"{path} needs {before.shape} {before.dtype} like the picture it was made from, not "
            f"{rgb.shape} {rgb.dtype}."
        )
    changed = (rgb != before).any(axis=2)
    pixels = _hold(path, form, with_changes(like.pixels, rgb, changed), rgb, like)
    metadata = fit_format(like.metadata, form)
    lost = list(metadata.lost)
    if like.pixels.mode in DEEP and pixels.mode not in DEEP:
        lost.append(f"8 of 16 bits per channel ({form} holds 8)")
    if metadata.icc and space_of(pixels.mode) != space_of(like.pixels.mode):
        lost.append(f"ICC profile (of {space_of(like.pixels.mode)}, which {form} cannot hold here)")
        metadata = replace(metadata, icc=b"")
    try:
        return encode(form, pixels, metadata), tuple(lost)
    except (OSError, ValueError) as error:
        raise PictureError(f"{path} cannot be encoded as {form}: {error}.") from error


def check_target(path: str | Path, like: LoadedPicture) -> None:
    """Raise the PictureError that save_picture would raise because of the name's extension."""
    path = Path(path)
    _hold(path, _form(path), like.pixels, like.rgb, like)


def holds_parameters(path: Path) -> bool:
    """Whether a file of this name can hold generation parameters."""
    return "parameters" in FIELDS[_form(path)]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f"{path} does not exist; check the name.") from error
    except IsADirectoryError as error:
        raise PictureError(f"{path} is a folder; name a picture in it.") from error
    except PermissionError as error:
        raise PictureError(f"{path} may not be read: {error.strerror}.") from error
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}.") from error


def _decode(
    content: bytes, name: str, most_pixels: int, formats: tuple[str, ...] | None
) -> LoadedPicture:
    if not content:
        raise PictureError(f"{name} has 0 bytes; copy or save it again.")
    chunks: Chunks | None = None
    if content.startswith(SIGNATURE):
        content, chunks = take_out_chunks(content)
    try:
        image = _open(content, formats)
        _check(name, image, most_pixels)
        image.load()
    except (OSError, *DAMAGED) as error:
        if plain := without_metadata(content):
            loaded = _decode(plain, name, most_pixels, formats)
            lost = ("all metadata (some of it is damaged)",)
            return replace(loaded, metadata=replace(loaded.metadata, lost=lost))
        if isinstance(error, UnidentifiedImageError):
            raise PictureError(
                f"{name} is not a picture in a format that can be read; expected one of "
                f"{', '.join(sorted(readable()))}."
            ) from error
        raise PictureError(
            f"{name} is damaged or cut off ({error}); copy or save it again."
        ) from error
    return _load(name, image, content, chunks)


def _open(content: bytes, formats: tuple[str, ...] | None) -> Image.Image:
    """Open without Pillow's own limit on pixels, which warns from 89 megapixels; it is put back."""
    if formats is None:
        Image.init()
        formats = tuple(form for form in Image.ID if form not in RUN_PROGRAMS)
    with _PILLOW_LIMIT:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            return Image.open(BytesIO(content), formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _check(name: str, image: Image.Image, most_pixels: int) -> None:
    if image.width * image.height > most_pixels:
        raise PictureError(
            f"{name} has {image.width} x {image.height} pixels; at most {most_pixels / 10**6:g} "
            "megapixels can be refined. Make it smaller or crop it."
        )
    if getattr(image, "is_animated", False) and image.format != "MPO":  # phones' JPEG with preview
        raise PictureError(
            f"{name} holds {getattr(image, 'n_frames', 2)} frames; save the one to refine as PNG."
        )


def _load(name: str, image: Image.Image, content: bytes, chunks: Chunks | None) -> LoadedPicture:
    """All of an opened picture, turned upright."""
    metadata, orientation = read_metadata(image, content, chunks)
    # Loading a TIFF turns it already.
    upright = image
    if orientation in TURNS and image.format != "TIFF":
        upright = image.transpose(TURNS[orientation])
        upright.info = image.info
    pixels = store(upright)
    if pixels is None:
        raise PictureError(
            f"{name} has pixels of type {image.mode}, which cannot be kept; save it as 8-bit RGB."
        )
    if has_sixteen_bits(image, content):
        deep = read_sixteen_bits(upright, content, orientation)
        if deep is None:
            lost = (*metadata.lost, "8 of 16 bits per channel (OpenCV cannot read them)")
            metadata = replace(metadata, lost=lost)
        pixels = deep or pixels
    rgb, alpha = to_rgb(pixels)
    return LoadedPicture(rgb, alpha, pixels, metadata)


def _form(path: Path) -> str:
    form = writable().get(path.suffix.lower())
    if form is None:
        raise PictureError(
            f"{path} cannot be written: {path.suffix or 'no extension'} is not one of "
            f"{', '.join(sorted(writable()))}."
        )
    return form


def _hold(path: Path, form: str, pixels: Stored, rgb: Values, like: LoadedPicture) -> Stored:
    """The pixels in a mode that the format has. Raises PictureError rather than lose alpha."""
    see_through = pixels.mode == "P" and like.alpha is not None  # only PNG has such palettes
    if pixels.mode in HOLDS[form] and not (see_through and form != "PNG"):
        return pixels
    colours = eight_bit(rgb)
    if pixels.mode in GREY and like.alpha is None and "L" in HOLDS[form]:
        return Stored("L", eight_bit(pixels.values))
    if like.alpha is None:
        return Stored("RGB", colours)
    if "RGBA" not in HOLDS[form]:
        raise PictureError(
            f"{form} cannot hold the picture's transparency; name {path.stem}.png instead."
        )
    return Stored("RGBA", np.dstack([colours, like.alpha]))
