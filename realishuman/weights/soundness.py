"""A quick look at whether a pack can be what its header says, without reading gigabytes.

Names and shapes of all tensors are compared with the header, and a few numbers of each are read.
Weights that a failed training or conversion left behind are NaN all over, and this sees them; a
single spoilt number it may miss. Networks look at every number when they are loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch

from realishuman.errors import PackError
from realishuman.weights.pack import Pack, not_finite
from realishuman.weights.shapes import differences, pack_shapes
from realishuman.weights.sizes import header_sizes

_BYTES = 256  # that are read at each end of a tensor
_FLOATS = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


def check_quickly(pack: Pack) -> None:
    """Raise PackError if tensors do not fit the header, or one begins or ends with NaN."""
    try:
        about = pack.path.stat()
        why = _fault(pack, about.st_size, about.st_mtime_ns)
    except (OSError, ValueError) as error:  # changed since it was opened
        why = f"{pack.path} cannot be read ({error}). Copy or convert it again."
    if why:
        raise PackError(why)


@lru_cache(maxsize=64)
def _fault(pack: Pack, _size: int, _changed: int) -> str:
    """What is wrong with a file of this size and time, or ""; remembered until it changes."""
    with pack.path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        index: dict[str, Any] = json.loads(file.read(length))
        index.pop("__metadata__", None)
        shapes = {name: tuple(one["shape"]) for name, one in index.items()}
        try:
            expected = pack_shapes(header_sizes(pack.header, shapes))
        except PackError as error:
            return f"{pack.path}: {error}. Copy or convert it again."
        if wrong := differences(shapes, expected):
            return (
                f"{pack.path}: tensors do not fit the sizes in the pack's header ({wrong}). Copy "
                "or convert it again."
            )
        for name, one in index.items():
            begin, end = one["data_offsets"]
            for place in {begin, max(end - _BYTES, begin)}:
                file.seek(8 + length + place)
                if not _finite(file.read(min(_BYTES, end - place)), one):
                    return str(not_finite(pack.path, name))
    return ""


def _finite(content: bytes, entry: Mapping[str, Any]) -> bool:
    dtype = _FLOATS.get(entry["dtype"])
    if dtype is None or not content:
        return True
    numbers = torch.frombuffer(bytearray(content), dtype=dtype)
    return bool(torch.isfinite(numbers).all())
