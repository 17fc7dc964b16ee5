"""Weights that an ONNX file keeps in a second file beside it, read into memory of their own.

onnxruntime maps such a file for as long as the network is open; see files/steady.py for why that
will not do. Only the places of the weights are read out of the ONNX file here, which is a protobuf
message: fields of a number, a wire type and a value.
Source: onnx.proto (ModelProto.graph = 7, GraphProto.initializer = 5, TensorProto: dims = 1,
data_type = 2, name = 8, external_data = 13, data_location = 14).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from realishuman.errors import ModelError, PackError
from realishuman.files.steady import SteadyFile

_DTYPES = {  # TensorProto.DataType
    1: "float32",
    2: "uint8",
    3: "int8",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}
_EXTERNAL = 1  # a tensor's data_location
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # wire types


@dataclass
class _Tensor:
    """An initializer of the graph, without its numbers."""

    name: str = ""
    dtype: int = 0
    shape: list[int] = field(default_factory=list)
    place: dict[str, str] = field(default_factory=dict)
    external: bool = False


def external_weights(path: Path) -> dict[str, NDArray[Any]]:
    """The weights by name; empty where the file keeps its weights itself, or makes no sense.

    What makes no sense is left to onnxruntime to refuse.
    Raises  ModelError when the second file is missing, too short, changes while it is read, or lies
            in another folder, which onnxruntime may or may not allow.
    """
    try:
        with path.open("rb") as file:
            found = [one for one in _initializers(file, path.stat().st_size) if one.external]
        wanted = [(one, *_where(one)) for one in found]
    except (OSError, ValueError, KeyError, IndexError, EOFError):
        return {}
    for one, location, _, _ in wanted:
        if _leaves(location):
            raise ModelError(
                f"{path.name} wants the weights {one.name} from {location!r}, which lies outside "
                "its own folder: do not use this file, or fetch it again."
            )
    weights: dict[str, NDArray[Any]] = {}
    for location in {place for _, place, _, _ in wanted}:
        try:
            with SteadyFile.at(path.parent / location).reading() as take:
                for one, place, start, count in wanted:
                    if place == location:
                        numbers = take(start, count).numpy().view(_DTYPES[one.dtype])
                        weights[one.name] = numbers.reshape(one.shape)
        except PackError as error:
            raise ModelError(
                f"{path.name} needs the file of weights beside it: {error} Fetch or make both "
                "again if they do not belong together."
            ) from error
    return weights


def _where(one: _Tensor) -> tuple[str, int, int]:
    """Its file, and the first byte and number of bytes there. Raises ValueError or KeyError."""
    location = one.place["location"]
    count = math.prod(one.shape) * np.dtype(_DTYPES[one.dtype]).itemsize
    if int(one.place.get("length", count)) != count:
        raise ValueError(f"{one.name} has another size than its shape")
    return location, int(one.place.get("offset", 0)), count


def _leaves(location: str) -> bool:
    """Whether a file's name leads out of the folder, on whatever system."""
    path = PureWindowsPath(location)  # knows both slashes
    return bool(path.anchor) or ".." in path.parts


def _initializers(file: BinaryIO, size: int) -> Iterator[_Tensor]:
    for number, begin, end in _messages(file, 0, size):
        if number == 7:
            for inner, start, stop in _messages(file, begin, end):
                if inner == 5:
                    yield _tensor(file, start, stop)


def _tensor(file: BinaryIO, begin: int, end: int) -> _Tensor:
    one = _Tensor()
    for number, wire, value, start, stop in _fields(file, begin, end):
        if number == 1 and wire == _VARINT:
            one.shape.append(value)
        elif number == 1:
            one.shape += _read_packed(_read(file, start, stop))
        elif number == 2:
            one.dtype = value
        elif number == 8:
            one.name = _read(file, start, stop).decode()
        elif number == 13:
            parts = {n: _read(file, a, b).decode() for n, a, b in _messages(file, start, stop)}
            one.place[parts[1]] = parts[2]
        elif number == 14:
            one.external = value == _EXTERNAL
    return one


def _messages(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of each field that is bytes or a message."""
    for number, wire, _value, start, stop in _fields(file, begin, end):
        if wire == _BYTES:
            yield number, start, stop


def _fields(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Number, wire type, value if it is a number, and begin and end, of each field of a message."""
    place = begin
    while place < end:
        file.seek(place)
        tag = _varint(file)
        wire, value = tag & 7, 0
        if wire in (_VARINT, _BYTES):
            value = _varint(file)
        start = file.tell()
        stop = start + {_VARINT: 0, _EIGHT: 8, _BYTES: value, _FOUR: 4}[wire]
        if stop > end:
            raise EOFError
        yield tag >> 3, wire, value, start, stop
        place = stop


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise ValueError("a number of more than 10 bytes")


def _read_packed(content: bytes) -> list[int]:
    """Whole numbers that stand one after the other."""
    numbers, value, shift = [], 0, 0
    for byte in content:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return numbers


def _read(file: BinaryIO, start: int, stop: int) -> bytes:
    file.seek(start)
    return file.read(stop - start)
