"""Latents of all crops, made once and kept in files, so that an epoch costs only UNet work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.diffusion.networks import Autoencoder
from realishuman.files import whole_file
from realishuman.train.config import TrainConfig
from realishuman.train.guard import room
from realishuman.train.shards import Crops, stored
from realishuman.train.views import i_f, part, reference, repaired, view

AT_ONCE = 16  # crops whose pictures are in memory together
TOGETHER = 8  # pictures that are encoded together; a CPU's caches hold no more


class Latents:
    """Latents of what a stage paints and of what it is shown, of every crop and variant.

    Made once and kept in files, one per file of crops, so that an interruption costs one file.
    """

    def __init__(
        self,
        crops: Crops,
        config: TrainConfig,
        stage: str,
        autoencoder: Autoencoder,
        folder: Path,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._arrays: list[NDArray[np.float16]] = []
        self._starts: list[int] = []
        start = 0
        for shard in crops.shards:
            count = stored(shard)
            path = folder / shard.name.replace("crops", "latents")
            if stored(path) < count:
                rows = [
                    _encoded(crops, range(first, last), config, stage, autoencoder)
                    for first in range(start, start + count, AT_ONCE)
                    for last in [min(first + AT_ONCE, start + count)]
                ]
                with room(folder), whole_file(path) as file:
                    np.save(file, np.concatenate(rows))
            self._arrays.append(np.load(path, mmap_mode="r"))
            self._starts.append(start)
            start += count

    def __getitem__(self, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Of a crop and variant: target and what is shown, (C, h, w) float32 each."""
        index, variant = place
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        pair = torch.from_numpy(
            np.array(self._arrays[shard][index - self._starts[shard], variant], np.float32)
        )
        return pair[0], pair[1]


def _encoded(
    crops: Crops,
    chosen: range,
    config: TrainConfig,
    stage: str,
    autoencoder: Autoencoder,
) -> NDArray[np.float16]:
    """Every variant's latents of some crops, (crops, variants, 2, C, h, w)."""
    variants = config.data.variants
    places = [(index, variant) for index in chosen for variant in range(variants)]
    views = [view(crops[index], index, variant) for index, variant in places]
    if stage == "stage-one":
        images = [one for crop in views for one in (part(crop) * 2 - 1, reference(crop) * 2 - 1)]
    else:
        images = [
            one
            for crop, place in zip(views, places, strict=True)
            for one in (repaired(crop) * 2 - 1, i_f(crop, np.random.default_rng((*place, 2))))
        ]
    with torch.no_grad():
        few = torch.split(torch.stack(images), TOGETHER)
        encoded = [autoencoder.encode(some).cpu() for some in few]
    latents = torch.cat(encoded)
    pairs: NDArray[np.float16] = (
        latents.reshape(len(chosen), variants, 2, *latents.shape[1:]).half().numpy()
    )
    return pairs
