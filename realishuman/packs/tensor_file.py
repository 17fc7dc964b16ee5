"""Reads tensors by name from a safetensors file, with plain reads.

The safetensors library maps the file into memory; see files/steady.py for why that will not do.
Source of the format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from realishuman.errors import PackError
from realishuman.files.steady import Stamp, SteadyFile, Take, changed, incomplete
from realishuman.packs.shapes import Shape

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_LENGTH = 8  # bytes that say how long the header is
_AXES = 16  # of a tensor
_LONGEST = 100_000_000  # bytes of a header, as in the safetensors library


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies in its file: bytes from start to end, counted from the file's start."""

    dtype: torch.dtype
    shape: Shape
    start: int
    end: int


@dataclass(frozen=True)
class TensorFile:
    """A safetensors file whose header was read; it is not held open.

    tensors  in the order in which they are stored.
    """

    metadata: Mapping[str, str] = field(compare=False)
    tensors: Mapping[str, Stored] = field(compare=False, repr=False)
    _file: SteadyFile
    _header: bytes = field(repr=False)

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._file.path

    @property
    def stamp(self) -> Stamp:
        """What tells that the file was changed since it was opened."""
        return self._file.stamp

    @classmethod
    def open(cls, path: Path) -> TensorFile:
        """Read the header. Raises PackError unless it and the length of the file are right."""
        file = SteadyFile.at(path)
        size = file.stamp.size
        with file.reading() as take:
            header = _header(take, path, size)
        metadata, tensors = _parse(header, path)
        end = max((one.end for one in tensors.values()), default=_LENGTH + len(header))
        if size < end:
            raise incomplete(path, size, end)
        if size > end:
            raise PackError(f"{path} is damaged: it has {size:,} bytes, by its header {end:,}.")
        return cls(metadata, tensors, file, header)

    @contextmanager
    def reading(self) -> Iterator[Callable[[str], Tensor]]:
        """Inside, a function that reads a tensor by name into memory of its own.

        Raises PackError, also at the end, if the file is no longer what it was when it was opened.
        """
        with self._file.reading() as take:
            if _header(take, self.path, self.stamp.size) != self._header:
                raise changed(self.path)
            yield lambda name: _tensor(take, self.tensors[name])

    def probe(self, most: int) -> Iterator[tuple[str, Tensor]]:
        """Each tensor's name, and at most so many bytes of it from each end as its numbers.

        Raises PackError as reading does.
        """
        with self._file.reading() as take:
            for name, one in self.tensors.items():
                count = min(most, one.end - one.start)
                for start in {one.start, one.end - count}:
                    yield name, take(start, count).view(one.dtype)

    def read(self, name: str) -> Tensor:
        """One tensor; raises PackError as reading does."""
        with self.reading() as read:
            return read(name)


def metadata_of(path: Path) -> Mapping[str, str]:
    """What the header says beside the tensors, also of a file that is cut short behind it.

    Raises PackError if there is no header.
    """
    file = SteadyFile.at(path)
    with file.reading() as take:
        return _parse(_header(take, path, file.stamp.size), path)[0]


def _tensor(take: Take, one: Stored) -> Tensor:
    return take(one.start, one.end - one.start).view(one.dtype).reshape(one.shape)


def _header(take: Take, path: Path, size: int) -> bytes:
    """The JSON text at the start of a file of this size."""
    length = take(0, _LENGTH).numpy().tobytes() if size >= _LENGTH else b""
    count = int.from_bytes(length, "little")
    if not 0 < count <= _LONGEST:
        raise PackError(
            f"{path} cannot be read as safetensors ({size:,} bytes): it is being written, is "
            "incomplete, or is another kind of file."
        )
    if _LENGTH + count > size:
        raise incomplete(path, size, _LENGTH + count)
    return take(_LENGTH, count).numpy().tobytes()


def _parse(header: bytes, path: Path) -> tuple[dict[str, str], dict[str, Stored]]:
    """Metadata and tensors; raises PackError."""
    try:
        index = json.loads(header)
        metadata = {str(key): str(text) for key, text in index.pop("__metadata__", {}).items()}
        place = _LENGTH + len(header)
        found = [(str(name), _read_entry(entry, place)) for name, entry in index.items()]
        found.sort(key=lambda item: (item[1].start, item[1].end))
        for name, one in found:
            if one.start != place:
                raise ValueError(f"tensor {name} begins at byte {one.start}, expected {place}")
            place = one.end
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PackError(
            f"{path} has no readable safetensors header ({type(error).__name__}: {error}): it is "
            "damaged, or another kind of file."
        ) from error
    return metadata, dict(found)


def _read_entry(entry: Mapping[str, object], offset: int) -> Stored:
    """One entry of the header. Raises ValueError, KeyError or TypeError if it makes no sense."""
    kind, sizes, ends = entry["dtype"], entry["shape"], entry["data_offsets"]
    if kind not in DTYPES:
        raise ValueError(f"numbers of type {kind} cannot be read")
    if not (isinstance(sizes, list) and isinstance(ends, list)):
        raise TypeError("shape and offsets must be lists")
    if len(sizes) > _AXES or not all(type(n) is int and 0 <= n < 2**63 for n in (*sizes, *ends)):
        raise ValueError("sizes and offsets must be whole numbers from 0 on, and few")
    dtype, (start, end) = DTYPES[str(kind)], ends
    if end - start != math.prod(sizes) * dtype.itemsize:
        raise ValueError(f"{end - start} bytes cannot hold {sizes} of {kind}")
    return Stored(dtype, tuple(sizes), offset + start, offset + end)
