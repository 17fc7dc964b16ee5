"""Reads pickled arrays of other people's files without running anything in them.

A pickle names the classes and functions to call. Here every name is looked up in a table of inert
stand-ins (official/stand_ins.py); any other name is refused, and no package is imported for one.
"""

from __future__ import annotations

import io
import pickle
import struct
import tokenize
from pathlib import Path
from typing import Any

from numpy.lib import format as npy

from realishuman.errors import ModelError
from realishuman.official.stand_ins import RENAMED, STAND_INS, Inert
from realishuman.packs.torch_zip import PickleRefusedError, TameUnpickler

MOST_VALUES = 1_000_000  # beside the numbers of arrays; official files hold some hundred
_DAMAGED = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError),
    *(AttributeError, ImportError, OverflowError, RecursionError, MemoryError, OSError),
    *(SyntaxError, tokenize.TokenError),  # numpy, about the head of an .npy file
    *(struct.error, AssertionError),  # the unpickler, about what is cut off or no sense
)


class _Reader(TameUnpickler):
    """Unpickler that knows the stand-ins and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of a name, or raise PickleRefusedError."""
        full = f"{module}.{name}"
        for old, new in RENAMED.items():
            if full.startswith(old):
                full = new + full.removeprefix(old)
                break
        if full not in STAND_INS:
            raise PickleRefusedError(f"{module}.{name}")
        return STAND_INS[full]


def read_pickle(path: Path, expected: str) -> Any:
    """Return what a pickle of Python 2 or 3 holds: dicts, lists, numbers, texts and numpy arrays.

    Sparse matrices come back full, chumpy arrays as arrays, texts and bytes of Python 2 as text.
    expected  the file that was asked for and where to get it, in words for the message.
    Raises    ModelError when it is missing, damaged, no pickle, or names code.
    """
    return unpickle(read_bytes(path, expected), path, expected)


def read_npy(path: Path, expected: str) -> Any:
    """Return what an .npy file holds; one that pickles an object gives what read_pickle would.

    expected, Raises  as of read_pickle.
    """
    content = read_bytes(path, expected)
    stream = io.BytesIO(content)
    try:
        version = npy.read_magic(stream)
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        _shape, _fortran, dtype = readers[version](stream)
        if not dtype.hasobject:
            stream.seek(0)
            return npy.read_array(stream, allow_pickle=False)
    except _DAMAGED as error:
        raise ModelError(
            _describe_damage(path, content, error, expected, "an .npy file")
        ) from error
    return unpickle(content[stream.tell() :], path, expected)


def read_bytes(path: Path, expected: str) -> bytes:
    """Return the whole file; raises ModelError when it is missing, empty or unreadable."""
    if not path.is_file():
        raise ModelError(f"{path} does not exist or is no file. Expected: {expected}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error}). Expected: {expected}") from error
    if not content:
        raise ModelError(f"{path} is empty: the download did not finish. Expected: {expected}")
    return content


def unpickle(content: bytes, path: Path, expected: str) -> Any:
    """As read_pickle, of bytes; `path` is named in messages."""
    try:
        return _Plain()(_Reader(io.BytesIO(content), encoding="latin1").load())
    except PickleRefusedError as error:
        raise ModelError(
            f"{path} was refused: it asks for {error}, and to read that could run code from the "
            f"file. The official file holds arrays of numbers only. Expected: {expected}"
        ) from error
    except _DAMAGED as error:
        raise ModelError(_describe_damage(path, content, error, expected, "a pickle")) from error


class _Plain:
    """Replaces all stand-ins in a value by the arrays they stand for.

    Lists may hold each other, so that a few bytes stand for more values than there is memory.
    """

    def __init__(self) -> None:
        self.left = MOST_VALUES

    def __call__(self, value: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values")
        if isinstance(value, dict):
            return {key: self(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self(item) for item in value)
        if isinstance(value, Inert):
            if not hasattr(value, "value"):
                name = type(value).__name__
                raise ValueError(f"an object of class {name} where an array belongs")
            return value.value(self)
        return value


def _describe_damage(path: Path, content: bytes, error: Exception, expected: str, kind: str) -> str:
    start = content[:64].lstrip()
    if start.startswith((b"<", b"version h")):  # "version https://git-lfs..."
        found = "is a web page or a Git LFS pointer, not the file itself"
    elif start.startswith(b"PK\x03\x04"):
        found = f"is a zip archive or a torch checkpoint, not {kind}: unpack it, or name the file"
    else:
        found = (
            f"({len(content)} bytes) cannot be read as {kind}: it is truncated, damaged or another "
            f"file ({type(error).__name__}: {error})"
        )
    return f"{path} {found}. Fetch it again; expected: {expected}"
