"""Writes a pack tensor by tensor, so that memory holds one tensor and a failure leaves no file."""

from __future__ import annotations

import errno
import json
import math
import shutil
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from realishuman.errors import PackError
from realishuman.files.whole import whole_file
from realishuman.packs.header import PackHeader
from realishuman.packs.header_reader import read_header
from realishuman.packs.pack import METADATA_KEY, Pack
from realishuman.packs.shapes import Shape, differences, pack_shapes
from realishuman.packs.sizes import header_sizes
from realishuman.progress import Progress, Silent
from realishuman.settings import PART_KINDS

_EXACT = "prompt."  # a few numbers that steer every step of stage two; the rest is float16


@dataclass(frozen=True)
class Entry:
    """A tensor to be written: its name in the pack, its shape, and how to get its values."""

    name: str
    shape: Shape
    load: Callable[[], Tensor]

    @property
    def dtype(self) -> torch.dtype:
        """The type its numbers are stored in."""
        return torch.float32 if self.name.startswith(_EXACT) else torch.float16

    @property
    def size(self) -> int:
        """Bytes it takes in the pack."""
        return math.prod(self.shape) * self.dtype.itemsize


def write_pack(
    path: str | Path,
    header: PackHeader,
    entries: Sequence[Entry],
    progress: Progress | None = None,
) -> Pack:
    """Write `entries` into the pack `path`, which is replaced only once all is well.

    Numbers are stored as float16, those of the prompt as float32.
    progress  gets one step per tensor.
    Returns   the new pack, opened.
    Raises    PackError when names or shapes are not those the header promises, a value is NaN,
              infinite or beyond float16, or the folder is missing, read-only or full.
    """
    path, progress = Path(path), progress or Silent()
    _check(path, header, entries)
    # safetensors: each tensor at a multiple of its numbers' size
    entries = sorted(entries, key=lambda entry: -entry.dtype.itemsize)
    try:
        with whole_file(path, check=Pack.open) as file:
            file.write(_preamble(header, entries))
            progress.begin("writing the pack", len(entries))
            for entry in entries:
                _write_tensor(file, entry)
                progress.step()
    except OSError as error:
        raise PackError(_reason(path, error, len(entries))) from error
    return Pack.open(path)


def _check(path: Path, header: PackHeader, entries: Sequence[Entry]) -> None:
    """Refuse, before anything is written, what could not become a pack."""
    if header.kind not in PART_KINDS:
        raise PackError(f"{header.kind!r} is not a kind of part; known are {', '.join(PART_KINDS)}")
    read_header(header.to_json(), str(path))
    shapes = {entry.name: entry.shape for entry in entries}
    if len(shapes) < len(entries):
        raise PackError(f"{path}: two tensors of the pack have the same name")
    if wrong := differences(shapes, pack_shapes(header_sizes(header, shapes))):
        raise PackError(f"{path}: the tensors are not those the header promises: {wrong}")
    if not path.parent.is_dir():
        raise PackError(
            f"{path.parent} is not a folder: create it or choose another place for the pack"
        )
    if path.is_dir():
        raise PackError(f"{path} is a folder: name a file that ends in .safetensors")
    if path.suffix != ".safetensors":  # it might be a picture, or the configuration
        raise PackError(f"{path} cannot be a pack: name a file that ends in .safetensors")
    needed, free = size_of(entries), shutil.disk_usage(path.parent).free
    if needed > free:
        raise PackError(
            f"{path.parent} has {free / 1e9:.2f} GB left but the pack takes {needed / 1e9:.2f} GB: "
            "free some space or choose another place."
        )


def _preamble(header: PackHeader, entries: Sequence[Entry]) -> bytes:
    """The start of a safetensors file: length of the index, index, spaces up to 8 bytes."""
    index: dict[str, object] = {"__metadata__": {METADATA_KEY: header.to_json()}}
    start = 0
    for entry in entries:
        end = start + entry.size
        index[entry.name] = {
            "dtype": f"F{8 * entry.dtype.itemsize}",
            "shape": list(entry.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(index, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _write_tensor(file: BinaryIO, entry: Entry) -> None:
    tensor = entry.load()
    if tuple(tensor.shape) != entry.shape or not tensor.is_floating_point():
        raise PackError(
            f"tensor {entry.name} turned out as {tuple(tensor.shape)} {tensor.dtype}, expected "
            f"{entry.shape} floating point"
        )
    stored = tensor.detach().to("cpu", entry.dtype).contiguous()
    if not torch.isfinite(stored).all():
        if torch.isfinite(tensor).all():
            problem = f"holds {tensor.abs().max():.4g}, more than float16 can (65504)"
        else:
            problem = "holds NaN or infinity"
        raise PackError(f"tensor {entry.name} {problem}: the weights are damaged, fetch them again")
    file.write(stored.numpy().data)


def size_of(entries: Sequence[Entry]) -> int:
    """Bytes of these tensors in a pack."""
    return sum(entry.size for entry in entries)


def _reason(path: Path, error: OSError, count: int) -> str:
    """Say what kept the pack from being written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"{path.parent} is full or allows no file of this size, so the pack of {count} tensors "
            "was not written and nothing is left of it: free some space or choose another place."
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"{path.parent} may not be written to: choose another place for the pack ({error})"
    return f"{path} could not be written: {error}"
