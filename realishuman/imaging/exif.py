"""EXIF as bytes: read entry by entry, changed, and written again; also the directory of a TIFF.

EXIF is a TIFF file without a picture (TIFF 6.0, section 2; Exif 2.32, section 4.5). Entries are
kept as bytes, whatever they mean, so that one that nobody understands is no obstacle. What cannot
be followed, as an entry that points outside, is left out and counted. The second directory, which
holds the preview of the picture as it was, is left out too. A file whose entries share bytes, so
that reading it takes far more time or memory than it has bytes, is no EXIF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

HEAD = b"Exif\0\0"  # before EXIF in a JPEG; elsewhere it is optional
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
BYTE, SHORT, LONG, RATIONAL, UNDEFINED = 1, 3, 4, 5, 7
ORIENTATION, EXIF_DIRECTORY, USER_COMMENT = 0x0112, 0x8769, 0x9286
DIRECTORIES = frozenset({EXIF_DIRECTORY, 0x8825, 0xA005})  # with GPS and interoperability
MOST_ENTRIES = 4096  # of all directories together
CODES = {  # the first 8 bytes of a user comment, and what follows them
    b"UNICODE\0": "utf-16-be", b"ASCII\0\0\0": "ascii", b"\0" * 8: "utf-8",
    b"JIS\0\0\0\0\0": "iso2022_jp",
}  # fmt: skip


class ExifError(ValueError):
    """The bytes are no EXIF."""


@dataclass(frozen=True)
class Entry:
    """A value: its TIFF type and bytes in the directory's byte order, or a directory."""

    kind: int
    value: bytes | Directory


@dataclass
class Directory:
    """Entries by tag.

    order  byte order of all values, "<" or ">".
    """

    order: str = ">"
    entries: dict[int, Entry] = field(default_factory=dict)

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The values of an entry of type BYTE, SHORT or LONG; empty if there is none."""
        entry = self.entries.get(tag)
        letter = {BYTE: "B", SHORT: "H", LONG: "I"}.get(entry.kind) if entry else None
        if entry is None or letter is None or not isinstance(entry.value, bytes):
            return ()
        count = len(entry.value) // SIZES[entry.kind]
        return struct.unpack_from(f"{self.order}{count}{letter}", entry.value)

    def put(self, tag: int, kind: int, values: bytes | Iterable[int]) -> None:
        """Set an entry to bytes, or to whole numbers of type BYTE, SHORT, LONG or RATIONAL."""
        if not isinstance(values, bytes):
            numbers = tuple(values)
            letter = {BYTE: "B", SHORT: "H", LONG: "I", RATIONAL: "I"}[kind]
            values = struct.pack(f"{self.order}{len(numbers)}{letter}", *numbers)
        self.entries[tag] = Entry(kind, values)

    def inner(self, tag: int) -> Directory | None:
        """The directory that an entry holds, if there is one."""
        entry = self.entries.get(tag)
        return entry.value if entry and isinstance(entry.value, Directory) else None


def read(content: bytes) -> tuple[Directory, int]:
    """Return the first directory of EXIF, or of a TIFF file, and how many entries were left out.

    Raises ExifError if it has no TIFF header or its first directory lies outside.
    """
    content = content[len(HEAD) :] if content.startswith(HEAD) else content
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if order is None or len(content) < 8:
        raise ExifError("it has no TIFF header")
    try:
        start = struct.unpack_from(f"{order}I", content, 4)[0]
        return _directory(content, order, start, 0, _Room(MOST_ENTRIES, len(content)))
    except struct.error as error:
        raise ExifError("it is cut off") from error


@dataclass
class _Room:
    """How many entries, and bytes of values, may still come."""

    entries: int
    bytes: int

    def take(self, size: int) -> None:
        self.entries -= 1
        self.bytes -= size
        if min(self.entries, self.bytes) < 0:
            raise _FullError("its entries hold more than the file")


class _FullError(ExifError):
    """There is no more room; unlike another damage it ends the whole reading."""


def _directory(
    content: bytes, order: str, offset: int, depth: int, room: _Room
) -> tuple[Directory, int]:
    made, lost = Directory(order), 0
    (count,) = struct.unpack_from(f"{order}H", content, offset)
    for place in range(offset + 2, offset + 2 + 12 * min(count, MOST_ENTRIES), 12):
        if place + 12 > len(content):
            raise ExifError("it is cut off")
        tag, kind, length = struct.unpack_from(f"{order}HHI", content, place)
        size = SIZES.get(kind, 0) * length
        start = place + 8
        if size > 4:
            (start,) = struct.unpack_from(f"{order}I", content, start)
        if not 0 < size <= len(content) - start:
            room.take(0)
            lost += kind != 0
            continue
        room.take(size)
        value = content[start : start + size]
        if tag in DIRECTORIES:
            lost += _add_directory(made, tag, content, value, depth, room)
        else:
            made.entries[tag] = Entry(kind, value)
    return made, lost


def _add_directory(
    made: Directory, tag: int, content: bytes, value: bytes, depth: int, room: _Room
) -> int:
    """Read the directory that an entry points to; returns how many entries were left out."""
    if len(value) < 4 or depth > 1:
        return 1
    try:
        offset = struct.unpack_from(f"{made.order}I", value)[0]
        below, lost = _directory(content, made.order, offset, depth + 1, room)
    except _FullError:
        raise
    except (ExifError, struct.error):
        return 1
    made.entries[tag] = Entry(LONG, below)
    return lost


def written(directory: Directory, start: int = 8) -> bytes:
    """The bytes of a directory and all it points to, to stand at `start` of a file."""
    tags = sorted(directory.entries)
    after = start + 2 + 12 * len(tags) + 4
    table, rest = struct.pack(f"{directory.order}H", len(tags)), b""
    for tag in tags:
        entry = directory.entries[tag]
        place = after + len(rest)
        if isinstance(entry.value, Directory):
            value = struct.pack(f"{directory.order}I", place)
            count, more = 1, written(entry.value, place)
        else:
            count, value, more = len(entry.value) // SIZES[entry.kind], entry.value, b""
            if len(value) > 4:
                value, more = struct.pack(f"{directory.order}I", place), value
        table += struct.pack(f"{directory.order}HHI", tag, entry.kind, count) + value.ljust(
            4, b"\0"
        )
        rest += more + b"\0" * (len(more) % 2)
    return table + b"\0\0\0\0" + rest


def header(order: str, offset: int = 8) -> bytes:
    """The first 8 bytes of EXIF or a TIFF file whose first directory stands at `offset`."""
    return (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, offset)


def as_bytes(directory: Directory) -> bytes:
    """EXIF, without HEAD; b"" if nothing is in it."""
    if not directory.entries:
        return b""
    return header(directory.order) + written(directory)


def comment_of(directory: Directory) -> str:
    """The user comment as text, where WebUIs keep generation parameters; "" without one."""
    below = directory.inner(EXIF_DIRECTORY)
    entry = below.entries.get(USER_COMMENT) if below else None
    if entry is None or not isinstance(entry.value, bytes):
        return ""
    code, text = entry.value[:8], entry.value[8:]
    if code not in CODES:
        code, text = b"\0" * 8, entry.value  # written without a code, as some programs do
    if code == b"UNICODE\0" and _is_little(text):
        return text.decode("utf-16-le", "replace").rstrip("\0 ")
    return text.decode(CODES[code], "replace").rstrip("\0 ")


def put_comment(directory: Directory, text: str) -> None:
    """Set the user comment as WebUIs do, or take it out if the text is empty."""
    if text:
        value = b"UNICODE\0" + text.encode("utf-16-be", "replace")
        below = directory.inner(EXIF_DIRECTORY) or Directory(directory.order)
        below.put(USER_COMMENT, UNDEFINED, value)
        directory.entries[EXIF_DIRECTORY] = Entry(LONG, below)
    elif inner := directory.inner(EXIF_DIRECTORY):
        inner.entries.pop(USER_COMMENT, None)
        if not inner.entries:
            del directory.entries[EXIF_DIRECTORY]


def _is_little(text: bytes) -> bool:
    """Whether UTF-16 has its low bytes first: the zeros of Latin letters tell."""
    return text[1::2].count(0) > text[0::2].count(0)
