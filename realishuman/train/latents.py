"""Latents of all crops, made once and kept in files, so that an epoch costs only UNet work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from realishuman.diffusion.networks import Autoencoder
from realishuman.train.config import TrainConfig
from realishuman.train.crops import TrainingCrop
from realishuman.train.kept import Kept, Place, encode_all
from realishuman.train.shards import Crops
from realishuman.train.views import i_f, make_target, part, reference


class Latents:
    """Latents of what a stage paints and of what it is shown, of every crop and variant."""

    def __init__(
        self,
        crops: Crops,
        config: TrainConfig,
        stage: str,
        autoencoder: Autoencoder,
        folder: Path,
    ) -> None:
        side = config.pack.resolution // config.networks.factor
        shape = (2, config.networks.vae.latent_channels, side, side)

        def make(views: Sequence[TrainingCrop], places: Sequence[Place]) -> Tensor:
            exact = config.stage_two.exact_core
            latents = encode_all(_pictures(views, places, stage, exact), autoencoder.encode)
            return latents.reshape(len(views), *shape)

        advice = "free some space, or choose another output"
        self._kept = Kept(crops, config.data.variants, shape, folder, make, advice)

    def __getitem__(self, place: Place) -> tuple[Tensor, Tensor]:
        """Of a crop and variant: target and what is shown, (C, h, w) float32 each."""
        target, shown = self._kept[place]
        return target, shown


def _pictures(
    views: Sequence[TrainingCrop], places: Sequence[Place], stage: str, exact: bool
) -> list[Tensor]:
    """Of each view what is painted and what is shown, (3, R, R) in [-1, 1], one after the other.

    exact  as views.i_f takes it.
    """
    if stage == "stage-one":
        return [one for crop in views for one in (part(crop) * 2 - 1, reference(crop) * 2 - 1)]
    return [
        one
        for crop, place in zip(views, places, strict=True)
        for one in (
            make_target(crop) * 2 - 1,
            i_f(crop, np.random.default_rng((*place, 2)), exact=exact),
        )
    ]
