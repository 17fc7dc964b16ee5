"""What a picture file says beside its pixels: read from any format, and fitted to another.

Nothing here can cost a picture: what cannot be read, or has no place in the new format, is left
out, and `lost` says so. Generation parameters go to where WebUIs look for them: the text
"parameters" of a PNG, the user comment of EXIF everywhere else. The table of what is kept from
where to where is docs/pictures.md.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from realishuman.imaging import exif as exif_bytes
from realishuman.imaging.exif import ORIENTATION, RATIONAL, SHORT, Directory, ExifError
from realishuman.imaging.jpeg_segments import MOST, XMP_HEAD
from realishuman.imaging.png_chunks import Chunks

PARAMETERS, COMMENT, XMP = "parameters", "Comment", "XML:com.adobe.xmp"  # keywords of PNG texts
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
UPRIGHT = re.compile(rb'(tiff:Orientation(?:="|>))[1-8]')
# What of a TIFF's directory describes the picture, not the file's layout.
TIFF_TAGS = frozenset({
    270, 271, 272, 305, 306, 315, 33432, exif_bytes.EXIF_DIRECTORY, 0x8825, ORIENTATION,
})  # fmt: skip
TIFF_XMP, TIFF_LOST = 700, {33723: "IPTC", 34377: "Photoshop's data"}
LOST_SEGMENTS = {  # of a JPEG: start of the content -> what it is
    b"Photoshop 3.0\0": "IPTC and Photoshop's data", b"JP\0": "C2PA", EXTENDED_XMP: "extended XMP",
}  # fmt: skip
FIELDS: Mapping[str, frozenset[str]] = {
    "PNG": frozenset({"exif", "xmp", "icc", "dpi", "comment", "parameters", "text", "colours"}),
    "JPEG": frozenset({"exif", "xmp", "icc", "dpi", "comment", "parameters"}),
    "TIFF": frozenset({"exif", "xmp", "icc", "dpi", "parameters"}),
    "WEBP": frozenset({"exif", "xmp", "icc", "dpi", "parameters"}),  # resolution as EXIF
    "AVIF": frozenset({"exif", "xmp", "icc", "dpi", "parameters"}),
    "BMP": frozenset({"dpi"}),
}
NAMES = {
    "exif": "EXIF", "xmp": "XMP", "icc": "ICC profile", "dpi": "resolution", "comment": "comment",
    "parameters": "generation parameters", "colours": "gamma and primaries",
}  # fmt: skip


@dataclass(frozen=True)
class Metadata:
    """What a file says beside its pixels, wherever it said it.

    exif        without orientation, user comment and preview.
    dpi         resolution across and down, in pixels per inch.
    parameters  generation parameters, as WebUIs write them.
    text        other texts of a PNG, by keyword.
    colours     chunks of a PNG on how its colours are meant.
    lost        what could not be read, or is never kept, in words.
    """

    exif: Directory = field(default_factory=Directory)
    xmp: bytes = b""
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    comment: str = ""
    parameters: str = ""
    text: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[bytes, bytes] = field(default_factory=dict)
    lost: tuple[str, ...] = ()


def read_metadata(
    image: Image.Image, content: bytes, chunks: Chunks | None
) -> tuple[Metadata, int]:
    """Return what a picture file says, and its orientation, 1 to 8, as EXIF has it.

    image    as opened from `content`.
    content  the file.
    chunks   of a PNG, taken out before.
    """
    lost: list[str] = list(chunks.unreadable) if chunks else []
    if chunks is not None:
        in_text = _exif_in_text(chunks.text, lost)
        made, blob = _of_png(chunks), chunks.exif or in_text
    else:
        made = _of_others(image, lost)
        blob = content if image.format == "TIFF" else _bytes(image.info.get("exif"))
    directory = _directory(blob, lost) if blob else Directory()
    if image.format == "TIFF":
        made = replace(made, xmp=_bytes_of(directory, TIFF_XMP))
        lost += [name for tag, name in TIFF_LOST.items() if tag in directory.entries]
        directory.entries = {t: e for t, e in directory.entries.items() if t in TIFF_TAGS}
    orientation = _orientation(directory, made.xmp)
    comment = exif_bytes.comment_of(directory)
    exif_bytes.put_comment(directory, "")
    if comment and made.parameters and comment != made.parameters:
        lost.append("a second set of generation parameters, in EXIF")
    return replace(
        made,
        exif=directory,
        xmp=UPRIGHT.sub(rb"\g<1>1", made.xmp),
        parameters=made.parameters or comment,
        lost=tuple(lost),
    ), orientation


def fit_format(metadata: Metadata, form: str) -> Metadata:
    """Return the metadata as a format of that name holds it; `lost` has grown by what it cannot.

    EXIF then has the generation parameters and the resolution where the format wants them there.
    """
    holds, lost = FIELDS[form], list(metadata.lost)
    gone: dict[str, Any] = {}
    empty = Metadata()
    for name, words in NAMES.items():
        value = getattr(metadata, name)
        has = bool(value.entries) if isinstance(value, Directory) else bool(value)
        if has and name not in holds:
            gone[name] = getattr(empty, name)
            if name != "colours" or _tells(metadata.colours):
                lost.append(f"{words} ({form} has no place for it)")
    text = dict(metadata.text)
    if form == "PNG":
        if metadata.comment:
            text.setdefault(COMMENT, metadata.comment)
    else:
        lost += [f'text "{key}" (only PNG has texts)' for key in text]
        text = {}
    made = replace(metadata, **gone, text=text)
    if form not in ("PNG", "BMP"):
        made = _with_exif(made, form)
    if form == "JPEG":
        made = _short_enough(made, metadata, lost)
    return replace(made, lost=tuple(lost))


def _of_png(chunks: Chunks) -> Metadata:
    text = dict(chunks.text)
    return Metadata(
        xmp=text.pop(XMP, "").encode(),
        icc=chunks.icc,
        dpi=chunks.dpi,
        comment=text.pop(COMMENT, ""),
        parameters=text.pop(PARAMETERS, ""),
        text=text,
        colours=chunks.colours,
    )


def _of_others(image: Image.Image, lost: list[str]) -> Metadata:
    """Metadata as Pillow found it; EXIF is read later."""
    info = image.info
    xmp, comment = _bytes(info.get("xmp")), _bytes(info.get("comment"))
    for name, segment in getattr(image, "applist", ()):
        if name == "APP1" and segment.startswith(XMP_HEAD):
            xmp = segment[len(XMP_HEAD) :]
        lost += [words for start, words in LOST_SEGMENTS.items() if segment.startswith(start)]
    try:
        words = comment.decode()
    except UnicodeDecodeError:
        words = comment.decode("latin-1")
    generated = image.format == "GIF" and "Steps: " in words  # where WebUIs put them
    return Metadata(
        xmp=xmp,
        icc=_bytes(info.get("icc_profile")),
        dpi=_resolution(info.get("dpi")),
        comment="" if generated else words.rstrip("\0"),
        parameters=words if generated else "",
    )


def _directory(blob: bytes, lost: list[str]) -> Directory:
    try:
        directory, skipped = exif_bytes.read(blob)
    except ExifError as error:
        lost.append(f"EXIF ({error})")
        return Directory()
    if skipped:
        lost.append(f"{skipped} entries of EXIF that point nowhere")
    return directory


def _exif_in_text(text: dict[str, str], lost: list[str]) -> bytes:
    """Take out EXIF that programs wrote into a PNG as text; b"" without any.

    ImageMagick writes it in hexadecimal, old WebUIs as Python's spelling of bytes. No reader takes
    other texts of these names, and some choke on them: they are lost.
    """
    found = b""
    for key, spelling in EXIF_TEXTS.items():
        if key not in text:
            continue
        try:
            content = spelling(text.pop(key))
            exif_bytes.read(content)
        except ValueError:
            lost.append(f'text "{key}" (it should hold EXIF and does not)')
        else:
            found = content
    return found


def _hexadecimal(text: str) -> bytes:
    return bytes.fromhex("".join(text.split()[2:]))  # after the profile's name and length


def _spell(text: str) -> bytes:
    """Read Python's spelling of bytes, without Python, which deep nesting can end."""
    if not (len(text) > 2 and text[:2] in ("b'", 'b"') and text[-1:] == text[1:2]):
        raise ValueError("no bytes")
    return text[2:-1].encode("ascii").decode("unicode_escape").encode("latin-1")


EXIF_TEXTS: Mapping[str, Callable[[str], bytes]] = {
    "Raw profile type exif": _hexadecimal, "Raw profile type APP1": _hexadecimal, "exif": _spell,
}  # fmt: skip


def _orientation(directory: Directory, xmp: bytes) -> int:
    """How the picture lies, of EXIF or else XMP; takes it out of EXIF."""
    given = directory.numbers(ORIENTATION)
    directory.entries.pop(ORIENTATION, None)
    if not given and (found := UPRIGHT.search(xmp)):
        return int(found.group()[-1:])
    return given[0] if given and 1 <= given[0] <= 8 else 1


def _with_exif(metadata: Metadata, form: str) -> Metadata:
    """With generation parameters, and resolution where only EXIF can tell it, in EXIF."""
    directory = copy.deepcopy(metadata.exif)
    if metadata.parameters:
        exif_bytes.put_comment(directory, metadata.parameters)
    if form in ("WEBP", "AVIF") and metadata.dpi and 282 not in directory.entries:
        for tag, value in zip((282, 283), metadata.dpi, strict=True):
            directory.put(tag, RATIONAL, (round(value * 1000), 1000))
        directory.put(296, SHORT, (2,))
    return replace(metadata, exif=directory)


def _short_enough(made: Metadata, metadata: Metadata, lost: list[str]) -> Metadata:
    """Without what is too long for a segment of a JPEG; generation parameters stay the longest."""
    why = "(JPEG holds 64 KiB of it)"
    alone = Directory()
    exif_bytes.put_comment(alone, metadata.parameters)
    for directory, gone in (
        (made.exif, ()),
        (alone, ("EXIF",)),
        (metadata.exif, (NAMES["parameters"],)),
        (Directory(), ("EXIF", NAMES["parameters"])),
    ):
        if len(exif_bytes.HEAD + exif_bytes.as_bytes(directory)) <= MOST:
            lost += [f"{name} {why}" for name in gone]
            made = replace(made, exif=directory)
            break
    if len(XMP_HEAD + made.xmp) > MOST:
        lost.append(f"XMP {why}")
        made = replace(made, xmp=b"")
    if len(made.comment.encode()) > MOST:
        lost.append(f"comment {why}")
        made = replace(made, comment="")
    return made


def _tells(colours: Mapping[bytes, bytes]) -> bool:
    """Whether chunks on colours say more than "as usual": gamma 1/2.2, primaries of sRGB."""
    usual = colours.get(b"gAMA") in (None, (45455).to_bytes(4, "big"))
    return not (usual or b"sRGB" in colours) or b"cICP" in colours


def _resolution(given: Any) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in given)
    except (TypeError, ValueError, ArithmeticError):
        return None
    sane = all(math.isfinite(one) and 0 < one < 1e6 for one in (x, y))
    return (x, y) if sane else None


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else b""


def _bytes_of(directory: Directory, tag: int) -> bytes:
    entry = directory.entries.get(tag)
    return entry.value if entry and isinstance(entry.value, bytes) else b""
