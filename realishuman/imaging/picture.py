"""Picture files: read upright as RGB, and written back with only the changed pixels changed.

Size, mode, alpha, EXIF, ICC profile, resolution and PNG text are kept where the format of the new
file can hold them. PNG, WebP, TIFF and BMP are written without loss; JPEG is encoded anew at
quality 95 without chroma subsampling, so there unchanged pixels are only nearly equal. RGB files of
16 bits per channel are read with 8. Animations and multi-page files are refused.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from realishuman.errors import PictureError
from realishuman.files import whole_file
from realishuman.imaging.modes import Stored, eight_bit, stored, to_rgb, with_changes

MOST_PIXELS = 300_000_000
FORMATS: Mapping[str, str] = {
    ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
    ".jpg": "JPEG", ".jpeg": "JPEG",
}  # fmt: skip
EXTENSIONS = frozenset(FORMATS)
HOLDS: Mapping[str, frozenset[str]] = {
    "PNG": frozenset({"L", "LA", "RGB", "RGBA", "P", "I;16"}),
    "WEBP": frozenset({"RGB", "RGBA"}),
    "TIFF": frozenset({"L", "LA", "RGB", "RGBA", "P", "I;16", "CMYK"}),
    "BMP": frozenset({"L", "RGB", "P"}),
    "JPEG": frozenset({"L", "RGB", "CMYK"}),
}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "PNG": {},
    "WEBP": {"lossless": True, "exact": True},  # exact: also the colour of transparent pixels
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "BMP": {},
    "JPEG": {"quality": 95, "subsampling": 0},
}
CARRIES: Mapping[str, tuple[str, ...]] = {
    "PNG": ("exif", "icc_profile", "dpi"),
    "WEBP": ("exif", "icc_profile", "xmp"),
    "TIFF": ("exif", "icc_profile", "dpi"),
    "BMP": ("dpi",),
    "JPEG": ("exif", "icc_profile", "dpi", "comment"),
}
SPACE: Mapping[str, str] = {  # of a mode; a colour profile is of one space only
    "L": "grey", "LA": "grey", "I;16": "grey", "CMYK": "inks",
}  # fmt: skip
# What of a TIFF's directory describes the picture, not the file's layout.
TIFF_TAGS = frozenset({270, 271, 272, 305, 306, 315, 33432, 34665, 34853})
# What Pillow raises on damaged files, besides OSError.
DAMAGED = (SyntaxError, ValueError, EOFError, TypeError, struct.error)
_PILLOW_LIMIT = threading.Lock()


@dataclass(frozen=True)
class LoadedPicture:
    """A picture and all that is needed to write it back.

    rgb    (H, W, 3) uint8, upright.
    alpha  (H, W) uint8, or None.
    pixels the file's own values, upright.
    info   exif, icc_profile, dpi, xmp, comment as Pillow takes them, and "text" of a PNG.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    pixels: Stored
    info: Mapping[str, Any] = field(default_factory=dict)


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

    formats  Pillow's names of those that are tried; None tries all that Pillow knows.
    """
    return _loaded(name, *_decoded(content, name, most_pixels, formats))


def save_picture(path: str | Path, rgb: NDArray[np.uint8], like: LoadedPicture) -> None:
    """Write a picture whole or not at all, in the mode and with the metadata of `like`.

    rgb     (H, W, 3) uint8 of like's size; pixels equal to like.rgb keep the file's own values.
    like    what load_picture returned. Its mode becomes RGB, or RGBA, where the format has no such
            mode, as WebP no greyscale.
    Raises  PictureError if the size differs, the extension is unknown, the format cannot hold alpha
            or 16 bits, or the disk refuses.
    """
    path = Path(path)
    content = encoded(path, rgb, like)  # in memory first, so that what fails later is the disk
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


def encoded(path: Path, rgb: NDArray[np.uint8], like: LoadedPicture) -> bytes:
    """The bytes that save_picture writes; nothing is written. Raises PictureError likewise."""
    form = _form(path)
    if rgb.shape != like.rgb.shape or rgb.dtype != np.uint8:
        raise PictureError(
            f"{path} needs {like.rgb.shape} uint8 like the picture it was made from, not "
            f"{rgb.shape} {rgb.dtype}."
        )
    changed = (rgb != like.rgb).any(axis=2)
    pixels = _held(path, form, with_changes(like.pixels, rgb, changed), rgb, like)
    info = dict(like.info)
    if SPACE.get(pixels.mode) != SPACE.get(like.pixels.mode):
        info.pop("icc_profile", None)
    content = BytesIO()
    try:
        _image(pixels).save(content, form, **OPTIONS[form], **_carried(form, info))
    except (OSError, ValueError) as error:
        raise PictureError(f"{path} cannot be encoded as {form}: {error}.") from error
    return content.getvalue()


def check_target(path: str | Path, like: LoadedPicture) -> None:
    """Raise the PictureError that save_picture would raise because of the name's extension."""
    path = Path(path)
    _held(path, _form(path), like.pixels, like.rgb, like)


def as_rgb(array: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Turn an array into 8-bit RGB and alpha.

    array    (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); uint8, uint16 or float in [0, 1].
    Returns  (H, W, 3) uint8, which for uint8 RGB shares the array's memory, and alpha (H, W) uint8
             or None.
    Raises   PictureError on any other shape, type or range.
    """
    array = np.asarray(array)
    shape = array.shape
    if (
        len(shape) not in (2, 3)
        or (len(shape) == 3 and shape[2] not in (1, 3, 4))
        or not array.size
    ):
        raise PictureError(
            f"a picture must have shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), not {shape}"
        )
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):  # also refuses NaN
            raise PictureError(
                f"a picture of type {array.dtype} must lie in 0..1, not {low:g}..{high:g}; divide "
                "by its largest value or pass uint8"
            )
        array = np.rint(array * 255).astype(np.uint8)
    elif array.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"a picture must be uint8, uint16 or float, not {array.dtype}")
    values = eight_bit(array).reshape(*shape[:2], -1)
    if values.shape[2] == 1:
        return np.repeat(values, 3, axis=2), None
    if values.shape[2] == 4:
        return np.ascontiguousarray(values[..., :3]), values[..., 3].copy()
    return values, None


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


def _decoded(
    content: bytes, name: str, most_pixels: int, formats: tuple[str, ...] | None
) -> tuple[Image.Image, Image.Image]:
    """The picture as it was opened, and upright; both decoded."""
    if not content:
        raise PictureError(f"{name} has 0 bytes; copy or save it again.")
    try:
        image = _opened(content, formats)
        _check(name, image, most_pixels)
        image.load()
        # Loading a TIFF turns it already; Pillow before 10 leaves the tag, and would turn it twice.
        return image, image if image.format == "TIFF" else ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{name} is not a picture in a format that can be read; expected one of "
            f"{', '.join(sorted(EXTENSIONS))}."
        ) from error
    except (OSError, *DAMAGED) as error:
        raise PictureError(
            f"{name} is damaged or cut off ({error}); copy or save it again."
        ) from error


def _opened(content: bytes, formats: tuple[str, ...] | None) -> Image.Image:
    """Open without Pillow's own limit on pixels, which warns from 89 megapixels; it is put back."""
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


def _loaded(name: str, image: Image.Image, upright: Image.Image) -> LoadedPicture:
    text = dict(getattr(image, "text", {}))
    pixels = stored(upright)
    if pixels is None:
        raise PictureError(
            f"{name} has pixels of type {image.mode}, which cannot be kept; save it as 8-bit RGB."
        )
    names = ("exif", "icc_profile", "dpi", "xmp", "comment")
    info = {name: upright.info[name] for name in names if upright.info.get(name)}
    if image.format == "TIFF" and (exif := _described(image)):
        info["exif"] = exif
    # Turning the picture upright takes the orientation out of texts that held it.
    info["text"] = {key: upright.info.get(key, value) for key, value in text.items()}
    rgb, alpha = to_rgb(pixels)
    return LoadedPicture(rgb, alpha, pixels, info)


def _described(image: Image.Image) -> bytes:
    """The descriptive tags of a TIFF as it was opened, as EXIF; b"" without any."""
    exif = image.getexif()
    for tag in set(exif) - TIFF_TAGS:
        del exif[tag]
    return exif.tobytes() if len(exif) else b""


def _form(path: Path) -> str:
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise PictureError(
            f"{path} cannot be written: {path.suffix or 'no extension'} is not one of "
            f"{', '.join(sorted(EXTENSIONS))}."
        )
    return form


def _held(
    path: Path, form: str, pixels: Stored, rgb: NDArray[np.uint8], like: LoadedPicture
) -> Stored:
    """The pixels in a mode that the format has. Raises PictureError rather than lose something."""
    see_through = pixels.mode == "P" and like.alpha is not None  # only PNG has such palettes
    if pixels.mode in HOLDS[form] and not (see_through and form != "PNG"):
        return pixels
    if pixels.mode == "I;16":
        raise PictureError(f"{form} cannot hold 16 bits; name {path.stem}.png or .tif instead.")
    if like.alpha is None:
        return Stored("RGB", rgb)
    if "RGBA" not in HOLDS[form]:
        raise PictureError(
            f"{form} cannot hold the picture's transparency; name {path.stem}.png instead."
        )
    return Stored("RGBA", np.dstack([rgb, like.alpha]))


def _image(pixels: Stored) -> Image.Image:
    if pixels.mode == "CMYK":
        height, width = pixels.values.shape[:2]
        return Image.frombytes("CMYK", (width, height), pixels.values.tobytes())
    image = Image.fromarray(np.ascontiguousarray(pixels.values))
    if pixels.palette is not None:
        image.putpalette(pixels.palette[:, :3].tobytes())
        if (pixels.palette[:, 3] < 255).any():
            image.info["transparency"] = pixels.palette[:, 3].tobytes()
    return image


def _carried(form: str, info: Mapping[str, Any]) -> dict[str, Any]:
    """What of the metadata the format takes, as Pillow's options."""
    options = {name: info[name] for name in CARRIES[form] if name in info}
    if form == "PNG" and info.get("text"):
        chunks = PngImagePlugin.PngInfo()
        for key, value in info["text"].items():
            chunks.add_text(key, value)  # as iTXt where it was, or where Latin-1 does not do
        options["pnginfo"] = chunks
    return options
