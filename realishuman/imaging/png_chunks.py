"""The chunks of a PNG: metadata taken out before the pixels are decoded, and put in afterwards.

Libraries give up a whole picture for a text of over 1 MiB or a chunk with a wrong checksum. Here
a chunk that cannot be read costs that chunk only (PNG specification, third edition, section 11.3).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
COLOURS = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")  # how colours are meant
TAKEN = frozenset({*TEXTS, *COLOURS, b"eXIf", b"iCCP", b"pHYs", b"tIME", b"caBX"})
NEEDED = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})  # ancillary, and yet pixels
MOST_UNREADABLE = 16  # that are named one by one
MOST_TEXT = 64 * 2**20  # bytes of all texts together once they are unpacked
NAMES = {b"eXIf": "EXIF", b"iCCP": "ICC profile", b"pHYs": "resolution", b"caBX": "C2PA"}
INCHES = 39.3701  # in a metre


@dataclass
class Chunks:
    """The metadata of a PNG.

    text        keyword -> text.
    colours     chunks of COLOURS as they are, by name.
    unreadable  what was there and could not be read, in words.
    """

    text: dict[str, str] = field(default_factory=dict)
    exif: bytes = b""
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    colours: dict[bytes, bytes] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def take_out_chunks(content: bytes) -> tuple[bytes, Chunks]:
    """Return a PNG file's bytes without its metadata, and the metadata.

    What is no PNG, or cut off, passes for the decoder to complain about.
    """
    found, kept, place, room = Chunks(), [content[:8]], 8, MOST_TEXT
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        whole = content[place : place + 12 + length]
        if len(whole) < 12 + length:
            break
        if name in TAKEN:
            room = _note(found, name, whole, room)
        elif not name[:1].islower() or name in NEEDED or _is_sound(whole):
            kept.append(whole)
        place += 12 + length
        if name == b"IEND":
            break
    return b"".join([*kept, content[place:]]), found


def put_in(content: bytes, chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a PNG file's bytes with more chunks, name and data, after the first."""
    made = b"".join(_chunk(name, data) for name, data in chunks)
    return content[:33] + made + content[33:]


def chunks_of(
    text: Mapping[str, str],
    exif: bytes = b"",
    icc: bytes = b"",
    dpi: tuple[float, float] | None = None,
    colours: Mapping[bytes, bytes] | None = None,
) -> list[tuple[bytes, bytes]]:
    """The metadata as chunks, in an order that the specification allows."""
    made = list((colours or {}).items())
    if icc:
        made.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    if dpi:
        made.append((b"pHYs", struct.pack(">IIB", *(round(one * INCHES) for one in dpi), 1)))
    if exif:
        made.append((b"eXIf", exif))
    return made + [_text_chunk(key, value) for key, value in text.items()]


def _text_chunk(key: str, value: str) -> tuple[bytes, bytes]:
    """tEXt where Latin-1 will do, else iTXt; not packed, as readers refuse to unpack large ones."""
    try:
        return b"tEXt", key.encode("latin-1") + b"\0" + value.encode("latin-1")
    except UnicodeEncodeError:
        name = key.encode("latin-1", "replace")
        return b"iTXt", name + b"\0\0\0\0\0" + value.encode("utf-8", "surrogatepass")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _is_sound(whole: bytes) -> bool:
    """Whether a chunk's checksum is right."""
    (checksum,) = struct.unpack(">I", whole[-4:])
    return bool(zlib.crc32(whole[4:-4]) == checksum)


def _note(found: Chunks, name: bytes, whole: bytes, room: int) -> int:
    """Read one chunk of metadata into `found`; returns how much text may still come."""
    data, what = whole[8:-4], NAMES.get(name, name.decode())
    if name in TEXTS:
        what = f'text "{data.partition(bytes(1))[0].decode("latin-1")[:80]}"'
    try:
        if not _is_sound(whole):
            raise ValueError("its checksum is wrong")
        if name in TEXTS:
            key, value = _text(name, data, room)
            found.text[key] = value
            return room - len(value)
        if name == b"eXIf":
            found.exif = data
        elif name == b"iCCP":
            found.icc = _inflate(data.partition(b"\0")[2][1:], MOST_TEXT)
        elif name == b"pHYs":
            x, y, unit = struct.unpack(">IIB", data)
            found.dpi = (x / INCHES, y / INCHES) if unit == 1 and x and y else None
        elif name in COLOURS:
            found.colours[name] = data
        elif name == b"caBX":
            raise ValueError("it vouches for the picture as it was")
    except (ValueError, struct.error, zlib.error) as error:
        if len(found.unreadable) < MOST_UNREADABLE:
            found.unreadable.append(f"{what} ({error})")
        elif len(found.unreadable) == MOST_UNREADABLE:
            found.unreadable.append("more that cannot be read")
    return room


def _text(name: bytes, data: bytes, room: int) -> tuple[str, str]:
    """Keyword and text of a text chunk. Raises ValueError or zlib.error if it cannot be read."""
    key, _, value = data.partition(b"\0")
    if name == b"tEXt":
        text = value.decode("latin-1")
    elif name == b"zTXt":
        text = _inflate(value[1:], room).decode("latin-1")
    else:
        _language, _title, data = value[2:].split(b"\0", 2)  # ValueError if one is missing
        text = (_inflate(data, room) if value[:1] == b"\1" else data).decode("utf-8")
    if len(text) > room:
        raise ValueError(f"texts of more than {MOST_TEXT >> 20} MiB")
    return key.decode("latin-1"), text


def _inflate(data: bytes, room: int) -> bytes:
    """Inflate, but never more than `room` bytes."""
    engine = zlib.decompressobj()
    made = engine.decompress(data, room + 1)
    if len(made) > room:
        raise ValueError(f"it unpacks to more than {room >> 20} MiB")
    if not engine.eof:
        raise ValueError("it is cut off")
    return made
