"""The segments of a JPEG that say things beside its pixels (ITU-T T.81, section B.1.1)."""

from __future__ import annotations

import struct

XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
MOST = 65533  # bytes that one segment holds


def xmp_segment(xmp: bytes) -> bytes:
    """The segment of an XMP packet; b"" without one."""
    content = XMP_HEAD + xmp
    return b"\xff\xe1" + struct.pack(">H", 2 + len(content)) + content if xmp else b""


def without_metadata(content: bytes) -> bytes | None:
    """A JPEG without its metadata; None if it is none, or has none.

    What stays tells how to decode: JFIF (APP0) and Adobe's (APP14) among the applications' own.
    """
    if not content.startswith(b"\xff\xd8"):
        return None
    kept, place = [content[:2]], 2
    while content[place : place + 1] == b"\xff" and place + 4 <= len(content):
        marker, length = content[place + 1], struct.unpack_from(">H", content, place + 2)[0]
        if marker == 0xDA:  # the pixels begin
            break
        if not (0xE1 <= marker <= 0xEF and marker != 0xEE) and marker != 0xFE:
            kept.append(content[place : place + 2 + length])
        place += 2 + length
    plain = b"".join([*kept, content[place:]])
    return plain if len(plain) < len(content) else None
