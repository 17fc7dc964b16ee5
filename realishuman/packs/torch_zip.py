"""Reads tensors from a zip file that torch.save wrote: piece by piece, with plain reads.

torch.load either maps such a file (see files/steady.py for why that will not do) or reads all of
it. Here the pickle inside, which names the tensors, is read with a table of inert stand-ins: any
name that is not in it is refused, and nothing of the file is run.
Source of the format: torch/serialization.py, _save and _load.
"""

from __future__ import annotations

import math
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

import torch
from torch import Tensor

from realishuman.errors import PackError
from realishuman.files.steady import SteadyFile
from realishuman.packs.shapes import Shape

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_MOST = 256 * 2**20  # bytes of a pickle without its numbers
_LOCAL_HEADER = struct.Struct("<4s22x2H")  # before each file in a zip: mark, ..., two lengths
_DAMAGED = (
    *(zipfile.BadZipFile, pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError),
    *(TypeError, AttributeError, OverflowError, RecursionError, MemoryError, NotImplementedError),
    *(RuntimeError, struct.error, AssertionError),  # an encrypted zip; a pickle without sense
)


class PickleRefusedError(pickle.UnpicklingError):
    """A pickle names something that is not in the table; the message is that name."""


@dataclass(frozen=True)
class _Storage:
    """A run of numbers in a file of its own in the zip."""

    key: str
    dtype: torch.dtype


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that was not read yet; offset and strides count numbers of its storage."""

    storage: _Storage
    offset: int
    shape: Shape
    strides: Shape

    @property
    def span(self) -> int:
        """How many numbers of the storage it reaches over."""
        if 0 in self.shape:
            return 0
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))


class _Rebuilt:
    """Stands in for torch._utils._rebuild_tensor_v2; a class, for a pickle can change functions."""

    def __new__(cls, storage: Any, offset: Any, shape: Any, strides: Any, *_more: Any) -> Any:
        """Return the tensor; raises ValueError if it makes no sense."""
        sizes = (offset, *shape, *strides)
        if len(shape) != len(strides) or not all(type(n) is int and n >= 0 for n in sizes):
            raise ValueError(f"a tensor of shape {shape} and strides {strides}")
        if not isinstance(storage, _Storage):
            raise TypeError("a tensor without numbers")
        return StoredTensor(storage, offset, tuple(shape), tuple(strides))


class _Parameter:
    """Stands in for torch._utils._rebuild_parameter."""

    def __new__(cls, tensor: Any, *_more: Any) -> Any:
        """Return the tensor itself."""
        return tensor


class _Shape:
    """Stands in for torch.Size."""

    def __new__(cls, sizes: Any = ()) -> Any:
        """Return a tuple."""
        return tuple(sizes)


KNOWN: Mapping[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _Rebuilt,
    "torch._utils._rebuild_parameter": _Parameter,
    "torch.Size": _Shape,
    **{f"torch.{name}": dtype for name, dtype in _STORAGES.items()},
}


class TameUnpickler(pickle._Unpickler):
    """Python's own unpickler, in Python: a few bytes of a file cannot make it take all memory.

    That in C reserves room for the highest number that a pickle gives to a value, whatever it is.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def load_bytearray8(self: Any) -> None:
        """Read an array of bytes; Python's own reserves what it says before it reads."""
        (count,) = struct.unpack("<Q", self.read(8))
        content = self.read(min(count, sys.maxsize))
        if len(content) != count:
            raise EOFError("an array that is cut off")
        self.append(bytearray(content))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


class _Reader(TameUnpickler):
    """Unpickler that knows a table of names and nothing else."""

    def __init__(self, file: IO[bytes], known: Mapping[str, Any]) -> None:
        super().__init__(file)
        self._known = known

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for, or raise PickleRefusedError."""
        full = f"{module}.{name}"
        if full not in self._known:
            raise PickleRefusedError(full)
        return self._known[full]

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage of an entry ("storage", type, key, device, count)."""
        mark, dtype, key, _device, _count = pid
        if mark != "storage" or not isinstance(dtype, torch.dtype):
            raise ValueError(f"an entry {mark!r}")
        return _Storage(str(key), dtype)


@dataclass(frozen=True)
class TorchZip:
    """A file whose pickle was read; it is not held open.

    contents  what was saved, with a StoredTensor for each tensor.
    """

    contents: Any
    _file: SteadyFile
    _members: Mapping[str, zipfile.ZipInfo]

    @classmethod
    def open(cls, path: Path, known: Mapping[str, Any]) -> TorchZip:
        """Read everything but the numbers.

        known   names that the pickle may use besides KNOWN, and their inert stand-ins.
        Raises  PackError when it is damaged; PickleRefusedError when the pickle uses another name.
        """
        file = SteadyFile.at(path)
        with file.reading():
            try:
                contents, members = _unpickle(path, {**KNOWN, **known})
            except PickleRefusedError:
                raise
            except _DAMAGED as error:
                raise PackError(
                    f"{path} cannot be read: it is truncated or damaged ({_line(error)}). "
                    "Fetch it again."
                ) from error
        return cls(contents, file, members)

    def read(self, one: StoredTensor) -> Tensor:
        """Its numbers, in memory of their own.

        Raises PackError when the file was changed since it was opened, or cannot be read.
        """
        size = one.storage.dtype.itemsize
        with self._file.reading() as take:
            info = self._members.get(one.storage.key)
            if info is None or (one.offset + one.span) * size > info.file_size:
                raise PackError(f"{self._file.path} is damaged: numbers of a tensor are missing.")
            mark, name, extra = _LOCAL_HEADER.unpack(
                take(info.header_offset, _LOCAL_HEADER.size).numpy().tobytes()
            )
            if mark != b"PK\x03\x04" or info.compress_type != zipfile.ZIP_STORED:
                raise PackError(f"{self._file.path} is damaged, or not as torch.save wrote it.")
            start = info.header_offset + _LOCAL_HEADER.size + name + extra
            content = take(start + one.offset * size, one.span * size).view(one.storage.dtype)
        if math.prod(one.shape) == 0:
            return content.reshape(one.shape)
        return content.as_strided(one.shape, one.strides).contiguous()


def _unpickle(path: Path, known: Mapping[str, Any]) -> tuple[Any, dict[str, zipfile.ZipInfo]]:
    """What the pickle holds, and the zip's entries by the key of the storage they hold."""
    with zipfile.ZipFile(path) as archive:
        [index] = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if archive.getinfo(index).file_size > _MOST:
            raise ValueError(f"its pickle unpacks to more than {_MOST >> 20} MB")
        folder = index.removesuffix("data.pkl")
        order = f"{folder}byteorder"
        named = order in archive.namelist()
        if named and (archive.getinfo(order).file_size > 9 or archive.read(order) != b"little"):
            raise ValueError("its numbers are stored in an order that cannot be read")
        with archive.open(index) as file:
            contents = _Reader(file, known).load()
        data = f"{folder}data/"
        return contents, {
            one.filename.removeprefix(data): one
            for one in archive.infolist()
            if one.filename.startswith(data)
        }


def _line(error: Exception) -> str:
    """First sentence of a message that may run over many lines."""
    return str(error).strip().split("\n")[0].split(". ")[0] or type(error).__name__
