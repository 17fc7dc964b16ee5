"""A quick look at whether a pack can be what its header says, without reading gigabytes.

Names and shapes of all tensors are compared with the header, and a few numbers of each are read.
Weights that a failed training or conversion left behind are NaN all over, and this sees them; a
single spoilt number it may miss. Networks look at every number when they are loaded.
"""

from __future__ import annotations

from functools import lru_cache

import torch

from realishuman.errors import PackError
from realishuman.packs.pack import Pack, not_finite
from realishuman.packs.shapes import differences, pack_shapes
from realishuman.packs.sizes import header_sizes

_BYTES = 256  # that are read at each end of a tensor


def check_quickly(pack: Pack) -> None:
    """Raise PackError if tensors do not fit the header, or one begins or ends with NaN.

    Also if the file is no longer the one that was opened.
    """
    if why := _fault(pack):
        raise PackError(why)


@lru_cache(maxsize=64)
def _fault(pack: Pack) -> str:
    """What is wrong with a pack, or ""; remembered until the file changes."""
    shapes = {name: one.shape for name, one in pack.file.tensors.items()}
    try:
        expected = pack_shapes(header_sizes(pack.header, shapes))
    except PackError as error:
        return f"{pack.path}: {error}. Copy or convert it again."
    if wrong := differences(shapes, expected):
        return (
            f"{pack.path}: tensors do not fit the sizes in the pack's header ({wrong}). Copy or "
            "convert it again."
        )
    for name, numbers in pack.file.probe(_BYTES):
        if numbers.is_floating_point() and not torch.isfinite(numbers).all():
            return str(not_finite(pack.path, name))
    return ""
