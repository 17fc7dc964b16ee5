"""From crops on disk to the batches of each network; sample number n is always the same.

Sample n of a run is crop permutation[n modulo N] of pass n // N, in a variant, with noise and a
timestep all drawn from (seed, n). So a batch does not depend on how often training was
interrupted, into how many parts it is split, or on how many processes share it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.diffusion.schedule import space_timesteps
from realishuman.imaging.masks import latent_mask
from realishuman.train.config import Stage, TrainConfig
from realishuman.train.kept import Kept
from realishuman.train.latents import Latents
from realishuman.train.losses import StageOneBatch, StageTwoBatch
from realishuman.train.shards import Crops
from realishuman.train.views import AUTOENCODED, draw_autoencoded, part, reference, tensor, view

Groups = Mapping[int, tuple[int, ...]]  # by a crop's index, the others of its group
SHARES = (0.3, 0.15, 0.25, 0.15, 0.15)  # of AUTOENCODED among the autoencoder's samples


@dataclass(frozen=True)
class Order:
    """Which crop and variant sample n is, and its random numbers."""

    crops: int
    variants: int
    seed: int

    def draw(self, number: int) -> tuple[int, int, torch.Generator]:
        """Index of the crop, variant, and a generator for whatever else is random."""
        turn, place = divmod(number, self.crops)
        generator = _generator(self.seed, number)
        variant = int(torch.randint(self.variants, (), generator=generator))
        return int(_permutation(self.seed, turn, self.crops)[place]), variant, generator


@lru_cache(maxsize=4)
def _permutation(seed: int, turn: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, turn)).permutation(count)


def _generator(seed: int, number: int) -> torch.Generator:
    digest = hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


class AutoencoderData:
    """Pictures of every sort the autoencoder will meet."""

    def __init__(self, crops: Crops, config: TrainConfig, stage: Stage) -> None:
        self._crops = crops
        self._order = Order(count_trained(crops, config), config.data.variants, stage.seed)
        latent = config.pack.resolution // config.networks.factor
        self._latent = (config.networks.vae.latent_channels, latent, latent)

    def batch(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, R, R) in [-1, 1] and posterior noise (B, C, h, w)."""
        rows = [self._row(number) for number in numbers]
        return torch.stack([row[0] for row in rows]), torch.stack([row[1] for row in rows])

    def _row(self, number: int) -> tuple[Tensor, Tensor]:
        index, variant, generator = self._order.draw(number)
        rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
        crop = view(self._crops[index], index, variant)
        image = draw_autoencoded(crop, str(rng.choice(AUTOENCODED, p=SHARES)), rng)
        return image, torch.randn(self._latent, generator=generator)


class StageOneData:
    """Batches of stage one; with image tokens instead of pictures where they are kept."""

    def __init__(
        self,
        crops: Crops,
        latents: Latents,
        config: TrainConfig,
        stage: Stage,
        tokens: Kept | None = None,
        groups: Groups | None = None,
    ) -> None:
        self._crops, self._latents, self._stage, self._tokens = crops, latents, stage, tokens
        self._timesteps = _timesteps(config, stage)
        self._order = Order(count_trained(crops, config), config.data.variants, stage.seed)
        self._groups = groups

    def batch(self, numbers: Sequence[int]) -> StageOneBatch:
        """Samples of these numbers."""
        rows = [self.row(*self._order.draw(number)) for number in numbers]
        batch: StageOneBatch = _stack(StageOneBatch, rows)
        return batch

    def row(self, index: int, variant: int, generator: torch.Generator) -> StageOneBatch:
        """One sample, without the batch's dimension."""
        crop = view(self._crops[index], index, variant)
        clean, reference_latents = self._latents[index, variant]
        noise, timestep, keep = _random(clean, self._timesteps, self._stage.drop, generator)
        seen = reference(crop) if self._tokens is None else self._tokens[index, variant]
        pose = tensor(crop.pose)
        row = StageOneBatch(clean, reference_latents, seen, pose, noise, timestep, keep)
        return row if self._groups is None else self._beside(row, index, variant, generator)

    def _beside(
        self, row: StageOneBatch, index: int, variant: int, generator: torch.Generator
    ) -> StageOneBatch:
        """The sample with another crop of its group as the reference, if there is one."""
        others = (self._groups or {}).get(index, ())
        if not others:
            return replace(row, reference_pose=row.pose)
        other = others[int(torch.randint(len(others), (), generator=generator))]
        crop = view(self._crops[other], other, variant)
        latents, _ = self._latents[other, variant]
        return replace(row, reference=latents, seen=part(crop), reference_pose=tensor(crop.pose))


class StageTwoData:
    """Batches of stage two."""

    def __init__(self, crops: Crops, latents: Latents, config: TrainConfig, stage: Stage) -> None:
        self._crops, self._latents, self._stage = crops, latents, stage
        self._timesteps, self._factor = _timesteps(config, stage), config.networks.factor
        self._order = Order(count_trained(crops, config), config.data.variants, stage.seed)

    def batch(self, numbers: Sequence[int]) -> StageTwoBatch:
        """Samples of these numbers."""
        rows = [self.row(*self._order.draw(number)) for number in numbers]
        batch: StageTwoBatch = _stack(StageTwoBatch, rows)
        return batch

    def row(self, index: int, variant: int, generator: torch.Generator) -> StageTwoBatch:
        """One sample, without the batch's dimension."""
        crop = view(self._crops[index], index, variant)
        clean, shown = self._latents[index, variant]
        noise, timestep, keep = _random(clean, self._timesteps, self._stage.drop, generator)
        m_f = torch.from_numpy(crop.m_d & ~crop.m_e)[None, None]
        m_f = latent_mask(m_f, self._factor)[0].float()
        return StageTwoBatch(clean, shown, m_f, noise, timestep, keep)


def count_trained(crops: Crops, config: TrainConfig) -> int:
    """How many crops are trained on; the last ones are held out, if there are enough."""
    return max(len(crops) - config.data.held_out, (len(crops) + 1) // 2)


def _timesteps(config: TrainConfig, stage: Stage) -> Tensor:
    """Those that are trained, (T,) int64."""
    if stage.visited is None:
        return torch.arange(config.schedule.train_steps)
    return torch.tensor(space_timesteps(config.schedule, stage.visited))


def _random(
    latents: Tensor, timesteps: Tensor, drop: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Noise like `latents`, a timestep, and whether the condition is kept."""
    noise = torch.randn(latents.shape, generator=generator)
    timestep = timesteps[torch.randint(len(timesteps), (), generator=generator)]
    return noise, timestep, torch.rand((), generator=generator) >= drop


def _stack(kind: Any, rows: Sequence[Any]) -> Any:
    given = [name for name, value in vars(rows[0]).items() if value is not None]
    return kind(**{name: torch.stack([vars(row)[name] for row in rows]) for name in given})
