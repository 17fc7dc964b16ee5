"""Spoils bytes and texts at random, as a careless program or a stranger might."""

from __future__ import annotations

import copy
import json
import random

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
ODD = (
    None, True, -1, 0, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", "x" * 300, "\ud800",
    "../../x", "/etc/passwd", "http://127.0.0.1/", [], {}, [[[[]]]], {"kind": {}}, [None] * 200,
)  # fmt: skip
WORDS = (
    b"\0", b"\xff\xd8", b"IEND", b"Exif\0\0", b"b'", b"[" * 50, b"../../x", b"/etc/passwd",
    b"1e999", b"nan", b"9" * 400, b"-1", b"\xf0\x9f\xa6\xb4", b"null", b"{}", b"%s%n", b"C:\\x",
    b"http://127.0.0.1/", b"cos\nsystem\n(S'true'\ntR.", b"\r\n", b"\xed\xa0\x80", b"true",
)  # fmt: skip


def mutate(content: bytes, source: random.Random) -> bytes:
    """The same with one to eight random changes; JSON often stays JSON."""
    if content[:1] in (b"{", b"[") and source.random() < 0.7:
        return _change_json(content, source)
    made = bytearray(content)
    for _ in range(source.choice((1, 1, 2, 3, 8))):
        _CHANGES[source.randrange(len(_CHANGES))](made, source)
    return bytes(made)


def _change_json(content: bytes, source: random.Random) -> bytes:
    """One to three values, keys or items are others, or gone."""
    whole = [json.loads(content)]
    for _ in range(source.choice((1, 1, 2, 3))):
        place = whole
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            if not keys:
                break
            key = source.choice(list(keys))
            inner = place[key]
            if isinstance(inner, (dict, list)) and inner and source.random() < 0.8:
                place = inner
                continue
            if source.random() < 0.2 and place is not whole:
                del place[key]
            elif source.random() < 0.2 and isinstance(place, dict):
                place[str(source.choice(ODD))[:80]] = place.pop(key)
            else:
                place[key] = copy.deepcopy(source.choice(ODD))
            break
    return json.dumps(whole[0] if whole else None).encode()


def _flip(made: bytearray, source: random.Random) -> None:
    if made:
        made[source.randrange(len(made))] ^= 1 << source.randrange(8)


def _overwrite(made: bytearray, source: random.Random) -> None:
    size = source.choice((1, 2, 4))
    value = source.choice(EXTREMES) & (256**size - 1)
    at = source.randrange(len(made) + 1)
    made[at : at + size] = value.to_bytes(size, source.choice(("big", "little")))


def _insert(made: bytearray, source: random.Random) -> None:
    at = source.randrange(len(made) + 1)
    made[at:at] = source.choice(WORDS)


def _replace(made: bytearray, source: random.Random) -> None:
    at = source.randrange(len(made) + 1)
    word = source.choice(WORDS)
    made[at : at + len(word)] = word


def _cut(made: bytearray, source: random.Random) -> None:
    start = source.randrange(len(made) + 1)
    del made[start : start + source.choice((1, 4, 16, len(made)))]


def _repeat(made: bytearray, source: random.Random) -> None:
    start = source.randrange(len(made) + 1)
    piece = made[start : start + source.choice((1, 8, 64))]
    made[start:start] = piece * source.choice((1, 2, 20))


def _exchange(made: bytearray, source: random.Random) -> None:
    if len(made) > 16:
        one, other = (source.randrange(len(made) - 8) for _ in range(2))
        made[one : one + 8], made[other : other + 8] = (
            made[other : other + 8],
            made[one : one + 8],
        )


_CHANGES = (_flip, _flip, _overwrite, _insert, _replace, _cut, _repeat, _exchange)
