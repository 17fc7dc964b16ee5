"""From crops on disk to the batches of each network; sample number n is always the same.

Sample n of a run is crop permutation[n modulo N] of pass n // N, in a variant, with noise and a
timestep all drawn from (seed, n). So a batch does not depend on how often training was
interrupted, into how many parts it is split, or on how many processes share it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.diffusion.networks import Autoencoder
from realishuman.files import whole_file
from realishuman.imaging.masks import latent_mask, masked_image
from realishuman.train.config import Stage, TrainConfig
from realishuman.train.crops import Pixels, TrainingCrop, mirrored, recoloured
from realishuman.train.losses import StageOneBatch, StageTwoBatch
from realishuman.train.shards import Crops

AUTOENCODED = ("clean", "malformed", "part", "reference", "i_f")
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


def view(crop: TrainingCrop, index: int, variant: int) -> TrainingCrop:
    """A variant of a crop: odd ones are mirrored, from 2 on recoloured."""
    if variant % 2:
        crop = mirrored(crop)
    if variant >= 2:
        crop = recoloured(crop, np.random.default_rng((index, variant)))
    return crop


def tensor(image: NDArray[Any]) -> Tensor:
    """(H, W, 3) uint8 to (3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255


def part(crop: TrainingCrop) -> Tensor:
    """What stage one should paint: the part alone, black around it; (3, R, R) in [0, 1]."""
    return tensor(crop.clean * crop.shown[..., None])


def reference(crop: TrainingCrop) -> Tensor:
    """What stage one is shown: the part as it came, black outside m; (3, R, R) in [0, 1]."""
    return tensor(crop.malformed * crop.m[..., None])


def repaired(crop: TrainingCrop) -> Tensor:
    """What stage two should return: as it should be inside m_d, as it came outside."""
    return tensor(np.where(crop.m_d[..., None], crop.clean, crop.malformed))


def i_f(crop: TrainingCrop, rng: np.random.Generator) -> Tensor:
    """What stage two is shown, (3, R, R) in [-1, 1].

    Inside m_e lies what stage one would have painted: the clean part, mostly with a slight change
    of colour, or softened, as nothing it paints is perfect.
    """
    core = crop.clean.astype(np.float32)
    kind = rng.integers(3)
    if kind == 1:
        core = core * rng.uniform(0.92, 1.08, 3).astype(np.float32) + np.float32(rng.uniform(-6, 6))
    elif kind == 2:
        core = cv2.GaussianBlur(core, (0, 0), float(rng.uniform(0.5, 1.2)))
    m_d, m_e = (torch.from_numpy(m.copy())[None] for m in (crop.m_d, crop.m_e))
    return masked_image(
        tensor(crop.malformed), tensor(np.clip(core, 0, 255).astype(np.uint8)), m_d, m_e
    )


class AutoencoderData:
    """Pictures of every sort the autoencoder will meet."""

    def __init__(self, crops: Crops, config: TrainConfig, stage: Stage) -> None:
        self._crops = crops
        self._order = Order(trained(crops, config), config.data.variants, stage.seed)
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
        image = autoencoded(crop, str(rng.choice(AUTOENCODED, p=SHARES)), rng)
        return image, torch.randn(self._latent, generator=generator)


def autoencoded(crop: TrainingCrop, sort: str, rng: np.random.Generator) -> Tensor:
    """One of AUTOENCODED, (3, R, R) in [-1, 1]."""
    if sort == "i_f":
        return i_f(crop, rng)
    if sort in ("clean", "malformed"):
        return tensor(getattr(crop, sort)) * 2 - 1
    return (part(crop) if sort == "part" else reference(crop)) * 2 - 1


class StageOneData:
    """Batches of stage one."""

    def __init__(self, crops: Crops, latents: Latents, config: TrainConfig, stage: Stage) -> None:
        self._crops, self._latents, self._stage = crops, latents, stage
        self._steps = config.schedule.train_steps
        self._order = Order(trained(crops, config), config.data.variants, stage.seed)

    def batch(self, numbers: Sequence[int]) -> StageOneBatch:
        """Samples of these numbers."""
        rows = [self.row(*self._order.draw(number)) for number in numbers]
        batch: StageOneBatch = _stacked(StageOneBatch, rows)
        return batch

    def row(self, index: int, variant: int, generator: torch.Generator) -> StageOneBatch:
        """One sample, without the batch's dimension."""
        crop = view(self._crops[index], index, variant)
        clean, reference_latents = self._latents[index, variant]
        noise, timestep, keep = _random(clean, self._steps, self._stage.drop, generator)
        return StageOneBatch(
            clean, reference_latents, reference(crop), tensor(crop.pose), noise, timestep, keep
        )


class StageTwoData:
    """Batches of stage two."""

    def __init__(self, crops: Crops, latents: Latents, config: TrainConfig, stage: Stage) -> None:
        self._crops, self._latents, self._stage = crops, latents, stage
        self._steps, self._factor = config.schedule.train_steps, config.networks.factor
        self._order = Order(trained(crops, config), config.data.variants, stage.seed)

    def batch(self, numbers: Sequence[int]) -> StageTwoBatch:
        """Samples of these numbers."""
        rows = [self.row(*self._order.draw(number)) for number in numbers]
        batch: StageTwoBatch = _stacked(StageTwoBatch, rows)
        return batch

    def row(self, index: int, variant: int, generator: torch.Generator) -> StageTwoBatch:
        """One sample, without the batch's dimension."""
        crop = view(self._crops[index], index, variant)
        clean, shown = self._latents[index, variant]
        noise, timestep, keep = _random(clean, self._steps, self._stage.drop, generator)
        m_f = torch.from_numpy(crop.m_d & ~crop.m_e)[None, None]
        m_f = latent_mask(m_f, self._factor)[0].float()
        return StageTwoBatch(clean, shown, m_f, noise, timestep, keep)


def trained(crops: Crops, config: TrainConfig) -> int:
    """How many crops are trained on; the last ones are held out, if there are enough."""
    return max(len(crops) - config.data.held_out, (len(crops) + 1) // 2)


def _random(
    latents: Tensor, steps: int, drop: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Noise like `latents`, a timestep, and whether the condition is kept."""
    noise = torch.randn(latents.shape, generator=generator)
    timestep = torch.randint(steps, (), generator=generator)
    return noise, timestep, torch.rand((), generator=generator) >= drop


def _stacked(kind: Any, rows: Sequence[Any]) -> Any:
    return kind(**{name: torch.stack([vars(row)[name] for row in rows]) for name in vars(rows[0])})


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
            if not path.is_file() or len(np.load(path, mmap_mode="r")) < count:
                rows = [
                    _encoded(crops[i], i, config, stage, autoencoder)
                    for i in range(start, start + count)
                ]
                with whole_file(path) as file:
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


def grid(rows: Sequence[Sequence[Tensor]]) -> Pixels:
    """Pictures (3, R, R) in [0, 1], row by row, as one (H, W, 3) uint8."""
    lines = [torch.cat(list(row), dim=2) for row in rows]
    image = (torch.cat(lines, dim=1).clamp(0, 1) * 255).round().byte()
    result: Pixels = image.permute(1, 2, 0).cpu().numpy()
    return result
