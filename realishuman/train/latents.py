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
from realishuman.train.crops import TrainingCrop
from realishuman.train.guard import room
from realishuman.train.shards import Crops, stored
from realishuman.train.views import i_f, part, reference, repaired, view


class Latents:
    """Latents of what a stage paints and of what it is shown, of every crop and variant.

    Made once and kept in files, one per file of crops, so that an interruption costs one file.
    """

    def __init__(
        self, crops: Crops, config: TrainConfig, stage: str, autoencoder: Autoencoder, folder: Path
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._arrays: list[NDArray[np.float16]] = []
        self._starts: list[int] = []
        start = 0
        for shard in crops.shards:
            count = min(len(np.load(shard, mmap_mode="r")), len(crops) - start)
            if count <= 0:
                break
            path = folder / shard.name.replace("crops", "latents")
            if stored(path) < count:
                rows = [
                    _encoded(crops[i], i, config, stage, autoencoder)
                    for i in range(start, start + count)
                ]
                with room(folder), whole_file(path) as file:
                    np.save(file, np.stack(rows))
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
    crop: TrainingCrop, index: int, config: TrainConfig, stage: str, autoencoder: Autoencoder
) -> NDArray[np.float16]:
    """Every variant's latents of one crop, (variants, 2, C, h, w)."""
    images = []
    for variant in range(config.data.variants):
        one = view(crop, index, variant)
        if stage == "stage-one":
            images += [part(one) * 2 - 1, reference(one) * 2 - 1]
        else:
            images += [repaired(one) * 2 - 1, i_f(one, np.random.default_rng((index, variant, 2)))]
    with torch.no_grad():
        latents = autoencoder.encode(torch.stack(images)).cpu()
    pairs: NDArray[np.float16] = latents.reshape(-1, 2, *latents.shape[1:]).half().numpy()
    return pairs
