"""Keeps on disk what is computed once of every crop and variant, one file per file of crops."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.files.guard import enough, room
from realishuman.files.whole import whole_file
from realishuman.train.crops import TrainingCrop
from realishuman.train.shards import Crops, count_rows
from realishuman.train.views import view

AT_ONCE = 16  # crops whose pictures are in memory together
TOGETHER = 8  # pictures that are encoded together; a CPU's caches hold no more

Place = tuple[int, int]  # index of a crop, variant
# Gets variants of crops and their places; returns one row each, (N, *shape).
Make = Callable[[Sequence[TrainingCrop], Sequence[Place]], Tensor]


class Kept:
    """An array of `shape`, float16, of every crop and variant.

    Made once and kept in files, so that an interruption costs one file. A file is made again when
    its crops became more, or the variants, or the shape changed.
    """

    def __init__(
        self,
        crops: Crops,
        variants: int,
        shape: tuple[int, ...],
        folder: Path,
        make: Make,
        advice: str,
    ) -> None:
        """Make what is missing in `folder`; its name up to the first - is that of its files.

        advice  what to do if the disk has too little room.
        Raises  SettingsError if it has, TrainingError if it is full after all.
        """
        folder.mkdir(parents=True, exist_ok=True)
        kind = folder.name.partition("-")[0]
        counts = [count_rows(shard) for shard in crops.shards]
        paths = [folder / shard.name.replace("crops", kind) for shard in crops.shards]
        starts = np.cumsum([0, *counts[:-1]]).tolist()
        missing = [
            (path, start, (count, variants, *shape))
            for path, start, count in zip(paths, starts, counts, strict=True)
            if not _holds(path, (count, variants, *shape))
        ]
        enough(folder, 2 * sum(math.prod(sizes) for *_, sizes in missing), kind, advice)
        for path, start, sizes in missing:
            rows = _rows(crops, start, sizes, make)
            with room(folder), whole_file(path) as file:
                np.save(file, rows)
        self._arrays = [np.load(path, mmap_mode="r") for path in paths]
        self._starts = starts

    def __getitem__(self, place: Place) -> Tensor:
        """Of a crop and variant, `shape`, float32."""
        index, variant = place
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        found = self._arrays[shard][index - self._starts[shard], variant]
        return torch.from_numpy(np.array(found, np.float32))


def encode_all(images: Sequence[Tensor], encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Pictures (3, R, R) through an encoder, a few at a time; on the CPU, without gradients."""
    with torch.no_grad():
        few = torch.split(torch.stack(list(images)), TOGETHER)
        return torch.cat([encode(some).cpu() for some in few])


def _holds(path: Path, sizes: tuple[int, ...]) -> bool:
    """Whether a file is whole and has at least these crops and variants, of this shape."""
    if count_rows(path) < sizes[0]:
        return False
    found: tuple[int, ...] = np.load(path, mmap_mode="r").shape
    return len(found) == len(sizes) and found[1] >= sizes[1] and found[2:] == sizes[2:]


def _rows(crops: Crops, start: int, sizes: tuple[int, ...], make: Make) -> NDArray[np.float16]:
    """What a file holds, `sizes`, of the crops from `start` on."""
    count, variants, *shape = sizes
    rows = np.empty(sizes, np.float16)
    for first in range(0, count, AT_ONCE):
        last = min(first + AT_ONCE, count)
        places = [(start + i, variant) for i in range(first, last) for variant in range(variants)]
        views = [view(crops[index], index, variant) for index, variant in places]
        rows[first:last] = make(views, places).half().reshape(-1, variants, *shape).numpy()
    return rows
